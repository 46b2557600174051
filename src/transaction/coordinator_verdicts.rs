//! What a coordinator's error code means for a request: a pure table for each API.
//!
//! Owns: the decision. Must not know: how it is carried out, what stands in an answer besides codes.
//! Source: the handlers in Kafka's `TransactionManager` (4.3.1). What they do not name is "unexpected" there and fatal,
//! but in AddPartitionsToTxn, where it is abortable.

use crate::error_code::ErrorCode;
use crate::planted::{Defect, planted};

/// A request to a coordinator, or for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorApi {
    FindCoordinator,
    InitProducerId,
    AddPartitionsToTxn,
    AddOffsetsToTxn,
    TxnOffsetCommit,
    EndTxn,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoordinatorVerdict {
    Done,
    /// Ask again after a while.
    Again,
    /// Ask again very soon: only the end of the transaction before this one is in the way.
    AgainSoon,
    /// Look the coordinator up, and ask again.
    LookUp,
    /// The transaction can only be aborted; where there is none yet, only the call has failed.
    Abortable,
    /// Abortable where a newer epoch can be had, else fatal.
    AbortableIfRenewable,
    /// Another producer has the transactional id. Brokers of before Kafka 2.7 say INVALID_PRODUCER_EPOCH for it.
    Fenced,
    Fatal,
}

impl CoordinatorVerdict {
    /// Whether the transaction can only be aborted, for all that this says.
    pub(crate) fn is_abortable(self) -> bool {
        matches!(self, CoordinatorVerdict::Abortable | CoordinatorVerdict::AbortableIfRenewable)
    }
}

/// All that a decision depends on besides API and error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CoordinatorContext {
    /// The request is EndTxn, to abort.
    pub(crate) aborts: bool,
    /// No partition has been added to the transaction yet.
    pub(crate) is_first: bool,
}

/// Decides.
pub(crate) fn coordinator_verdict(
    api: CoordinatorApi,
    code: ErrorCode,
    context: CoordinatorContext,
) -> CoordinatorVerdict {
    if code.is_none() || (code == ErrorCode::CONCURRENT_TRANSACTIONS && planted(Defect::BusyIsDone)) {
        return CoordinatorVerdict::Done;
    }
    let named = match api {
        CoordinatorApi::FindCoordinator => find_coordinator(code),
        CoordinatorApi::InitProducerId => init_producer_id(code),
        CoordinatorApi::AddPartitionsToTxn => add_partitions(code, context),
        CoordinatorApi::AddOffsetsToTxn => add_offsets(code),
        CoordinatorApi::TxnOffsetCommit => commit_offsets(code),
        CoordinatorApi::EndTxn => end(code, context),
    };
    let unnamed = match api {
        _ if code.is_retriable() => CoordinatorVerdict::Again,
        CoordinatorApi::AddPartitionsToTxn => CoordinatorVerdict::Abortable,
        _ => CoordinatorVerdict::Fatal,
    };
    named.unwrap_or(unnamed)
}

/// Whether a coordinator that answers EndTxn with this code has certainly not begun to end the transaction: the code is one that
/// Kafka looks for before it writes. Every other answer leaves it open, also one in a code that nobody knows.
///
/// Source: `KafkaApis.handleEndTxnRequest`, `TransactionCoordinator.endTransaction` (4.3.1).
pub(crate) fn is_refusal_to_end(code: ErrorCode) -> bool {
    const REFUSALS: [ErrorCode; 10] = [
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode::UNSUPPORTED_VERSION,
        ErrorCode::INVALID_REQUEST,
        ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::INVALID_TXN_STATE,
        ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ErrorCode::UNKNOWN_PRODUCER_ID,
        ErrorCode::PRODUCER_FENCED,
        ErrorCode::TRANSACTION_ABORTABLE,
    ];
    REFUSALS.contains(&code)
}

fn find_coordinator(code: ErrorCode) -> Option<CoordinatorVerdict> {
    match code {
        ErrorCode::GROUP_AUTHORIZATION_FAILED | ErrorCode::TRANSACTION_ABORTABLE => {
            Some(CoordinatorVerdict::Abortable)
        }
        _ => None,
    }
}

fn init_producer_id(code: ErrorCode) -> Option<CoordinatorVerdict> {
    match code {
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => Some(CoordinatorVerdict::LookUp),
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::TRANSACTION_ABORTABLE => Some(CoordinatorVerdict::Abortable),
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => Some(CoordinatorVerdict::Fenced),
        _ => None,
    }
}

fn add_partitions(code: ErrorCode, context: CoordinatorContext) -> Option<CoordinatorVerdict> {
    match code {
        ErrorCode::CONCURRENT_TRANSACTIONS if context.is_first => Some(CoordinatorVerdict::AgainSoon),
        _ => within_transaction(code),
    }
}

fn add_offsets(code: ErrorCode) -> Option<CoordinatorVerdict> {
    match code {
        // Offsets may be what comes first of a transaction.
        ErrorCode::CONCURRENT_TRANSACTIONS => Some(CoordinatorVerdict::AgainSoon),
        ErrorCode::GROUP_AUTHORIZATION_FAILED => Some(CoordinatorVerdict::Abortable),
        _ => within_transaction(code),
    }
}

