//! Which of the two formats lines have.
//!
//! Owns: the choice. Must not know: the formats themselves, what becomes of a record.

use super::entry::{BadLine, Entry};
use super::json_line;
use super::line_rules::LineRules;

/// How a line is read.
pub(super) enum LineFormat {
    Text(Box<LineRules>),
    /// A bad line ends it, or is passed over.
    Json {
        pass_over: bool,
    },
}

impl LineFormat {
    /// A line's record; `None` where it has none.
    #[inline]
    pub(super) fn parse<'line>(
        &self,
        line: &'line [u8],
        number: u64,
    ) -> Result<Option<Entry<'line>>, BadLine> {
        match self {
            LineFormat::Text(rules) => rules.parse(line, number).map(Some),
            LineFormat::Json { .. } => json_line::parse(line, number),
        }
    }

    pub(super) fn passes_over_bad_lines(&self) -> bool {
        matches!(self, LineFormat::Json { pass_over: true })
    }

    /// What a line may have in bytes, if a record may have so many: JSON takes up to six for a byte.
    pub(super) fn longest(&self, max_request_size: usize) -> usize {
        let factor = if matches!(self, LineFormat::Json { .. }) { 6 } else { 1 };
        max_request_size.saturating_mul(factor).saturating_add(1 << 20)
    }
}
