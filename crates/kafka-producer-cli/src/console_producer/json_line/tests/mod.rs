//! Lines of JSON, read and written.

use kafka_producer::{Error, ErrorKind};

use super::*;

fn read(line: &[u8]) -> Entry<'_> {
    parse(line, 1).unwrap_or_else(|bad| panic!("{bad}")).unwrap_or_default()
}

#[track_caller]
fn refused(line: &[u8], text: &str) {
    let error = parse(line, 7).err().map(|bad| bad.to_string()).unwrap_or_default();
    assert_eq!(error, format!("line number 7 is not a record: {text}: '{}'", shown(line)));
}

/// As kcat 1.7.1 printed it, of a record with headers, one of them null, and with a key.
#[test]
fn a_line_of_kcat_is_the_record_that_it_was() {
    let line = br#"{"topic":"orders","partition":3,"offset":17,"tstype":"create","ts":1795453065944,"broker":1,"headers":["trace","a\"b","trace",null],"key":"k\u00e4","payload":"one\ntwo"}"#;
    let entry = read(line);
    assert_eq!((entry.topic.as_deref(), entry.partition), (Some("orders"), Some(3)));
    assert_eq!(entry.timestamp, Some(1_795_453_065_944));
    assert_eq!(entry.key.as_deref(), Some("kä".as_bytes()));
    assert_eq!(entry.value.as_deref(), Some(&b"one\ntwo"[..]));
    let headers: Vec<_> = entry.headers.iter().map(|header| (header.key(), header.value())).collect();
    assert_eq!(headers, [("trace", Some(&b"a\"b"[..])), ("trace", None)]);
}

