//! `Settings`: what the rest of the client reads. Every setting has its type here, and no contradiction is left.
//!
//! Owns: the rules between settings, which are those of Java's `ProducerConfig` and `KafkaProducer`, with their two
//! outcomes: an error where the user asked for the contradiction, an adjustment where it comes from a default.
//! Must not know: where the texts came from.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::address;
use super::choices::{Acks, ClientDnsLookup, CompressionType, MetadataRecoveryStrategy};
use super::properties_table::{PROPERTIES, find};
use super::property::{PropertySupport, PropertyType, Value};
use super::remarks::Remarks;
use crate::error::Error;

/// All that the client's parts need to know, checked and with types.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Host and port of each entry, at least one, in the order given.
    pub(crate) bootstrap_servers: Vec<(String, u16)>,
    pub(crate) client_dns_lookup: ClientDnsLookup,
    /// Zero: names are resolved while the producer is created.
    pub(crate) bootstrap_resolve_timeout: Duration,
    /// As given, or `producer-N`.
    pub(crate) client_id: String,
    /// The names; `None` only where serializers were given as values.
    pub(crate) key_serializer: Option<String>,
    pub(crate) value_serializer: Option<String>,
    pub(crate) partitioner_class: Option<String>,
    pub(crate) interceptor_classes: Vec<String>,
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
    /// How long the sender polls on before it sleeps; zero: not at all.
    pub(crate) get_spin: Duration,

    /// Everything that was set, known or not, with variables replaced: for `configure` of serializers and the like.
    /// It holds secrets: not for printing.
    pub(crate) properties: Arc<BTreeMap<String, String>>,
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

/// Checks `replaced`, the values with their variables replaced. `given` has them as they were written, for errors.
pub(super) fn resolve(
    given: &BTreeMap<String, String>,
    replaced: BTreeMap<String, String>,
    serializers_required: bool,
    remarks: &mut Remarks,
) -> Result<Settings, Error> {
    let values = Values::parse(given, &replaced, remarks)?;
    values.required(serializers_required)?;
    let enable_idempotence = idempotence(&values, remarks)?;
    transactions(&values, enable_idempotence)?;
    racks_and_sasl(&values)?;
    let linger = values.millis("linger.ms").min(LONGEST_LINGER);
    let delivery_timeout = delivery_timeout(&values, linger, remarks)?;
    let bootstrap_servers = bootstrap_servers(&values)?;
    values.supported()?;
    let (compression_type, compression_level) = compression(&values)?;
    warn_where_the_maximum_is_below(&values, remarks);
    Ok(Settings {
        bootstrap_servers,
        client_dns_lookup: ClientDnsLookup::from_text(&values.text("client.dns.lookup")),
        bootstrap_resolve_timeout: values.millis("bootstrap.resolve.timeout.ms"),
        client_id: client_id(&values),
        key_serializer: values.text_if_set("key.serializer"),
        value_serializer: values.text_if_set("value.serializer"),
        partitioner_class: values.text_if_set("partitioner.class"),
        interceptor_classes: values.list("interceptor.classes"),
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
        reconnect_backoff_max: reconnect_backoff_max(&values),
        socket_connection_setup_timeout: values.millis("socket.connection.setup.timeout.ms"),
        socket_connection_setup_timeout_max: values.millis("socket.connection.setup.timeout.max.ms"),
        connections_max_idle: values.millis_unless_negative("connections.max.idle.ms"),
        send_buffer_bytes: values.bytes_unless_negative("send.buffer.bytes"),
        receive_buffer_bytes: values.bytes_unless_negative("receive.buffer.bytes"),
        metadata_max_age: values.millis("metadata.max.age.ms"),
        metadata_max_idle: values.millis("metadata.max.idle.ms"),
        metadata_recovery_strategy: values.recovery_strategy(),
        metadata_recovery_rebootstrap_trigger: values.millis("metadata.recovery.rebootstrap.trigger.ms"),
        get_spin: Duration::from_micros(values.integer("get.spin.us").unsigned_abs()).min(LONGEST),
        properties: Arc::new(replaced),
    })
}

