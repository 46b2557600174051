//! The house rules that a machine can hold: sizes, heads, nothing unfinished, nothing of one machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod source;

use std::fs;
use std::path::Path;

use source::Token;

/// Lines that a function may have, from its `fn` to its closing brace.
const FUNCTION_LIMIT: usize = 60;
/// Lines that a file may have, not counting its tests.
const FILE_LIMIT: usize = 600;

#[test]
fn functions_and_files_are_small() {
    let mut findings = Vec::new();
    for folder in ["src", "examples", "crates", "benchmarks/src"] {
        for (path, text) in source::rust_files(folder) {
            findings.extend(sizes(&path.to_string_lossy(), &text));
        }
    }
    report(&findings);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let mut findings = Vec::new();
    for folder in ["src", "examples", "tests", "crates", "benchmarks"] {
        for (path, text) in source::rust_files(folder) {
            findings.extend(head(&path.to_string_lossy(), &text));
        }
    }
    report(&findings);
}

#[test]
fn nothing_is_unfinished_or_switched_off_without_a_reason() {
    let mut findings = Vec::new();
    for folder in ["src", "examples", "tests", "crates", "benchmarks"] {
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
