//! What a policy says, and which texts are none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tenfold::protocol::{ChannelName, Pattern, ProducerId, Token};
use tenfold_gate::{BadChange, Identity, NewIdentity, NotValid, Policy, PolicyFile};

/// The token with the id 8c1f2d9a and 43 times `x`, and its digest as `sha256sum` has it.
fn token() -> Token {
    format!("tf_8c1f2d9a_{}", "x".repeat(43)).parse().unwrap()
}

const STORED: &str = "8c1f2d9a:e231f3357fbd8ab8a9d77165c41d638e18fc533e54e183b64bdbf3cfa1edfbe6";

const POLICY: &str = r#"
[[identity]]
name = "meter7"
token = ["STORED"]
publish = ["meters.7", "meters.7.*"]
subscribe = ["commands.7"]
expires = 2027-01-01T00:00:00Z
limits = { connections = 20, channels = 10, bytes-per-second = "1MiB" }

[[identity]]
name = "operator"
token = ["0d93b2e1:0000000000000000000000000000000000000000000000000000000000000000"]
producers = ["op*", "one"]
subscribe = ["*"]
hold = true
admin = true

[anonymous]
subscribe = ["public.*"]
"#;

fn policy() -> Policy {
    Policy::parse(&POLICY.replace("STORED", STORED)).unwrap()
}

fn name(text: &str) -> ChannelName {
    text.parse().unwrap()
}

fn producer(text: &str) -> ProducerId {
    text.parse().unwrap()
}

fn before_it_expires() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

#[test]
fn a_token_is_whoever_the_policy_says() {
    let policy = policy();
    let visitor = policy.visitor(Some(&token()), before_it_expires()).unwrap();
    let meter = visitor.identity();
    assert_eq!(
        (meter.name(), visitor.token_id()),
        (Some("meter7"), Some("8c1f2d9a"))
    );
    assert!(meter.may_publish(&name("meters.7")) && meter.may_publish(&name("meters.7.power")));
    assert!(!meter.may_publish(&name("meters.70")) && !meter.may_publish(&name("commands.7")));
    assert!(meter.may_subscribe(&name("commands.7")) && !meter.may_subscribe(&name("meters.7")));
    assert!(meter.may_see(&name("commands.7")) && meter.may_see(&name("meters.7")));
    assert!(!meter.may_see(&name("secret")) && !meter.is_admin() && !meter.may_hold());
    assert_eq!(meter.limits().bytes_per_second, Some(1 << 20));
    assert_eq!(
        (meter.limits().connections, meter.limits().channels),
        (Some(20), Some(10))
    );
}

#[test]
fn a_credential_that_is_not_valid_is_nobody_whatever_the_reason() {
    let policy = policy();
    let now = before_it_expires();
    let other: Token = format!("tf_8c1f2d9a_{}", "y".repeat(43)).parse().unwrap();
    let unknown: Token = format!("tf_ffffffff_{}", "x".repeat(43)).parse().unwrap();
    for token in [other, unknown] {
        assert_eq!(
            policy.visitor(Some(&token), now).err(),
            Some(NotValid::default())
        );
    }
    let later = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert!(
        policy.visitor(Some(&token()), later).is_err(),
        "it has expired"
    );
    let without = Policy::parse("").unwrap();
    assert!(without.visitor(None, now).is_err());
    assert!(without.visitor(Some(&token()), now).is_err());
}

#[test]
fn without_a_credential_a_client_is_anonymous_if_the_policy_has_that() {
    let visitor = policy().visitor(None, before_it_expires()).unwrap();
    let anonymous = visitor.identity();
    assert_eq!(anonymous.name(), None);
    assert!(anonymous.may_subscribe(&name("public.news")));
    assert!(
        !anonymous.may_subscribe(&name("publi")) && !anonymous.may_publish(&name("public.news"))
    );
    assert!(!anonymous.may_produce(&producer("p")), "no name is its own");
    assert!(anonymous.may_produce(&ProducerId::temporary(7)));
}

