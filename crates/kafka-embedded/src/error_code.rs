//! Kafka's error codes, as far as the embedded cluster answers with them.

pub(super) const NONE: i16 = 0;
pub(super) const OFFSET_OUT_OF_RANGE: i16 = 1;
pub(super) const CORRUPT_MESSAGE: i16 = 2;
pub(super) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub(super) const LEADER_NOT_AVAILABLE: i16 = 5;
pub(super) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
pub(super) const MESSAGE_TOO_LARGE: i16 = 10;
pub(super) const INVALID_TOPIC_EXCEPTION: i16 = 17;
pub(super) const NOT_ENOUGH_REPLICAS: i16 = 19;
pub(super) const INVALID_REQUIRED_ACKS: i16 = 21;
pub(super) const INVALID_TIMESTAMP: i16 = 32;
pub(super) const UNSUPPORTED_VERSION: i16 = 35;
pub(super) const INVALID_REQUEST: i16 = 42;
pub(super) const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
pub(super) const INVALID_PRODUCER_EPOCH: i16 = 47;
pub(super) const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
pub(super) const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
pub(super) const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
pub(super) const FENCED_LEADER_EPOCH: i16 = 74;
pub(super) const UNKNOWN_LEADER_EPOCH: i16 = 75;
pub(super) const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
pub(super) const INVALID_RECORD: i16 = 87;
pub(super) const PRODUCER_FENCED: i16 = 90;
pub(super) const UNKNOWN_TOPIC_ID: i16 = 100;
pub(super) const REBOOTSTRAP_REQUIRED: i16 = 129;
