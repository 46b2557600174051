//! `Settings`: what the rest of the client reads. Every setting has its type here, and no contradiction is left.
//!
//! Owns: the rules between settings, which are those of Java's `ProducerConfig` and `KafkaProducer`, with their two
//! outcomes: an error where the user asked for the contradiction, an adjustment where it comes from a default.
//! Must not know: where the texts came from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::address;
use super::choices::{Acks, ClientDnsLookup, ClusterChange, CompressionType, MetadataRecoveryStrategy};
use super::faults::Faults;
use super::remarks::Remarks;
use super::values::{LONGEST, Values};
use crate::error::Error;
use crate::escape::Escaped;
use crate::properties::Named;

/// All that the client's parts need to know, checked and with types.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Host and port of each entry, at least one, in the order given.
    pub(crate) bootstrap_servers: Vec<(String, u16)>,
    /// What errors show in their place, if they came out of a variable.
    pub(crate) bootstrap_variable: Option<String>,
    pub(crate) client_dns_lookup: ClientDnsLookup,
    /// Zero: names are resolved while the producer is created.
    pub(crate) bootstrap_resolve_timeout: Duration,
    /// As given, or `producer-N`.
    pub(crate) client_id: String,
    /// The names; `None` only where serializers were given as values.
    pub(crate) key_serializer: Option<Named>,
    pub(crate) value_serializer: Option<Named>,
    pub(crate) partitioner_class: Option<Named>,
    pub(crate) interceptor_classes: Vec<Named>,
    pub(crate) partitioner_ignore_keys: bool,
    pub(crate) partitioner_adaptive: bool,
    /// `None`: brokers that take no data are not left out.
    pub(crate) partitioner_availability_timeout: Option<Duration>,
    /// `None` without `partitioner.rack.aware`.
    pub(crate) client_rack: Option<String>,

    pub(crate) acks: Acks,
    /// After `acks` and `retries` have had their say.
    pub(crate) enable_idempotence: bool,
    pub(crate) retries: u32,
    pub(crate) max_in_flight_requests_per_connection: usize,
    /// At least `linger` + `request_timeout`.
    pub(crate) delivery_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_block: Duration,
    pub(crate) linger: Duration,
    /// At least 1.
    pub(crate) batch_size_bytes: usize,
    pub(crate) buffer_memory_bytes: usize,
    pub(crate) max_request_size_bytes: usize,
    pub(crate) compression_type: CompressionType,
    /// Of that type; 0 where it has none.
    pub(crate) compression_level: i32,

    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) reconnect_backoff: Duration,
    /// The same as `reconnect_backoff` where only that was set: then the wait is constant.
    pub(crate) reconnect_backoff_max: Duration,
    pub(crate) socket_connection_setup_timeout: Duration,
    pub(crate) socket_connection_setup_timeout_max: Duration,
    /// `None`: never closed for being idle.
    pub(crate) connections_max_idle: Option<Duration>,
    /// `None`: as the operating system has it.
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) receive_buffer_bytes: Option<usize>,
    pub(crate) metadata_max_age: Duration,
    pub(crate) metadata_max_idle: Duration,
    pub(crate) metadata_recovery_strategy: MetadataRecoveryStrategy,
    pub(crate) metadata_recovery_rebootstrap_trigger: Duration,
    pub(crate) metadata_cluster_change: ClusterChange,
    /// How long the sender polls on before it sleeps; zero: not at all.
    pub(crate) get_spin: Duration,

    /// Everything that was set, known or not, with variables replaced: for `configure` of serializers and the like.
    /// It holds secrets: not for printing.
    pub(crate) properties: Arc<BTreeMap<String, String>>,
    /// The same before variables were replaced, for messages.
    pub(crate) written: Arc<BTreeMap<String, String>>,
}

