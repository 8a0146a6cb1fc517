//! Bytes that somebody has pasted as text: dumps, arrays of C, escapes, hexadecimal digits, base64.

/// Bytes that were pasted as text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pasted {
    /// The bytes themselves.
    pub bytes: Vec<u8>,
    /// How they were written: "a dump".
    pub written: &'static str,
    /// Other text looks so, too: a stream can consist of digits.
    pub is_doubtful: bool,
}

/// The bytes that this text stands for, if it is a dump of `xxd` or `hexdump -C`, an array of C, a string of `\x..`,
/// or nothing but hexadecimal digits or base64.
///
/// ```
/// let pasted = tenfold_doctor::pasted(b"00000000: 3120 2020 2020 2020 2020 61  1         a\n").unwrap();
/// assert_eq!(pasted.bytes, b"1         a");
/// assert_eq!(pasted.written, "a dump");
/// assert_eq!(tenfold_doctor::pasted(b"hello\n"), None);
/// ```
pub fn pasted(text: &[u8]) -> Option<Pasted> {
    let text = std::str::from_utf8(text).ok()?;
    let sure = [
        (dump as fn(&str) -> Option<Vec<u8>>, "a dump"),
        (array, "an array of C"),
        (escapes, "escapes"),
    ];
    let doubtful = [
        (digits as fn(&str) -> Option<Vec<u8>>, "hexadecimal digits"),
        (base64, "base64"),
    ];
    let all = sure.map(|way| (way, false)).into_iter();
    all.chain(doubtful.map(|way| (way, true)))
        .find_map(|((read, written), is_doubtful)| {
            let bytes = read(text).filter(|bytes| !bytes.is_empty())?;
            Some(Pasted {
                bytes,
                written,
                is_doubtful,
            })
        })
}

/// The last offset up to which rows are repeated: a few characters can ask for any number of them.
const MOST_REPEATED: usize = 16 << 20;

/// Lines of an offset, and pairs of digits.
fn dump(text: &str) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut repeats = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // The row before, again and again up to the next offset.
        if line == "*" {
            repeats = true;
            continue;
        }
        let (offset, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
        let is_offset = (6..=16).contains(&offset.len());
        let offset = usize::from_str_radix(offset, 16)
            .ok()
            .filter(|_| is_offset)?;
        if std::mem::take(&mut repeats) {
            let row = bytes.len().checked_sub(16)?;
            let is_near = (bytes.len()..=MOST_REPEATED).contains(&offset);
            if !is_near {
                return None;
            }
            for at in 0..offset - bytes.len() {
                bytes.push(bytes[row + at % 16]);
            }
        }
        if offset != bytes.len() {
            return None;
        }
        row(rest, &mut bytes);
    }
    Some(bytes)
}

/// The pairs of a row, up to what shows them as characters.
fn row(rest: &str, bytes: &mut Vec<u8>) {
    const MOST: usize = 16;
    let rest = rest.trim_start_matches([':', ' ']);
    let mut left = MOST;
    let mut gap = 0;
    for word in rest.split(' ') {
        // Two spaces are in the middle of `hexdump -C`, and before the characters of `xxd`.
        if word.is_empty() {
            gap += 1;
            continue;
        }
        let is_end = gap > 0 && left != MOST / 2;
        let pairs = pairs(word).filter(|pairs| !is_end && pairs.len() <= left);
        let Some(pairs) = pairs else { return };
        left -= pairs.len();
        bytes.extend(pairs);
        gap = 0;
    }
}

/// `{ 0x35, 0x20 }`, with what stands before it.
fn array(text: &str) -> Option<Vec<u8>> {
    let inside = match text.split_once('{') {
        // The end may be still to come.
        Some((_, inside)) => inside.split('}').next()?,
        None => text,
    };
    let words = inside
        .split([',', ' ', '\n', '\r', '\t'])
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            let digits = word
                .strip_prefix("0x")
                .or_else(|| word.strip_prefix("0X"))?;
            u8::from_str_radix(digits, 16).ok()
        })
        .collect()
}

