//! The rules between settings, which are those of Java's `ProducerConfig` and `KafkaProducer`.
//!
//! Owns: what follows where two settings contradict each other: an error where the user asked for it, an adjustment where
//! it comes from a default. Must not know: where the texts came from.

use std::sync::atomic::{AtomicU64, Ordering};

use super::address;
use super::choices::{Acks, Choice, CompressionType};
use super::faults::Faults;
use super::properties_table as row;
use super::readers::LONGEST_OF_AN_INT;
use super::remarks::Remarks;
use super::settings::Settings;
use super::values::{Values, refuse_empty};
use crate::error::Error;
use crate::escape::Escaped;

/// Applies the rules. What contradicts another setting is a fault; the rest goes on without it.
pub(super) fn settle(
    settings: &mut Settings,
    values: &Values<'_>,
    remarks: &mut Remarks,
    faults: &mut Faults,
) {
    idempotence(settings, values, remarks, faults);
    transactions(settings, values, faults);
    racks_and_security(settings, values, faults);
    delivery_timeout(settings, values, remarks, faults);
    reconnect_backoff_max(settings, values);
    warn_where_the_maximum_is_below(settings, values, remarks);
    bootstrap_servers(settings, values, faults);
    client_id(settings, values, faults);
    codec(settings, values, faults);
}

/// Whether idempotence is on in the end.
fn idempotence(settings: &mut Settings, values: &Values<'_>, remarks: &mut Remarks, faults: &mut Faults) {
    if !settings.enable_idempotence {
        return;
    }
    let asked_for = values.is_set(row::ENABLE_IDEMPOTENCE_CONFIG);
    if settings.retries == 0 {
        if asked_for {
            faults.add(values.refuse(row::RETRIES_CONFIG, "enable.idempotence=true needs at least 1 retry"));
        }
        let retries = values.shown(row::RETRIES_CONFIG);
        remarks.info(format!("idempotence is off because retries is {retries}"));
        settings.enable_idempotence = false;
    }
    if settings.acks != Acks::All {
        if asked_for {
            faults.add(values.refuse(row::ACKS_CONFIG, "enable.idempotence=true needs acks=all"));
        }
        let acks = values.shown(row::ACKS_CONFIG);
        remarks.info(format!("idempotence is off because acks is {acks} and not all"));
        settings.enable_idempotence = false;
    }
    if settings.max_in_flight_requests_per_connection > MOST_IN_FLIGHT_WITH_IDEMPOTENCE {
        faults.add(values.refuse(
            row::MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION,
            "Value must be at most 5 with idempotence; for more, set enable.idempotence=false",
        ));
    }
}

fn transactions(settings: &Settings, values: &Values<'_>, faults: &mut Faults) {
    if values.is_set(row::TRANSACTIONAL_ID_CONFIG) && !settings.enable_idempotence {
        faults.add(values.refuse(
            row::TRANSACTIONAL_ID_CONFIG,
            "transactions need idempotence, which is off: see enable.idempotence, acks and retries",
        ));
    }
    if settings.transactional_id.as_ref().is_some_and(|id| id.len() > LONGEST_ID_BYTES) {
        faults.add(values.refuse(row::TRANSACTIONAL_ID_CONFIG, "Value must be at most 32767 bytes long"));
    }
    if settings.transaction_two_phase_commit_enable && values.is_set(row::TRANSACTION_TIMEOUT_CONFIG) {
        faults.add(values.refuse(
            row::TRANSACTION_TIMEOUT_CONFIG,
            "it must not be set together with transaction.two.phase.commit.enable=true, whose transactions do not \
             time out",
        ));
    }
}

/// What a text may have in Kafka's protocol.
const LONGEST_ID_BYTES: usize = 32_767;

fn racks_and_security(settings: &mut Settings, values: &Values<'_>, faults: &mut Faults) {
    if settings.partitioner_rack_aware && settings.client_rack.is_none() {
        faults.add(values.refuse(
            row::PARTITIONER_RACK_AWARE_CONFIG,
            "client.rack must be set to the rack of this client",
        ));
    }
    if settings.security_protocol.has_sasl() && settings.sasl_mechanism.is_empty() {
        let protocol = values.shown(row::SECURITY_PROTOCOL_CONFIG);
        let expected = format_args!("with security.protocol={protocol} it must name a mechanism");
        faults.add(refuse_empty(row::SASL_MECHANISM.name(), expected));
    }
}

/// At least `linger.ms` and `request.timeout.ms` together.
fn delivery_timeout(
    settings: &mut Settings,
    values: &Values<'_>,
    remarks: &mut Remarks,
    faults: &mut Faults,
) {
    let parts = [row::LINGER_MS_CONFIG, row::REQUEST_TIMEOUT_MS_CONFIG];
    let least = (settings.linger + settings.request_timeout).min(LONGEST_OF_AN_INT);
    let is_unknown = values.is_refused(row::DELIVERY_TIMEOUT_MS_CONFIG)
        || parts.iter().any(|part| values.is_refused(part));
    if settings.delivery_timeout >= least || is_unknown {
        return;
    }
    let sum = match parts.iter().any(|part| values.is_variable(part)) {
        true => String::from("that sum"),
        false => least.as_millis().to_string(),
    };
    if values.is_set(row::DELIVERY_TIMEOUT_MS_CONFIG) {
        faults.add(values.refuse(
            row::DELIVERY_TIMEOUT_MS_CONFIG,
            format_args!("Value must be at least linger.ms + request.timeout.ms, which is {sum}"),
        ));
    } else {
        remarks.warn(format!(
            "delivery.timeout.ms should be at least linger.ms + request.timeout.ms; it is raised to {sum}"
        ));
    }
    settings.delivery_timeout = least;
}

