//! The Apache Kafka producer for programs without an async runtime: synchronous, blocking, pure Rust.
//!
//! - **Java's producer, without Java.** Names, defaults and rules of the settings are those of `KafkaProducer` 4.x; a
//!   `producer.properties` of a Java service loads as it is. A record with a key goes to the partition that Java chooses.
//! - **No runtime, no C library, no polling by the caller.** One producer is one OS thread, however many brokers there are.
//! - **Every accepted record is answered exactly once**, within `delivery.timeout.ms`: with its place in the log, or with
//!   an error that says whether it may have been written.
//! - **Acknowledged means in the log, once, in order**: idempotence is on by default.
//!
//! # First program
//!
//! ```sh
//! cargo add kafka-producer --path ../kafka-producer   # a clone: it is not on crates.io yet
//! ```
//!
//! ```no_run
//! use kafka_producer::{KafkaProducer, ProducerRecord};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let producer = KafkaProducer::<str, str>::connect("localhost:9092")?;
//!     let metadata =
//!         producer.send(ProducerRecord::new("test", "WORLD").with_key("HELLO"))?.get()?;
//!     println!("{metadata}"); // test-1@0, as Java prints it: topic-partition@offset
//!     Ok(())
//! }
//! ```
//!
//! [Getting started](guide::getting_started) goes on from here: a broker to try it with or none at all, settings, other
//! types of keys and values.
//!
//! # Three ways to send
//!
//! | call | what you learn, and when |
//! |---|---|
//! | [`send_and_forget(record)?`](KafkaProducer::send_and_forget) | fire and forget: the record is on its way, and nobody asks what becomes of it |
//! | [`send(record)?.get()?`](RecordFuture::get) | synchronous: waits for the broker's answer |
//! | [`send_with_callback(record, callback)?`](KafkaProducer::send_with_callback) | asynchronous: the producer's thread calls back with the outcome |
//!
//! All three batch, retry and keep order in the same way. A future may also be dropped. [`wait_all`] waits for many futures, and
//! [`try_send`](KafkaProducer::try_send) never blocks. [Threads and blocking](guide::threads_and_blocking) says how long
//! each call may wait.
//!
//! # Errors
//!
//! Where `send` returns an error, the record was **not accepted**: nothing was queued, and `send(&record)` leaves it with
//! you. What happens later comes as the record's outcome, to `get` and to the callback. Both are an [`Error`]:
//!
//! | method | it tells |
//! |---|---|
//! | [`kind`](Error::kind), [`code`](Error::code) | what went wrong: `Timeout`, `RecordTooLarge`, `Authorization`, …; the broker's code |
//! | [`is_retriable`](Error::is_retriable) | the same call may succeed later. What the producer could retry itself it has retried already |
//! | [`possibly_written`](Error::possibly_written) | the record may be in the log all the same. Where it is false, sending it again makes no duplicate |
//! | [`is_fatal`](Error::is_fatal) | this producer cannot go on: close it and create another |
//!
//! What each kind and each code means, and what to do: [the error handbook](guide::errors).
//!
//! # Where to go on
//!
//! | to | read |
//! |---|---|
//! | use it | [getting started](guide::getting_started), [settings](guide::settings), [tuning](guide::tuning), [compression](guide::compression), [Cargo features](guide::features) |
//! | know what is promised | [delivery guarantees](guide::delivery_guarantees), [errors](guide::errors), [transactions](guide::transactions) |
//! | get into a cluster | [security](guide::security), [providers](guide::providers) such as Confluent Cloud or Amazon MSK |
//! | run it | [logging](guide::logging), [metrics](guide::metrics) |
//! | see whole programs | [examples](guide::examples): an outbox, a daemon, an HTTP service, a loader, dead letters and more |
//! | test your program | [testing](guide::testing): a mock, and the crate `kafka-embedded`, a Kafka cluster in your test's process |
//! | come from another client | [from Java](guide::from_java), [from librdkafka](guide::from_librdkafka) |
//! | ask | [questions](guide::questions) that are often asked |