fn commit_offsets(code: ErrorCode) -> Option<CoordinatorVerdict> {
    match code {
        // By `transaction.version` 2 this is how the group's partition joins, which may come first of a transaction.
        ErrorCode::CONCURRENT_TRANSACTIONS => Some(CoordinatorVerdict::AgainSoon),
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR | ErrorCode::REQUEST_TIMED_OUT => {
            Some(CoordinatorVerdict::LookUp)
        }
        ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::FENCED_INSTANCE_ID
        | ErrorCode::TRANSACTION_ABORTABLE
        | ErrorCode::UNKNOWN_MEMBER_ID
        | ErrorCode::ILLEGAL_GENERATION => Some(CoordinatorVerdict::Abortable),
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => Some(CoordinatorVerdict::Fenced),
        _ => None,
    }
}

fn end(code: ErrorCode, context: CoordinatorContext) -> Option<CoordinatorVerdict> {
    match code {
        // To abort again would lead in a circle.
        ErrorCode::TRANSACTION_ABORTABLE if context.aborts => Some(CoordinatorVerdict::Fatal),
        _ => within_transaction(code),
    }
}

/// What the three APIs have in common that the transaction's coordinator answers while one is open.
fn within_transaction(code: ErrorCode) -> Option<CoordinatorVerdict> {
    match code {
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => Some(CoordinatorVerdict::LookUp),
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => Some(CoordinatorVerdict::Fenced),
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::INVALID_TXN_STATE
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING => Some(CoordinatorVerdict::Fatal),
        ErrorCode::UNKNOWN_PRODUCER_ID => Some(CoordinatorVerdict::AbortableIfRenewable),
        ErrorCode::TRANSACTION_ABORTABLE => Some(CoordinatorVerdict::Abortable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::CoordinatorApi::*;
    use super::CoordinatorVerdict::*;
    use super::*;

    const PLAIN: CoordinatorContext = CoordinatorContext { aborts: false, is_first: false };

    /// API, circumstances, the codes that are treated in a way of their own, and what all others are.
    type Row = (
        CoordinatorApi,
        CoordinatorContext,
        &'static [(CoordinatorVerdict, &'static [i16])],
        CoordinatorVerdict,
    );

    /// The codes that Kafka's `Errors` has as retriable exceptions.
    const RETRIABLE: [i16; 25] =
        [2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 72, 74, 75, 78, 80, 83, 88, 89, 100, 103];

    /// Every code, for every API. A row names the codes that the API
    /// treats in a way of its own; all others are retriable or what is "unexpected" there.
    /// Behaviours 66, 68, 74.
    #[test]
    #[allow(clippy::too_many_lines, reason = "it is a table")]
    fn every_code_in_every_api() {
        let rows: [Row; 8] = [
            (FindCoordinator, PLAIN, &[(Abortable, &[30, 120])], Fatal),
            (
                InitProducerId,
                PLAIN,
                &[(LookUp, &[15, 16]), (Abortable, &[31, 53, 120]), (Fenced, &[47, 90])],
                Fatal,
            ),
            (
                AddPartitionsToTxn,
                PLAIN,
                &[
                    (LookUp, &[15, 16]),
                    (Fenced, &[47, 90]),
                    (Fatal, &[48, 49, 53]),
                    (AbortableIfRenewable, &[59]),
                ],
                Abortable,
            ),
            (
                AddPartitionsToTxn,
                CoordinatorContext { is_first: true, ..PLAIN },
                &[
                    (AgainSoon, &[51]),
                    (LookUp, &[15, 16]),
                    (Fenced, &[47, 90]),
                    (Fatal, &[48, 49, 53]),
                    (AbortableIfRenewable, &[59]),
                ],
                Abortable,
            ),
            (
                AddOffsetsToTxn,
                PLAIN,
                &[
                    (AgainSoon, &[51]),
                    (LookUp, &[15, 16]),
                    (Fenced, &[47, 90]),
                    (AbortableIfRenewable, &[59]),
                    (Abortable, &[30, 120]),
                ],
                Fatal,
            ),
            (
                TxnOffsetCommit,
                PLAIN,
                &[
                    (AgainSoon, &[51]),
                    (LookUp, &[7, 15, 16]),
                    (Abortable, &[22, 25, 30, 82, 120]),
                    (Fenced, &[47, 90]),
                ],
                Fatal,
            ),
            (
                EndTxn,
                PLAIN,
                &[
                    (LookUp, &[15, 16]),
                    (Fenced, &[47, 90]),
                    (AbortableIfRenewable, &[59]),
                    (Abortable, &[120]),
                ],
                Fatal,
            ),
            (
                EndTxn,
                CoordinatorContext { aborts: true, ..PLAIN },
                &[(LookUp, &[15, 16]), (Fenced, &[47, 90]), (AbortableIfRenewable, &[59])],
                Fatal,
            ),
        ];
        for (api, context, own, unexpected) in rows {
            for code in -1..=140 {
                let named = own.iter().find(|(_, codes)| codes.contains(&code)).map(|(verdict, _)| *verdict);
                let expected = match code {
                    0 => Done,
                    _ if RETRIABLE.contains(&code) => named.unwrap_or(Again),
                    _ => named.unwrap_or(unexpected),
                };
                let verdict = coordinator_verdict(api, ErrorCode(code), context);
                assert_eq!(verdict, expected, "{api:?} {}", ErrorCode(code));
            }
        }
    }
}
