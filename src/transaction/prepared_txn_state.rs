//! `PreparedTxnState`: which transaction is prepared, to be kept beside what it belongs to and compared after a crash.
//!
//! Owns: its text form. Must not know: who has prepared it, what becomes of it.
//! Source: KIP-939; Kafka's `PreparedTxnState` (4.3.1).

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::escape::Escaped;

/// A transaction that is prepared for a two-phase commit: what [`KafkaProducer::prepare_transaction`] returns, and what
/// [`KafkaProducer::complete_transaction`] compares. As text it is `producerId:epoch`, the same as that of Java's
/// `PreparedTxnState`, so that it can be kept in a database by one and read by the other.
///
/// ```
/// use kafka_producer::PreparedTxnState;
///
/// let state: PreparedTxnState = "4000:17".parse()?;
/// assert_eq!((state.producer_id(), state.epoch()), (4000, 17));
/// assert_eq!(state.to_string(), "4000:17");
/// // No transaction:
/// assert_eq!("".parse::<PreparedTxnState>()?, PreparedTxnState::default());
/// # Ok::<(), kafka_producer::Error>(())
/// ```
///
/// [`KafkaProducer::prepare_transaction`]: crate::KafkaProducer::prepare_transaction
/// [`KafkaProducer::complete_transaction`]: crate::KafkaProducer::complete_transaction
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PreparedTxnState {
    producer_id: i64,
    epoch: i16,
}

impl PreparedTxnState {
    pub(crate) fn new(producer_id: i64, epoch: i16) -> PreparedTxnState {
        PreparedTxnState { producer_id, epoch }
    }

    /// The producer id that has written in the transaction; -1 for no transaction.
    pub fn producer_id(&self) -> i64 {
        self.producer_id
    }

    /// The epoch under which that was; -1 for no transaction.
    pub fn epoch(&self) -> i16 {
        self.epoch
    }

    /// Whether it is of a transaction at all.
    pub fn has_transaction(&self) -> bool {
        self.producer_id != -1
    }
}

/// No transaction: it is equal to none that is prepared.
impl Default for PreparedTxnState {
    fn default() -> Self {
        PreparedTxnState { producer_id: -1, epoch: -1 }
    }
}

/// `producerId:epoch`; nothing for no transaction.
impl fmt::Display for PreparedTxnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.has_transaction() {
            true => write!(f, "{}:{}", self.producer_id, self.epoch),
            false => Ok(()),
        }
    }
}

/// Reads what `Display` writes. Errors: `InvalidArgument`.
impl FromStr for PreparedTxnState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(PreparedTxnState::default());
        }
        // Java's split drops what is empty at the end.
        let numbers = text.trim_end_matches(':').split_once(':').and_then(|(producer_id, epoch)| {
            Some(PreparedTxnState { producer_id: producer_id.parse().ok()?, epoch: epoch.parse().ok()? })
        });
        numbers.filter(|state| state.producer_id >= 0 && state.epoch >= 0).ok_or_else(|| {
            let text = format!(
                "\"{}\" is no prepared transaction: producerId:epoch is expected, both of them numbers from 0 on, such as \
                 4000:17, or nothing for no transaction",
                Escaped(text)
            );
            Error::new(ErrorKind::InvalidArgument, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java's `PreparedTxnStateTest`.
    /// Behaviour 75.
    #[test]
    fn its_text_is_that_of_java() {
        for (text, producer_id, epoch) in [
            ("123:45", 123, 45),
            ("0:0", 0, 0),
            ("9223372036854775807:32767", i64::MAX, i16::MAX),
            ("+1:+2", 1, 2),
            ("007:01", 7, 1),
            ("1:2:", 1, 2),
        ] {
            let state: PreparedTxnState = text.parse().unwrap();
            assert_eq!((state.producer_id(), state.epoch()), (producer_id, epoch), "{text}");
            assert!(state.has_transaction());
            assert_eq!(state.to_string(), format!("{producer_id}:{epoch}"));
            assert_eq!(state, PreparedTxnState::new(producer_id, epoch));
        }
        let none = PreparedTxnState::default();
        assert!(!none.has_transaction() && none.to_string().is_empty());
        assert_eq!("".parse::<PreparedTxnState>().unwrap(), none);
    }

    #[test]
    fn what_is_none_is_told_with_what_is_expected() {
        for text in [
            "123",
            "123:",
            ":45",
            ":",
            "1:2:3",
            "a:1",
            "1:b",
            "-1:0",
            "1:-1",
            "-1:-1",
            "1:32768",
            "9223372036854775808:0",
            " 1:2",
            "1 :2",
            "1:2\n",
        ] {
            let error = text.parse::<PreparedTxnState>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text:?}");
            assert!(error.to_string().contains("producerId:epoch is expected"), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
