//! The house rules that a machine can hold: sizes, heads, one thing for each name, nothing unfinished, nothing of one
//! machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::Token;

/// Lines that a function may have, from its `fn` to its closing brace.
const FUNCTION_LIMIT: usize = 60;
/// Lines that a file may have, not counting its tests.
const FILE_LIMIT: usize = 600;

#[test]
fn functions_and_files_are_small() {
    let mut findings = Vec::new();
    for folder in ["src", "examples", "crates", "benchmarks/src", "benchmarks/work", "benchmarks/peers"] {
        for (path, text) in source::rust_files(folder) {
            findings.extend(sizes(&path.to_string_lossy(), &text));
        }
    }
    report(&findings);
}

/// Names that stand for two things, each with its reason. One that stands for one thing only has to leave.
const TYPES_OF_ONE_NAME: &[&str] = &[
    // `sync::channel` has the names of `crossbeam-channel`, in whose place it stands in loom's models.
    "Sender",
];
const FILES_OF_ONE_NAME: &[&str] = &[];

/// Files whose names say their part in a folder or are Kafka's: a module's root, a module's tests, and a message with
/// the vectors for it.
const FILES_OF_ONE_PART: [&str; 4] = ["mod.rs", "lib.rs", "main.rs", "tests.rs"];
const FOLDERS_OF_ONE_PART: [&str; 3] = ["messages", "vectors", "tests"];

#[test]
fn a_name_stands_for_one_thing() {
    let mut sources = Vec::new();
    for folder in ["src", "crates", "benchmarks/src", "benchmarks/work", "benchmarks/peers"] {
        sources.extend(source::rust_files(folder));
    }
    sources.retain(|(path, _)| !is_test(&path.to_string_lossy()));
    let mut findings = two_things("type", &types_by_name(&sources), TYPES_OF_ONE_NAME);
    findings.extend(two_things("file", &files_by_name(&sources), FILES_OF_ONE_NAME));
    report(&findings);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let mut findings = Vec::new();
    for folder in ["src", "examples", "tests", "crates", "benchmarks", "fuzz"] {
        for (path, text) in source::rust_files(folder) {
            findings.extend(head(&path.to_string_lossy(), &text));
        }
    }
    report(&findings);
}

#[test]
fn nothing_is_unfinished_or_switched_off_without_a_reason() {
    let mut findings = Vec::new();
    for folder in ["src", "examples", "tests", "crates", "benchmarks", "fuzz"] {
        for (path, text) in source::rust_files(folder) {
            findings.extend(loose_ends(&path.to_string_lossy(), &text));
        }
    }
    report(&findings);
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let mut findings = Vec::new();
    for path in source::files("") {
        // What is not text holds no path that anybody reads.
        if let Ok(text) = fs::read_to_string(source::root().join(&path)) {
            findings.extend(machine_paths(&path.to_string_lossy(), &text));
        }
    }
    report(&findings);
}

#[test]
fn everything_is_logged_through_the_one_module_in_which_a_panicking_logger_does_no_harm() {
    let mut findings = Vec::new();
    for (path, text) in source::rust_files("src") {
        findings.extend(unguarded_logging(&path.to_string_lossy(), &text));
    }
    report(&findings);
}

