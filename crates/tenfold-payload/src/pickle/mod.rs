//! Python's pickle, shown and never executed.
//!
//! A pickle is a program for a machine with a stack. This is that machine without the two
//! instructions that make pickles dangerous: where Python would import a name or call something,
//! the name or the call itself becomes a value.
//!
//! | in the pickle | as JSON |
//! |---|---|
//! | a tuple | as a list |
//! | a set | `{"$set": [1, 2]}`, `{"$frozenset": [1, 2]}` |
//! | a name that would be imported | `{"$global": "os.system"}` |
//! | a call | `{"$call": "os.system", "args": ["true"]}`, also with `kwargs`, and with `state`, `items`, `entries` for what would be put into the result |
//! | an object of somewhere else | `{"$persistent": 7}`, `{"$extension": 1}`, `{"$buffer": true}` |
//!
//! A value that is used several times is shown each time. So that a few bytes cannot become
//! gigabytes, there is a limit on the text. Work follows the bytes of the pickle and those of the text.

mod dicts;
mod machine;
mod node;
mod reading;
mod show;

use crate::Problem;
use machine::Machine;

/// The value that a pickle makes, as JSON.
pub(super) fn show(message: &[u8]) -> Result<String, Problem> {
    let mut machine = Machine::new(message);
    let root = machine.run()?;
    match machine.rest() {
        0 => {}
        rest => return Err(Problem::after("pickle", rest)),
    }
    let mut nodes = machine.into_nodes();
    dicts::settle(&mut nodes);
    show::text(&nodes, root, message.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pickle: &[u8]) -> String {
        show(pickle).unwrap()
    }

    fn problem(pickle: &[u8]) -> String {
        show(pickle).unwrap_err().to_string()
    }

    #[test]
    fn every_protocol_has_the_same_values() {
        // pickle.dumps({"a": [1, -2, 2.5, None, True], "b": (b"\xff", "é")}, protocol)
        let of_0 = b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naF2.5\naNaI01\nasVb\np3\n(c_codecs\nencode\np4\n(V\xff\np5\nVlatin1\np6\ntp7\nRp8\nV\xe9\np9\ntp10\ns.";
        assert_eq!(
            shown(of_0),
            r#"{"a":[1,-2,2.5,null,true],"b":[{"$call":"_codecs.encode","args":["ÿ","latin1"]},"é"]}"#
        );
        let of_4 = b"\x80\x04\x95\x2c\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffG@\x04\0\0\0\0\0\0N\x88e\x8c\x01b\x94C\x01\xff\x94\x8c\x02\xc3\xa9\x94\x86\x94u.";
        assert_eq!(
            shown(of_4),
            r#"{"a":[1,-2,2.5,null,true],"b":[{"$base64":"/w=="},"é"]}"#
        );
    }

    #[test]
    fn what_would_be_executed_is_shown() {
        assert_eq!(
            shown(b"cos\nsystem\n(S'echo owned'\ntR."),
            r#"{"$call":"os.system","args":["echo owned"]}"#
        );
        assert_eq!(
            shown(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R."),
            r#"{"$call":"posix.system","args":["ls"]}"#
        );
        assert_eq!(
            shown(b"(S'ls'\nios\nsystem\n."),
            r#"{"$call":"os.system","args":["ls"]}"#
        );
        assert_eq!(shown(b"cos\nsystem\n."), r#"{"$global":"os.system"}"#);
    }

    #[test]
    fn objects_are_calls_with_a_state() {
        let pickle = b"\x80\x02cm\nC\n)\x81}X\x01\0\0\0aK\x01sb.";
        assert_eq!(
            shown(pickle),
            r#"{"$call":"m.C","args":[],"state":{"a":1}}"#
        );
        let ordered = b"ccollections\nOrderedDict\n)R(X\x01\0\0\0aK\x01u.";
        assert_eq!(
            shown(ordered),
            r#"{"$call":"collections.OrderedDict","args":[],"entries":[["a",1]]}"#
        );
    }

    #[test]
    fn sets_and_large_numbers_are_shown() {
        assert_eq!(shown(b"\x8f(K\x01K\x02\x90."), r#"{"$set":[1,2]}"#);
        assert_eq!(shown(b"(K\x01\x91."), r#"{"$frozenset":[1]}"#);
        assert_eq!(
            shown(b"\x8a\x09\0\0\0\0\0\0\0\0\x01."),
            r#"{"$int":"18446744073709551616"}"#
        );
        assert_eq!(shown(b"\x8a\x01\xff."), "-1");
        assert_eq!(shown(b"\x8a\0."), "0");
        let mut wide = b"\x8a\x11".to_vec();
        wide.extend([0; 16]);
        wide.extend(b"\x01.");
        let hex = format!(r#"{{"$int":"0x1{}"}}"#, "0".repeat(32));
        assert_eq!(shown(&wide), hex);
    }

    #[test]
    fn a_value_that_contains_itself_is_refused() {
        assert!(problem(b"]q\0h\0a.").contains("contains itself"));
    }

    #[test]
    fn a_few_bytes_do_not_become_gigabytes() {
        let lots = vec![b'x'; 1 << 16];
        let mut bomb = [b"X\0\0\x01\0", &lots[..], b"q\0"].concat();
        for level in 0..60_u8 {
            bomb.extend([b'(', b'h', level, b'h', level, b'l', b'q', level + 1]);
        }
        bomb.push(b'.');
        assert!(problem(&bomb).contains("more than"));
    }

    #[test]
    fn a_dict_that_is_named_again_and_again_is_understood_once() {
        // 200,000 entries with one key, and 200,000 times this dict: each entry once for each time is 40 thousand
        // million.
        let many = 200_000;
        let entries = b"h\0N".repeat(many);
        let names = b"h\x01".repeat(many);
        let pickle = [
            b"X\x01\0\0\0kq\x000}q\x01(",
            &entries[..],
            b"u0(",
            &names,
            b"l.",
        ]
        .concat();
        assert_eq!(
            shown(&pickle),
            format!("[{}]", vec![r#"{"k":null}"#; many].join(","))
        );
    }

    #[test]
    fn a_long_key_is_looked_at_once() {
        let (long, many) = (1 << 20, 200_000);
        let text = vec![b'k'; long];
        let entries = b"h\0N".repeat(many);
        let pickle = [b"X\0\0\x10\0", &text[..], b"q\x000}(", &entries, b"u."].concat();
        let key = String::from_utf8(text).unwrap();
        assert_eq!(shown(&pickle), format!("{{\"{key}\":null}}"));
    }

    #[test]
    fn names_take_no_more_memory_than_their_text() {
        // 200,000 names of two mebibytes.
        let text = vec![b'm'; 1 << 20];
        let globals = b"h\0h\0\x930".repeat(200_000);
        let pickle = [b"X\0\0\x10\0", &text[..], b"q\x000", &globals, b"N."].concat();
        assert_eq!(shown(&pickle), "null");
    }

    #[test]
    fn nonsense_says_where_it_is() {
        assert!(problem(b"").contains("at byte 0"));
        assert!(problem(b"hello").contains("byte 0"));
        assert!(problem(b"\x80\x04K").contains("at byte 3"));
        assert!(problem(b"a.").contains("byte 0"));
        assert!(problem(b"\x80\x09N.").contains("protocol 9"));
        assert!(problem(b"h\x05.").contains("byte 0"));
        assert!(problem(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.").contains("ends"));
    }
}
