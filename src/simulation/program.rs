//! A program in the simulation: its producer, put together as real ones are, and the threads that have handles of it.
//!
//! Owns: the wiring of one program's life. Must not know: when it begins, when it ends, what goes wrong.

use std::convert::Infallible;
use std::sync::Arc;

use crossbeam_channel::{Sender as Channel, bounded};

use crate::accumulator::RecordAccumulator;
use crate::completion::{ProducerToken, become_sender_thread};
use crate::config::{ProducerConfig, Settings};
use crate::mailbox::Mailbox;
use crate::network::test_channels::SimulatedChannels;
use crate::network::{ChannelBuilder, Transport};
use crate::producer::{CloseParts, KafkaProducer, Running, SenderThread};
use crate::sender::{Assembly, Bootstrap, Control, Sender, assemble};
use crate::serializer::ByteArraySerializer;
use crate::simulation::ledger::Ledger;
use crate::simulation::lines::Lines;
use crate::simulation::player::{Limits, Player, SimulatedProducer};
use crate::simulation::secured_setup::SecuredSetup;
use crate::simulation::secured_side::{NewestLayer, ObservedChannels};
use crate::simulation::slow_code::SlowCode;
use crate::simulation::threads::Threads;

/// The sender, and what the world shares with it.
pub(super) struct WorldParts {
    pub(super) sender: Sender<Lines>,
    pub(super) accumulator: Arc<RecordAccumulator>,
    pub(super) control: Arc<Control>,
    pub(super) alive: Channel<Infallible>,
    pub(super) close_parts: Option<CloseParts>,
}

/// What a client is made of beside its settings.
#[derive(Clone)]
pub(super) struct ClientSide {
    pub(super) lines: Lines,
    pub(super) channels: SimulatedChannels,
    pub(super) security: Option<SecuredSetup>,
    pub(super) newest: NewestLayer,
    pub(super) slow_code: SlowCode,
}

/// How a program begins.
pub(super) struct Beginning<'a> {
    pub(super) mailbox: Mailbox,
    pub(super) bootstrap: Bootstrap,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) threads: usize,
    /// Of the order in which its threads play; by chance where there is none.
    pub(super) seed: Option<u64>,
}

/// A program begins: its producer, and threads that have handles of it.
pub(super) fn begin_program(
    settings: &Settings,
    client: ClientSide,
    begin: Beginning<'_>,
    random: &mut fastrand::Rng,
) -> WorldParts {
    let Beginning { mailbox, bootstrap, ledger, threads, seed } = begin;
    let lines = client.lines.clone();
    let (producer, parts) = produce(settings, client, mailbox, bootstrap, random);
    let limits = Limits { max_block: settings.max_block, delivery: settings.delivery_timeout };
    let players = vec![Player::new(producer, Arc::clone(ledger), limits); threads];
    let seed = seed.unwrap_or_else(|| random.u64(..));
    let threads = Threads::start(players, &ledger.clock, seed);
    lines.network().threads = Some(threads);
    lines.network().accumulator = Some(Arc::clone(&parts.accumulator));
    parts
}

/// A producer whose sender runs when we let it.
fn produce(
    settings: &Settings,
    client: ClientSide,
    mailbox: Mailbox,
    bootstrap: Bootstrap,
    random: &mut fastrand::Rng,
) -> (SimulatedProducer, WorldParts) {
    let ClientSide { lines, channels: simulated, security, newest, slow_code } = client;
    let token = ProducerToken::next();
    become_sender_thread(token);
    let given = settings.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let config = ProducerConfig::from_properties(given).expect("known settings");
    let builder = KafkaProducer::<[u8], [u8]>::builder(config);
    let builder = builder.key_serializer(ByteArraySerializer).value_serializer(slow_code.clone());
    let builder = if slow_code.each.is_empty() { builder } else { builder.interceptor(slow_code) };
    let builder = match &security {
        Some(security) => security.give(builder),
        None => builder,
    };
    let mut parts = None;
    let producer = builder.build_on(|_, channels, close| {
        let channels: Arc<dyn ChannelBuilder> = match security {
            Some(_) => Arc::new(ObservedChannels { channels, newest }),
            None => Arc::new(simulated),
        };
        let transport = Transport { network: lines, channels };
        let assembly = assemble(settings, token, transport, mailbox, bootstrap, random.fork());
        let Assembly { sender, accumulator, metadata, control } = assembly;
        let (alive, ended) = bounded(0);
        let (shared, controlled) = (Arc::clone(&accumulator), Arc::clone(&control));
        let close_parts = Some(close);
        parts = Some(WorldParts { sender, accumulator: shared, control: controlled, alive, close_parts });
        Ok(Running { accumulator, metadata, control, thread: SenderThread { ended }, token })
    });
    (producer.expect("settings without contradictions"), parts.expect("a producer that was started"))
}
