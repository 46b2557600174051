//! What is the same for both programs: exit statuses, what they say of themselves, files that may not be the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::scratch::ScratchFolder;

const CONSOLE: &str = env!("CARGO_BIN_EXE_kafka-console-producer");
const PERF: &str = env!("CARGO_BIN_EXE_kafka-producer-perf-test");

fn output(program: &str, arguments: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null()).stdout(stdout);
    command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Each way to be asked for that; the perf test tells everything to who asks nothing.
fn descriptions() -> Vec<(&'static str, Vec<&'static str>)> {
    let of_both: [&[&str]; 5] =
        [&["--help"], &["-h"], &["--version"], &["--man"], &["--completions", "bash"]];
    let each = |program| of_both.iter().map(move |arguments| (program, arguments.to_vec()));
    each(CONSOLE).chain(each(PERF)).chain([(PERF, vec![])]).collect()
}

/// `/dev/full` can be opened, and takes nothing.
#[test]
#[cfg(target_os = "linux")]
fn what_a_program_says_of_itself_is_told_to_be_lost_where_it_cannot_be_written() {
    for (program, arguments) in descriptions() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = output(program, &arguments, full.into());
        let name = program.rsplit('/').next().unwrap();
        let said = format!("{name}: standard output: No space left on device\n");
        assert_eq!((text(&output.stderr), output.status.code()), (said.as_str(), Some(1)), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_has_what_it_wants_of_what_a_program_says_of_itself() {
    for (program, arguments) in descriptions() {
        let (reader, gone) = std::io::pipe().unwrap();
        drop(reader);
        let output = output(program, &arguments, gone.into());
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)), "{program} {arguments:?}");
    }
}

/// The status, and that this text is said of it.
#[track_caller]
fn assert_ends(program: &str, arguments: &[&str], status: i32, expected: &str) {
    let output = output(program, arguments, Stdio::null());
    let said = text(&output.stderr);
    assert!(said.contains(expected), "{program} {arguments:?}: {expected:?} is not in {said}");
    assert_eq!(output.status.code(), Some(status), "{program} {arguments:?}: {said}");
}

#[test]
fn wrong_flags_and_wrong_settings_end_with_2_and_what_cannot_be_done_with_1() {
    let settings = std::env::temp_dir().join(format!("both-tools-{}.properties", std::process::id()));
    fs::write(&settings, "linger.ms=soon\n").unwrap();
    let file = settings.to_str().unwrap();
    let perf = ["--num-records", "1", "--record-size", "1", "--throughput", "-1"];
    for (program, base) in [(CONSOLE, &[][..]), (PERF, &perf)] {
        let topic = ["--topic", "t"];
        let server = ["--bootstrap-server", "127.0.0.1:1"];
        let wrong: [(&[&str], &str); 9] = [
            (&[], "--topic"),
            (&["--topic", "t", "--no-such-flag"], "unexpected argument '--no-such-flag'"),
            (&topic, "--bootstrap-server"),
            (&["--topic", "t", "--bootstrap-server", "127.0.0.1"], "bootstrap.servers"),
            (&[&topic[..], &server, &["--command-property", "acks"]].concat(), "acks has no value"),
            (&[&topic[..], &server, &["--command-property", "acks=2"]].concat(), "configuration acks"),
            (
                &[&topic[..], &server, &["--command-property", "transactional.id="]].concat(),
                "transactional.id",
            ),
            (&[&topic[..], &server, &["--command-config", file]].concat(), "configuration linger.ms"),
            (&[&topic[..], &server, &["--command-config", "no/such/file"]].concat(), "no/such/file"),
        ];
        for (arguments, expected) in wrong {
            assert_ends(program, &[base, arguments].concat(), 2, expected);
        }
        let input = if program == CONSOLE { "--file" } else { "--payload-file" };
        let base = if program == CONSOLE { &[][..] } else { &["--num-records", "1", "--throughput", "-1"] };
        let not_there = [&topic[..], &server, &[input, "no/such/file"]].concat();
        assert_ends(program, &[base, &not_there].concat(), 1, "no/such/file: No such file or directory");
    }
    fs::remove_file(settings).unwrap();
    let dead =
        ["--topic", "t", "--bootstrap-server", "127.0.0.1:1", "--command-property", "max.block.ms=2500"];
    assert_ends(PERF, &[&perf[..], &dead].concat(), 1, "cannot connect to 127.0.0.1:1");
}

