//! Kafka's error codes: one row each, with the two facts that decide what a client does.
//!
//! Owns: numbers, names, whether a request may be retried, whether the metadata is out of date.
//! Source: Kafka's `org.apache.kafka.common.protocol.Errors`.

use std::fmt;

/// An error code of the Kafka protocol. Codes that this version does not know keep their number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    /// Whether this is the code for success.
    pub fn is_none(self) -> bool {
        self == ErrorCode::NONE
    }

    /// Kafka's name of the code, for instance `NOT_LEADER_OR_FOLLOWER`.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN_ERROR_CODE", |row| row.1)
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| !matches!(row.2, Remedy::Final))
    }

    /// Whether the client's picture of the cluster is out of date.
    pub fn invalidates_metadata(self) -> bool {
        self.row().is_some_and(|row| matches!(row.2, Remedy::StaleMetadata))
    }

    /// Whether a broker that answers for a batch with this code and offset has certainly not written it: the code is one
    /// that Kafka looks for before it appends, and no offset is told. Every other answer leaves it open, also one in a code
    /// that nobody knows.
    ///
    /// The same codes 3, 6 and 100 may come after the append, while other replicas are awaited: then the answer keeps the
    /// offset (`DelayedProduce`, which changes nothing but the code). KAFKA_STORAGE_ERROR is not here: it stands for a
    /// failure within the append as well.
    ///
    /// Source: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendToLocalLog`, `Partition.appendRecordsToLeader`,
    /// `Log.append` (`UnifiedLog`), `LogValidator`, `ProducerAppendInfo`, as they are in Kafka 2.1.1, 2.8.2, 3.9.0 and shortly
    /// before 4.0. UNKNOWN_TOPIC_ID is newer: Produce 13 names topics by their ids, and an id that is not known leads to no
    /// partition that could be written to.
    pub(crate) fn is_refusal(self, base_offset: i64) -> bool {
        base_offset < 0 && REFUSALS.contains(&self)
    }

    /// Whether a broker answers with this after it has looked for a batch by its sequence and has not found it.
    pub(crate) fn tells_that_batch_is_missing(self) -> bool {
        self == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER || self == ErrorCode::UNKNOWN_PRODUCER_ID
    }

    fn row(self) -> Option<&'static (i16, &'static str, Remedy)> {
        ERRORS.binary_search_by_key(&self.0, |row| row.0).ok().and_then(|at| ERRORS.get(at))
    }
}

/// Number and name: `6 NOT_LEADER_OR_FOLLOWER`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.name())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy)]
enum Remedy {
    Final,
    Retriable,
    StaleMetadata,
}

