//! What text of others does where people read it.

/// Whether a terminal would do something else with the character than show it: it controls, it changes the direction of
/// the text or ends its line, or nothing is seen of it. The joiners in emoji and in Persian are not hidden.
///
/// ```
/// use tenfold::text::is_hidden;
///
/// assert!(is_hidden('\u{1b}') && is_hidden('\u{202e}'));
/// assert!(!is_hidden('é') && !is_hidden('\u{200d}'));
/// ```
pub fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
