//! The values of the records.
//!
//! Owns: the three kinds of payloads, and how a file is cut into them. Must not know: flags, producers.
//! Threads: one set of payloads for all threads, and a [`PayloadChoice`] for each.
//! Holds: taking a payload costs next to nothing, whatever its size: letters are made before the test begins.
//! Source: `ProducerPerformance.generateRandomPayload` and `readPayloadFile`.

use super::splittable_random::SplittableRandom;

/// What the records of a test hold.
#[derive(Debug)]
pub(super) enum RecordPayloads {
    /// Letters from A to Z, `size` of them for each record. Records repeat those that came [`LETTERS_MOST`] before.
    Letters { size: usize, letters: Vec<u8> },
    /// One of these, by chance.
    OneOf(Vec<Vec<u8>>),
    /// The record's number, from 0 on, in decimal figures.
    Monotonic,
}

impl RecordPayloads {
    /// Letters for so many records of this size, the same that Java's tool makes.
    pub(super) fn letters(size: usize, records: u64) -> RecordPayloads {
        let size = size.max(1);
        let distinct = (LETTERS_MOST / size).max(1);
        let distinct = usize::try_from(records).unwrap_or(usize::MAX).clamp(1, distinct);
        let mut random = SplittableRandom::new(0);
        let letters = (0..distinct * size).map(|_| random.below(26) as u8 + b'A').collect();
        RecordPayloads::Letters { size, letters }
    }

    /// What one thread needs to choose.
    pub(super) fn choice(&self, thread: u64) -> PayloadChoice<'_> {
        PayloadChoice { payloads: self, random: SplittableRandom::new(thread), figures: Vec::new() }
    }
}

/// One thread's way of taking payloads.
pub(super) struct PayloadChoice<'p> {
    payloads: &'p RecordPayloads,
    random: SplittableRandom,
    figures: Vec<u8>,
}

impl PayloadChoice<'_> {
    /// The value of the record with this number.
    pub(super) fn of_record(&mut self, number: u64) -> &[u8] {
        match self.payloads {
            RecordPayloads::Letters { size, letters } => {
                let distinct = (letters.len() / size).max(1) as u64;
                let from = (number % distinct) as usize * size;
                letters.get(from..from + size).unwrap_or_default()
            }
            RecordPayloads::OneOf(list) => {
                let chosen = self.random.below(u32::try_from(list.len()).unwrap_or(u32::MAX));
                list.get(chosen as usize).map_or(&[], Vec::as_slice)
            }
            RecordPayloads::Monotonic => {
                self.figures.clear();
                self.figures.extend_from_slice(number.to_string().as_bytes());
                &self.figures
            }
        }
    }
}

/// A file's payloads: what lies between delimiters, without what would be empty at its very beginning and end.
pub(super) fn parts_of_file(text: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = position(rest, delimiter) {
        parts.push(rest[..at].to_vec());
        rest = &rest[at + delimiter.len()..];
    }
    if !rest.is_empty() {
        parts.push(rest.to_vec());
    }
    if parts.first().is_some_and(Vec::is_empty) {
        parts.remove(0);
    }
    parts
}

fn position(text: &[u8], delimiter: &[u8]) -> Option<usize> {
    let first = *delimiter.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(delimiter) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// A delimiter as it is written on the command line: `\n`, `\t`, `\r` and `\0` are what they are elsewhere, and a backslash
/// before anything else is left out. (Java takes it for a regular expression, in which these mean the same.)
pub(super) fn delimiter_bytes(written: &str) -> Vec<u8> {
    let mut text = String::new();
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        let meant = match (character, characters.as_str().chars().next()) {
            ('\\', Some(escaped)) => {
                characters.next();
                match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    '0' => '\0',
                    other => other,
                }
            }
            (other, _) => other,
        };
        text.push(meant);
    }
    text.into_bytes()
}