/// `\x35\x20`, in quotes or without.
fn escapes(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = text
        .strip_prefix('b')
        .unwrap_or(text)
        .trim_matches(['"', '\'']);
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix(r"\x").map(|_| text)?;
    while let Some(digits) = rest.strip_prefix(r"\x") {
        bytes.extend(pairs(digits.get(..2)?)?);
        rest = &digits[2..];
    }
    rest.is_empty().then_some(bytes)
}

/// Nothing but pairs of digits, and blanks between them.
fn digits(text: &str) -> Option<Vec<u8>> {
    const LEAST: usize = 8;
    let words: Option<Vec<Vec<u8>>> = text.split_whitespace().map(pairs).collect();
    words
        .map(|words| words.concat())
        .filter(|bytes| bytes.len() >= LEAST)
}

fn pairs(word: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = word
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

/// RFC 4648, in one line or several.
fn base64(text: &str) -> Option<Vec<u8>> {
    let letters: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let end = letters
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    if letters.len() < 12 || !letters.len().is_multiple_of(4) || end > 2 {
        return None;
    }
    let (mut bytes, mut bits, mut have) = (Vec::new(), 0_u32, 0);
    for letter in &letters[..letters.len() - end] {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have).to_le_bytes()[0]);
            bits &= (1 << have) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"5         hello12        hello, world\x00\xff";

    fn check(text: &str, written: &str) {
        let pasted = pasted(text.as_bytes()).unwrap();
        assert_eq!(pasted.bytes, STREAM, "{text}");
        assert_eq!(pasted.written, written);
    }

    #[test]
    fn each_way_to_paste_bytes_is_read() {
        check(
            "00000000: 3520 2020 2020 2020 2020 6865 6c6c 6f31  5         hello1\n\
             00000010: 3220 2020 2020 2020 2068 656c 6c6f 2c20  2        hello, \n\
             00000020: 776f 726c 6400 ff                        world..\n",
            "a dump",
        );
        check(
            "00000000  35 20 20 20 20 20 20 20  20 20 68 65 6c 6c 6f 31  |5         hello1|\n\
             00000010  32 20 20 20 20 20 20 20  20 68 65 6c 6c 6f 2c 20  |2        hello, |\n\
             00000020  77 6f 72 6c 64 00 ff                              |world..|\n\
             00000027\n",
            "a dump",
        );
        let each = |form: fn(&u8) -> String, between: &str| {
            let bytes: Vec<String> = STREAM.iter().map(form).collect();
            bytes.join(between)
        };
        let list = each(|byte| format!("0x{byte:02x}"), ", ");
        check(
            &format!("static const uint8_t data[] = {{\n  {list},\n}};\n"),
            "an array of C",
        );
        check(&list, "an array of C");
        let escaped = each(|byte| format!("\\x{byte:02x}"), "");
        check(&format!("b'{escaped}'\n"), "escapes");
        check(
            &each(|byte| format!("{byte:02x}"), ""),
            "hexadecimal digits",
        );
        check(
            &each(|byte| format!("{byte:02X}"), " "),
            "hexadecimal digits",
        );
        check(
            "NSAgICAgICAgIGhlbGxvMTIgICAgICAgIGhlbGxvLCB3b3Js\nZAD/\n",
            "base64",
        );
    }

    #[test]
    fn rows_that_are_left_out_are_repeated() {
        let row = "00000000  61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  |aaaaaaaaaaaaaaaa|\n*\n00000041\n";
        assert_eq!(pasted(row.as_bytes()).unwrap().bytes, b"a".repeat(65));
        let row = row.replace("00000041", "00000040");
        assert_eq!(pasted(row.as_bytes()).unwrap().bytes, b"a".repeat(64));
        let far = row.replace("00000040", "fffffffffff0");
        assert_eq!(
            pasted(far.as_bytes()),
            None,
            "what a dump declares is not allocated"
        );
    }

    #[test]
    fn other_text_is_not_pasted_bytes() {
        for text in [
            "hello\n",
            "{\"a\": 1}\n",
            "5         hello",
            "00000010: 61\n",
            "0x\n",
            "",
            "\\x6",
            "abc",
        ] {
            assert_eq!(pasted(text.as_bytes()), None, "{text}");
        }
    }
}