#[test]
fn a_producers_name_belongs_to_an_identity() {
    let policy = policy();
    let visitor = policy.visitor(Some(&token()), before_it_expires()).unwrap();
    let meter = visitor.identity();
    for own in ["meter7", "meter7.a", "meter7_a", "_0123456789abcdef"] {
        assert!(meter.may_produce(&producer(own)), "{own}");
    }
    for other in ["meter", "meter70", "meter7-a", "Meter7", "operator"] {
        assert!(!meter.may_produce(&producer(other)), "{other}");
    }
    let (operator, _) = policy.identities().nth(1).unwrap();
    assert!(operator.may_produce(&producer("one")) && operator.may_produce(&producer("op-2")));
    assert!(!operator.may_produce(&producer("one2")));
}

#[test]
fn a_client_is_looked_at_again_when_the_policy_or_the_time_has_changed() {
    let now = before_it_expires();
    let visitor = policy().visitor(Some(&token()), now).unwrap();
    let fewer = POLICY
        .replace("STORED", STORED)
        .replace(r#""meters.7", "#, "");
    let again = Policy::parse(&fewer).unwrap().again(&visitor, now).unwrap();
    assert!(!again.identity().may_publish(&name("meters.7")));
    let revoked = POLICY.replace(r#"token = ["STORED"]"#, "");
    assert!(
        Policy::parse(&revoked)
            .unwrap()
            .again(&visitor, now)
            .is_err()
    );
    let expires = policy().next_expiry(now).unwrap();
    assert!(
        policy()
            .again(&visitor, expires - Duration::from_nanos(1))
            .is_ok()
    );
    assert!(policy().again(&visitor, expires).is_err());
    assert_eq!(policy().next_expiry(expires), None);
}

#[test]
fn a_mistake_is_told_with_its_line() {
    for (text, line, words) in [
        ("[[identity]]\nname = \"a\"\ncolour = 1\n", 3, "colour"),
        ("[[identity]]\ntoken = []\n", 1, "name"),
        ("[[identity]]\nname = \"A\"\n", 2, "a name of 1 to 64"),
        (
            "[[identity]]\nname = \"a\"\n\n[[identity]]\nname = \"a\"\n",
            5,
            "above",
        ),
        (
            "[[identity]]\nname = \"a\"\npublish = [\"x\", \"*x\"]\n",
            3,
            "a channel name",
        ),
        (
            "[[identity]]\nname = \"a\"\ntoken = [\"secret\"]\n",
            3,
            "ID:SHA256",
        ),
        (
            "[[identity]]\nname = \"a\"\nproducers = [\"a b\"]\n",
            3,
            "a producer's name",
        ),
        (
            "[[identity]]\nname = \"a\"\nexpires = 2027-01-01\n",
            3,
            "offset",
        ),
        (
            "[[identity]]\nname = \"a\"\nlimits = { bytes-per-second = \"fast\" }\n",
            3,
            "size",
        ),
        (
            "[[identity]]\nname = \"a\"\nlimits = { bytes_per_second = 1 }\n",
            3,
            "bytes_per_second",
        ),
        ("[anonymous]\nadmin = true\n", 2, "admin"),
        ("[anonymous\n", 1, ""),
        ("identity = 1\n", 1, ""),
    ] {
        let bad = Policy::parse(text).unwrap_err();
        assert_eq!(bad.line(), line, "{text}: {bad}");
        assert!(bad.to_string().contains(words), "{text}: {bad}");
    }
    let twice = POLICY
        .replace("STORED", STORED)
        .replace("0d93b2e1:", "8c1f2d9a:");
    assert!(
        Policy::parse(&twice)
            .unwrap_err()
            .to_string()
            .ends_with("a token of this id is above")
    );
}

#[test]
fn a_changed_file_keeps_what_its_owner_has_written() {
    let text = "# Ours.\n[[identity]]\nname = \"a\" # the first\npublish = [ \"x\" ]\n";
    let mut file = PolicyFile::parse(text).unwrap();
    let first = file.new_token("a", &NewIdentity::default()).unwrap();
    let second = file.new_token("a", &NewIdentity::default()).unwrap();
    let written = file.to_string();
    assert!(written.starts_with(text), "{written}");
    let policy = Policy::parse(&written).unwrap();
    let now = before_it_expires();
    for token in [&first, &second] {
        assert!(policy.visitor(Some(token), now).is_ok());
    }
    assert!(!written.contains(first.secret()));
    assert_eq!(file.revoke(first.id()).unwrap(), 1);
    let policy = Policy::parse(&file.to_string()).unwrap();
    assert!(
        policy.visitor(Some(&first), now).is_err() && policy.visitor(Some(&second), now).is_ok()
    );
    assert_eq!(file.revoke("a").unwrap(), 1);
    assert!(matches!(file.revoke("a"), Err(BadChange::Unknown)));
}

#[test]
fn a_new_identity_has_the_rights_that_were_given() {
    let mut file = PolicyFile::new();
    assert!(matches!(
        file.new_token("a", &NewIdentity::default()),
        Err(BadChange::NoRights)
    ));
    let mut rights = NewIdentity::default();
    rights.publish = vec!["x.*".parse().unwrap(), "y".parse().unwrap()];
    rights.expires = Some("2027-01-01T00:00:00Z".parse().unwrap());
    let token = file.new_token("a", &rights).unwrap();
    assert!(matches!(
        file.new_token("a", &rights),
        Err(BadChange::Exists)
    ));
    assert!(matches!(file.new_token("A", &rights), Err(BadChange::Name)));
    let policy = Policy::parse(&file.to_string()).unwrap();
    let visitor = policy.visitor(Some(&token), before_it_expires()).unwrap();
    assert!(
        visitor.identity().may_publish(&name("x.1")) && visitor.identity().may_publish(&name("y"))
    );
    assert!(!visitor.identity().may_subscribe(&name("y")));
}

#[test]
fn whoever_comes_to_a_hub_without_a_policy_may_do_everything() {
    let anybody = Identity::anybody();
    let all = [
        anybody.may_publish(&name("x")),
        anybody.may_subscribe(&name("x")),
        anybody.may_produce(&producer("p")),
    ];
    assert!(all == [true; 3] && anybody.may_hold() && anybody.is_admin());
}

proptest! {
    /// Rights are as a naive matcher has them, and two patterns meet if and only if some name fits both.
    #[test]
    fn patterns_are_the_names_that_begin_so(
        rules in prop::collection::vec("[ab]{0,2}[*]|[ab]{1,3}", 0..4),
        pattern in "[ab]{0,2}[*]|[ab]{1,3}",
    ) {
        let text = format!("[anonymous]\nsubscribe = {rules:?}\n");
        let policy = Policy::parse(&text).unwrap();
        let visitor = policy.visitor(None, UNIX_EPOCH).unwrap();
        let identity = visitor.identity();
        let naive = |rule: &str, name: &str| match rule.strip_suffix('*') {
            Some(start) => name.len() >= start.len() && name[..start.len()] == *start,
            None => rule == name,
        };
        let names = (1..=4).flat_map(|length| (0..1 << length).map(move |bits: u32| {
            (0..length).map(|bit| if bits >> bit & 1 == 1 { 'a' } else { 'b' }).collect::<String>()
        }));
        let mut meet = false;
        for text in names {
            let allowed = rules.iter().any(|rule| naive(rule, &text));
            prop_assert_eq!(identity.may_subscribe(&name(&text)), allowed);
            meet |= allowed && naive(&pattern, &text);
        }
        prop_assert_eq!(identity.may_follow(&pattern.parse::<Pattern>().unwrap()), meet);
    }
}
