//! Each case of Kafka's `LineMessageReaderTest`, under its name, and what is ours.

use super::*;

/// Key, value, headers.
type Parsed = (Option<&'static str>, Option<&'static str>, Vec<(&'static str, Option<&'static str>)>);

const DEFAULT: &[(&str, &str)] = &[("parse.key", "true"), ("parse.headers", "true")];

fn refusal(properties: &[(&str, &str)]) -> String {
    rules(properties).err().map(|complaint| complaint.to_string()).unwrap_or_default()
}

fn rules(properties: &[(&str, &str)]) -> Result<LineRules, Complaint> {
    let properties: Vec<_> =
        properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    LineRules::new(&properties)
}

/// The default of the tests with others on top.
fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [DEFAULT, more].concat()
}

/// What the lines are read as; an error is its text.
#[track_caller]
fn check(properties: &[(&str, &str)], input: &str, expected: &[Result<Parsed, &str>]) {
    let rules = rules(properties).unwrap_or_else(|complaint| panic!("{complaint}"));
    let lines: Vec<_> = input.split_terminator('\n').collect();
    assert_eq!(lines.len(), expected.len());
    for (number, (line, expected)) in (1..).zip(lines.iter().zip(expected)) {
        match (rules.parse(line.as_bytes(), number), expected) {
            (Ok(entry), Ok((key, value, headers))) => {
                assert_eq!(entry.key.as_deref(), key.map(str::as_bytes), "key of line {number}");
                assert_eq!(entry.value.as_deref(), value.map(str::as_bytes), "value of line {number}");
                let found: Vec<_> =
                    entry.headers.iter().map(|header| (header.key(), header.value())).collect();
                let headers: Vec<_> =
                    headers.iter().map(|(key, value)| (*key, value.map(str::as_bytes))).collect();
                assert_eq!(found, headers, "headers of line {number}");
            }
            (Err(bad), Err(text)) => assert_eq!(bad.to_string(), *text),
            (found, expected) => panic!("line {number}: {found:?}, and not {expected:?}"),
        }
    }
}

fn row(
    key: &'static str,
    value: &'static str,
    headers: &[(&'static str, &'static str)],
) -> Result<Parsed, &'static str> {
    Ok((Some(key), Some(value), headers.iter().map(|(key, value)| (*key, Some(*value))).collect()))
}

#[test]
fn line_reader() {
    let properties = with(&[("parse.headers", "false")]);
    check(
        &properties,
        "key0\tvalue0\nkey1\tvalue1",
        &[row("key0", "value0", &[]), row("key1", "value1", &[])],
    );
}

#[test]
fn line_reader_header() {
    let headers = [("headerKey0", "headerValue0"), ("headerKey1", "headerValue1")];
    check(
        DEFAULT,
        "headerKey0:headerValue0,headerKey1:headerValue1\tkey0\tvalue0\n",
        &[row("key0", "value0", &headers)],
    );
}

#[test]
fn minimal_valid_input_with_header_key_and_value() {
    check(DEFAULT, ":\t\t", &[row("", "", &[("", "")])]);
}

#[test]
fn key_missing_value() {
    check(&with(&[("parse.headers", "false")]), "key\t", &[row("key", "", &[])]);
}

#[test]
fn demarcations_longer_than_one() {
    let properties = with(&[
        ("key.separator", "\t\t"),
        ("headers.delimiter", "\t\t"),
        ("headers.separator", "---"),
        ("headers.key.separator", "::::"),
    ]);
    let headers = [("headerKey0.0", "headerValue0.0"), ("headerKey1.0", "")];
    check(
        &properties,
        "headerKey0.0::::headerValue0.0---headerKey1.0::::\t\tkey\t\tvalue",
        &[row("key", "value", &headers)],
    );
}

#[test]
fn line_reader_header_no_key() {
    let properties = with(&[("parse.key", "false")]);
    let expected = (None, Some("value"), vec![("headerKey", Some("headerValue"))]);
    check(&properties, "headerKey:headerValue\tvalue\n", &[Ok(expected)]);
}

#[test]
fn line_reader_only_value() {
    let properties = with(&[("parse.key", "false"), ("parse.headers", "false")]);
    check(&properties, "value\n", &[Ok((None, Some("value"), vec![]))]);
    check(&[], "value\n", &[Ok((None, Some("value"), vec![]))]);
}

#[test]
fn parse_header_enabled_with_custom_delimiter_and_varying_number_of_key_value_header_pairs() {
    let properties = with(&[
        ("key.separator", "#"),
        ("headers.delimiter", "!"),
        ("headers.separator", "&"),
        ("headers.key.separator", ":"),
    ]);
    let first = [("headerKey0.0", "headerValue0.0"), ("headerKey0.1", "headerValue0.1")];
    check(
        &properties,
        "headerKey0.0:headerValue0.0&headerKey0.1:headerValue0.1!key0#value0\nheaderKey1.0:headerValue1.0!key1#value1",
        &[row("key0", "value0", &first), row("key1", "value1", &[("headerKey1.0", "headerValue1.0")])],
    );
}

