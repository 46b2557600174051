//! The pages of `docs/`: what they quote and list is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kafka_producer::{Error, ErrorCode};

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
fn every_line_that_the_page_of_logging_lists_is_one_of_ours() {
    let page = fs::read_to_string("docs/logging.md").unwrap().replace('\n', " ");
    let sources = sources();
    assert!(quotes(&page).len() >= 40, "{:?}", quotes(&page));
    quotes(&page).iter().for_each(|quote| assert_is_said("logging.md", quote, &sources));
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

/// What users copy is what is run.
#[test]
fn the_loop_of_transactions_is_the_one_that_the_example_runs() {
    let example = fs::read_to_string("examples/transactions.rs").unwrap();
    let part = example.split("// ---- the loop ----\n\n").nth(1).unwrap();
    let text = part.split("\n// ---- the consumer ----").next().unwrap();
    assert!(text.contains("fn run(") && text.contains("fn process("), "{text}");
    for page in ["README.md", "docs/guide/transactions.md"] {
        assert!(fs::read_to_string(page).unwrap().contains(&format!("\n\n{text}```\n")), "{page}");
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
        let own = |line: &&str| line.trim().starts_with("///") || line.trim().starts_with("#[");
        let says_it = documented.lines().rev().take_while(own).any(|line| line.contains("**What to do**"));
        assert!(says_it, "{kind} does not say what to do");
        count += 1;
    }
    assert!(count >= 19, "{count}");
}

/// Where a page's links lead, in the repository.
fn links(text: &str) -> Vec<(Option<&str>, &str)> {
    let definitions = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    let definitions = definitions.map(|(name, to)| (Some(name), to));
    let inline = text.split("](").skip(1).filter_map(|rest| Some((None, rest.split_once(')')?.0)));
    definitions.chain(inline).filter(|(_, to)| !to.contains("://")).collect()
}

/// Lines outside of programs.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What a heading is linked by, as GitHub and rustdoc make it of its text.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|&char| char.is_alphanumeric() || " -_".contains(char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    prose(page).filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn links_of_the_pages_lead_somewhere_in_the_repository_and_in_the_documentation() {
    let (mut seen, mut findings) = (0, Vec::new());
    let guide = fs::read_to_string(source::root().join("src/guide.rs")).unwrap();
    for path in source::files("").into_iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(source::root().join(&path)).unwrap();
        let folder = path.parent().unwrap();
        for (name, to) in links(&text) {
            let (file, part) = to.split_once('#').unwrap_or((to, ""));
            let target = if file.is_empty() {
                source::root().join(&path)
            } else {
                source::root().join(folder).join(file)
            };
            if !target.exists() {
                findings.push(format!("{}: {to} is not there", path.display()));
                continue;
            }
            if !part.is_empty() && !anchors(&fs::read_to_string(&target).unwrap()).contains(part) {
                findings.push(format!("{}: {to} has no such heading", path.display()));
            }
            if file.is_empty() {
                continue;
            }
            // rustdoc knows no files: a line before the page says where it is there.
            let page = path.file_name().unwrap().to_str().unwrap();
            let is_of_guide = guide.contains(&format!("{page}\"")) && path.starts_with("docs");
            let said = match name {
                Some(name) => !is_of_guide || guide.contains(&format!("/// [{name}]: self::")),
                None => !is_of_guide,
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

/// A table whose columns have no name is a riddle.
#[test]
fn every_column_of_a_table_has_a_name() {
    let (mut seen, mut findings) = (0, Vec::new());
    for path in users_pages() {
        let text = fs::read_to_string(source::root().join(&path)).unwrap();
        let lines: Vec<&str> =
            text.lines().map(|line| line.trim().trim_start_matches(['/', '!']).trim()).collect();
        for (number, pair) in lines.windows(2).enumerate() {
            let is_head = pair[0].starts_with('|')
                && pair[1].starts_with('|')
                && pair[1].chars().all(|char| "|-: ".contains(char));
            seen += usize::from(is_head);
            if is_head && pair[0].trim_matches('|').split('|').any(|name| name.trim().is_empty()) {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, pair[0]));
            }
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(seen >= 30, "{seen}");
}

/// What users read: the front page, the guide, and the documentation of all that is public.
fn users_pages() -> Vec<std::path::PathBuf> {
    let guide = fs::read_to_string(source::root().join("src/guide.rs")).unwrap();
    let is_of_guide = |path: &std::path::Path| {
        path.strip_prefix("docs").is_ok_and(|page| guide.contains(&format!("\"{}\"", page.display())))
    };
    let mut pages: Vec<_> = source::files("docs").into_iter().filter(|path| is_of_guide(path)).collect();
    assert!(pages.len() >= 20, "{pages:?}");
    pages.push("README.md".into());
    pages.extend(source::rust_files("src").into_iter().map(|(path, _)| path));
    pages.extend(source::rust_files("crates/kafka-embedded/src").into_iter().map(|(path, _)| path));
    pages
}

/// At a window of 1280 pixels rustdoc cuts longer ones off. Properties files and drawings of bytes have the lines that
/// they have.
#[test]
fn no_line_of_a_program_is_cut_off() {
    const COLUMNS: usize = 90;
    let (mut seen, mut findings) = (0, Vec::new());
    for path in users_pages() {
        let is_source = path.extension().is_some_and(|it| it == "rs");
        let mut language: Option<String> = None;
        for (number, line) in fs::read_to_string(source::root().join(&path)).unwrap().lines().enumerate() {
            let comment = |line: &str| {
                let text = line.trim_start().strip_prefix("//")?.strip_prefix(['/', '!'])?;
                Some(text.strip_prefix(' ').unwrap_or(text).to_owned())
            };
            let Some(text) = (if is_source { comment(line) } else { Some(line.to_owned()) }) else {
                language = None;
                continue;
            };
            match (&language, text.strip_prefix("```")) {
                (None, Some(opened)) => language = Some(opened.to_owned()),
                (Some(_), Some(_)) => language = None,
                (Some(language), None) if !["properties", "text"].contains(&language.as_str()) => {
                    seen += 1;
                    if text.chars().count() > COLUMNS {
                        findings.push(format!("{}:{}: {text}", path.display(), number + 1));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(seen > 1000, "{seen}");
}

/// The table of codes: names, numbers, which are retried, and their kinds are what the code does.
#[test]
fn the_table_of_error_codes_says_what_is_done() {
    let page = fs::read_to_string(source::root().join("docs/errors.md")).unwrap();
    let table = page.split("## By code").nth(1).unwrap().split("## By text").next().unwrap();
    let mut seen = 0;
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for said in cells[1].split(", ").map(|code| code.trim_matches('`')) {
            let code = ErrorCode(said.split_once(' ').unwrap().0.parse().unwrap());
            assert_eq!(code.to_string(), said);
            let retried = if code.is_retriable() { "retried" } else { "not retried" };
            let kind = Error::from_code(code, None).kind();
            assert_eq!(cells[2].split(':').next().unwrap(), format!("`{kind}`, {retried}"), "{row}");
            seen += 1;
        }
    }
    assert!(seen >= 35, "{seen}");
}

#[test]
fn every_cargo_feature_has_its_row() {
    let page = fs::read_to_string(source::root().join("docs/features.md")).unwrap();
    let manifest = fs::read_to_string(source::root().join("Cargo.toml")).unwrap();
    let features = manifest.split("\n[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let lines = features.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let default = features.lines().find_map(|line| line.strip_prefix("default = ")).unwrap();
    assert!(names.len() >= 13, "{names:?}");
    for name in names.iter().filter(|&&name| name != "default") {
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in docs/features.md"));
        let is_default = default.contains(&format!("\"{name}\""));
        assert_eq!(row.split('|').nth(2).unwrap().trim(), if is_default { "yes" } else { "no" }, "{name}");
    }
}

/// Whoever looks for one finds it in one list.
#[test]
fn every_example_is_in_the_lists_of_the_front_page_and_of_the_guide() {
    let here = fs::read_dir(source::root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let programs = here.filter(|path| path.is_dir() || path.extension().is_some_and(|it| it == "rs"));
    let names: BTreeSet<String> =
        programs.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(names.len() >= 20, "{names:?}");
    for (page, part) in [("README.md", "\n## Examples\n"), ("docs/guide/examples.md", "# Examples\n")] {
        let text = fs::read_to_string(source::root().join(page)).unwrap();
        let part = text.split(part).nth(1).unwrap();
        let first = part.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
        let first: Vec<&str> = first.collect();
        let is_listed =
            |name: &String| first.iter().any(|cell| format!("`{cell}").contains(&format!("`{name}`")));
        let missing: Vec<_> = names.iter().filter(|name| *name != "simulate" && !is_listed(name)).collect();
        assert!(missing.is_empty(), "{page}: {missing:?}");
        assert!(text.contains("simulate"), "{page}");
    }
}

/// A line of the log, as the source has it.
#[derive(Debug)]
struct LogLine {
    file: String,
    level: &'static str,
    text: String,
    has_labels: bool,
}

/// All that the crate says at info and above.
fn log_lines() -> Vec<LogLine> {
    let calls = [
        ("logging::error!(", "ERROR"),
        ("logging::warn!(", "WARN"),
        ("logging::info!(", "INFO"),
        ("remarks.warn(", "WARN"),
        ("remarks.info(", "INFO"),
    ];
    let mut lines = Vec::new();
    for (path, text) in source::rust_files("src") {
        let file = path.display().to_string();
        if file.contains("/tests") || file.starts_with("src/simulation/") {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        for (call, level) in calls {
            for rest in code.split(call).skip(1) {
                let texts = literals(rest);
                // What follows the text of a macro is put into it.
                let count = if call.ends_with("!(") { 1 } else { texts.len() };
                let has_labels = rest.trim_start().starts_with("labels: ");
                let line = |text| LogLine { file: file.clone(), level, text, has_labels };
                lines.extend(texts.into_iter().take(count).map(line));
            }
        }
    }
    lines
}

/// The literals up to where the parenthesis is closed that has been opened.
fn literals(code: &str) -> Vec<String> {
    let (mut texts, mut depth, mut characters) = (Vec::new(), 1, code.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => break,
            ')' => depth -= 1,
            '"' => {
                let mut text = String::new();
                while let Some(character) = characters.next().filter(|character| *character != '"') {
                    match (character, characters.peek()) {
                        ('\\', Some('\n')) => {
                            while characters.next_if(|next| next.is_whitespace()).is_some() {}
                        }
                        ('\\', Some(_)) => text.extend(characters.next()),
                        _ => text.push(character),
                    }
                }
                texts.push(text);
            }
            _ => {}
        }
    }
    texts
}

/// Where a line's text is made, if the line itself has none: what the page says of it.
const MADE_ELSEWHERE: [(&str, &str); 9] = [
    ("src/config/mod.rs", "**\"ProducerConfig values:\"**"),
    ("src/metadata/mod.rs", "**\"the last metadata …\"**"),
    ("src/network/peer.rs", "| WARN | **\"lost the connection to\"**"),
    ("src/network/peer.rs", "| INFO | **\"lost the connection to\"**"),
    ("src/network/peer.rs", "**\"cannot connect to\"**"),
    ("src/security/sasl/oauthbearer/token_endpoint.rs", "**\"it is asked again in … ms\"**"),
    ("src/sender/effects.rs", "| ERROR | the text of a fatal error, once"),
    ("src/sender/produce/missing_partitions.rs", "**\"for partition\"**"),
    ("src/sender/warnings.rs", "**\"no producer id\"**"),
];

/// A label is what somebody searches by: who names a topic names it there as well.
#[test]
fn a_line_of_the_log_that_names_a_topic_a_partition_a_broker_or_a_code_has_it_as_a_label() {
    let names_one =
        |text: &str| ["{topic}", "{partition}", "{code}", "broker {"].iter().any(|name| text.contains(name));
    let (with, without): (Vec<_>, Vec<_>) =
        log_lines().into_iter().filter(|line| names_one(&line.text)).partition(|line| line.has_labels);
    assert!(with.len() >= 10 && without.is_empty(), "{}: {without:#?}", with.len());
}

#[test]
fn every_line_of_the_log_is_on_its_page_with_what_to_do() {
    let page = fs::read_to_string("docs/logging.md").unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let is_on = |level: &str, text: &str| {
        rows.iter().filter(|row| row.len() == 3).any(|row| {
            // The end of a trouble stands in the trouble's row.
            let cells = if level == "INFO" { row[1..].concat() } else { row[1].to_owned() };
            let says = |quote: &str| quote.split('…').all(|part| text.contains(part.trim()));
            (level == "INFO" || row[0] == level) && quotes(&cells).into_iter().any(says)
        })
    };
    let lines = log_lines();
    assert!(lines.len() > 70, "{}", lines.len());
    let mut missing = Vec::new();
    for line in &lines {
        let has_words = line.text.split(['{', '}']).step_by(2).any(|piece| piece.trim().len() > 5);
        let made: Vec<&str> =
            MADE_ELSEWHERE.iter().filter(|(file, _)| *file == line.file).map(|(_, text)| *text).collect();
        let is_told = if has_words {
            is_on(line.level, &line.text)
        } else {
            !made.is_empty() && made.iter().all(|text| page.contains(text))
        };
        if !is_told {
            missing.push(format!("{} {}: {:?}", line.level, line.file, line.text));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The words in backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The files and folders of `src/` that a row of the list names in its first column: from `src/`, or from the folder of
/// the row's first name.
fn places(row: &str) -> Vec<PathBuf> {
    let column = row.split('|').nth(1).unwrap_or_default();
    let folder = names(column).next().and_then(|first| Path::new(first).parent()).unwrap_or(Path::new(""));
    let src = source::root().join("src");
    let place = |name: &str| {
        let beside = folder.join(name);
        let found = [Path::new(name), &beside].into_iter().find(|path| src.join(path).exists());
        found.unwrap_or_else(|| panic!("ARCHITECTURE.md lists {name}, which is not in src/")).to_owned()
    };
    names(column).map(place).collect()
}

/// A file has a line there, or its folder has one. Roots of folders and tests go without.
#[test]
fn every_file_of_the_library_is_in_the_list_of_the_architecture() {
    let page = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| File in `src/`")).skip(2);
    let listed: Vec<PathBuf> = rows.take_while(|line| line.starts_with('|')).flat_map(places).collect();
    let goes_without = |path: &Path| {
        path.ends_with("mod.rs") || path == Path::new("lib.rs") || path.iter().any(|part| part == "tests")
    };
    let files = source::rust_files("src").into_iter().map(|(path, _)| path);
    let missing: Vec<_> = files
        .map(|path| path.strip_prefix("src").unwrap().to_owned())
        .filter(|path| !goes_without(path) && !listed.iter().any(|place| path.starts_with(place)))
        .collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md: {missing:?}");
}

#[test]
fn every_file_that_the_architecture_names_is_there() {
    let page = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let files: Vec<String> = source::files("").iter().map(|path| format!("/{}", path.display())).collect();
    let prose = prose(&page).collect::<Vec<_>>().join("\n");
    let named: BTreeSet<&str> = names(&prose).filter(|name| name.ends_with(".rs")).collect();
    assert!(named.len() > 100, "{named:?}");
    for name in named {
        assert!(files.iter().any(|file| file.ends_with(&format!("/{name}"))), "{name} is nowhere");
    }
}
