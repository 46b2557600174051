//! Kafka's error codes: one row each, with the two facts that decide what a client does.
//!
//! Owns: numbers, names, whether a request may be retried, whether the metadata is out of date.
//! Source: Kafka's `org.apache.kafka.common.protocol.Errors`.

use std::fmt;

/// An error code of the Kafka protocol, as a broker answered it: [`Error::code`](crate::Error::code).
///
/// ```
/// use kafka_producer::{Error, ErrorCode};
///
/// fn is_missing(error: &Error) -> bool {
///     error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
/// }
/// assert!(is_missing(&Error::from_code(ErrorCode(3), None)));
/// assert_eq!(ErrorCode::NOT_ENOUGH_REPLICAS.to_string(), "19 NOT_ENOUGH_REPLICAS");
/// assert!(ErrorCode::NOT_ENOUGH_REPLICAS.is_retriable());
/// ```
///
/// Names, numbers and which are retriable are those of Kafka's `Errors`. What is retriable the producer retries itself: an
/// error with such a code says that `delivery.timeout.ms`, `max.block.ms` or `retries` was used up before it succeeded.
/// A code without a constant here keeps its number. What to do about the codes that users of a producer meet:
/// [the error handbook](crate::guide::errors#by-code).
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

    /// Whether the same request may succeed later: in Java, whether the code's exception is a `RetriableException`.
    #[doc(alias = "RetriableException")]
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| !matches!(row.2, Remedy::Final))
    }

    /// Whether the client's picture of the cluster is out of date: in Java, whether the code's exception is an
    /// `InvalidMetadataException`.
    #[doc(alias = "InvalidMetadataException")]
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

/// What the documentation of each code says at its end, so that it cannot differ from what is done.
macro_rules! retriable {
    (Final) => {
        "**Not retriable.**"
    };
    (Retriable) => {
        "**Retriable.**"
    };
    (StaleMetadata) => {
        "**Retriable**, after new metadata has been fetched."
    };
}

