//! `nearest`: which known name somebody meant who wrote an unknown one.
//!
//! Owns: the measure. Must not know: names of what.

/// The known name that is nearest to `wanted` by edits (case does not count), if one is near enough to be meant: at
/// most a third of the letters differ. Of equally near ones the first.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within((wanted.chars().count() / 3).max(1), wanted, known)
}

/// The same with at most `limit` edits.
pub(crate) fn nearest_within<'a>(
    limit: usize,
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if wanted.len() > LONGEST {
        return None;
    }
    let wanted: Vec<char> = wanted.to_lowercase().chars().collect();
    let mut best = None;
    // Whose length differs by more than that is not near, and not worth the work.
    let may_be_near = |name: &&str| name.chars().count().abs_diff(wanted.len()) <= limit;
    for name in known.into_iter().filter(may_be_near) {
        let distance = distance(&wanted, name);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Levenshtein's distance, one row at a time.
fn distance(wanted: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (i, letter) in name.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, expected) in row.iter_mut().skip(1).zip(wanted) {
            let replaced = diagonal + usize::from(letter != *expected);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Longer than every name there is: what is longer than this is not worth the work.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("saturday", "sunday", 3),
            ("linger.ms", "LINGER.MS", 0),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(&a.chars().collect::<Vec<_>>(), b), expected, "{a} {b}");
        }
    }

    #[test]
    fn finds_what_was_meant_and_does_not_guess() {
        let known = ["linger.ms", "retries", "acks", "batch.size"];
        for (wanted, expected) in [
            ("linger.sm", Some("linger.ms")),
            ("aks", Some("acks")),
            ("Batch.Size", Some("batch.size")),
            ("retrys", Some("retries")),
            ("something.else", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, known), expected, "{wanted}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }
}
