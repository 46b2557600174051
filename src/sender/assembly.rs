//! `assemble`: from settings to a sender, with all that it shares with the producer's handles.
//!
//! Owns: the wiring of the parts below the caller's room. Must not know: sockets, threads, clocks: the producer brings
//! the real ones, a simulation others.

use std::sync::Arc;

use crate::accumulator::{QueueRules, RecordAccumulator};
use crate::completion::ProducerToken;
use crate::config::Settings;
use crate::mailbox::Mailbox;
use crate::metadata::Metadata;
use crate::metrics::{Meters, WindowRules};
use crate::network::{Network, NetworkClient, Transport};
use crate::sender::client_instance::ClientInstance;
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
    transport: Transport<N>,
    mailbox: Mailbox,
    bootstrap: Bootstrap,
    mut random: fastrand::Rng,
) -> Assembly<N> {
    let rules = QueueRules::new(settings, token);
    let buffer_memory = settings.buffer_memory_bytes;
    let accumulator = Arc::new(RecordAccumulator::new(rules, buffer_memory, Arc::new(mailbox)));
    let lifecycle = Arc::clone(accumulator.lifecycle());
    let metadata = Arc::new(Metadata::new(settings.metadata_max_age, settings.retry(), lifecycle));
    let transactional_id = settings.transactional_id.as_deref().map(Arc::from);
    let windows = WindowRules { length: settings.metrics_sample_window, count: settings.metrics_num_samples };
    let meters = Arc::new(Meters::new(Arc::from(&*settings.client_id), windows));
    let (queues, known) = (Arc::clone(&accumulator), Arc::clone(&metadata));
    let instance = ClientInstance::new(settings.enable_metrics_push);
    let control = Arc::new(Control::new(queues, known, transactional_id, Arc::clone(&meters), instance));
    let settings = Arc::new(settings.clone());
    let client = NetworkClient::new(transport, Arc::clone(&settings), meters, random.fork());
    let sender = Sender::new(settings, client, Arc::clone(&control), bootstrap, random);
    Assembly { sender, accumulator, metadata, control }
}
