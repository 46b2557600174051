//! `docs/faults.md` is true: every fault that use has shown is in its table, and with it the tests that say its id in
//! their documentation. `KAFKA_PRODUCER_WRITE_DOCS=1 cargo test --test faults` writes the tests into the table anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod source;

use std::collections::BTreeMap;
use std::fs;

const PAGE: &str = "docs/faults.md";

/// How many faults there are of each kind: A1 to A9 with A2b, B1 to B15, …
const KINDS: [(char, u32); 5] = [('A', 9), ('B', 15), ('C', 18), ('D', 8), ('E', 10)];

/// A fault's id, and the tests that hold it.
type Held = BTreeMap<String, Vec<String>>;

#[test]
fn every_fault_has_its_row_and_every_row_its_tests() {
    let files = ["src", "tests", "crates"].into_iter().flat_map(source::rust_files);
    let mut held = Held::new();
    for (path, text) in files {
        say(&path.to_string_lossy().replace('\\', "/"), &text, &mut held);
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let right = with_tests(&page, &held);
    if std::env::var_os("KAFKA_PRODUCER_WRITE_DOCS").is_some() {
        fs::write(PAGE, &right).unwrap();
    }
    let page = fs::read_to_string(PAGE).unwrap();
    assert_eq!(ids(&page), all(), "the table's rows");
    let without: Vec<_> = all().into_iter().filter(|id| !held.contains_key(id)).collect();
    assert!(without.is_empty(), "no test says that it holds {without:?}");
    let unknown: Vec<_> = held.keys().filter(|id| !all().contains(id)).collect();
    assert!(unknown.is_empty(), "tests say {unknown:?}, which the table does not have");
    assert!(
        page == right,
        "the tests in {PAGE} are out of date: KAFKA_PRODUCER_WRITE_DOCS=1 cargo test --test faults"
    );
}

fn all() -> Vec<String> {
    let kind = |(kind, last): (char, u32)| (1..=last).map(move |number| format!("{kind}{number}"));
    let mut ids: Vec<String> = KINDS.into_iter().flat_map(kind).collect();
    ids.insert(2, "A2b".to_owned());
    ids
}

/// The ids of the table's rows, in order.
fn ids(page: &str) -> Vec<String> {
    page.lines().filter_map(id).map(str::to_owned).collect()
}

fn id(line: &str) -> Option<&str> {
    let cell = line.strip_prefix("| ")?.split(" | ").next()?;
    is_id(cell).then_some(cell)
}

fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix(|kind: char| KINDS.iter().any(|(known, _)| *known == kind));
    digits.is_some_and(|rest| rest.trim_end_matches('b').parse::<u32>().is_ok())
}

/// The page with these tests in its last column.
fn with_tests(page: &str, held: &Held) -> String {
    let line = |line: &str| {
        let Some(id) = id(line) else { return line.to_owned() };
        let kept: Vec<&str> = line.split(" | ").take(3).collect();
        let tests = held.get(id).map(|tests| tests.join("<br>")).unwrap_or_default();
        format!("{} | {tests} |", kept.join(" | "))
    };
    page.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// The tests of a file whose documentation begins a line with `Fault A1.` or `Faults B1, B2.`.
fn say(path: &str, text: &str, held: &mut Held) {
    let (mut said, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            said.extend(ids_in(comment));
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else if !line.starts_with("//") {
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            for id in
                name.filter(|_| is_test).into_iter().flat_map(|name| said.iter().map(move |id| (id, name)))
            {
                let (id, name): (&String, &str) = id;
                held.entry(id.clone()).or_default().push(format!("`{path}::{name}`"));
            }
            (said, is_test) = (Vec::new(), false);
        }
    }
}

fn ids_in(comment: &str) -> Vec<String> {
    let list = comment.strip_prefix("Faults ").or_else(|| comment.strip_prefix("Fault "));
    let list = list.and_then(|rest| rest.split('.').next()).unwrap_or_default();
    list.split(", ").filter(|word| is_id(word)).map(str::to_owned).collect()
}

#[test]
fn a_fault_without_a_test_and_a_test_without_its_row_are_seen() {
    let text =
        "/// Faults A1, A2b. More of it.\n#[test]\nfn it_holds() {\n}\n/// Fault B3.\nfn helper() {}\n";
    let mut held = Held::new();
    say("tests/a.rs", text, &mut held);
    assert_eq!(held.keys().collect::<Vec<_>>(), ["A1", "A2b"]);
    let page = "| # | what | right | Held by |\n|--|--|--|--|\n| A1 | w | r | `old` |\n| C2 | w | r |  |\n";
    let right = with_tests(page, &held);
    assert!(right.contains("| A1 | w | r | `tests/a.rs::it_holds` |\n| C2 | w | r |  |\n"), "{right}");
    assert_eq!(ids(page), ["A1", "C2"]);
}