#[test]
fn null_and_empty_are_told_apart() {
    let entry = read(br#"{"key":null,"payload":""}"#);
    assert_eq!((entry.key, entry.value.as_deref()), (None, Some(&b""[..])));
    let entry = read(br#"{"key":"","payload":null}"#);
    assert_eq!((entry.key.as_deref(), entry.value), (Some(&b""[..]), None));
    assert_eq!(read(br#"{"payload":"x"}"#).key, None);
}

/// kcat writes them so, though it is no JSON.
#[test]
fn bytes_that_are_no_text_are_read_as_they_are() {
    let entry = read(b"{\"headers\":[\"h\",\"\xfe\"],\"key\":\"\xff\\u0000\",\"payload\":\"\x80\xc3\"}");
    assert_eq!(
        (entry.key.as_deref(), entry.value.as_deref()),
        (Some(&b"\xff\0"[..]), Some(&b"\x80\xc3"[..]))
    );
    assert_eq!(entry.headers.last("h").and_then(|header| header.value()), Some(&b"\xfe"[..]));
}

#[test]
fn a_blank_line_is_no_record() {
    assert_eq!(parse(b" \t", 1), Ok(None));
    assert_eq!(parse(b"", 1), Ok(None));
}

#[test]
fn what_is_wrong_with_a_line_is_told_with_its_number() {
    refused(b"{\"key\":\"k\"}", "it has no payload, which for a tombstone is null");
    refused(b"{\"payload\":\"v\",\"key\":\"k\",\"key_base64\":\"aw==\"}", "it has key and key_base64");
    refused(
        b"{\"payload\":\"v\",\"headers\":[\"h\"]}",
        "headers has 1 elements: expected keys and values in turns",
    );
    refused(b"{\"payload\":\"v\",\"headers\":[null,\"h\"]}", "a header's key is null");
    let letters = "is no base64: expected letters, digits, + and /, filled up by = to a multiple of 4";
    for base64 in ["!", "YQ", "YQ=", "YQ==YQ=="] {
        let line = format!("{{\"payload_base64\":\"{base64}\"}}");
        refused(line.as_bytes(), &format!("payload_base64 {letters}"));
    }
    refused(b"{\"payload\":\"\",\"headers_base64\":[\"a\",\"!\"]}", &format!("headers_base64 {letters}"));
    refused(b"{\"payload\":1}", "invalid type: integer `1`, expected a string or null at column 12");
    refused(b"{\"payload\":\"v\"", "EOF while parsing an object at column 14");
    refused(
        b"{\"payload\":\"v\",\"partition\":\"3\"}",
        "invalid type: string \"3\", expected a whole number of 32 bits at column 30",
    );
    refused(
        b"{\"payload\":\"v\",\"ts\":[]}",
        "invalid type: an array, expected a whole number of 64 bits at column 20",
    );
    refused(b"{\"payload\":{}}", "invalid type: an object, expected a string or null at column 11");
    refused(
        b"{\"payload\":\"v\",\"headers\":\"h\"}",
        "invalid type: string \"h\", expected an array at column 28",
    );
}

/// What PowerShell and others begin a file with; nobody sees it.
#[test]
fn a_mark_that_says_utf_8_is_not_a_part_of_the_line() {
    assert_eq!(read(b"\xef\xbb\xbf{\"payload\":\"x\"}").value.as_deref(), Some(&b"x"[..]));
    assert_eq!(parse(b"\xef\xbb\xbf", 1), Ok(None));
    assert_eq!(read(b"{\"payload\":\"\xef\xbb\xbfx\"}").value.as_deref(), Some(&b"\xef\xbb\xbfx"[..]));
}

/// An array of a record's fields in serde's order is none either.
#[test]
fn only_an_object_is_a_record() {
    let text = "it is no JSON object: expected {\"key\":…,\"payload\":…}";
    refused(b"plain text", text);
    refused(b"17", text);
    refused(br#"["t",0,1600000000000,null,null,"k",null,"v",null]"#, text);
    assert!(parse(b" \t{\"payload\":\"v\"} ", 1).is_ok_and(|entry| entry.is_some()));
}

#[test]
fn what_an_error_quotes_is_cut() {
    let line = format!("{{\"payload\":\"v\",\"partition\":\"{}\"}}", "x".repeat(900_000));
    let error = parse(line.as_bytes(), 7).err().map(|bad| bad.to_string()).unwrap_or_default();
    assert!(error.len() < 600, "{} bytes", error.len());
    assert!(error.contains("…, expected a whole number of 32 bits at column "), "{error}");
}

#[test]
fn half_a_character_is_no_text() {
    refused(br#"{"payload":"\ud800"}"#, "\\ud800 is half a character");
    refused(br#"{"key":"a\\\uDC00","payload":""}"#, "\\udc00 is half a character");
    refused(br#"{"headers":["h","\ud83d\u0041"],"payload":""}"#, "\\ud83d is half a character");
    assert_eq!(
        read(br#"{"payload":"\\ud800 \ud83c\udf50 \n"}"#).value.as_deref(),
        Some("\\ud800 🍐 \n".as_bytes())
    );
    // These bytes as they are may be a key's, which need not be text.
    assert_eq!(read(b"{\"payload\":\"\xed\xa0\x80\\n\"}").value.as_deref(), Some(&b"\xed\xa0\x80\n"[..]));
}

fn letter<'a>(
    headers: &'a Headers,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    error: &'a Error,
) -> DeadLetter<'a> {
    DeadLetter { topic: "orders", partition: None, timestamp: None, headers, key, value, line: 17, error }
}

#[test]
fn a_dead_letter_is_json_with_the_reason() {
    let (headers, error) = (Headers::new(), Error::new(ErrorKind::RecordTooLarge, "too large"));
    let line = letter(&headers, None, Some(b"a pear"), &error).to_line();
    let expected = r#"{"topic":"orders","key":null,"payload":"a pear","line":17,"error":"too large","possibly_written":false}"#;
    assert_eq!(String::from_utf8_lossy(&line), format!("{expected}\n"));
}

#[test]
fn a_dead_letter_reads_back_as_the_record_whatever_its_bytes() {
    let error = Error::new(ErrorKind::Timeout, "quotes \" and\nlines").with_possibly_written(true);
    let mut text = Headers::new();
    text.add("a", "1");
    text.add("a", "\n");
    text.add_null("b");
    let mut binary = text.clone();
    binary.add("c", b"\xff\x00");
    let fields: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"text \"\n\xc3\xa4"), Some(b"\x00\xff\xfe")];
    for headers in [&Headers::new(), &text, &binary] {
        for key in fields {
            for value in fields {
                let mut letter = letter(headers, key, value, &error);
                (letter.partition, letter.timestamp) = (Some(2), Some(99));
                let line = letter.to_line();
                assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok(), "it is JSON");
                assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "it is one line");
                let entry = read(&line);
                assert_eq!((entry.topic.as_deref(), entry.partition), (Some("orders"), Some(2)));
                assert_eq!(entry.timestamp, Some(99));
                assert_eq!((entry.key.as_deref(), entry.value.as_deref()), (key, value));
                assert!(entry.headers.iter().eq(headers.iter()));
            }
        }
    }
}
