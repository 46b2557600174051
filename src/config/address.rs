//! The addresses in `bootstrap.servers`: `host:port`, `[::1]:9092`, `PLAINTEXT://host:port`.
//!
//! Owns: the syntax, which is that of Java's `Utils.getHost` and `getPort`. Must not know: how names are resolved.

/// Host and port of one entry, or what is wrong with it. A protocol in front is allowed and means nothing.
pub(super) fn parse(entry: &str) -> Result<(String, u16), String> {
    let address = match entry.split_once("://") {
        Some((protocol, rest)) if protocol.chars().all(is_name) => rest,
        Some(_) => return Err(String::from(EXPECTED)),
        None => entry,
    };
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(format!("the port is missing, {EXPECTED}"));
    };
    let bare = host.strip_prefix('[').unwrap_or(host);
    let bare = bare.strip_suffix(']').unwrap_or(bare);
    if host.starts_with('[') != host.ends_with(']') || !bare.chars().all(|c| is_name(c) || c == ':') {
        return Err(String::from(EXPECTED));
    }
    if bare.is_empty() {
        return Err(format!("the host is missing, {EXPECTED}"));
    }
    if port.is_empty() {
        return Err(format!("the port is missing, {EXPECTED}"));
    }
    match port.parse() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok((bare.to_owned(), number)),
        _ => Err(format!("the port must be a number from 1 to 65535, {EXPECTED}")),
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_')
}

const EXPECTED: &str = "expected host:port, for example localhost:9092 or [::1]:9092";

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_what_java_reads() {
        for (entry, host, port) in [
            ("localhost:9092", "localhost", 9092),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:9092", "::1", 9092),
            ("::1:9092", "::1", 9092),
            ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
            ("PLAINTEXT://broker-1.example:9092", "broker-1.example", 9092),
            ("under_score:19092", "under_score", 19092),
        ] {
            assert_eq!(parse(entry), Ok((host.to_owned(), port)), "{entry}");
        }
    }

    #[test]
    fn says_what_is_wrong_and_what_is_expected() {
        for (entry, problem) in [
            ("localhost", "the port is missing"),
            ("localhost:", "the port is missing"),
            (":9092", "the host is missing"),
            ("[]:9092", "the host is missing"),
            ("localhost:0", "from 1 to 65535"),
            ("localhost:65536", "from 1 to 65535"),
            ("localhost:+9092", "from 1 to 65535"),
            ("localhost:99999999999999", "from 1 to 65535"),
            ("localhost:9092/path", "from 1 to 65535"),
            ("local host:9092", ""),
            ("[::1:9092", ""),
            ("b\u{fc}cher:9092", ""),
            ("a b://localhost:9092", ""),
        ] {
            let error = parse(entry).unwrap_err();
            assert!(error.contains(problem) && error.contains("expected host:port"), "{entry}: {error}");
        }
    }
}