macro_rules! error_codes {
    ($($code:literal $name:ident $kind:ident,)*) => {
        #[allow(missing_docs, reason = "the names are Kafka's own and say it")]
        impl ErrorCode {
            $(pub const $name: ErrorCode = ErrorCode($code);)*
        }

        static ERRORS: &[(i16, &str, Remedy)] = &[$(($code, stringify!($name), Remedy::$kind),)*];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR Final,
    0 NONE Final,
    1 OFFSET_OUT_OF_RANGE Final,
    2 CORRUPT_MESSAGE Retriable,
    3 UNKNOWN_TOPIC_OR_PARTITION StaleMetadata,
    4 INVALID_FETCH_SIZE Final,
    5 LEADER_NOT_AVAILABLE StaleMetadata,
    6 NOT_LEADER_OR_FOLLOWER StaleMetadata,
    7 REQUEST_TIMED_OUT Retriable,
    8 BROKER_NOT_AVAILABLE Final,
    9 REPLICA_NOT_AVAILABLE StaleMetadata,
    10 MESSAGE_TOO_LARGE Final,
    11 STALE_CONTROLLER_EPOCH Final,
    12 OFFSET_METADATA_TOO_LARGE Final,
    13 NETWORK_EXCEPTION StaleMetadata,
    14 COORDINATOR_LOAD_IN_PROGRESS Retriable,
    15 COORDINATOR_NOT_AVAILABLE Retriable,
    16 NOT_COORDINATOR Retriable,
    17 INVALID_TOPIC_EXCEPTION Final,
    18 RECORD_LIST_TOO_LARGE Final,
    19 NOT_ENOUGH_REPLICAS Retriable,
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retriable,
    21 INVALID_REQUIRED_ACKS Final,
    22 ILLEGAL_GENERATION Final,
    23 INCONSISTENT_GROUP_PROTOCOL Final,
    24 INVALID_GROUP_ID Final,
    25 UNKNOWN_MEMBER_ID Final,
    26 INVALID_SESSION_TIMEOUT Final,
    27 REBALANCE_IN_PROGRESS Final,
    28 INVALID_COMMIT_OFFSET_SIZE Final,
    29 TOPIC_AUTHORIZATION_FAILED Final,
    30 GROUP_AUTHORIZATION_FAILED Final,
    31 CLUSTER_AUTHORIZATION_FAILED Final,
    32 INVALID_TIMESTAMP Final,
    33 UNSUPPORTED_SASL_MECHANISM Final,
    34 ILLEGAL_SASL_STATE Final,
    35 UNSUPPORTED_VERSION Final,
    36 TOPIC_ALREADY_EXISTS Final,
    37 INVALID_PARTITIONS Final,
    38 INVALID_REPLICATION_FACTOR Final,
    39 INVALID_REPLICA_ASSIGNMENT Final,
    40 INVALID_CONFIG Final,
    41 NOT_CONTROLLER StaleMetadata,
    42 INVALID_REQUEST Final,
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Final,
    44 POLICY_VIOLATION Final,
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Final,
    46 DUPLICATE_SEQUENCE_NUMBER Final,
    47 INVALID_PRODUCER_EPOCH Final,
    48 INVALID_TXN_STATE Final,
    49 INVALID_PRODUCER_ID_MAPPING Final,
    50 INVALID_TRANSACTION_TIMEOUT Final,
    51 CONCURRENT_TRANSACTIONS Retriable,
    52 TRANSACTION_COORDINATOR_FENCED Final,
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Final,
    54 SECURITY_DISABLED Final,
    55 OPERATION_NOT_ATTEMPTED Final,
    56 KAFKA_STORAGE_ERROR StaleMetadata,
    57 LOG_DIR_NOT_FOUND Final,
    58 SASL_AUTHENTICATION_FAILED Final,
    59 UNKNOWN_PRODUCER_ID Final,
    60 REASSIGNMENT_IN_PROGRESS Final,
    72 LISTENER_NOT_FOUND StaleMetadata,
    74 FENCED_LEADER_EPOCH StaleMetadata,
    75 UNKNOWN_LEADER_EPOCH Retriable,
    76 UNSUPPORTED_COMPRESSION_TYPE Final,
    78 OFFSET_NOT_AVAILABLE Retriable,
    80 PREFERRED_LEADER_NOT_AVAILABLE StaleMetadata,
    82 FENCED_INSTANCE_ID Final,
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE StaleMetadata,
    87 INVALID_RECORD Final,
    88 UNSTABLE_OFFSET_COMMIT Retriable,
    89 THROTTLING_QUOTA_EXCEEDED Retriable,
    90 PRODUCER_FENCED Final,
    100 UNKNOWN_TOPIC_ID StaleMetadata,
    103 INCONSISTENT_TOPIC_ID StaleMetadata,
    113 STALE_MEMBER_EPOCH Final,
    117 UNKNOWN_SUBSCRIPTION_ID Final,
    118 TELEMETRY_TOO_LARGE Final,
    120 TRANSACTION_ABORTABLE Final,
    129 REBOOTSTRAP_REQUIRED Final,
}

/// See [`ErrorCode::is_refusal`].
const REFUSALS: [ErrorCode; 25] = [
    // Looked for in the request, by `KafkaApis`.
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ErrorCode::UNSUPPORTED_VERSION,
    ErrorCode::INVALID_REQUEST,
    ErrorCode::INVALID_REQUIRED_ACKS,
    ErrorCode::UNKNOWN_TOPIC_ID,
    // No broker of Apache Kafka says this of a batch; those in front of one who do have looked before.
    ErrorCode::POLICY_VIOLATION,
    // In the partition, by `ReplicaManager` and `Partition`.
    ErrorCode::INVALID_TOPIC_EXCEPTION,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    // In the batch and its records, by `Log` and `LogValidator`.
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::RECORD_LIST_TOO_LARGE,
    ErrorCode::INVALID_TIMESTAMP,
    ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
    ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
    ErrorCode::INVALID_RECORD,
    // In the producer's state, by `ProducerAppendInfo` and the verification of transactions.
    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode::INVALID_PRODUCER_EPOCH,
    ErrorCode::UNKNOWN_PRODUCER_ID,
    ErrorCode::INVALID_TXN_STATE,
    ErrorCode::INVALID_PRODUCER_ID_MAPPING,
    ErrorCode::PRODUCER_FENCED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_so_that_the_search_finds_them() {
        assert!(ERRORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for row in ERRORS {
            assert_eq!(ErrorCode(row.0).name(), row.1);
        }
    }

    #[test]
    fn an_unknown_code_keeps_its_number_and_is_final() {
        let code = ErrorCode(999);
        assert_eq!(code.to_string(), "999 UNKNOWN_ERROR_CODE");
        assert!(!code.is_retriable() && !code.invalidates_metadata());
    }

    #[test]
    fn what_asks_for_new_metadata_may_be_retried() {
        assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.is_retriable());
        assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.invalidates_metadata());
        assert!(ErrorCode::REQUEST_TIMED_OUT.is_retriable());
        assert!(!ErrorCode::REQUEST_TIMED_OUT.invalidates_metadata());
        assert!(!ErrorCode::MESSAGE_TOO_LARGE.is_retriable());
    }

    /// Fault A4.
    #[test]
    fn only_codes_that_are_known_to_refuse_before_the_append_say_that_nothing_was_written() {
        let known_to_refuse = [
            2, 3, 6, 10, 17, 18, 19, 21, 29, 31, 32, 35, 42, 43, 44, 45, 47, 48, 49, 53, 59, 76, 87, 90, 100,
        ];
        for code in i16::MIN..=i16::MAX {
            assert_eq!(ErrorCode(code).is_refusal(-1), known_to_refuse.contains(&code), "{code}");
            assert!(!ErrorCode(code).is_refusal(0), "{code} with the offset of an append");
        }
    }
}