#[test]
fn missing_key_separator() {
    let headers = [("headerKey0.0", "headerValue0.0"), ("headerKey0.1", "headerValue0.1")];
    check(
        DEFAULT,
        "headerKey0.0:headerValue0.0,headerKey0.1:headerValue0.1\tkey0\tvalue0\n\
         headerKey1.0:headerValue1.0\tkey1[MISSING-DELIMITER]value1",
        &[
            row("key0", "value0", &headers),
            Err(
                "No key separator found on line number 2: 'headerKey1.0:headerValue1.0\tkey1[MISSING-DELIMITER]value1'",
            ),
        ],
    );
}

#[test]
fn missing_header_key_separator() {
    check(
        DEFAULT,
        "key[MISSING-DELIMITER]val\tkey0\tvalue0\n",
        &[Err("No header key separator found in pair 'key[MISSING-DELIMITER]val' on line number 1")],
    );
}

#[test]
fn header_demarcation_collision() {
    let mut properties =
        with(&[("headers.delimiter", "\t"), ("headers.separator", "\t"), ("headers.key.separator", "\t")]);
    assert_eq!(refusal(&properties), "headers.delimiter and headers.separator may not be equal");
    properties.push(("headers.separator", ","));
    assert_eq!(refusal(&properties), "headers.delimiter and headers.key.separator may not be equal");
    properties.push(("headers.key.separator", ","));
    assert_eq!(refusal(&properties), "headers.separator and headers.key.separator may not be equal");
}

#[test]
fn ignore_error_in_input() {
    let input = "headerKey0.0:headerValue0.0\tkey0\tvalue0\n\
        headerKey1.0:headerValue1.0,headerKey1.1:headerValue1.1[MISSING-HEADER-DELIMITER]key1\tvalue1\n\
        headerKey2.0:headerValue2.0\tkey2[MISSING-KEY-DELIMITER]value2\n\
        headerKey3.0:headerValue3.0[MISSING-HEADER-DELIMITER]key3[MISSING-KEY-DELIMITER]value3\n";
    let no_header_delimiter = vec![
        ("headerKey1.0", Some("headerValue1.0")),
        ("headerKey1.1", Some("headerValue1.1[MISSING-HEADER-DELIMITER]key1")),
    ];
    let neither = "headerKey3.0:headerValue3.0[MISSING-HEADER-DELIMITER]key3[MISSING-KEY-DELIMITER]value3";
    check(
        &with(&[("ignore.error", "true")]),
        input,
        &[
            row("key0", "value0", &[("headerKey0.0", "headerValue0.0")]),
            Ok((None, Some("value1"), no_header_delimiter)),
            Ok((
                None,
                Some("key2[MISSING-KEY-DELIMITER]value2"),
                vec![("headerKey2.0", Some("headerValue2.0"))],
            )),
            Ok((None, Some(neither), vec![])),
        ],
    );
}

#[test]
fn malformed_header_ignore_error() {
    let expected = (Some("key0"), Some("value0"), vec![("key-val", None)]);
    check(&with(&[("ignore.error", "true")]), "key-val\tkey0\tvalue0\n", &[Ok(expected)]);
}

#[test]
fn null_marker() {
    let input = "key\t\nkey\t<NULL>\nkey\t<NULL>value\n<NULL>\tvalue\n<NULL>\t<NULL>";
    check(
        &with(&[("null.marker", "<NULL>"), ("parse.headers", "false")]),
        input,
        &[
            row("key", "", &[]),
            Ok((Some("key"), None, vec![])),
            row("key", "<NULL>value", &[]),
            Ok((None, Some("value"), vec![])),
            Ok((None, None, vec![])),
        ],
    );
    // If the null marker is not set.
    check(
        &with(&[("parse.headers", "false")]),
        input,
        &[
            row("key", "", &[]),
            row("key", "<NULL>", &[]),
            row("key", "<NULL>value", &[]),
            row("<NULL>", "value", &[]),
            row("<NULL>", "<NULL>", &[]),
        ],
    );
}

