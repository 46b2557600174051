//! Java's properties syntax, and files of a size that settings have.
//!
//! Owns: what `Properties.load` makes of a text, and the reading of small files. Must not know: what the names mean.
//! Holds: a file is read only if it is a regular one and not endless, so that reading ends; no value stands in an error.
//! Source: Java's `Properties.LineReader`, `load0` and `loadConvert`. Two things differ: the text is UTF-8 and not
//! Latin-1 (a byte order mark at the front does not count), and half of a surrogate pair, which no UTF-8 can hold, is
//! refused. (A backslash alone at the end of a file is a pair of two empty texts to Java; here it is nothing.)

use std::fs::{self, File};
use std::io::Read;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::Error;
use crate::escape::Escaped;

/// One `name=value` of a file, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// The pairs in the order of the file.
pub(super) fn read(path: &Path) -> Result<Vec<Pair>, Error> {
    let shown = path.display().to_string();
    let shown = Escaped(&shown);
    let text = read_small(path).map_err(|(problem, source)| {
        let error = Error::config(format!("cannot read the properties file {shown}: {problem}"));
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::config(format!("the properties file {shown} is not UTF-8: byte {at} begins no character"))
    })?;
    parse(&text).map_err(|problem| Error::config(format!("the properties file {shown}: {problem}")))
}

/// Why a file is not read, and the system's error, if it is one.
pub(crate) type Unread = (String, Option<std::io::Error>);

/// What lies in a regular file of at most 4 MiB.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Unread> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| (error.to_string(), Some(error)))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err((format!("it is larger than {MOST_BYTES} bytes"), None));
    }
    Ok(bytes)
}

/// A regular file. Anything else might have no end, or never begin: a pipe, a device. It may take the file's place at any
/// moment, so what was opened is looked at as well.
pub(crate) fn open_regular(path: &Path) -> Result<File, Unread> {
    let failed = |error: std::io::Error| {
        let hint = if error.kind() == std::io::ErrorKind::NotFound { hint(path) } else { String::new() };
        (format!("{error}{hint}"), Some(error))
    };
    is_regular(&fs::metadata(path).map_err(failed)?)?;
    let file = open_at_once(path).map_err(failed)?;
    is_regular(&file.metadata().map_err(failed)?)?;
    Ok(file)
}

fn is_regular(found: &fs::Metadata) -> Result<(), Unread> {
    if found.is_file() {
        return Ok(());
    }
    let kind = if found.is_dir() { "a directory" } else { "a pipe, a device or a socket" };
    Err((format!("it is {kind} and not a regular file"), None))
}

/// To open a pipe takes until somebody writes to it, unless it is opened like this.
#[cfg(unix)]
fn open_at_once(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

/// What may be meant by a path at which there is nothing.
fn hint(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.starts_with("file:") {
        return String::from("; a path is expected here, not a URL");
    }
    if text.starts_with('~') {
        return String::from("; `~` is not replaced by a folder");
    }
    if text.starts_with(['"', '\'']) {
        return String::from("; quotation marks are taken for a part of the path");
    }
    if path.is_absolute() {
        return String::new();
    }
    let folder = std::env::current_dir();
    folder.map_or(String::new(), |folder| {
        format!("; it is looked for in {}", Escaped(&folder.to_string_lossy()))
    })
}

/// The pairs of a text, in order; the error says on which line an escape cannot be read.
fn parse(text: &str) -> Result<Vec<Pair>, String> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut lines = LogicalLines { rest: text.chars().peekable(), line: 1 };
    let mut pairs = Vec::new();
    while let Some((first_line, line)) = lines.next() {
        let (name, value) = split(&line);
        let at_line = |problem| format!("line {first_line}: {problem}");
        let (name, value) = (unescape(name).map_err(at_line)?, unescape(value).map_err(at_line)?);
        pairs.push(Pair { name, value, line: first_line });
    }
    Ok(pairs)
}

