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

/// The texts that a page quotes: what is said of each stands behind it.
fn quotes(page: &str) -> Vec<&str> {
    page.split("**\"").skip(1).map(|rest| rest.split("\"**").next().unwrap()).collect()
}

#[track_caller]
fn assert_is_said(page: &str, quote: &str, sources: &[String]) {
    for part in quote.split('…').map(|part| part.trim_matches([' ', '(', ')'])).filter(|part| part.len() > 5)
    {
        // A code stands in braces there.
        let part = part.split(" (3 ").next().unwrap();
        let is_said = |text: &String| part.split(", and ").all(|piece| text.contains(piece));
        assert!(sources.iter().any(is_said), "no error says {part:?} of {quote:?} in {page}");
    }
}

#[test]
fn every_text_that_the_page_of_errors_goes_through_is_one_of_ours() {
    let page = fs::read_to_string("docs/errors.md").unwrap().replace('\n', " ");
    let sources = sources();
    assert!(quotes(&page).len() >= 8, "{:?}", quotes(&page));
    quotes(&page).iter().for_each(|quote| assert_is_said("errors.md", quote, &sources));
}

#[test]
fn every_text_that_the_pages_of_security_go_through_is_one_of_ours() {
    let sources = sources();
    let mut seen = 0;
    for path in source::files("docs/security") {
        let page = fs::read_to_string(source::root().join(&path)).unwrap().replace('\n', " ");
        for quote in quotes(&page) {
            assert_is_said(&path.display().to_string(), quote, &sources);
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}

/// The page shows them, and the tests load them.
#[test]
fn the_files_of_providers_are_those_that_are_tried() {
    let page = fs::read_to_string("docs/security/providers.md").unwrap();
    let files = source::files("tests/vendor_properties");
    assert!(files.len() >= 10, "{files:?}");
    for path in files {
        let text = fs::read_to_string(source::root().join(&path)).unwrap();
        assert!(page.contains(&format!("```properties\n{}\n```", text.trim_end())), "{}", path.display());
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

/// Where a page's links lead, in the repository.
fn links(text: &str) -> Vec<(Option<&str>, &str)> {
    let definitions = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    let definitions = definitions.map(|(name, to)| (Some(name), to));
    let inline = text.split("](").skip(1).filter_map(|rest| Some((None, rest.split_once(')')?.0)));
    definitions.chain(inline).filter(|(_, to)| !to.contains("://") && !to.starts_with('#')).collect()
}

#[test]
fn links_of_the_pages_lead_somewhere_in_the_repository_and_in_the_documentation() {
    let (mut seen, mut findings) = (0, Vec::new());
    let guide = fs::read_to_string(source::root().join("src/guide.rs")).unwrap();
    let root = fs::read_to_string(source::root().join("src/lib.rs")).unwrap();
    for path in source::files("").into_iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(source::root().join(&path)).unwrap();
        let folder = path.parent().unwrap();
        for (name, to) in links(&text) {
            let file = to.split('#').next().unwrap();
            if !source::root().join(folder).join(file).exists() {
                findings.push(format!("{}: {to} is not there", path.display()));
            }
            // rustdoc knows no files: a line before the page says where it is there.
            let page = path.file_name().unwrap().to_str().unwrap();
            let is_of_guide = guide.contains(&format!("{page}\"")) && path.starts_with("docs");
            let said = match (name, page, is_of_guide) {
                (Some(name), "README.md", _) if folder.as_os_str().is_empty() => {
                    root.contains(&format!("//! [{name}]: guide::"))
                }
                (Some(name), _, true) => guide.contains(&format!("/// [{name}]: self::")),
                (None, "README.md", _) if folder.as_os_str().is_empty() => false,
                (None, _, true) => false,
                _ => true,
            };
            if !said {
                findings.push(format!("{}: {to} leads nowhere in the documentation", path.display()));
            }
            seen += 1;
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(seen >= 20, "{seen}");
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