/// Nothing: settings hold secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// The settings whose values the rules may have changed, as they are now.
    pub(super) fn adjusted(&self) -> [(&'static str, String); 5] {
        let millis = |time: Duration| time.as_millis().to_string();
        [
            ("client.id", self.client_id.clone()),
            ("enable.idempotence", self.enable_idempotence.to_string()),
            ("linger.ms", millis(self.linger)),
            ("delivery.timeout.ms", millis(self.delivery_timeout)),
            ("reconnect.backoff.max.ms", millis(self.reconnect_backoff_max)),
        ]
    }
}

/// Applies the rules between settings. What contradicts another setting is a fault; the rest goes on without it.
pub(super) fn resolve(values: &Values<'_>, remarks: &mut Remarks, faults: &mut Faults) -> Settings {
    let enable_idempotence = idempotence(values, remarks, faults);
    transactions(values, enable_idempotence, faults);
    racks_and_sasl(values, faults);
    let linger = values.millis("linger.ms").min(LONGEST_LINGER);
    let delivery_timeout = delivery_timeout(values, linger, remarks, faults);
    let bootstrap_servers = bootstrap_servers(values, faults);
    let client_id = client_id(values, faults);
    values.supported(faults);
    let (compression_type, compression_level) = compression(values, faults);
    warn_where_the_maximum_is_below(values, remarks);
    let bootstrap_variable =
        values.is_variable("bootstrap.servers").then(|| values.shown("bootstrap.servers"));
    Settings {
        bootstrap_servers,
        bootstrap_variable,
        client_dns_lookup: ClientDnsLookup::from_text(&values.text("client.dns.lookup")),
        bootstrap_resolve_timeout: values.millis("bootstrap.resolve.timeout.ms"),
        client_id,
        key_serializer: values.named("key.serializer"),
        value_serializer: values.named("value.serializer"),
        partitioner_class: values.named("partitioner.class"),
        interceptor_classes: values.all_named("interceptor.classes"),
        partitioner_ignore_keys: values.boolean("partitioner.ignore.keys"),
        partitioner_adaptive: values.boolean("partitioner.adaptive.partitioning.enable"),
        partitioner_availability_timeout: values.millis_unless_zero("partitioner.availability.timeout.ms"),
        client_rack: values.boolean("partitioner.rack.aware").then(|| values.text("client.rack")),
        acks: values.acks(),
        enable_idempotence,
        retries: u32::try_from(values.integer("retries")).unwrap_or(u32::MAX),
        max_in_flight_requests_per_connection: values.bytes("max.in.flight.requests.per.connection"),
        delivery_timeout,
        request_timeout: values.millis("request.timeout.ms"),
        max_block: values.millis("max.block.ms"),
        linger,
        batch_size_bytes: values.bytes("batch.size").max(1),
        buffer_memory_bytes: values.bytes("buffer.memory"),
        max_request_size_bytes: values.bytes("max.request.size"),
        compression_type,
        compression_level,
        retry_backoff: values.millis("retry.backoff.ms"),
        retry_backoff_max: values.millis("retry.backoff.max.ms"),
        reconnect_backoff: values.millis("reconnect.backoff.ms"),
        reconnect_backoff_max: reconnect_backoff_max(values),
        socket_connection_setup_timeout: values.millis("socket.connection.setup.timeout.ms"),
        socket_connection_setup_timeout_max: values.millis("socket.connection.setup.timeout.max.ms"),
        connections_max_idle: values.millis_unless_negative("connections.max.idle.ms"),
        send_buffer_bytes: values.bytes_unless_negative("send.buffer.bytes"),
        receive_buffer_bytes: values.bytes_unless_negative("receive.buffer.bytes"),
        metadata_max_age: values.millis("metadata.max.age.ms"),
        metadata_max_idle: values.millis("metadata.max.idle.ms"),
        metadata_recovery_strategy: values.recovery_strategy(),
        metadata_recovery_rebootstrap_trigger: values.millis("metadata.recovery.rebootstrap.trigger.ms"),
        metadata_cluster_change: ClusterChange::from_text(&values.text("metadata.cluster.change")),
        get_spin: Duration::from_micros(values.integer("get.spin.us").unsigned_abs()).min(LONGEST),
        properties: Arc::new(values.replaced.clone()),
        written: Arc::new(values.given.clone()),
    }
}