/// The pairs of a file as names and values, of whatever program they are.
pub(crate) fn pairs(path: &Path) -> Result<Vec<(String, String)>, Error> {
    Ok(read(path)?.into_iter().map(|pair| (pair.name, pair.value)).collect())
}

/// How many pairs a text has.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    parse(text).map(|pairs| pairs.len())
}

/// Lines as they are meant: without comments and empty ones, and with those joined that a backslash continues.
struct LogicalLines<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// The number of the line that `rest` is on.
    line: usize,
}

impl LogicalLines<'_> {
    /// The next one, and the number of the line on which it begins.
    fn next(&mut self) -> Option<(usize, String)> {
        let mut line = String::new();
        let mut first_line = self.line;
        let (mut continued, mut escaped) = (false, false);
        // What `continued` is for: at the beginning of a line that another one's backslash has continued, an empty
        // line ends the whole. Blanks at the beginning of any line do not count.
        let mut at_start = true;
        while let Some(character) = self.take() {
            let is_end = character == '\n';
            if at_start && (is_blank(character) || (is_end && !continued)) {
                first_line = if line.is_empty() { self.line } else { first_line };
                continue;
            }
            (at_start, continued) = (false, false);
            if line.is_empty() && matches!(character, '#' | '!') {
                while self.take().is_some_and(|character| character != '\n') {}
                (at_start, first_line) = (true, self.line);
            } else if !is_end {
                line.push(character);
                escaped = character == '\\' && !escaped;
            } else if escaped {
                line.pop();
                (at_start, continued, escaped) = (true, true, false);
            } else if !line.is_empty() {
                return Some((first_line, line));
            } else {
                (at_start, first_line) = (true, self.line);
            }
        }
        // A backslash at the very end continues nothing.
        if escaped {
            line.pop();
        }
        (!line.is_empty()).then_some((first_line, line))
    }

    /// The next character, every kind of line end as `\n`.
    fn take(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        if character == '\r' {
            self.rest.next_if_eq(&'\n');
        }
        if matches!(character, '\r' | '\n') {
            self.line += 1;
            return Some('\n');
        }
        Some(character)
    }
}

/// Name and value: the first `=`, `:` or blank that no backslash escapes separates them, with blanks around it.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, character)| {
        let found = !escaped && (is_separator(*character) || is_blank(*character));
        escaped = *character == '\\' && !escaped;
        found
    });
    let (name, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(is_blank);
    (name, rest.strip_prefix(is_separator).unwrap_or(rest).trim_start_matches(is_blank))
}

/// Escapes replaced by what they stand for. `\uD83D\uDE00` are the two halves of one character.
fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let escape = if character == '\\' { rest.next() } else { None };
        if escape == Some('u') {
            units.push(four_digits(&mut rest).ok_or("\\u must be followed by four hexadecimal digits")?);
            continue;
        }
        append(&mut plain, &mut units)?;
        plain.push(match escape {
            None => character,
            Some('t') => '\t',
            Some('r') => '\r',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some(itself) => itself,
        });
    }
    append(&mut plain, &mut units)?;
    Ok(plain)
}

/// Ends a run of `\u`: what they say together.
fn append(plain: &mut String, units: &mut Vec<u16>) -> Result<(), &'static str> {
    if !units.is_empty() {
        plain.push_str(&String::from_utf16(units).map_err(|_| "\\u has half of a surrogate pair")?);
        units.clear();
    }
    Ok(())
}

fn four_digits(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | rest.next()?.to_digit(16)?;
    }
    u16::try_from(unit).ok()
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

fn is_separator(character: char) -> bool {
    matches!(character, '=' | ':')
}

