//! The sensors of a producer, and the metrics that are read of them: the one table, from which `docs/metrics.md` is made.
//!
//! Owns: names, units, descriptions. Must not know: when something is measured.
//! Source: Kafka's `SenderMetricsRegistry`, `KafkaProducerMetrics`, `BufferPool`, `Selector.SelectorMetrics`; what begins with
//! `record-acknowledgement` and ends in a percentile is our own.

use crate::metrics::statistics::{MetricRow, Statistic, sensors};
use crate::metrics::windows::{Measure, Measures};

/// `producer-metrics`, by which everything of the producer itself is known.
pub(crate) const PRODUCER: &str = "producer-metrics";
/// `kafka-metrics-count`: how many there are.
pub(crate) const COUNT: &str = "kafka-metrics-count";
/// `app-info`: which producer this is.
pub(crate) const APP_INFO: &str = "app-info";
/// `producer-topic-metrics`: of one topic, with the tag `topic`.
pub(crate) const TOPIC: &str = "producer-topic-metrics";
/// `producer-node-metrics`: of one broker, with the tag `node-id`.
pub(crate) const NODE: &str = "producer-node-metrics";

sensors! {
    /// What the sender measures of batches and of Produce requests.
    struct ProduceSensors {
        batch_size {
            Average "batch-size-avg" "bytes" "Bytes of a batch as it is sent, on average.",
            Maximum "batch-size-max" "bytes" "Bytes of the largest batch that was sent.",
        }
        compression_rate {
            Average "compression-rate-avg" "ratio" "Bytes of a batch's records as they are sent, by their bytes before, on average: 1 is uncompressed.",
        }
        record_queue_time {
            Average "record-queue-time-avg" "ms" "Time from a batch's first record until the batch is sent, on average.",
            Maximum "record-queue-time-max" "ms" "The longest time from a batch's first record until the batch is sent.",
        }
        request_latency {
            Average "request-latency-avg" "ms" "Time from a Produce request until its answer, on average.",
            Maximum "request-latency-max" "ms" "The longest time from a Produce request until its answer.",
        }
        produce_throttle_time {
            Average "produce-throttle-time-avg" "ms" "For how long a broker has throttled a Produce request, on average.",
            Maximum "produce-throttle-time-max" "ms" "The longest time for which a broker has throttled a Produce request.",
        }
        records_per_request {
            Average "records-per-request-avg" "records" "Records in a Produce request, on average.",
            Rate "record-send-rate" "records/s" "Records sent, retries included, per second.",
            Total "record-send-total" "records" "Records sent, retries included.",
        }
        record_retries {
            Rate "record-retry-rate" "records/s" "Records to be sent again, per second.",
            Total "record-retry-total" "records" "Records to be sent again.",
        }
        record_errors {
            Rate "record-error-rate" "records/s" "Records that failed, those that `send` refused included, per second.",
            Total "record-error-total" "records" "Records that failed, those that `send` refused included.",
        }
        record_size {
            Average "record-size-avg" "bytes" "The largest record of a batch, on average over batches, as in Java.",
            Maximum "record-size-max" "bytes" "The largest record.",
        }
        batch_splits {
            Rate "batch-split-rate" "batches/s" "Batches that were too large for the broker and were split, per second.",
            Total "batch-split-total" "batches" "Batches that were too large for the broker and were split.",
        }
        acknowledgement_time {
            Average "record-acknowledgement-time-avg" "ms" "Time from a batch's first record until the batch is acknowledged, on average.",
            Maximum "record-acknowledgement-time-max" "ms" "The longest time from a batch's first record until the batch is acknowledged.",
        }
    }
}

sensors! {
    /// What application threads measure of the calls that wait.
    struct CallSensors {
        bufferpool_wait {
            Share "bufferpool-wait-ratio" "ratio" "The part of the time in which a `send` waited for memory.",
            Total "bufferpool-wait-time-ns-total" "ns" "Time in which `send` waited for memory.",
        }
        buffer_exhausted {
            Rate "buffer-exhausted-rate" "records/s" "Records refused since memory was full for too long, per second.",
            Total "buffer-exhausted-total" "records" "Records refused since memory was full for too long.",
        }
        flush { Total "flush-time-ns-total" "ns" "Time spent in `flush`.", }
        metadata_wait { Total "metadata-wait-time-ns-total" "ns" "Time in which `send` and `partitions_for` waited for metadata.", }
        txn_init { Total "txn-init-time-ns-total" "ns" "Time spent in `init_transactions`.", }
        txn_begin { Total "txn-begin-time-ns-total" "ns" "Time spent in `begin_transaction`.", }
        txn_send_offsets { Total "txn-send-offsets-time-ns-total" "ns" "Time spent in `send_offsets_to_transaction`.", }
        txn_commit { Total "txn-commit-time-ns-total" "ns" "Time spent in `commit_transaction`.", }
        txn_abort { Total "txn-abort-time-ns-total" "ns" "Time spent in `abort_transaction`.", }
        txn_prepare { Total "txn-prepare-time-ns-total" "ns" "Time spent in `prepare_transaction`.", }
    }
}

