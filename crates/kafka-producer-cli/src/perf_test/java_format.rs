//! Numbers as Java's `printf` writes them, so that what reads Kafka's output reads ours.
//!
//! Owns: rounding and the words for what is no number. Must not know: what is printed.
//! Source: `java.util.Formatter`, `%.Nf`: half up, on the digits that the number is printed with, in the root locale.

/// A number with so many digits behind the point.
pub(super) fn fixed(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    let printed = number.abs().to_string();
    let (whole, fraction) = printed.split_once('.').unwrap_or((&printed, ""));
    let kept: String = fraction.bytes().chain(std::iter::repeat(b'0')).take(digits).map(char::from).collect();
    let mut figures = format!("{whole}{kept}").into_bytes();
    if fraction.as_bytes().get(digits).is_some_and(|next| *next >= b'5') {
        round_up(&mut figures);
    }
    let mut text: String = figures.into_iter().map(char::from).collect();
    if digits > 0 {
        text.insert(text.len() - digits, '.');
    }
    // Java keeps the sign of zero.
    if number.is_sign_negative() { format!("-{text}") } else { text }
}

/// The next larger number of decimal figures.
fn round_up(figures: &mut Vec<u8>) {
    for figure in figures.iter_mut().rev() {
        if *figure < b'9' {
            *figure += 1;
            return;
        }
        *figure = b'0';
    }
    figures.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::fixed;

    /// What Java 17 printed.
    #[test]
    fn numbers_are_rounded_as_java_rounds_them() {
        let cases = [
            (0.25, 1, "0.3"), // Rust prints 0.2
            (0.35, 1, "0.4"), // a little less than that in binary
            (12.345, 2, "12.35"),
            (1.005, 2, "1.01"),
            (2.5, 0, "3"),
            (9.96, 1, "10.0"),
            (99.995, 2, "100.00"),
            (0.04, 1, "0.0"),
            (3.0, 2, "3.00"),
            (-0.25, 1, "-0.3"),
            (123456.789, 6, "123456.789000"),
            (1e15, 1, "1000000000000000.0"),
            (1e-9, 6, "0.000000"),
            (0.0, 1, "0.0"),
        ];
        for (number, digits, expected) in cases {
            assert_eq!(fixed(number, digits), expected, "{number} with {digits}");
        }
    }

    #[test]
    fn what_is_no_number_has_javas_words() {
        assert_eq!(fixed(f64::NAN, 1), "NaN");
        assert_eq!(fixed(f64::INFINITY, 1), "Infinity");
        assert_eq!(fixed(f64::NEG_INFINITY, 1), "-Infinity");
    }
}
