//! An embedded Kafka cluster: several brokers in this process, on loopback sockets, for tests and examples.
//!
//! This is the crate `kafka-embedded`, which the examples of [`kafka-producer`](https://docs.rs/kafka-producer) use. It
//! needs no Java, and works with any Kafka producer:
//!
//! ```sh
//! cargo add --dev kafka-embedded --path ../kafka-producer/crates/kafka-embedded   # a clone
//! ```
//!
//! It speaks Kafka's protocol well enough for producers (and for consumers without groups), checks record
//! batches, sequence numbers and epochs as a broker does, and answers with Kafka's error codes. The records in its
//! logs can be read back. It keeps everything in memory.
//!
//! ```
//! use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
//! use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = EmbeddedCluster::builder().brokers(3).topic("test", 6).start()?;
//! let config = ProducerConfig::new()
//!     .bootstrap_servers(&cluster.bootstrap_servers())
//!     .key_serializer("StringSerializer")
//!     .value_serializer("StringSerializer");
//! let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
//!
//! // The first request finds that the leader is elsewhere, and the producer tries again.
//! cluster.fail(Api::Produce, BrokerError::NOT_LEADER_OR_FOLLOWER, 1);
//! let metadata =
//!     producer.send(ProducerRecord::new("test", "WORLD").with_key("HELLO"))?.get()?;
//!
//! let records = cluster.records("test");
//! assert_eq!((records[0].partition, records[0].offset), (metadata.partition(), 0));
//! assert_eq!(records[0].value.as_deref(), Some(&b"WORLD"[..]));
//! assert_eq!(cluster.requests(Api::Produce), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Each cluster has ports of its own, so every test may start one, and tests may run at the same time. Brokers are
//! numbered from 1, partitions from 0.
//!
//! Things can be made to go wrong while it runs: see [`Fault`], [`EmbeddedCluster::stop_broker`],
//! [`EmbeddedCluster::move_leader`] and, for brokers that lie, [`EmbeddedCluster::rewrite_answers`]. The producer waits
//! for its answers as long as it does on a real cluster: where a test loses them, let it set `request.timeout.ms` (30 s if
//! not set) and `delivery.timeout.ms` (2 minutes) to less.
//!
//! For simulations, its rules can be used without sockets: [`ClusterRules`].
//!
//! With the feature `tls` (on by default) brokers can speak TLS, with certificates made on the fly: [`TlsOptions`]. They
//! can require a login by SASL: [`SaslOptions`].
//!
//! Brokers take clients' metrics (KIP-714) on demand: [`telemetry`](EmbeddedClusterBuilder::telemetry).
//!
//! # Transactions
//!
//! They work as with Kafka 4.3's coordinator, by both protocols: `transaction.version` 2, where the end of each transaction
//! raises the epoch and brokers add partitions themselves, and the older one
//! ([`transaction_version`](EmbeddedClusterBuilder::transaction_version), and while the cluster runs
//! [`set_transaction_version`](EmbeddedCluster::set_transaction_version)). The version of a producer's requests decides which
//! one it uses, as on a real cluster. There is a coordinator for each transactional id
//! ([`coordinator`](EmbeddedCluster::coordinator), [`move_coordinator`](EmbeddedCluster::move_coordinator)), it fences, aborts
//! what has been open for longer than its `transaction.timeout.ms` as soon as that time is over, and writes markers into the logs.
//! Two-phase commit (KIP-939) can be turned on ([`two_phase_commit`](EmbeddedClusterBuilder::two_phase_commit)).
//!
//! What can be looked at: what a consumer with `isolation.level=read_committed` gets
//! ([`committed_records`](EmbeddedCluster::committed_records)) and what one with `read_uncommitted` does
//! ([`records`](EmbeddedCluster::records)); the markers ([`BatchHeader::is_control`]); the offsets that a group has committed
//! ([`committed_offsets`](EmbeddedCluster::committed_offsets)); what is open
//! ([`open_transactions`](EmbeddedCluster::open_transactions)).
//!
//! What can go wrong: every [`Fault`] with [`Api::FindCoordinator`], [`Api::InitProducerId`], [`Api::AddPartitionsToTxn`],
//! [`Api::AddOffsetsToTxn`], [`Api::TxnOffsetCommit`], [`Api::EndTxn`]; coordinators that move or stop; markers that are late
//! ([`transaction_completion_time`](EmbeddedClusterBuilder::transaction_completion_time)), so that the next transaction meets
//! CONCURRENT_TRANSACTIONS; members of a group that are no members any more
//! ([`set_group_member`](EmbeddedCluster::set_group_member)).
//!
//! ```
//! use kafka_embedded::{Api, BrokerError, EmbeddedCluster};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 6).start()?;
//! // The coordinator has just been elected, and reads its log.
//! cluster.fail(Api::InitProducerId, BrokerError::COORDINATOR_LOAD_IN_PROGRESS, 2);
//! // A commit is carried out, and its answer is lost with the connection.
//! cluster.cut_after(Api::EndTxn, 1);
//! // Another broker takes the transactional id over.
//! let another = cluster.coordinator("mover").ok_or("all brokers are stopped")? % 3 + 1;
//! cluster.move_coordinator("mover", another);
//! assert!(cluster.open_transactions().is_empty());
//! assert!(cluster.committed_offsets("my-group").is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # What it does not do
//!
//! Consumer groups beyond their offsets in transactions, GSSAPI, deleting or compacting records,
//! throttling other than by a fault. Several brokers share one log; replicas only decide who may lead. Coordinators share what
//! they know: one that takes over knows all at once (a [`Fault`] lets it say COORDINATOR_LOAD_IN_PROGRESS), and markers are
//! written whether or not a partition has a leader. A batch that comes while the transaction before is being completed is answered
//! with CONCURRENT_TRANSACTIONS at once, where a broker asks its coordinator again for 100 ms. Transactional ids are not forgotten.