/// Letters that are kept, but for those of one record that is longer. More than any codec looks back, so that repeated records
/// compress no better than new ones.
const LETTERS_MOST: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// `testReadPayloadFile`, and what Java 17's `Scanner` made of the others.
    #[test]
    fn a_file_is_cut_as_java_cuts_it() {
        let cases: [(&str, &[&str]); 8] = [
            ("Hello\nKafka", &["Hello", "Kafka"]),
            ("a\n\nb", &["a", "", "b"]),
            ("a\nb\n", &["a", "b"]),
            ("\na", &["a"]),
            ("\n", &[]),
            ("\n\n", &[""]),
            ("a\n\n", &["a", ""]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<Vec<u8>> = expected.iter().map(|part| part.as_bytes().to_vec()).collect();
            assert_eq!(parts_of_file(text.as_bytes(), b"\n"), expected, "{text:?}");
        }
    }

    #[test]
    fn a_delimiter_may_be_several_characters_and_overlap_itself() {
        assert_eq!(parts_of_file(b"a--b---c", b"--"), [b"a".to_vec(), b"b".to_vec(), b"-c".to_vec()]);
        assert_eq!(parts_of_file(b"aab", b"ab"), [b"a".to_vec()]);
        assert_eq!(parts_of_file(b"whole", b"|"), [b"whole".to_vec()]);
    }

    #[test]
    fn a_delimiter_is_written_with_the_usual_escapes() {
        let cases = [
            (r"\n", "\n"),
            (r"\t", "\t"),
            (",", ","),
            (r"\|", "|"),
            (r"\\n", r"\n"),
            ("\n", "\n"),
            (r"\", r"\"),
        ];
        for (written, meant) in cases {
            assert_eq!(delimiter_bytes(written), meant.as_bytes(), "{written}");
        }
    }

    /// `testGenerateRandomPayloadByPayloadFile`.
    #[test]
    fn a_payload_of_a_file_is_one_of_it() {
        let one = RecordPayloads::OneOf(vec![b"Hello Kafka".to_vec()]);
        assert_eq!(one.choice(0).of_record(0), b"Hello Kafka");
        let three = RecordPayloads::OneOf(vec![b"0".to_vec(), b"1".to_vec(), b"2".to_vec()]);
        let mut choice = three.choice(0);
        let chosen: Vec<u8> = (0..6).flat_map(|number| choice.of_record(number).to_vec()).collect();
        assert_eq!(chosen, b"110011", "what Java chooses");
    }

    /// `testGenerateRandomPayloadByRecordSize`, and the letters of Java's first records.
    #[test]
    fn a_payload_of_a_size_is_letters() {
        let letters = RecordPayloads::letters(10, 1000);
        let mut choice = letters.choice(0);
        assert_eq!(choice.of_record(0), b"YQHHNEBSEP");
        assert_eq!(choice.of_record(1), b"DNSEIFGAMS");
        assert_eq!(choice.of_record(999).len(), 10);
        assert!(choice.of_record(999).iter().all(u8::is_ascii_uppercase));
        assert_ne!(choice.of_record(999).to_vec(), choice.of_record(998).to_vec());
    }

    #[test]
    fn letters_are_kept_for_a_bounded_number_of_records() {
        let RecordPayloads::Letters { letters, .. } = RecordPayloads::letters(1 << 20, u64::MAX) else {
            unreachable!()
        };
        assert_eq!(letters.len(), LETTERS_MOST);
        let huge = RecordPayloads::letters(LETTERS_MOST + 1, 2);
        assert_eq!(huge.choice(0).of_record(1).len(), LETTERS_MOST + 1);
    }

    /// `testGenerateMonotonicPayload`.
    #[test]
    fn a_monotonic_payload_is_the_records_number() {
        let mut choice = RecordPayloads::Monotonic.choice(0);
        for number in 0..10 {
            assert_eq!(choice.of_record(number), number.to_string().as_bytes());
        }
        assert_eq!(choice.of_record(12345), b"12345");
    }
}
