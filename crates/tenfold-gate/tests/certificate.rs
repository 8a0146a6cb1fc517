//! Whose a client's certificate is.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData, SanType};
use tenfold::protocol::Token;
use tenfold_gate::{Certificate, Credentials, NotValid, Policy};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

struct Made {
    certificate: Certificate,
    /// The SHA-256 of its public key.
    key: String,
}

fn make(common_name: &str, names: &[SanType]) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.subject_alt_names = names.to_vec();
    let der = params.self_signed(&key).unwrap();
    Made {
        certificate: Certificate::read(der.der()).unwrap(),
        key: sha256(&key.subject_public_key_info()),
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};

    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(uri: &str) -> SanType {
    SanType::URI(uri.try_into().unwrap())
}

/// A policy in which `meter7` has this certificate.
fn policy(certificate: &str) -> Policy {
    let text = format!("[[identity]]\nname = \"meter7\"\ncertificate = {certificate}\n");
    Policy::parse(&text).unwrap()
}

fn name(policy: &Policy, made: &Made, token: Option<&Token>) -> Result<Option<String>, NotValid> {
    let shown = Credentials::new(Some(made.certificate.clone()), token);
    let visitor = policy.visitor(shown, now())?;
    Ok(visitor.identity().name().map(str::to_owned))
}

#[test]
fn a_certificate_is_known_by_a_whole_name_or_by_its_key() {
    let made = make(
        "meter7.example",
        &[dns("Meter7.example"), uri("spiffe://example/meter/7")],
    );
    for rule in [
        "\"dns:meter7.example\"".to_owned(),
        "\"dns:METER7.example\"".to_owned(),
        "\"uri:spiffe://example/meter/7\"".to_owned(),
        format!("\"sha256:{}\"", made.key),
        "[\"dns:old.example\", \"dns:meter7.example\"]".to_owned(),
    ] {
        assert_eq!(
            name(&policy(&rule), &made, None),
            Ok(Some("meter7".into())),
            "{rule}"
        );
    }
    for other in [
        "\"dns:example\"",
        "\"dns:7.example\"",
        "\"dns:meter7.example.org\"",
        "\"dns:meter7\"",
        "\"uri:spiffe://example/meter\"",
        "\"uri:spiffe://example/meter/77\"",
        "\"uri:Spiffe://example/meter/7\"",
        "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
    ] {
        assert_eq!(
            name(&policy(other), &made, None),
            Err(NotValid::default()),
            "{other}"
        );
    }
}

#[test]
fn a_common_name_does_not_count_and_neither_does_a_wildcard() {
    let policy = policy("\"dns:meter7.example\"");
    for made in [
        make("meter7.example", &[]),
        make("meter7.example", &[dns("other.example")]),
        make("meter7.example", &[dns("*.example")]),
        make("x", &[uri("https://meter7.example")]),
        make(
            "x",
            &[SanType::Rfc822Name("meter7.example".try_into().unwrap())],
        ),
    ] {
        assert_eq!(
            name(&policy, &made, None),
            Err(NotValid::default()),
            "{:?}",
            made.certificate
        );
    }
}

#[test]
fn the_certificate_comes_first_then_the_token_then_anonymous() {
    let token: Token = format!("tf_8c1f2d9a_{}", "x".repeat(43)).parse().unwrap();
    let text = "\
        [[identity]]\nname = \"old\"\ncertificate = \"dns:old\"\nexpires = 2020-01-01T00:00:00Z\n\
        [[identity]]\nname = \"a\"\ncertificate = \"dns:a\"\n\
        [[identity]]\nname = \"b\"\ntoken = [\"8c1f2d9a:e231f3357fbd8ab8a9d77165c41d638e18fc533e54e183b64bdbf3cfa1edfbe6\"]\n\
        [anonymous]\n";
    let policy = Policy::parse(text).unwrap();
    let (a, unknown, old) = (
        make("", &[dns("a")]),
        make("", &[dns("c")]),
        make("", &[dns("old")]),
    );
    let nobody: Token = format!("tf_ffffffff_{}", "x".repeat(43)).parse().unwrap();
    assert_eq!(name(&policy, &a, Some(&token)), Ok(Some("a".into())));
    assert_eq!(name(&policy, &a, Some(&nobody)), Ok(Some("a".into())));
    assert_eq!(name(&policy, &unknown, Some(&token)), Ok(Some("b".into())));
    assert_eq!(
        name(&policy, &unknown, Some(&nobody)),
        Err(NotValid::default())
    );
    assert_eq!(name(&policy, &unknown, None), Ok(None));
    // Whose identity has expired is nobody, whatever else it shows.
    assert_eq!(name(&policy, &old, Some(&token)), Err(NotValid::default()));
    assert_eq!(name(&policy, &old, None), Err(NotValid::default()));
    // Of several that know a certificate the first of the file has it.
    let both = make("", &[dns("a"), dns("old")]);
    assert_eq!(name(&policy, &both, None), Err(NotValid::default()));
}

#[test]
fn a_policy_that_changes_is_asked_again_with_the_same_certificate() {
    let made = make("", &[dns("a.example")]);
    let before = policy("\"dns:a.example\"");
    let shown = Credentials::new(Some(made.certificate), None);
    let visitor = before.visitor(shown, now()).unwrap();
    assert!(before.again(&visitor, now()).is_ok());
    assert!(policy("\"dns:b.example\"").again(&visitor, now()).is_err());
}

#[test]
fn what_is_not_a_rule_for_certificates_is_an_error_with_its_line() {
    for wrong in [
        "\"meter7.example\"",
        "\"cn:meter7\"",
        "\"dns:\"",
        "\"dns:*.example\"",
        "\"dns:meter 7\"",
        "\"uri:nowhere\"",
        "\"sha256:12\"",
        "[\"dns:a\", \"b\"]",
        "7",
    ] {
        let text = format!("[[identity]]\nname = \"a\"\ncertificate = {wrong}\n");
        let bad = Policy::parse(&text).unwrap_err();
        assert_eq!(bad.line(), 3, "{wrong}: {bad}");
    }
    let twice = "[[identity]]\nname = \"a\"\ncertificate = \"dns:x\"\n\
        [[identity]]\nname = \"b\"\ncertificate = \"dns:X\"\n";
    let bad = Policy::parse(twice).unwrap_err();
    assert_eq!(bad.to_string(), "line 6: this certificate is above");
    assert!(Certificate::read(b"not a certificate").is_err());
}