#[test]
fn null_marker_with_headers() {
    let input = "h0:v0,h1:v1\t<NULL>\tvalue\n\
        <NULL>\tkey\t<NULL>\n\
        h0:,h1:v1\t<NULL>\t<NULL>\n\
        h0:<NULL>,h1:v1\tkey\t<NULL>\n\
        h0:<NULL>,h1:<NULL>value\tkey\t<NULL>\n";
    check(
        &with(&[("null.marker", "<NULL>")]),
        input,
        &[
            Ok((None, Some("value"), vec![("h0", Some("v0")), ("h1", Some("v1"))])),
            Ok((Some("key"), None, vec![])),
            Ok((None, None, vec![("h0", Some("")), ("h1", Some("v1"))])),
            Ok((Some("key"), None, vec![("h0", None), ("h1", Some("v1"))])),
            Ok((Some("key"), None, vec![("h0", None), ("h1", Some("<NULL>value"))])),
        ],
    );
    // If the null marker is not set, line 2 is not valid, and those behind it are.
    check(
        DEFAULT,
        input,
        &[
            row("<NULL>", "value", &[("h0", "v0"), ("h1", "v1")]),
            Err("No header key separator found in pair '<NULL>' on line number 2"),
            row("<NULL>", "<NULL>", &[("h0", ""), ("h1", "v1")]),
            row("key", "<NULL>", &[("h0", "<NULL>"), ("h1", "v1")]),
            row("key", "<NULL>", &[("h0", "<NULL>"), ("h1", "<NULL>value")]),
        ],
    );
}

/// The text says the line as well, which Java's does not.
#[test]
fn null_marker_header_key_throws() {
    let input = "<NULL>:v0,h1:v1\tkey\tvalue\n";
    let text =
        "Header keys should not be equal to the null marker '<NULL>' as they can't be null, on line number 1";
    check(&with(&[("null.marker", "<NULL>")]), input, &[Err(text)]);
    check(DEFAULT, input, &[row("key", "value", &[("<NULL>", "v0"), ("h1", "v1")])]);
}

#[test]
fn invalid_null_marker() {
    let refused = |marker| {
        refusal(&with(&[
            ("headers.delimiter", "-"),
            ("headers.separator", ":"),
            ("headers.key.separator", "/"),
            ("null.marker", marker),
        ]))
    };
    assert_eq!(refused("-"), "null.marker and headers.delimiter may not be equal");
    assert_eq!(refused(":"), "null.marker and headers.separator may not be equal");
    assert_eq!(refused("/"), "null.marker and headers.key.separator may not be equal");
    assert_eq!(refused("\t"), "null.marker and key.separator may not be equal");
}

#[test]
fn what_is_empty_at_the_end_of_the_headers_is_left_away_as_javas_split_does() {
    let empty = "No header key separator found in pair '' on line number 1";
    check(DEFAULT, "a:1,,\tk\tv", &[row("k", "v", &[("a", "1")])]);
    check(DEFAULT, ",,\tk\tv", &[row("k", "v", &[])]);
    check(DEFAULT, "\tk\tv", &[Err(empty)]);
    check(DEFAULT, "a:1,,b:2\tk\tv", &[Err(empty)]);
    check(DEFAULT, ",a:1\tk\tv", &[Err(empty)]);
}

#[test]
fn a_separator_of_headers_that_was_escaped_for_javas_regular_expressions_is_the_text() {
    for separator in ["|", "\\|"] {
        let properties = with(&[("headers.separator", separator)]);
        check(&properties, "a:1|b:2\tk\tv", &[row("k", "v", &[("a", "1"), ("b", "2")])]);
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let rules = rules(&[("parse.key", "true")]).unwrap_or_else(|complaint| panic!("{complaint}"));
    let entry = rules.parse(b"\xff\xfe\t\x80", 1);
    let entry = entry.unwrap_or_else(|bad| panic!("{bad}"));
    assert_eq!((entry.key.as_deref(), entry.value.as_deref()), (Some(&b"\xff\xfe"[..]), Some(&b"\x80"[..])));
}

#[test]
fn a_flag_that_is_neither_true_nor_false_is_told() {
    assert_eq!(refusal(&[("parse.key", "yes")]), "reader property parse.key=yes: expected true or false");
    assert_eq!(refusal(&[("parse.key", " TRUE ")]), "");
}

#[test]
fn kcats_key_delimiter_leaves_a_line_without_it_without_a_key() {
    let rules = rules(&[]).map(|rules| rules.with_key_delimiter(b"::").with_null_for_empty(true));
    let rules = rules.unwrap_or_else(|complaint| panic!("{complaint}"));
    for (line, key, value) in [
        ("k::v", Some("k"), Some("v")),
        ("v", None, Some("v")),
        ("k::", Some("k"), None),
        ("::v", None, Some("v")),
        ("", None, None),
    ] {
        let entry = rules.parse(line.as_bytes(), 1).unwrap_or_else(|bad| panic!("{bad}"));
        let found = (entry.key.as_deref(), entry.value.as_deref());
        assert_eq!(found, (key.map(str::as_bytes), value.map(str::as_bytes)), "{line}");
    }
}