/// Whether idempotence is on in the end.
fn idempotence(values: &Values<'_>, remarks: &mut Remarks, faults: &mut Faults) -> bool {
    if !values.boolean("enable.idempotence") {
        return false;
    }
    let asked_for = values.is_set("enable.idempotence");
    let mut enabled = true;
    if values.integer("retries") == 0 {
        if asked_for {
            faults.add(values.refuse("retries", "enable.idempotence=true needs at least 1 retry"));
        }
        remarks.info(format!("idempotence is off because retries is {}", values.shown("retries")));
        enabled = false;
    }
    if values.acks() != Acks::All {
        if asked_for {
            faults.add(values.refuse("acks", "enable.idempotence=true needs acks=all"));
        }
        remarks.info(format!("idempotence is off because acks is {} and not all", values.shown("acks")));
        enabled = false;
    }
    if values.integer(IN_FLIGHT) > MOST_IN_FLIGHT_WITH_IDEMPOTENCE {
        faults.add(values.refuse(
            IN_FLIGHT,
            "Value must be at most 5 with idempotence; for more, set enable.idempotence=false",
        ));
    }
    enabled
}

fn transactions(values: &Values<'_>, idempotence: bool, faults: &mut Faults) {
    if values.is_set("transactional.id") && !idempotence {
        faults.add(values.refuse(
            "transactional.id",
            "transactions need idempotence, which is off: see enable.idempotence, acks and retries",
        ));
    }
    if values.boolean("transaction.two.phase.commit.enable") && values.is_set("transaction.timeout.ms") {
        faults.add(values.refuse(
            "transaction.timeout.ms",
            "it must not be set together with transaction.two.phase.commit.enable=true, whose transactions do not \
             time out",
        ));
    }
}

fn racks_and_sasl(values: &Values<'_>, faults: &mut Faults) {
    if values.boolean("partitioner.rack.aware") && values.text("client.rack").is_empty() {
        faults.add(
            values.refuse("partitioner.rack.aware", "client.rack must be set to the rack of this client"),
        );
    }
    let protocol = values.text("security.protocol");
    if protocol.to_ascii_uppercase().starts_with("SASL_") && values.text("sasl.mechanism").is_empty() {
        let protocol = values.shown("security.protocol");
        faults.add(Error::config(format!(
            "Invalid value (empty) for configuration sasl.mechanism: with security.protocol={protocol} it must name a \
             mechanism"
        )));
    }
}

fn delivery_timeout(
    values: &Values<'_>,
    linger: Duration,
    remarks: &mut Remarks,
    faults: &mut Faults,
) -> Duration {
    let timeout = values.millis("delivery.timeout.ms");
    let parts = ["linger.ms", "request.timeout.ms"];
    let least = (linger + values.millis("request.timeout.ms")).min(LONGEST_LINGER);
    let is_unknown =
        values.is_refused("delivery.timeout.ms") || parts.iter().any(|part| values.is_refused(part));
    if timeout >= least || is_unknown {
        return timeout;
    }
    let sum = match parts.iter().any(|part| values.is_variable(part)) {
        true => String::from("that sum"),
        false => least.as_millis().to_string(),
    };
    if values.is_set("delivery.timeout.ms") {
        faults.add(values.refuse(
            "delivery.timeout.ms",
            format_args!("Value must be at least linger.ms + request.timeout.ms, which is {sum}"),
        ));
    }
    remarks.warn(format!(
        "delivery.timeout.ms should be at least linger.ms + request.timeout.ms; it is raised to {sum}"
    ));
    least
}