/// The values that were set, by name; everything else has its default.
struct Values<'a> {
    set: HashMap<&'static str, Value>,
    given: &'a BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    fn parse(
        given: &'a BTreeMap<String, String>,
        replaced: &BTreeMap<String, String>,
        remarks: &mut Remarks,
    ) -> Result<Self, Error> {
        let mut set = HashMap::new();
        for property in PROPERTIES {
            let Some(text) = replaced.get(property.name()) else { continue };
            let shown = given.get(property.name()).unwrap_or(text);
            let value = property.parse(text, shown)?;
            if property.support() == PropertySupport::NoEffect {
                remarks.warn(format!(
                    "{} has no effect here: it means something only inside a JVM",
                    property.name()
                ));
            }
            if let Value::List(elements) = &value
                && !elements.is_empty()
                && elements.len() < text.split(',').count()
            {
                remarks.warn(format!("{} has repeated values; each counts once", property.name()));
            }
            set.insert(property.name(), value);
        }
        Ok(Values { set, given })
    }

    fn is_set(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    fn value(&self, name: &str) -> Value {
        match self.set.get(name) {
            Some(value) => value.clone(),
            None => find(name).map_or(Value::Null, |property| property.default_value()),
        }
    }

    fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Integer(number) => number,
            _ => 0,
        }
    }

    fn boolean(&self, name: &str) -> bool {
        self.value(name) == Value::Boolean(true)
    }

    fn text(&self, name: &str) -> String {
        self.text_if_set(name).unwrap_or_default()
    }

    /// `None` where the value is Java's null.
    fn text_if_set(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::List(elements) => elements,
            _ => Vec::new(),
        }
    }

    fn acks(&self) -> Acks {
        Acks::from_text(&self.text("acks"))
    }

    fn millis(&self, name: &str) -> Duration {
        self.millis_unless_negative(name).unwrap_or_default()
    }

    fn millis_unless_zero(&self, name: &str) -> Option<Duration> {
        Some(self.millis(name)).filter(|time| !time.is_zero())
    }

    fn recovery_strategy(&self) -> MetadataRecoveryStrategy {
        MetadataRecoveryStrategy::from_text(&self.text("metadata.recovery.strategy"))
    }

    fn millis_unless_negative(&self, name: &str) -> Option<Duration> {
        let millis = u64::try_from(self.integer(name)).ok()?;
        Some(Duration::from_millis(millis).min(LONGEST))
    }

    fn bytes(&self, name: &str) -> usize {
        let number = self.integer(name);
        usize::try_from(number).unwrap_or(if number < 0 { 0 } else { usize::MAX })
    }

    fn bytes_unless_negative(&self, name: &str) -> Option<usize> {
        (self.integer(name) >= 0).then(|| self.bytes(name))
    }

    fn required(&self, serializers_required: bool) -> Result<(), Error> {
        for property in PROPERTIES.iter().filter(|property| property.is_required()) {
            let needed = serializers_required || property.property_type() != PropertyType::Class;
            if needed && !self.is_set(property.name()) {
                let name = property.name();
                return Err(Error::config(format!(
                    "Missing required configuration \"{name}\" which has no default value."
                )));
            }
        }
        Ok(())
    }

    /// Refuses what is known but not built, unless it is set to what it is anyway.
    fn supported(&self) -> Result<(), Error> {
        for property in PROPERTIES.iter().filter(|property| property.support() == PropertySupport::NotBuilt) {
            let name = property.name();
            if self.set.get(name).is_none_or(|value| property.is_default(value)) {
                continue;
            }
            let shown = self.given.get(name).map_or("", String::as_str);
            let accepted = match property.default() {
                None => String::from("leave it unset"),
                Some("") => String::from("leave it unset or empty"),
                Some(default) => format!("only its default is accepted: {default}"),
            };
            return Err(property.refuse(
                shown,
                format_args!("this setting is not supported by this version of kafka-producer, {accepted}"),
            ));
        }
        Ok(())
    }
}

/// Whether idempotence is on in the end.
fn idempotence(values: &Values, remarks: &mut Remarks) -> Result<bool, Error> {
    if !values.boolean("enable.idempotence") {
        return Ok(false);
    }
    let asked_for = values.is_set("enable.idempotence");
    let mut enabled = true;
    if values.integer("retries") == 0 {
        if asked_for {
            return Err(Error::config(
                "Invalid value 0 for configuration retries: enable.idempotence=true needs at least 1 retry",
            ));
        }
        remarks.info(String::from("idempotence is off because retries is 0"));
        enabled = false;
    }
    if values.acks() != Acks::All {
        let acks = values.text("acks");
        if asked_for {
            return Err(Error::config(format!(
                "Invalid value {acks} for configuration acks: enable.idempotence=true needs acks=all"
            )));
        }
        remarks.info(format!("idempotence is off because acks is {acks} and not all"));
        enabled = false;
    }
    let in_flight = values.integer(IN_FLIGHT);
    if in_flight > MOST_IN_FLIGHT_WITH_IDEMPOTENCE {
        return Err(Error::config(format!(
            "Invalid value {in_flight} for configuration {IN_FLIGHT}: Value must be at most 5 with idempotence; for \
             more, set enable.idempotence=false"
        )));
    }
    Ok(enabled)
}

fn transactions(values: &Values, idempotence: bool) -> Result<(), Error> {
    if let Some(id) = values.text_if_set("transactional.id").filter(|_| !idempotence) {
        let shown = values.given.get("transactional.id").unwrap_or(&id);
        return Err(Error::config(format!(
            "Invalid value {shown} for configuration transactional.id: transactions need idempotence, which is off: \
             see enable.idempotence, acks and retries"
        )));
    }
    if values.boolean("transaction.two.phase.commit.enable") && values.is_set("transaction.timeout.ms") {
        let timeout = values.integer("transaction.timeout.ms");
        return Err(Error::config(format!(
            "Invalid value {timeout} for configuration transaction.timeout.ms: it must not be set together with \
             transaction.two.phase.commit.enable=true, whose transactions do not time out"
        )));
    }
    Ok(())
}