#[track_caller]
fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// Where each type is made that is not within a function, under its name.
fn types_by_name(sources: &[(PathBuf, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources {
        let (tokens, _) = source::without_tests(&source::tokens(text));
        let mut at = 0;
        while at < tokens.len() {
            let makes = ["struct", "enum", "trait", "type", "union"].iter().any(|word| tokens[at].is(word));
            if let Some(name) = tokens.get(at + 1).filter(|name| makes && name.is_word()) {
                types.entry(name.text.clone()).or_default().insert(path.display().to_string());
            }
            // Nothing inside of anything, and nothing that a macro takes.
            at += if ["(", "[", "{"].iter().any(|open| tokens[at].is(open)) {
                source::group(&tokens[at..])
            } else {
                1
            };
        }
    }
    types
}

/// Where each file of a name lies.
fn files_by_name(sources: &[(PathBuf, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, _) in sources {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let in_folder = path.iter().any(|part| FOLDERS_OF_ONE_PART.iter().any(|folder| part == *folder));
        if !FILES_OF_ONE_PART.contains(&name.as_str()) && !in_folder {
            files.entry(name).or_default().insert(path.display().to_string());
        }
    }
    files
}

/// Names with several places that are not known, and known ones that have one place by now.
fn two_things(kind: &str, places: &BTreeMap<String, BTreeSet<String>>, known: &[&str]) -> Vec<String> {
    let several = |name: &str| places.get(name).filter(|places| places.len() > 1);
    let news = places.keys().filter(|name| !known.contains(&name.as_str())).filter_map(|name| {
        let places: Vec<&str> = several(name)?.iter().map(String::as_str).collect();
        Some(format!("{kind} {name} stands for several things: {}", places.join(", ")))
    });
    let gone = known.iter().filter(|name| several(name).is_none());
    news.chain(gone.map(|name| format!("{kind} {name} stands for one thing: take it off the list"))).collect()
}

/// Functions and files that are too long. Tables, `*_table.rs`, may be as long as what they list.
fn sizes(path: &str, text: &str) -> Vec<String> {
    if path.ends_with("_table.rs") || is_test(path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let all = source::tokens(text);
    let (tokens, _) = source::without_tests(&all);
    let lines = text.lines().count().saturating_sub(test_lines(&all, &tokens));
    if lines > FILE_LIMIT {
        findings.push(format!("{path}: {lines} lines without tests, {FILE_LIMIT} are allowed"));
    }
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.is("fn")) {
        let Some(name) = tokens.get(at + 1).filter(|name| name.is_word()) else { continue };
        let Some(body) = body(&tokens[at..]) else { continue };
        let end = tokens[at + body + source::group(&tokens[at + body..]) - 1].line;
        let lines = end - token.line + 1;
        if lines > FUNCTION_LIMIT {
            let (line, name) = (token.line, &name.text);
            findings
                .push(format!("{path}:{line}: fn {name} has {lines} lines, {FUNCTION_LIMIT} are allowed"));
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    Path::new(path).iter().any(|part| part == "tests" || part == "tests.rs" || part == "vectors")
}

/// Where a function's body opens; none for one that is only declared.
fn body(tokens: &[Token]) -> Option<usize> {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => return Some(at),
            ";" => return None,
            "(" | "[" => at += source::group(&tokens[at..]),
            _ => at += 1,
        }
    }
    None
}

/// How many lines the tests at the end of a file take, `#[cfg(test)]` and all.
fn test_lines(all: &[Token], kept: &[Token]) -> usize {
    let last = |tokens: &[Token]| tokens.last().map_or(0, |token| token.line);
    last(all).saturating_sub(last(kept))
}

fn head(path: &str, text: &str) -> Option<String> {
    let says = text.starts_with("//!") || text.starts_with("#!") && text.contains("\n//!");
    let crate_doc = path.ends_with("lib.rs") && text.contains("#![doc = include_str!");
    (!says && !crate_doc).then(|| format!("{path}: does not begin with a `//!` that says what it is"))
}

fn loose_ends(path: &str, text: &str) -> Vec<String> {
    let tokens = source::tokens(text);
    let words = |at: usize, count: usize| -> Vec<&str> {
        tokens[at..].iter().take(count).map(|token| token.text.as_str()).collect()
    };
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let what = match words(at, 3).as_slice() {
            [name @ ("todo" | "unimplemented" | "dbg"), "!", ..] => format!("{name}! is left in"),
            ["[", "ignore", "]"] => String::from("a test is ignored without a reason"),
            ["allow", "(", "dead_code" | "unused"] if !has_reason(&tokens[at + 1..]) => {
                String::from("unused code is allowed without a reason")
            }
            _ => continue,
        };
        findings.push(format!("{path}:{}: {what}", token.line));
    }
    findings
}

/// Macros of the crate `log`, by its name or imported from it. Ours are called `logging::warn!` and so on.
fn unguarded_logging(path: &str, text: &str) -> Vec<String> {
    let tokens = source::tokens(text);
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_macro = token.is("!") && at > 0 && LOG_MACROS.contains(&tokens[at - 1].text.as_str());
        let before = at.checked_sub(3).and_then(|from| tokens.get(from));
        if is_macro && !before.is_some_and(|room| room.is("logging")) {
            findings.push(format!("{path}:{}: logs past the module `logging`", token.line));
        }
    }
    findings
}

const LOG_MACROS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "log"];

fn has_reason(arguments: &[Token]) -> bool {
    arguments[..source::group(arguments)].iter().any(|token| token.is("reason"))
}