macro_rules! error_codes {
    ($($(#[$doc:meta])+ $code:literal $name:ident $kind:ident,)*) => {
        impl ErrorCode {
            $(
                $(#[$doc])+
                #[doc = ""]
                #[doc = concat!("Code ", $code, ". ", retriable!($kind))]
                pub const $name: ErrorCode = ErrorCode($code);
            )*
        }

        static ERRORS: &[(i16, &str, Remedy)] = &[$(($code, stringify!($name), Remedy::$kind),)*];
    };
}

error_codes! {
    /// The broker failed in a way that it has no code for; its log says how. Whether the batch was written is open.
    -1 UNKNOWN_SERVER_ERROR Final,
    /// No error.
    0 NONE Final,
    /// The offset is outside of the log. An answer to consumers; producers do not meet it.
    1 OFFSET_OUT_OF_RANGE Final,
    /// The batch was damaged on the way, or on the broker's disk: its checksum does not match. Also the answer to a
    /// record without a key on a compacted topic, from brokers older than 2.4.
    2 CORRUPT_MESSAGE Retriable,
    /// The broker does not host this topic or partition: it does not exist, was just created, has moved, or the
    /// client may not see it.
    3 UNKNOWN_TOPIC_OR_PARTITION StaleMetadata,
    /// The size that a fetch asks for is not valid. An answer to consumers; producers do not meet it.
    4 INVALID_FETCH_SIZE Final,
    /// The partition has no leader at the moment: an election is under way, or all its in-sync replicas are down.
    5 LEADER_NOT_AVAILABLE StaleMetadata,
    /// The broker that was asked is not the partition's leader, or not any more.
    6 NOT_LEADER_OR_FOLLOWER StaleMetadata,
    /// The broker did not finish the request in time: for a batch with `acks=all`, the in-sync replicas have not
    /// all copied it within `request.timeout.ms`. Or no answer came within that time, and the code is the client's own. The
    /// leader may have written it.
    7 REQUEST_TIMED_OUT Retriable,
    /// The broker is not available. Kafka's own tools use it; producers do not meet it.
    8 BROKER_NOT_AVAILABLE Final,
    /// A replica of the partition is not available. Metadata may carry it; it keeps nobody from writing to the
    /// leader.
    9 REPLICA_NOT_AVAILABLE StaleMetadata,
    /// The batch is larger than the topic's `max.message.bytes` (the broker's `message.max.bytes`). A batch of
    /// several records is split and sent again; a record that is too large alone fails with
    /// [`RecordTooLarge`](crate::ErrorKind::RecordTooLarge).
    10 MESSAGE_TOO_LARGE Final,
    /// A controller has been replaced by a newer one. Between brokers; producers do not meet it.
    11 STALE_CONTROLLER_EPOCH Final,
    /// The metadata string of a committed offset is larger than the broker allows (`offset.metadata.max.bytes`).
    /// From [`send_offsets_to_transaction`](crate::KafkaProducer::send_offsets_to_transaction).
    12 OFFSET_METADATA_TOO_LARGE Final,
    /// No code of a broker: the client's own, where the connection was lost before the answer came. Whether the
    /// batch was written is open.
    13 NETWORK_EXCEPTION StaleMetadata,
    /// The coordinator of the transaction or group has just been moved to this broker, which still reads its state.
    14 COORDINATOR_LOAD_IN_PROGRESS Retriable,
    /// The coordinator of the transaction or group is not known yet, for instance while `__transaction_state` is
    /// being created, or its partition has no leader.
    15 COORDINATOR_NOT_AVAILABLE Retriable,
    /// The broker that was asked is not the coordinator of the transaction or group any more. The producer looks
    /// the coordinator up again.
    16 NOT_COORDINATOR Retriable,
    /// The topic's name is not valid, or it is an internal topic that clients may not write to.
    17 INVALID_TOPIC_EXCEPTION Final,
    /// The batch is larger than a segment of the topic's log (`segment.bytes`).
    18 RECORD_LIST_TOO_LARGE Final,
    /// Fewer replicas are in sync than the topic's `min.insync.replicas`, which `acks=all` asks for. Nothing was
    /// written.
    19 NOT_ENOUGH_REPLICAS Retriable,
    /// As [`NOT_ENOUGH_REPLICAS`](Self::NOT_ENOUGH_REPLICAS), but found after the leader had written the batch: it
    /// may stay in the log, and with idempotence off its retry may write it twice.
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retriable,
    /// The broker does not know this value of `acks`. It takes 0, 1 and all (-1).
    21 INVALID_REQUIRED_ACKS Final,
    /// The consumer group has moved on to another generation: the consumer that these offsets are from is not a
    /// member any more. From [`send_offsets_to_transaction`](crate::KafkaProducer::send_offsets_to_transaction);
    /// the transaction has to be aborted.
    22 ILLEGAL_GENERATION Final,
    /// The members of a consumer group have no protocol in common. An answer to consumers; producers do not meet it.
    23 INCONSISTENT_GROUP_PROTOCOL Final,
    /// The consumer group's id is not valid.
    24 INVALID_GROUP_ID Final,
    /// The consumer group does not know this member. From
    /// [`send_offsets_to_transaction`](crate::KafkaProducer::send_offsets_to_transaction); the transaction has to
    /// be aborted.
    25 UNKNOWN_MEMBER_ID Final,
    /// A consumer's session time-out is outside of what the broker allows. An answer to consumers; producers do not meet it.
    26 INVALID_SESSION_TIMEOUT Final,
    /// The consumer group is being rebalanced. From
    /// [`send_offsets_to_transaction`](crate::KafkaProducer::send_offsets_to_transaction).
    27 REBALANCE_IN_PROGRESS Final,
    /// The offsets that are to be committed are larger than the broker allows.
    28 INVALID_COMMIT_OFFSET_SIZE Final,
    /// No ACL allows the client to write to the topic (`Write`), or to see it (`Describe`).
    29 TOPIC_AUTHORIZATION_FAILED Final,
    /// No ACL allows the client to use the consumer group (`Read`). From
    /// [`send_offsets_to_transaction`](crate::KafkaProducer::send_offsets_to_transaction).
    30 GROUP_AUTHORIZATION_FAILED Final,
    /// No ACL allows the client what it asked of the cluster: `IdempotentWrite`, which brokers older than 2.8 want
    /// for `enable.idempotence=true`.
    31 CLUSTER_AUTHORIZATION_FAILED Final,
    /// A record's timestamp is outside of what the topic allows (`message.timestamp.before.max.ms`,
    /// `message.timestamp.after.max.ms`; before Kafka 3.6 `message.timestamp.difference.max.ms`).
    32 INVALID_TIMESTAMP Final,
    /// The broker does not log in by this `sasl.mechanism` on this listener.
    33 UNSUPPORTED_SASL_MECHANISM Final,
    /// A message of a login came out of turn: the listener does not expect SASL, or something else stands between.
    34 ILLEGAL_SASL_STATE Final,
    /// The broker does not know this version of the request, or not the request at all.
    35 UNSUPPORTED_VERSION Final,
    /// The topic that is to be created exists. An answer to administration clients; producers do not meet it.
    36 TOPIC_ALREADY_EXISTS Final,
    /// The number of partitions is not valid. An answer to administration clients; producers do not meet it.
    37 INVALID_PARTITIONS Final,
    /// The replication factor is not valid: a topic that was to be created when first used cannot be, for instance
    /// since there are too few brokers.
    38 INVALID_REPLICATION_FACTOR Final,
    /// The replicas cannot be placed as they were asked for. An answer to administration clients; producers do not meet it.
    39 INVALID_REPLICA_ASSIGNMENT Final,
    /// A setting of a topic or broker is not valid. An answer to administration clients; producers do not meet it.
    40 INVALID_CONFIG Final,
    /// The broker that was asked is not the cluster's controller. An answer to administration clients; producers do not meet it.
    41 NOT_CONTROLLER StaleMetadata,
    /// The broker cannot make sense of the request, or what it asks for does not fit together. Its log says more.
    42 INVALID_REQUEST Final,
    /// The topic's message format is too old for what the batch holds, such as headers or idempotence.
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Final,
    /// A policy of the cluster's operator forbids it. Apache Kafka says this of topics that are created; some
    /// hosted clusters say it of batches.
    44 POLICY_VIOLATION Final,
    /// The broker expected another sequence number of this producer on this partition: a batch before this one is
    /// missing. The producer itself sends again, under a new epoch where that is needed, and fails a record only
    /// where it could be written twice or out of order.
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Final,
    /// The broker has the batch already. The producer takes it as acknowledged, without an offset.
    46 DUPLICATE_SEQUENCE_NUMBER Final,
    /// A producer with a newer epoch has taken over (of transactions up to Kafka 2.6; later brokers say
    /// [`PRODUCER_FENCED`](Self::PRODUCER_FENCED)); or, of a batch, its epoch is older than the one that the
    /// partition has seen.
    47 INVALID_PRODUCER_EPOCH Final,
    /// The transaction's coordinator is in another state than the request expects: nothing is open there that could
    /// be added to, committed or aborted.
    48 INVALID_TXN_STATE Final,
    /// The producer id is not the one that belongs to the `transactional.id`: the coordinator has forgotten it
    /// (`transactional.id.expiration.ms`), or gave it to another.
    49 INVALID_PRODUCER_ID_MAPPING Final,
    /// `transaction.timeout.ms` is longer than the brokers allow (`transaction.max.timeout.ms`, 15 minutes unless
    /// set).
    50 INVALID_TRANSACTION_TIMEOUT Final,
    /// The coordinator still ends the transaction before this one.
    51 CONCURRENT_TRANSACTIONS Retriable,
    /// Between brokers: the coordinator that ends the transaction has been replaced by a newer one.
    52 TRANSACTION_COORDINATOR_FENCED Final,
    /// No ACL allows the client to use this `transactional.id` (`Write`, `Describe`).
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Final,
    /// The cluster has no security that could be administered. An answer to administration clients; producers do not meet it.
    54 SECURITY_DISABLED Final,
    /// The broker did not try this part of the request, since another part of it failed: partitions are added to a
    /// transaction together or not at all.
    55 OPERATION_NOT_ATTEMPTED Final,
    /// The broker could not write to its disk, or has lost it. Whether the batch was written is open.
    56 KAFKA_STORAGE_ERROR StaleMetadata,
    /// The broker has no such log directory. An answer to administration clients; producers do not meet it.
    57 LOG_DIR_NOT_FOUND Final,
    /// The broker refused the login: a wrong password or token, or a user that it does not know.
    58 SASL_AUTHENTICATION_FAILED Final,
    /// The partition holds nothing of this producer any more: all that it wrote was deleted (retention,
    /// `DeleteRecords`), or it was forgotten (`producer.id.expiration.ms`). The producer itself goes on under a new
    /// epoch, and fails a record only where it could be written twice.
    59 UNKNOWN_PRODUCER_ID Final,
    /// The partition is being moved already. An answer to administration clients; producers do not meet it.
    60 REASSIGNMENT_IN_PROGRESS Final,
    /// The partition's leader has no listener of the name that the client came in by: the brokers'
    /// `advertised.listeners` do not agree.
    72 LISTENER_NOT_FOUND StaleMetadata,
    /// The client's picture of the partition's leader is older than the broker's.
    74 FENCED_LEADER_EPOCH StaleMetadata,
    /// The client's picture of the partition's leader is newer than the broker's.
    75 UNKNOWN_LEADER_EPOCH Retriable,
    /// The broker or the topic does not take this `compression.type`, or the request is too old for it (zstd needs
    /// Kafka 2.1).
    76 UNSUPPORTED_COMPRESSION_TYPE Final,
    /// The leader was elected a moment ago and does not know its offsets yet.
    78 OFFSET_NOT_AVAILABLE Retriable,
    /// The partition's preferred leader is not available. An answer to administration clients; producers do not meet it.
    80 PREFERRED_LEADER_NOT_AVAILABLE StaleMetadata,
    /// Another consumer with the same `group.instance.id` has taken over. From
    /// [`send_offsets_to_transaction`](crate::KafkaProducer::send_offsets_to_transaction); the transaction has to
    /// be aborted.
    82 FENCED_INSTANCE_ID Final,
    /// No replica can become the partition's leader. An answer to administration clients; producers do not meet it.
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE StaleMetadata,
    /// The broker's checks refused a record: without a key on a compacted topic, with a bad timestamp, or damaged.
    /// The broker's own words stand in the error.
    87 INVALID_RECORD Final,
    /// Offsets are being committed by a transaction that is not over. An answer to consumers; producers do not meet
    /// it.
    88 UNSTABLE_OFFSET_COMMIT Retriable,
    /// The client asks for more than its quota allows. Apache Kafka tells producers so by delays, without an error.
    89 THROTTLING_QUOTA_EXCEEDED Retriable,
    /// Another producer with the same `transactional.id` has taken over.
    90 PRODUCER_FENCED Final,
    /// The broker does not know the topic's id: the topic was just created, or was deleted and created anew.
    100 UNKNOWN_TOPIC_ID StaleMetadata,
    /// The topic's id is not the one that the broker has: the topic was deleted and created anew.
    103 INCONSISTENT_TOPIC_ID StaleMetadata,
    /// The consumer group has moved on to another epoch of this member (groups of KIP-848).
    113 STALE_MEMBER_EPOCH Final,
    /// The broker's subscription of metrics is another one by now (KIP-714).
    117 UNKNOWN_SUBSCRIPTION_ID Final,
    /// The metrics that were pushed are larger than the broker takes (KIP-714).
    118 TELEMETRY_TOO_LARGE Final,
    /// The broker found something that only this transaction suffers from: it has to be aborted, and the producer
    /// can go on (KIP-890).
    120 TRANSACTION_ABORTABLE Final,
    /// The broker asks the client to begin again at its `bootstrap.servers` (KIP-1102).
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
