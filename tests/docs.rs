//! The pages of `docs/`: what they quote and list is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod source;

use std::collections::BTreeSet;
use std::fs;

/// The sources with texts that go over several lines on one.
fn sources() -> Vec<String> {
    let one_line = |text: &str| {
        let mut lines = text.split("\\\n");
        let first = lines.next().unwrap_or_default().to_owned();
        lines.fold(first, |all, line| all + line.trim_start())
    };
    source::rust_files("src").iter().map(|(_, text)| one_line(text)).collect()
}

#[test]
fn every_text_that_the_page_of_errors_goes_through_is_one_of_ours() {
    let page = fs::read_to_string("docs/errors.md").unwrap().replace('\n', " ");
    let sources = sources();
    let quotes: Vec<&str> =
        page.split("**\"").skip(1).map(|rest| rest.split("\"**").next().unwrap()).collect();
    assert!(quotes.len() >= 8, "{quotes:?}");
    for quote in quotes {
        for part in
            quote.split('…').map(|part| part.trim_matches([' ', '(', ')'])).filter(|part| part.len() > 5)
        {
            // A code stands in braces there.
            let part = part.split(" (3 ").next().unwrap();
            let is_said = |text: &String| part.split(", and ").all(|piece| text.contains(piece));
            assert!(sources.iter().any(is_said), "no error says {part:?} of {quote:?}");
        }
    }
}

#[test]
fn every_kind_of_error_has_its_row() {
    let page = fs::read_to_string("docs/errors.md").unwrap();
    let source = fs::read_to_string("src/error.rs").unwrap();
    let variants = source.split("pub enum ErrorKind {").nth(1).unwrap().split("\n}").next().unwrap();
    let mut count = 0;
    for line in variants.lines().map(str::trim).filter(|line| line.ends_with(',') && !line.starts_with("//"))
    {
        let kind = line.trim_end_matches(',');
        assert!(page.contains(&format!("`{kind}`")), "{kind}");
        let documented = variants.split(&format!("\n    {kind},")).next().unwrap();
        let own = documented.rsplit(",\n").next().unwrap();
        assert!(own.contains("**What to do**"), "{kind} does not say what to do");
        count += 1;
    }
    assert!(count >= 19, "{count}");
}

/// A target is the module that logs; the page names their rooms.
#[test]
fn every_room_that_logs_is_in_the_list_of_targets() {
    let page = fs::read_to_string("docs/logging.md").unwrap();
    let room = |path: &std::path::PathBuf| {
        let path = path.strip_prefix("src").unwrap().to_string_lossy().replace('\\', "/");
        path.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
    };
    let logs = |text: &str| text.split("mod tests {").next().unwrap().contains("logging::");
    let files = source::rust_files("src");
    let rooms: BTreeSet<String> = files
        .iter()
        .filter(|(_, text)| {
            logs(text)
                && ["error!", "warn!", "info!", "debug!", "trace!"]
                    .iter()
                    .any(|level| text.contains(&format!("logging::{level}")))
        })
        .map(|(path, _)| room(path))
        .filter(|room| !["simulation", "logging"].contains(&room.as_str()))
        .collect();
    let listed: BTreeSet<String> = page
        .split("`kafka_producer::")
        .skip(1)
        .map(|rest| rest.split('`').next().unwrap().to_owned())
        .collect();
    assert_eq!(rooms, listed);
}