/// The codec and its level. A codec that this build does not have, and a level that its codec cannot honour, are
/// refused.
fn compression(values: &Values<'_>, faults: &mut Faults) -> (CompressionType, i32) {
    let kind = CompressionType::from_text(&values.text("compression.type"));
    let (present, level_setting) = match kind {
        CompressionType::None => (true, None),
        CompressionType::Gzip => (cfg!(feature = "gzip"), Some("compression.gzip.level")),
        CompressionType::Snappy => (cfg!(feature = "snappy"), None),
        CompressionType::Lz4 => (cfg!(feature = "lz4"), Some("compression.lz4.level")),
        CompressionType::Zstd => (cfg!(feature = "zstd"), Some("compression.zstd.level")),
    };
    if !present {
        let feature = match values.is_variable("compression.type") {
            true => String::from("the feature of its name"),
            false => format!("the feature `{}`", kind.text()),
        };
        faults.add(values.refuse(
            "compression.type",
            format_args!("this build is without it; turn on {feature} of the crate kafka-producer"),
        ));
    }
    let level = level_setting.map_or(0, |name| values.integer(name));
    if kind == CompressionType::Lz4 && level != LZ4_FAST && !cfg!(feature = "lz4-c") {
        faults.add(values.refuse(
            "compression.lz4.level",
            format_args!(
                "this build has the fast encoder only, which is level {LZ4_FAST}, the default; turn on the feature \
                 `lz4-c` of the crate kafka-producer for the others"
            ),
        ));
    }
    (kind, i32::try_from(level).unwrap_or_default())
}

/// To Kafka's lz4 this level is none: the fast encoder.
const LZ4_FAST: i64 = 9;

fn reconnect_backoff_max(values: &Values<'_>) -> Duration {
    if values.is_set("reconnect.backoff.ms") && !values.is_set("reconnect.backoff.max.ms") {
        return values.millis("reconnect.backoff.ms");
    }
    values.millis("reconnect.backoff.max.ms")
}

fn warn_where_the_maximum_is_below(values: &Values<'_>, remarks: &mut Remarks) {
    for (first, maximum) in [
        ("retry.backoff.ms", "retry.backoff.max.ms"),
        ("socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms"),
    ] {
        if values.integer(first) > values.integer(maximum) {
            let (low, high) = (values.shown(first), values.shown(maximum));
            remarks.warn(format!(
                "{first} is {low}, above {maximum}, which is {high}; the time is always {high} ms"
            ));
        }
    }
}

/// The entries; one that is no address is shown, or all of them where it might be a part of something secret.
fn bootstrap_servers(values: &Values<'_>, faults: &mut Faults) -> Vec<(String, u16)> {
    let name = "bootstrap.servers";
    let entries = values.list(name);
    let may_be_secret = values.is_variable(name) || entries.iter().any(|entry| entry.contains('@'));
    let mut servers = Vec::new();
    for entry in &entries {
        match address::parse(entry) {
            Ok(server) => servers.push(server),
            Err(problem) if may_be_secret => {
                faults.add(values.refuse(name, problem));
                break;
            }
            Err(problem) => {
                let entry = Escaped(entry);
                faults
                    .add(Error::config(format!("Invalid value {entry} for configuration {name}: {problem}")));
            }
        }
    }
    servers
}

/// As set, also if it is empty; else a name that no other producer of this process has.
fn client_id(values: &Values<'_>, faults: &mut Faults) -> String {
    if values.is_set("client.id") {
        let id = values.text("client.id");
        if i16::try_from(id.len()).is_err() {
            let problem = format!("it has {} bytes, and a request has room for {}", id.len(), i16::MAX);
            faults.add(values.refuse("client.id", problem));
        }
        return id;
    }
    match values.text_if_set("transactional.id") {
        Some(id) => format!("producer-{id}"),
        None => format!("producer-{}", PRODUCERS.fetch_add(1, Ordering::Relaxed) + 1),
    }
}

/// How many producers of this process have been given a name.
static PRODUCERS: AtomicU64 = AtomicU64::new(0);

const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
/// For how many batches of each producer and partition a broker remembers the sequences.
const MOST_IN_FLIGHT_WITH_IDEMPOTENCE: i64 = 5;
/// 2^31-1 ms: Java keeps linger and delivery time-out in an int.
const LONGEST_LINGER: Duration = Duration::from_millis(i32::MAX as u64);
