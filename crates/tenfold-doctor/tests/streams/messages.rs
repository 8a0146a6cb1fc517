//! Messages made of numbers from a seed.

use crate::seeds::Random;

const WORDS: &[&str] = &[
    "temperature",
    "is",
    "the",
    "a",
    "hello",
    "no",
    "yes",
    "and",
    "sensor",
    "kitchen",
    "of",
    "message",
    "I",
    "you",
    "there",
    "socket",
    "please",
    "what",
    "ok",
];

impl Random {
    fn words(&mut self, most: u64) -> String {
        let count = 1 + self.below(most);
        let words: Vec<&str> = (0..count)
            .map(|_| WORDS[usize::try_from(self.below(WORDS.len() as u64)).unwrap()])
            .collect();
        words.join(" ")
    }

    pub(crate) fn objects(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut object = || {
            let (id, words, value) = (self.below(100_000), self.words(6), self.below(4000));
            format!("{{\"id\":{id},\"text\":\"{words}\",\"value\":{value}}}").into_bytes()
        };
        (0..count).map(|_| object()).collect()
    }

    pub(crate) fn texts(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.words(12).into_bytes()).collect()
    }

    /// Texts of more than 127 bytes among shorter ones.
    pub(crate) fn long_texts(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut texts = self.texts(count);
        for text in texts.iter_mut().step_by(2) {
            *text = text.repeat(200 / text.len() + 1);
            text.truncate(130 + text.len() % 100);
        }
        texts
    }

    pub(crate) fn noises(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut noise = || {
            (0..20 + self.below(100))
                .map(|_| self.next().to_le_bytes()[4])
                .collect()
        };
        (0..count).map(|_| noise()).collect()
    }

    /// Texts, some of which have characters of these.
    pub(crate) fn words_with(&mut self, characters: &str, count: usize) -> Vec<Vec<u8>> {
        let characters: Vec<char> = characters.chars().collect();
        (0..count)
            .map(|n| {
                let mut text = self.words(8);
                if n % 3 != 2 {
                    text.push(' ');
                    text.push(characters[n % characters.len()]);
                }
                text += " end";
                text.into_bytes()
            })
            .collect()
    }

    /// Texts with no newline in them, one, or several.
    pub(crate) fn with_newlines(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|n| {
                [self.words(5), "\n".repeat(n % 4), self.words(5)]
                    .concat()
                    .into_bytes()
            })
            .collect()
    }
}