fn racks_and_sasl(values: &Values) -> Result<(), Error> {
    if values.boolean("partitioner.rack.aware") && values.text("client.rack").is_empty() {
        return Err(Error::config(
            "Invalid value true for configuration partitioner.rack.aware: client.rack must be set to the rack of \
             this client",
        ));
    }
    let protocol = values.text("security.protocol");
    if protocol.to_ascii_uppercase().starts_with("SASL_") && values.text("sasl.mechanism").is_empty() {
        return Err(Error::config(format!(
            "Invalid value (empty) for configuration sasl.mechanism: with security.protocol={protocol} it must name a \
             mechanism"
        )));
    }
    Ok(())
}

fn delivery_timeout(values: &Values, linger: Duration, remarks: &mut Remarks) -> Result<Duration, Error> {
    let timeout = values.millis("delivery.timeout.ms");
    let least = (linger + values.millis("request.timeout.ms")).min(LONGEST_LINGER);
    if timeout >= least {
        return Ok(timeout);
    }
    if values.is_set("delivery.timeout.ms") {
        return Err(Error::config(format!(
            "Invalid value {} for configuration delivery.timeout.ms: Value must be at least linger.ms + \
             request.timeout.ms, which is {}",
            timeout.as_millis(),
            least.as_millis()
        )));
    }
    remarks.warn(format!(
        "delivery.timeout.ms should be at least linger.ms + request.timeout.ms; it is raised to {}",
        least.as_millis()
    ));
    Ok(least)
}

/// The codec and its level. A codec that this build does not have, and a level that its codec cannot honour, are
/// refused.
fn compression(values: &Values) -> Result<(CompressionType, i32), Error> {
    let kind = CompressionType::from_text(&values.text("compression.type"));
    let (present, level_setting) = match kind {
        CompressionType::None => (true, None),
        CompressionType::Gzip => (cfg!(feature = "gzip"), Some("compression.gzip.level")),
        CompressionType::Snappy => (cfg!(feature = "snappy"), None),
        CompressionType::Lz4 => (cfg!(feature = "lz4"), Some("compression.lz4.level")),
        CompressionType::Zstd => (cfg!(feature = "zstd"), Some("compression.zstd.level")),
    };
    if !present {
        let name = kind.text();
        return Err(Error::config(format!(
            "Invalid value {name} for configuration compression.type: this build is without it; turn on the feature \
             `{name}` of the crate kafka-producer"
        )));
    }
    let level = level_setting.map_or(0, |name| values.integer(name));
    if kind == CompressionType::Lz4 && level != LZ4_FAST && !cfg!(feature = "lz4-c") {
        return Err(Error::config(format!(
            "Invalid value {level} for configuration compression.lz4.level: this build has the fast encoder only, which \
             is level {LZ4_FAST}, the default; turn on the feature `lz4-c` of the crate kafka-producer for the others"
        )));
    }
    Ok((kind, i32::try_from(level).unwrap_or_default()))
}

/// To Kafka's lz4 this level is none: the fast encoder.
const LZ4_FAST: i64 = 9;

fn reconnect_backoff_max(values: &Values) -> Duration {
    if values.is_set("reconnect.backoff.ms") && !values.is_set("reconnect.backoff.max.ms") {
        return values.millis("reconnect.backoff.ms");
    }
    values.millis("reconnect.backoff.max.ms")
}

fn warn_where_the_maximum_is_below(values: &Values, remarks: &mut Remarks) {
    for (first, maximum) in [
        ("retry.backoff.ms", "retry.backoff.max.ms"),
        ("socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms"),
    ] {
        let (low, high) = (values.integer(first), values.integer(maximum));
        if low > high {
            remarks.warn(format!(
                "{first} is {low}, above {maximum}, which is {high}; the time is always {high} ms"
            ));
        }
    }
}

fn bootstrap_servers(values: &Values) -> Result<Vec<(String, u16)>, Error> {
    let entries = values.list("bootstrap.servers");
    let parsed = entries.iter().map(|entry| {
        address::parse(entry).map_err(|problem| {
            Error::config(format!("Invalid value {entry} for configuration bootstrap.servers: {problem}"))
        })
    });
    parsed.collect()
}

/// As set, also if it is empty; else a name that no other producer of this process has.
fn client_id(values: &Values) -> String {
    if values.is_set("client.id") {
        return values.text("client.id");
    }
    match values.text_if_set("transactional.id") {
        Some(id) => format!("producer-{id}"),
        None => format!("producer-{}", PRODUCERS.fetch_add(1, Ordering::Relaxed) + 1),
    }
}

/// How many producers of this process have been given a name.
static PRODUCERS: AtomicU64 = AtomicU64::new(0);

const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
/// A broker remembers the sequences of so many batches for each producer and partition.
const MOST_IN_FLIGHT_WITH_IDEMPOTENCE: i64 = 5;
/// 2^31-1 ms: Java keeps linger and delivery time-out in an int.
const LONGEST_LINGER: Duration = Duration::from_millis(i32::MAX as u64);
/// A century: longer times are cut to it, so that adding one to an instant never overflows.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
