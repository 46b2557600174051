//! `docs/behaviours.md` is true: every number is in its table once, every test that it names is there and says the
//! number in its own documentation, and no test says a number without standing in the table.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod source;

use std::collections::{BTreeMap, BTreeSet};

/// Rows that no test holds yet.
const NOT_YET: [u32; 0] = [];

/// `path::name` of a test, and the behaviours that it holds.
type Held = BTreeMap<String, BTreeSet<u32>>;

#[test]
fn every_behaviour_has_its_row_and_every_row_its_tests() {
    let table = std::fs::read_to_string("docs/behaviours.md").unwrap();
    let files = ["src", "tests", "crates"].into_iter().flat_map(source::rust_files);
    let sources = files.map(|(path, text)| (path.to_string_lossy().replace('\\', "/"), text));
    let violations = check(&table, &sources.collect(), &NOT_YET);
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Kafka 4.3.1 has so many.
const CASES_OF_JAVA: usize = 140;

#[test]
fn each_case_of_java_s_transaction_manager_test_has_tests_here() {
    let page = std::fs::read_to_string("docs/behaviours.md").unwrap();
    let part = page.split("## The cases of Java's `TransactionManagerTest`").nth(1).unwrap();
    let rows = part.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let files = ["src", "tests"].into_iter().flat_map(source::rust_files);
    let ours: BTreeSet<String> = files
        .flat_map(|(path, text)| tests_of(&path.to_string_lossy().replace('\\', "/"), &text).into_keys())
        .collect();
    let mut cases = Vec::new();
    for row in rows {
        let mut cells = row.split(" | ");
        let names =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        cases.extend(names(cells.next().unwrap()));
        let held_by = names(cells.next().unwrap());
        assert!(!held_by.is_empty(), "{row}");
        held_by.iter().for_each(|test| assert!(ours.contains(test), "{test} is no test"));
    }
    let unique: BTreeSet<&String> = cases.iter().collect();
    assert_eq!((cases.len(), unique.len()), (CASES_OF_JAVA, CASES_OF_JAVA));
}

fn check(table: &str, sources: &BTreeMap<String, String>, not_yet: &[u32]) -> Vec<String> {
    let mut violations = Vec::new();
    let (mut rows, mut named, mut without) = (Vec::new(), Held::new(), Vec::new());
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        let Some(Ok(number)) = cells.first().map(|cell| cell.parse::<u32>()) else { continue };
        rows.push(number);
        let tests = cells.get(3).copied().unwrap_or_default();
        if tests == "not held yet" {
            without.push(number);
            continue;
        }
        for test in tests.split("<br>").map(|test| test.trim_matches('`')) {
            named.entry(test.to_owned()).or_default().insert(number);
        }
    }
    let last = rows.last().copied().unwrap_or_default();
    if rows != (1..=last).collect::<Vec<_>>() {
        violations.push(format!("the table has the rows {rows:?}"));
    }
    if without != not_yet {
        violations.push(format!("no test holds {without:?}, but NOT_YET is {not_yet:?}"));
    }
    let said: Held = sources.iter().flat_map(|(path, text)| numbered_tests(path, text)).collect();
    for (test, numbers) in &named {
        match said.get(test) {
            None => violations.push(format!("{test} is not a test that says a behaviour")),
            Some(said) if said != numbers => {
                violations.push(format!("{test} says {said:?}, the table says {numbers:?}"));
            }
            Some(_) => {}
        }
    }
    let strays = said.keys().filter(|test| !named.contains_key(*test));
    violations.extend(strays.map(|test| format!("{test} says a behaviour and is not in the table")));
    violations
}

/// The tests of a file whose documentation has a line `Behaviour 28.` or `Behaviours 16, 17.`.
fn numbered_tests(path: &str, text: &str) -> Held {
    tests_of(path, text).into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect()
}

/// All tests of a file, with the behaviours that each says.
fn tests_of(path: &str, text: &str) -> Held {
    let mut tests = Held::new();
    let (mut numbers, mut is_test) = (BTreeSet::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            numbers.extend(numbers_in(comment));
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else {
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let Some(name) = name.filter(|_| is_test) {
                tests.insert(format!("{path}::{name}"), numbers.clone());
            }
            (numbers, is_test) = (BTreeSet::new(), false);
        }
    }
    tests
}

fn numbers_in(comment: &str) -> Vec<u32> {
    let list = comment.strip_prefix("Behaviours ").or_else(|| comment.strip_prefix("Behaviour "));
    let list = list.and_then(|rest| rest.strip_suffix('.'));
    let numbers = list.map(|list| list.split(", ").map(str::parse).collect::<Result<Vec<_>, _>>());
    numbers.and_then(Result::ok).unwrap_or_default()
}

#[test]
fn what_does_not_fit_together_is_seen() {
    let table = |held: &str| -> String {
        let row = |number| format!("| {number} | what | `where` | not held yet | as Java |\n");
        let others = (2..=96).map(row);
        std::iter::once(format!("| 1 | what | `where` | {held} | as Java |\n")).chain(others).collect()
    };
    let not_yet: Vec<u32> = (2..=96).collect();
    let test = |numbers: &str| format!("/// Behaviour {numbers}.\n#[test]\nfn it_holds() {{\n");
    let sources = |text: String| BTreeMap::from([("tests/a.rs".to_owned(), text)]);
    let good = table("`tests/a.rs::it_holds`");
    assert_eq!(check(&good, &sources(test("1")), &not_yet), [""; 0]);

    for (table, text) in [
        (good.clone(), test("2")),
        (good.clone(), String::new()),
        (good.clone(), test("1").replace("#[test]\n", "")),
        (good.replace("| 7 |", "| 8 |"), test("1")),
        (table("not held yet"), test("1")),
    ] {
        assert!(!check(&table, &sources(text.clone()), &not_yet).is_empty(), "{table}\n{text}");
    }
    assert!(!check(&good, &sources(test("1")), &not_yet[1..]).is_empty());
}