#[cfg(all(feature = "tls", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "the feature `tls` of the crate kafka-embedded, which is on by default, compiles for x86-64 and aarch64 alone, as its \
     ciphers (graviola) do: for other processors depend on kafka-embedded with `default-features = false`; its brokers are \
     then without TLS"
);

mod answers;
mod api;
mod base64;
mod batch_header;
mod broker_error;
mod cluster_builder;
mod cluster_rules;
mod cluster_state;
mod decompress;
mod embedded_cluster;
mod fault;
mod fetch;
mod find_coordinator;
mod metadata;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod partition_log;
mod produce_request;
mod producer_ids;
mod protobuf_reader;
mod request_log;
mod rewrite;
mod sasl;
mod sasl_rules;
mod server;
mod shape;
mod steering;
mod telemetry_options;
mod telemetry_requests;
#[cfg(feature = "tls")]
mod tls;
mod tls_state;
mod transaction;
mod transaction_coordinator;
mod transaction_requests;

pub use self::api::Api;
pub use self::batch_header::{BatchHeader, EmbeddedRecord};
pub use self::broker_error::BrokerError;
pub use self::cluster_builder::{EmbeddedClusterBuilder, InvalidCluster, TopicConfig};
pub use self::cluster_rules::{Action, ActionKind, ClusterRules, ConnectionId, Refused};
pub use self::embedded_cluster::EmbeddedCluster;
pub use self::fault::Fault;
pub use self::request_log::{SeenBatch, SeenLogin, SeenProduce};
pub use self::rewrite::{BrokerAnswer, Rewritten};
pub use self::sasl::{PresentedToken, SaslMechanism, SaslOptions, TokenVerdict};
pub use self::telemetry_options::{ReceivedMetric, ReceivedValue, SeenPush, TelemetryOptions};
#[cfg(feature = "tls")]
pub use self::tls::{
    AlertAt, CertificateKeyKind, CertificateOptions, IssuedCertificate, SeenTls, TlsEnd, TlsFault,
    TlsOptions, TlsServer, TlsVersions,
};
pub use self::tls_state::TlsState;
pub use self::transaction::{CommittedOffset, TransactionEnd};
pub use self::transaction_coordinator::OpenTransaction;