// The modules stand in the order in which a record travels.

// The caller's room: `send`, `flush`, `close`.
mod producer;

// The same calls for unit tests: nothing is sent.
mod mock;

// What is sent, and what comes back.
mod record;

// How the producer is set up.
mod config;

// Others see the record before it goes on, and its outcome.
mod interceptor;

// What serializers and partitioners see of it.
mod properties;

// The key and the value become bytes.
mod serializer;

// The record gets its partition.
mod partitioner;

// Names that stand for serializers and partitioners.
mod class_registry;

// The name that a misspelt one may have meant.
mod nearest_name;

// Which partitions there are, who leads them, and waiting for that.
mod metadata;

// The picture of the cluster that metadata gives.
mod cluster;

// What a transaction commits for a consumer.
mod consumer_group;

// The record waits in its partition's batch.
mod accumulator;

// The sender is told that there is something to look at.
mod mailbox;

// What a batch is, byte for byte.
mod record_batch;

// The one thread takes batches and decides what becomes of them.
mod sender;

// Who this producer is to the brokers, and the batches' sequence numbers.
mod transaction;

// The requests and responses that carry them.
mod protocol;

// Numbers and texts as Kafka writes them.
mod wire;

// Sockets, connections, requests on their way.
mod network;

// Who the brokers are, and who we are to them: TLS and SASL.
mod security;

// Secrets, which no log line, error or `Debug` shows.
mod secret;

// How long to wait before trying again.
mod backoff;

// Texts from outside, escaped for errors and log lines.
mod escape;

// Numbers of things in words: 1 record, 2 records.
mod counted;

// The broker's answer, as a code.
mod error_code;

// What may go wrong, and what to do about it.
mod error;

// The outcome reaches the future and the callback.
mod completion;

// Whether a producer is open, being closed, closed, or of no use any more.
mod lifecycle;

// What was last heard of the brokers.
mod last_heard;

// Waiting that can be interrupted.
mod interrupt;

// Topic ids.
mod uuid;

// Whether to poll for a moment before a thread sleeps.
mod spin;
mod sync;

mod metrics;

// How often the same trouble is logged.
mod notices;

// A panic of the user's code ends where it was called.
mod catch_panic;

// Which clock a thread reads and how it waits, real or simulated.
mod stage;

// Defects that a simulation plants.
mod planted;

// Whether this is a forked child of the process in which a producer was made.
mod fork_guard;

// All logging goes through here, so that a logger that panics does no harm.
mod log_labels;
mod logging;

// Above all of it: the producer in a world of its own, from a seed.
#[cfg(all(any(test, feature = "simulation"), not(loom)))]
#[doc(hidden)]
pub mod simulation;

// What tests, fuzzing and benchmarks need of the inside.
#[doc(hidden)]
pub mod internal;

// How it is used, page by page.
pub mod guide;

pub use cluster::{Cluster, Node, PartitionInfo, TopicInfo};
pub use config::{
    ClientDnsLookup, ClusterChange, CompressionType, Importance, MetadataRecoveryStrategy,
    PropertyDescription, PropertyOrigin, PropertySupport, PropertyType, SecurityProtocol,
};
pub use consumer_group::{ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition};
pub use error::ErrorKind;
pub use interceptor::{Acknowledgement, InterceptedRecord, InterceptorError};
#[cfg(feature = "prometheus")]
pub use metrics::MetricsCollector;
pub use metrics::{Metric, MetricValue, MetricsReporter};
pub use mock::{MockProducerBuilder, SentRecord};
pub use partitioner::{PartitionRequest, PartitionerError, RoundRobinPartitioner};
pub use producer::{CloseReport, GuardCall, KafkaProducerBuilder, Outcomes, Producer};
pub use properties::Properties;
pub use record::{
    AsRecord, ByArray, ByBorrow, ByCopy, ByDeref, Header, HeaderIter, Key, NoKey, Payload, RecordKey,
    RecordValue, RecordView, Tombstone, TopicName, Value,
};
pub use security::{OAuthBearerToken, SaslCredentials, TokenProvider, TokenProviderError};
pub use serializer::{
    BooleanSerializer, ByteArraySerializer, ByteBufferSerializer, BytesSerializer, DefaultSerializer,
    DoubleSerializer, FloatSerializer, FnSerializer, IntegerSerializer, ListSerializer, LongSerializer,
    Nullable, SerializerError, SerializerRegistry, ShortSerializer, StringSerializer, UuidSerializer,
    VoidSerializer,
};
pub use transaction::PreparedTxnState;
pub use uuid::Uuid;

