//! The outcome as Markdown that is also readable on a terminal.

use std::fmt;

/// A table with one row per case.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Table::of(head.iter().map(|&cell| cell.to_owned()).collect())
    }

    pub(crate) fn of(head: Vec<String>) -> Self {
        Table { rows: vec![head] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                // Names to the left, numbers to the right.
                if column == 0 { write!(f, "| {cell:<width$} ")? } else { write!(f, "| {cell:>width$} ")? }
            }
            writeln!(f, "|")?;
            if index == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    let end = if column == 0 { '-' } else { ':' };
                    write!(f, "| {:-<width$}{end} ", "", width = width - 1)?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// The middle of some figures, or the mean of the two in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle), figures.len() % 2) {
        (None, _) => f64::NAN,
        (Some(&figure), 1) => figure,
        (Some(&upper), _) => (figures[middle - 1] + upper) / 2.0,
    }
}

/// A figure with three digits that count.
pub(crate) fn figure(value: f64) -> String {
    let digits = 2i32.saturating_sub(value.abs().log10().floor() as i32).clamp(0, 3) as usize;
    if value.is_finite() { format!("{value:.digits$}") } else { "-".to_owned() }
}

/// A whole number with its digits in groups.
pub(crate) fn thousands(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([0.0, 999.6, 12_345.0, 1_234_567.0].map(thousands), ["0", "1 000", "12 345", "1 234 567"]);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn figures_have_three_digits() {
        let seen = [1234.5, 123.45, 12.345, 1.2345, 0.12345, 0.012345, 0.0].map(figure);
        assert_eq!(seen, ["1234", "123", "12.3", "1.23", "0.123", "0.012", "0.000"]);
        assert_eq!(figure(f64::NAN), "-");
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["case", "n"]);
        assert!(table.is_empty());
        table.row(vec!["a".to_owned(), "100".to_owned()]);
        assert_eq!(table.to_string(), "| case |   n |\n| ---- | --: |\n| a    | 100 |\n");
    }
}
