//! `assemble`: from settings to a sender, with all that it shares with the producer's handles.
//!
//! Owns: the wiring of the parts below the caller's room. Must not know: sockets, threads, clocks: the producer brings
//! the real ones, a simulation others.

use std::sync::Arc;

use crate::accumulator::{QueueRules, RecordAccumulator};
use crate::backoff::ExponentialBackoff;
use crate::completion::ProducerToken;
use crate::config::{CompressionType, Settings};
use crate::mailbox::Mailbox;
use crate::metadata::Metadata;
use crate::network::{Network, NetworkClient, NetworkSettings};
use crate::record_batch::Codec;
use crate::sender::{Bootstrap, Control, Sender};

/// A sender, and what the producer's handles share with it.
pub(crate) struct Assembly<N: Network> {
    pub(crate) sender: Sender<N>,
    pub(crate) accumulator: Arc<RecordAccumulator>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) control: Arc<Control>,
}

/// Puts the parts together. Nothing runs yet.
pub(crate) fn assemble<N: Network>(
    settings: &Settings,
    token: ProducerToken,
    network: N,
    mailbox: Mailbox,
    bootstrap: Bootstrap,
    mut random: fastrand::Rng,
) -> Assembly<N> {
    let rules = QueueRules {
        producer: token,
        batch_size: settings.batch_size_bytes,
        first_capacity: settings.batch_size_bytes.min(FIRST_CAPACITY),
        linger: settings.linger,
        codec: codec(settings),
        most_raw: most_before_compression(settings),
    };
    let buffer_memory = settings.buffer_memory_bytes;
    let accumulator = Arc::new(RecordAccumulator::new(rules, buffer_memory, Arc::new(mailbox)));
    let retry_backoff = ExponentialBackoff::new(settings.retry_backoff, settings.retry_backoff_max);
    let lifecycle = Arc::clone(accumulator.lifecycle());
    let metadata = Arc::new(Metadata::new(settings.metadata_max_age, retry_backoff, lifecycle));
    let control = Arc::new(Control::new(Arc::clone(&accumulator), Arc::clone(&metadata)));
    let client = NetworkClient::new(network, network_settings(settings), random.fork());
    let shared = (Arc::clone(&accumulator), Arc::clone(&metadata), Arc::clone(&control));
    let sender = Sender::new(Arc::new(settings.clone()), client, shared, bootstrap, random);
    Assembly { sender, accumulator, metadata, control }
}

/// Records are kept uncompressed until their batch is sealed. However well they shrink, one batch must not fill the
/// memory, nor be much to read for a broker that has to look into it.
fn most_before_compression(settings: &Settings) -> usize {
    let by_memory = settings.buffer_memory_bytes / 8;
    settings.batch_size_bytes.saturating_mul(16).min(by_memory).max(settings.batch_size_bytes)
}

fn codec(settings: &Settings) -> Codec {
    let level = settings.compression_level;
    match settings.compression_type {
        CompressionType::None => Codec::None,
        CompressionType::Gzip => Codec::Gzip { level },
        CompressionType::Snappy => Codec::Snappy,
        CompressionType::Lz4 => Codec::Lz4 { level },
        CompressionType::Zstd => Codec::Zstd { level },
    }
}

fn network_settings(settings: &Settings) -> NetworkSettings {
    NetworkSettings {
        client_id: settings.client_id.clone(),
        max_in_flight: settings.max_in_flight_requests_per_connection,
        reconnect_backoff: settings.reconnect_backoff,
        reconnect_backoff_max: settings.reconnect_backoff_max,
        setup_timeout: settings.socket_connection_setup_timeout,
        setup_timeout_max: settings.socket_connection_setup_timeout_max,
        max_idle: settings.connections_max_idle,
        request_timeout: settings.request_timeout,
    }
}

/// Where a partition's first batch begins: Java's `batch.size`. Memory is taken in steps, so that a large `batch.size`
/// and many partitions do not use up `buffer.memory` with batches that are nearly empty.
const FIRST_CAPACITY: usize = 16 * 1024;