/// A wait that was set alone is constant.
fn reconnect_backoff_max(settings: &mut Settings, values: &Values<'_>) {
    if values.is_set(row::RECONNECT_BACKOFF_MS_CONFIG) && !values.is_set(row::RECONNECT_BACKOFF_MAX_MS_CONFIG)
    {
        settings.reconnect_backoff_max = settings.reconnect_backoff;
    }
}

fn warn_where_the_maximum_is_below(settings: &Settings, values: &Values<'_>, remarks: &mut Remarks) {
    let retry = (settings.retry_backoff, settings.retry_backoff_max);
    let setup = (settings.socket_connection_setup_timeout, settings.socket_connection_setup_timeout_max);
    for ((low, high), first, maximum) in [
        (retry, row::RETRY_BACKOFF_MS_CONFIG, row::RETRY_BACKOFF_MAX_MS_CONFIG),
        (
            setup,
            row::SOCKET_CONNECTION_SETUP_TIMEOUT_MS_CONFIG,
            row::SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS_CONFIG,
        ),
    ] {
        if low > high {
            let (low, high) = (values.shown(first), values.shown(maximum));
            let (first, maximum) = (first.name(), maximum.name());
            remarks.warn(format!(
                "{first} is {low}, above {maximum}, which is {high}; the time is always {high} ms"
            ));
        }
    }
}

/// The entries; one that is no address is shown, or all of them where it might be a part of something secret.
fn bootstrap_servers(settings: &mut Settings, values: &Values<'_>, faults: &mut Faults) {
    let property = row::BOOTSTRAP_SERVERS_CONFIG;
    let entries = &settings.bootstrap_entries;
    let may_be_secret = entries.iter().any(|entry| !entry.is_literal() || entry.name.contains('@'));
    for entry in entries {
        match address::parse(&entry.name) {
            Ok(server) => settings.bootstrap_servers.push(server),
            Err(problem) if may_be_secret => {
                faults.add(values.refuse(property, problem));
                break;
            }
            Err(problem) => {
                let (entry, name) = (Escaped(&entry.name), property.name());
                faults
                    .add(Error::config(format!("Invalid value {entry} for configuration {name}: {problem}")));
            }
        }
    }
}

/// As set, also if it is empty; else a name that no other producer of this process has.
fn client_id(settings: &mut Settings, values: &Values<'_>, faults: &mut Faults) {
    if values.is_set(row::CLIENT_ID_CONFIG) {
        let length = settings.client_id.len();
        if i16::try_from(length).is_err() {
            let problem = format!("it has {length} bytes, and a request has room for {}", i16::MAX);
            faults.add(values.refuse(row::CLIENT_ID_CONFIG, problem));
        }
        return;
    }
    settings.client_id = match &settings.transactional_id {
        Some(id) => format!("producer-{id}"),
        None => format!("producer-{}", PRODUCERS.fetch_add(1, Ordering::Relaxed) + 1),
    };
}

/// A codec that this build does not have, and a level that its codec cannot honour, are refused.
fn codec(settings: &Settings, values: &Values<'_>, faults: &mut Faults) {
    let kind = settings.compression_type;
    let is_present = match kind {
        CompressionType::None => true,
        CompressionType::Gzip => cfg!(feature = "gzip"),
        CompressionType::Snappy => cfg!(feature = "snappy"),
        CompressionType::Lz4 => cfg!(feature = "lz4"),
        CompressionType::Zstd => cfg!(feature = "zstd"),
    };
    if !is_present {
        let feature = match values.is_variable(row::COMPRESSION_TYPE_CONFIG) {
            true => String::from("the feature of its name"),
            false => format!("the feature `{}`", kind.text()),
        };
        faults.add(values.refuse(
            row::COMPRESSION_TYPE_CONFIG,
            format_args!("this build is without it; turn on {feature} of the crate kafka-producer"),
        ));
    }
    let needs_lz4_c = kind == CompressionType::Lz4 && settings.compression_lz4_level != LZ4_FAST;
    if needs_lz4_c && !cfg!(feature = "lz4-c") {
        faults.add(values.refuse(
            row::COMPRESSION_LZ4_LEVEL_CONFIG,
            format_args!(
                "this build has the fast encoder only, which is level {LZ4_FAST}, the default; turn on the feature \
                 `lz4-c` of the crate kafka-producer for the others"
            ),
        ));
    }
}

/// How many producers of this process have been given a name.
static PRODUCERS: AtomicU64 = AtomicU64::new(0);

/// To Kafka's lz4 this level is none: the fast encoder.
const LZ4_FAST: i32 = 9;
/// For how many batches of each producer and partition a broker remembers the sequences.
const MOST_IN_FLIGHT_WITH_IDEMPOTENCE: usize = 5;