/// Absolute paths into somebody's home or working folder.
fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let folders = ["home", "Users", "root", "work"].map(|name| format!("/{name}/"));
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in &folders {
            for (at, _) in line.match_indices(folder.as_str()) {
                let before = line[..at].chars().next_back();
                let after = line[at + folder.len()..].chars().next();
                let absolute = before.is_none_or(|c| !(c.is_alphanumeric() || "._-}/".contains(c)));
                if absolute && after.is_some_and(|c| c.is_alphanumeric() || c == '.') {
                    findings.push(format!("{path}:{}: a path of one machine: {}", number + 1, line.trim()));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of this number of lines.
    fn function(lines: usize) -> String {
        format!("fn long(\n) -> [u8; 2] {{\n{}}}\n", "    work();\n".repeat(lines - 3))
    }

    #[test]
    fn a_function_that_is_too_long_is_seen() {
        assert_eq!(sizes("src/a.rs", &function(FUNCTION_LIMIT)), [""; 0]);
        let expected = ["src/a.rs:1: fn long has 61 lines, 60 are allowed"];
        assert_eq!(sizes("src/a.rs", &function(FUNCTION_LIMIT + 1)), expected);
        let nested = format!("impl A {{\n    {}}}\n", function(FUNCTION_LIMIT + 1));
        assert_eq!(sizes("src/a.rs", &nested), ["src/a.rs:2: fn long has 61 lines, 60 are allowed"]);
        let quoted = format!("const A: &str = \"{}\";\n", function(FUNCTION_LIMIT + 1));
        assert_eq!(sizes("src/a.rs", &quoted), [""; 0]);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(FUNCTION_LIMIT + 1));
        assert_eq!(sizes("src/a.rs", &tests), [""; 0]);
        assert_eq!(sizes("src/a_table.rs", &function(FUNCTION_LIMIT + 1)), [""; 0]);
    }

    #[test]
    fn a_file_that_is_too_long_is_seen() {
        let file = "const A: u8 = 1;\n".repeat(FILE_LIMIT);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{file}}}\n");
        assert_eq!(sizes("src/a.rs", &format!("{file}{tests}")), [""; 0]);
        let longer = format!("const A: u8 = 1;\n{file}{tests}");
        assert_eq!(sizes("src/a.rs", &longer), ["src/a.rs: 601 lines without tests, 600 are allowed"]);
        assert_eq!(sizes("src/a_table.rs", &longer), [""; 0]);
    }

    #[test]
    fn a_name_that_stands_for_two_things_is_seen() {
        let sources = [
            ("src/a.rs", "pub struct Node; struct Own; mod tests { struct Node; } type Short = Node;"),
            (
                "src/b/a.rs",
                "fn f() { struct Own; } pub(crate) enum Node {} impl A for B { type Short = u8; }",
            ),
            ("src/b/mod.rs", "#[cfg(test)] struct Own; const TEXT: &str = \"struct Own;\"; // struct Own"),
            ("src/mod.rs", ""),
            ("src/messages/b.rs", ""),
            ("src/vectors/b.rs", ""),
        ];
        let sources = sources.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        let types = types_by_name(&sources);
        let node = "type Node stands for several things: src/a.rs, src/b/a.rs";
        assert_eq!(two_things("type", &types, &[]), [node]);
        assert_eq!(two_things("type", &types, &["Node"]), [""; 0]);
        let gone = "type Own stands for one thing: take it off the list";
        assert_eq!(two_things("type", &types, &["Node", "Own"]), [gone]);
        let files = files_by_name(&sources);
        assert_eq!(
            two_things("file", &files, &[]),
            ["file a.rs stands for several things: src/a.rs, src/b/a.rs"]
        );
    }

    #[test]
    fn a_missing_head_is_seen() {
        assert_eq!(head("src/a.rs", "//! What it is.\n"), None);
        assert_eq!(head("src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n"), None);
        for text in ["", "use std::fmt;\n", "// a note\n//! too late\n"] {
            assert!(head("src/a.rs", text).is_some(), "{text}");
        }
    }

    #[test]
    fn loose_ends_are_seen() {
        let text = "fn f() { todo!() }\nfn g() { dbg!(1); unimplemented!() }\n#[ignore]\nfn h() {}\n";
        assert_eq!(loose_ends("a.rs", text).len(), 4);
        assert_eq!(loose_ends("a.rs", "#![allow(dead_code)]").len(), 1);
        let fine = "// todo!()\n#[ignore = \"needs a broker\"]\nfn h() { log(\"dbg!(1)\") }\n#![allow(dead_code, reason = \"r\")]";
        assert_eq!(loose_ends("a.rs", fine), [""; 0]);
    }

    #[test]
    fn logging_past_the_module_is_seen() {
        for line in ["log::warn!(\"x\")", "warn!(\"x\")", "log::log!(level, \"x\")", "::log::error!(\"x\")"] {
            assert_eq!(unguarded_logging("a.rs", &format!("fn f() {{ {line} }}")).len(), 1, "{line}");
        }
        assert_eq!(unguarded_logging("a.rs", "fn f() { logging::warn!(\"x\"); if !log { } }"), [""; 0]);
    }

    #[test]
    fn paths_of_machines_are_seen() {
        for name in ["home", "Users", "root", "work"] {
            assert_eq!(machine_paths("a.md", &format!("see /{name}/someone/notes")).len(), 1, "{name}");
        }
        for fine in
            ["https://example.org/home/page", "$HOME/work/x", "target/work/x", "/ro".to_owned().as_str()]
        {
            assert_eq!(machine_paths("a.md", fine), [""; 0], "{fine}");
        }
    }
}