// Words by which users of other clients look for these. They stand here since rustdoc drops them where an item of a private
// module is shown as one of the crate.
#[doc(alias = "dr_msg_cb")]
#[doc(alias = "DeliveryCallback")]
#[doc(alias = "onCompletion")]
pub use completion::Callback;
#[doc(alias = "Future")]
#[doc(alias = "CompletableFuture")]
#[doc(alias = "delivery report")]
pub use completion::RecordFuture;
#[doc(alias = "request.required.acks")]
pub use config::Acks;
#[doc(alias = "AbstractConfig")]
#[doc(alias = "ClientConfig")]
pub use config::ProducerConfig;
#[doc(alias = "KafkaException")]
#[doc(alias = "ApiException")]
#[doc(alias = "KafkaError")]
#[doc(alias = "ExecutionException")]
#[doc(alias = "RD_KAFKA_RESP_ERR")]
#[doc(alias = "rd_kafka_resp_err_t")]
pub use error::Error;
#[doc(alias = "Errors")]
pub use error_code::ErrorCode;
#[doc(alias = "onSend")]
#[doc(alias = "onAcknowledgement")]
#[doc(alias = "tracing")]
pub use interceptor::ProducerInterceptor;
#[doc(alias = "Thread.interrupt")]
#[doc(alias = "InterruptException")]
#[doc(alias = "Ctrl-C")]
#[doc(alias = "SIGINT")]
#[doc(alias = "cancel")]
pub use interrupt::InterruptHandle;
#[doc(alias = "statistics")]
#[doc(alias = "stats_cb")]
#[doc(alias = "statistics.interval.ms")]
#[doc(alias = "JMX")]
#[doc(alias = "monitoring")]
pub use metrics::Metrics;
#[doc(alias = "errorNext")]
#[doc(alias = "completeNext")]
pub use mock::MockProducer;
#[doc(alias = "DefaultPartitioner")]
#[doc(alias = "StickyPartitioner")]
#[doc(alias = "UniformStickyPartitioner")]
pub use partitioner::Partitioner;
#[doc(alias = "murmur2")]
#[doc(alias = "toPositive")]
pub use partitioner::partition_for_key;
#[doc(alias = "FutureProducer")]
#[doc(alias = "ThreadedProducer")]
#[doc(alias = "BaseProducer")]
#[doc(alias = "rd_kafka_new")]
#[doc(alias = "client")]
pub use producer::KafkaProducer;
#[doc(alias = "exactly once")]
#[doc(alias = "beginTransaction")]
pub use producer::Transaction;
#[doc(alias = "join_all")]
#[doc(alias = "allOf")]
pub use producer::wait_all;
#[doc(alias = "RecordHeaders")]
#[doc(alias = "RecordHeader")]
#[doc(alias = "OwnedHeaders")]
pub use record::Headers;
#[doc(alias = "message")]
#[doc(alias = "BaseRecord")]
#[doc(alias = "FutureRecord")]
#[doc(alias = "rd_kafka_message_t")]
pub use record::ProducerRecord;
#[doc(alias = "DeliveryReport")]
pub use record::RecordMetadata;
#[doc(alias = "org.apache.kafka.common.serialization")]
#[doc(alias = "encoder")]
pub use serializer::Serializer;
#[doc(alias = "json")]
#[doc(alias = "serde")]
#[doc(alias = "JsonSerializer")]
#[doc(alias = "avro")]
#[doc(alias = "protobuf")]
pub use serializer::serialize_with;