#[test]
fn words_of_a_value_that_was_not_put_into_quotation_marks_are_not_shown() {
    let login =
        ["sasl.jaas.config=PlainLoginModule", "required", "password=\"correct", "hunter", "battery2\";"];
    let flags = ["--topic", "t", "--bootstrap-server", "127.0.0.1:1", "--command-property"];
    // As Kafka's does: the perf test takes all that follows, and the console producer one.
    let perf = ["--num-records", "1", "--record-size", "1", "--throughput", "-1"];
    for (program, base, said) in [
        (
            PERF,
            &perf[..],
            "--command-property has no '=' in it: expected NAME=VALUE; a value with spaces in it needs quotation marks",
        ),
        (
            CONSOLE,
            &[],
            "an argument belongs to no flag (it is not shown, since it may be a secret): a value with spaces in it \
                        needs quotation marks, and each value its flag",
        ),
    ] {
        let arguments = [base, &flags, &login].concat();
        assert_ends(program, &arguments, 2, said);
        let output = output(program, &arguments, Stdio::null());
        let said = text(&output.stderr);
        assert!(
            !["required", "correct", "hunter", "battery2"].iter().any(|word| said.contains(word)),
            "{said}"
        );
    }
    let attached = [&perf[..], &flags[..4], &["--command-property=acks=all", "linger.ms=7"]].concat();
    assert_ends(PERF, &attached, 2, "an argument belongs to no flag");
}

#[test]
fn two_files_of_a_run_are_not_the_same_whatever_they_are_called() {
    let folder = ScratchFolder::new(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [file, hard, soft, new, to_new] = ["file", "hard", "soft", "new", "to-new"].map(path);
    fs::write(&file, "kept").unwrap();
    fs::hard_link(&file, &hard).unwrap();
    symlink("file", &soft).unwrap();
    symlink("new", &to_new).unwrap();
    let same = |a: &str, b: &str, why: &str| {
        format!("{a} and {b} are the same file, and {why}: expected two files\n")
    };
    let perf =
        ["--topic", "t", "--num-records", "1", "--throughput", "-1", "--bootstrap-server", "127.0.0.1:1"];
    let size = ["--record-size", "1"];
    let round_about = path("../") + folder.path().file_name().unwrap().to_str().unwrap() + "/new";
    for (json, plot) in
        [(&file, &file), (&file, &hard), (&soft, &hard), (&new, &new), (&new, &to_new), (&new, &round_about)]
    {
        let said =
            same(&format!("--plot {plot}"), &format!("--json {json}"), "one would be written over the other");
        assert_ends(PERF, &[&perf[..], &size, &["--json", json, "--plot", plot]].concat(), 2, &said);
    }
    let said = same(
        &format!("--json {soft}"),
        &format!("--payload-file {file}"),
        "what is read would be written to",
    );
    assert_ends(PERF, &[&perf[..], &["--payload-file", &file, "--json", &soft]].concat(), 2, &said);
    let console =
        ["--topic", "t", "--bootstrap-server", "127.0.0.1:1", "--file", &hard, "--dead-letter", &soft];
    let said =
        same(&format!("--dead-letter {soft}"), &format!("--file {hard}"), "what is read would be written to");
    assert_ends(CONSOLE, &console, 2, &said);
    // Where the shell sends what is printed is one, too.
    let stdout = File::options().append(true).open(&file).unwrap();
    let output = output(PERF, &[&perf[..], &size, &["--json", &hard]].concat(), stdout.into());
    let said = same(&format!("--json {hard}"), "standard output", "one would be written over the other");
    assert!(text(&output.stderr).contains(&said), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    assert!(!fs::exists(&new).unwrap());
}