const BYTE_ORDER_MARK: char = '\u{feff}';
/// More than any configuration, certificates included.
const MOST_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_at_which_there_is_nothing_is_told_with_what_may_be_meant() {
        let folder = std::env::current_dir().unwrap();
        for (path, words) in [
            ("file:///etc/ca.pem", "; a path is expected here, not a URL"),
            ("~/ca.pem", "; `~` is not replaced by a folder"),
            ("\"/etc/ca.pem\"", "; quotation marks are taken for a part of the path"),
            ("no such/ca.pem", &*format!("; it is looked for in {}", folder.display())),
            ("/no such/ca.pem", "No such file or directory (os error 2)"),
        ] {
            let (problem, _) = read_small(Path::new(path)).unwrap_err();
            assert!(problem.starts_with("No such file") && problem.ends_with(words), "{problem}");
        }
    }

    /// Where it took the place of a file after that was looked at.
    #[cfg(unix)]
    #[test]
    fn a_pipe_to_which_nobody_writes_holds_up_nobody() {
        let path = std::env::temp_dir().join(format!("kafka-producer-{}-pipe", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (opened, came) = std::sync::mpsc::channel();
        let pipe = path.clone();
        std::thread::spawn(move || opened.send(open_at_once(&pipe)));
        let file = came.recv_timeout(std::time::Duration::from_secs(60)).unwrap().unwrap();
        let (problem, _) = is_regular(&file.metadata().unwrap()).unwrap_err();
        assert_eq!(problem, "it is a pipe, a device or a socket and not a regular file");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn reads_java_s_syntax() {
        for (text, expected) in [
            ("a=b", vec![("a", "b")]),
            ("a:b\nc d\r\ne = f \rg", vec![("a", "b"), ("c", "d"), ("e", "f "), ("g", "")]),
            ("  a=b\n\n#x=1\n ! y=2", vec![("a", "b")]),
            ("a=b,\\\n   c,\\\r\n\td", vec![("a", "b,c,d")]),
            ("a=b\\\n#c", vec![("a", "b#c")]),
            ("#a=b\\\nc=d", vec![("c", "d")]),
            ("a=b\\", vec![("a", "b")]),
            ("a=b\\\\", vec![("a", "b\\")]),
            ("a=b\\\n", vec![("a", "b")]),
            ("a=b\\\n\nc=d", vec![("a", "b"), ("c", "d")]),
            ("\\\n#c\na=b", vec![("a", "b")]),
            ("a=b\n\\", vec![("a", "b")]),
            ("\\\n", vec![]),
            ("a\\ b\\==\\:c\\t\\\\", vec![("a b=", ":c\t\\")]),
            ("a = = b", vec![("a", "= b")]),
            ("a\\u003db=\\u0020c", vec![("a=b", " c")]),
            ("# C:\\users\nC\\:=\\u00e4\\u20AC", vec![("C:", "\u{e4}\u{20ac}")]),
            ("n\u{e4}me=\u{65e5}\u{672c} \u{1f600}", vec![("n\u{e4}me", "\u{65e5}\u{672c} \u{1f600}")]),
            ("\u{feff}a=b", vec![("a", "b")]),
            ("a=1\na=2", vec![("a", "1"), ("a", "2")]),
            ("a=\\q\\'\\\u{1f600}", vec![("a", "q'\u{1f600}")]),
            ("", vec![]),
            ("\n \t\n#", vec![]),
            ("=v", vec![("", "v")]),
        ] {
            let pairs = parse(text).unwrap();
            let pairs: Vec<_> = pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect();
            assert_eq!(pairs, expected, "{text:?}");
        }
    }

    /// Fault C13. This is how Java's `Properties.store` writes what Latin-1 does not have.
    #[test]
    fn two_halves_of_a_surrogate_pair_are_one_character() {
        for (text, expected) in [
            ("a=\\uD83D\\uDE00", "\u{1f600}"),
            ("a=x\\ud83d\\ude00\\uD834\\uDD1Ey", "x\u{1f600}\u{1d11e}y"),
            ("a=\\u0041\\uD83D\\\n  \\uDE00", "A\u{1f600}"),
        ] {
            assert_eq!(parse(text).unwrap()[0].value, expected, "{text}");
        }
        for half in ["\\uD83D", "\\uDE00\\uD83D", "\\uD83D \\uDE00", "\\uD83Dx\\uDE00"] {
            let error = parse(&format!("a=1\n\nb=secret{half}")).unwrap_err();
            assert!(error.contains("line 3") && error.contains("surrogate") && !error.contains("secret"));
        }
    }

    #[test]
    fn a_pair_knows_the_line_it_begins_on() {
        let pairs = parse("# a\n\na=1\r\nb=2,\\\n  3\n\n \\\n\tc=4\rd").unwrap();
        let lines: Vec<_> = pairs.iter().map(|pair| (pair.name.as_str(), pair.line)).collect();
        assert_eq!(lines, [("a", 3), ("b", 4), ("c", 8), ("d", 9)]);
    }

    #[test]
    fn a_broken_escape_is_named_with_its_line_and_without_the_value() {
        for text in ["a=1\nb=secret\\u12", "a=1\nb=secret\\uzzzz", "a=1\nb=secret\\u+123", "a=1\nb\\u=secret"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("line 2") && !error.contains("secret"), "{error}");
        }
    }

    /// Texts of what matters to the syntax, in any order.
    fn any_text(random: &mut fastrand::Rng) -> String {
        const PARTS: [&str; 26] = [
            " ",
            " ",
            "\t",
            "\u{c}",
            "\n",
            "\n",
            "\r",
            "\r\n",
            "\\",
            "\\",
            "\\\n",
            "\\\r\n",
            "=",
            ":",
            "#",
            "!",
            "a",
            "b",
            "u",
            "n",
            "\u{e4}",
            "\u{1f600}",
            "\\u0041",
            "\\u00g",
            "\\uD83D\\uDE00",
            "\\uD83D",
        ];
        (0..random.usize(0..24)).map(|_| PARTS[random.usize(0..PARTS.len())]).collect()
    }

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As `PropertiesOracle.java` prints it.
    fn ours(text: &str) -> Option<String> {
        let pairs = match parse(text) {
            Ok(pairs) => pairs,
            Err(problem) if problem.contains("surrogate") => return None,
            Err(_) => return Some(String::from("error")),
        };
        let mut last = std::collections::BTreeMap::new();
        last.extend(pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())));
        let mut printed: Vec<String> =
            last.iter().map(|(name, value)| format!("{}={}", hex(name), hex(value))).collect();
        printed.sort();
        Some(printed.join(" "))
    }

    /// Fault C13.
    #[test]
    #[ignore = "needs Java: run by .ci/run"]
    fn what_java_s_properties_load_reads_is_what_we_read() {
        use std::io::Write;
        let mut random = fastrand::Rng::with_seed(13);
        let texts: Vec<String> = (0..40_000).map(|_| any_text(&mut random)).collect();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/harness/src/PropertiesOracle.java");
        let mut java = std::process::Command::new("java")
            .arg(source)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a Java runtime");
        let mut input = java.stdin.take().unwrap();
        let lines: String = texts.iter().map(|text| hex(text) + "\n").collect();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
        let output = java.wait_with_output().unwrap();
        writer.join().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        assert_eq!(theirs.lines().count(), texts.len());
        let mut compared = 0;
        for (text, theirs) in texts.iter().zip(theirs.lines()) {
            let Some(ours) = ours(text) else { continue };
            // What stands under an empty name is replaced by the pair that the head of this file tells of.
            let theirs: Vec<&str> = theirs.split_whitespace().filter(|pair| !pair.starts_with('=')).collect();
            let ours: Vec<&str> = ours.split_whitespace().filter(|pair| !pair.starts_with('=')).collect();
            assert_eq!(ours, theirs, "{text:?}");
            compared += 1;
        }
        assert!(compared > 20_000, "{compared}");
    }
}