sensors! {
    /// What is measured of all connections together.
    struct ConnectionSensors {
        connection_creation {
            Rate "connection-creation-rate" "connections/s" "Connections established, per second.",
            Total "connection-creation-total" "connections" "Connections established.",
        }
        connection_close {
            Rate "connection-close-rate" "connections/s" "Connections closed, per second.",
            Total "connection-close-total" "connections" "Connections closed.",
        }
        successful_authentication {
            Rate "successful-authentication-rate" "connections/s" "Connections that were authenticated, by TLS or SASL, per second.",
            Total "successful-authentication-total" "connections" "Connections that were authenticated, by TLS or SASL.",
        }
        successful_reauthentication {
            Rate "successful-reauthentication-rate" "connections/s" "Connections that were authenticated anew, per second.",
            Total "successful-reauthentication-total" "connections" "Connections that were authenticated anew.",
        }
        successful_authentication_no_reauth {
            Total "successful-authentication-no-reauth-total" "connections" "Connections authenticated at brokers older than 2.2, which know of no second time.",
        }
        failed_authentication {
            Rate "failed-authentication-rate" "connections/s" "Connections whose authentication failed, per second.",
            Total "failed-authentication-total" "connections" "Connections whose authentication failed.",
        }
        failed_reauthentication {
            Rate "failed-reauthentication-rate" "connections/s" "Connections whose authentication failed the second time or later, per second.",
            Total "failed-reauthentication-total" "connections" "Connections whose authentication failed the second time or later.",
        }
        reauthentication_latency {
            Average "reauthentication-latency-avg" "ms" "How long it took to be authenticated anew, on average.",
            Maximum "reauthentication-latency-max" "ms" "The longest that it took to be authenticated anew.",
        }
        io_wait_time {
            Occurrences "select-rate" "1/s" "How often the sender thread asked whether sockets are ready, per second.",
            Times "select-total" "" "How often the sender thread asked whether sockets are ready.",
            Average "io-wait-time-ns-avg" "ns" "How long the sender thread waited for sockets, on average.",
            Share "io-wait-ratio" "ratio" "The part of the time in which the sender thread waited for sockets.",
            Total "io-wait-time-ns-total" "ns" "Time in which the sender thread waited for sockets.",
        }
    }
}

sensors! {
    /// What is measured of the bytes of each connection: of each broker, and of all together.
    struct TrafficSensors {
        requests_sent {
            Occurrences "request-rate" "requests/s" "Requests sent, per second.",
            Times "request-total" "requests" "Requests sent.",
            Average "request-size-avg" "bytes" "Bytes of a request, on average.",
            Maximum "request-size-max" "bytes" "Bytes of the largest request.",
        }
        network_io {
            Occurrences "network-io-rate" "1/s" "Reads from sockets and writes to them, per second.",
            Times "network-io-total" "" "Reads from sockets and writes to them.",
        }
        bytes_sent {
            Rate "outgoing-byte-rate" "bytes/s" "Bytes written to sockets, per second.",
            Total "outgoing-byte-total" "bytes" "Bytes written to sockets.",
        }
        responses_received {
            Occurrences "response-rate" "responses/s" "Responses received, per second.",
            Times "response-total" "responses" "Responses received.",
        }
        bytes_received {
            Rate "incoming-byte-rate" "bytes/s" "Bytes read from sockets, per second.",
            Total "incoming-byte-total" "bytes" "Bytes read from sockets.",
        }
    }
}

sensors! {
    /// What is measured of each topic.
    struct TopicSensors {
        records {
            Rate "record-send-rate" "records/s" "Records sent to the topic, retries included, per second.",
            Total "record-send-total" "records" "Records sent to the topic, retries included.",
        }
        bytes {
            Rate "byte-rate" "bytes/s" "Bytes of batches sent to the topic, per second.",
            Total "byte-total" "bytes" "Bytes of batches sent to the topic.",
        }
        compression_rate {
            Average "compression-rate" "ratio" "Bytes of the records of a batch of the topic as they are sent, by their bytes before, on average.",
        }
        record_retries {
            Rate "record-retry-rate" "records/s" "Records of the topic to be sent again, per second.",
            Total "record-retry-total" "records" "Records of the topic to be sent again.",
        }
        record_errors {
            Rate "record-error-rate" "records/s" "Records of the topic that failed, per second.",
            Total "record-error-total" "records" "Records of the topic that failed.",
        }
    }
}

sensors! {
    /// What is measured of each broker beside its connection's traffic.
    struct NodeSensors {
        request_latency {
            Average "request-latency-avg" "ms" "Time from a Produce request to the broker until its answer, on average.",
            Maximum "request-latency-max" "ms" "The longest time from a Produce request to the broker until its answer.",
        }
    }
}
