//! From flags to what is to be done: the producer's settings, the payloads, the load.
//!
//! Owns: what wins over what, and the lines that Kafka's tool prints before it begins. Must not know: sending.
//! Source: `ProducerPerformance.ConfigPostProcessor`, `readProps`, `readPayloadFile`.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use kafka_producer::{ProducerConfig, Uuid, internal};

use super::perf_flags::PerfFlags;
use super::perf_load::PerfLoad;
use super::record_payloads::{RecordPayloads, delimiter_bytes, parts_of_file};
use crate::complaint::Complaint;

/// All that the test needs.
pub(super) struct Preparation {
    pub(super) config: ProducerConfig,
    pub(super) load: PerfLoad,
}

impl Preparation {
    /// Reads files, and tells what is read by `print`. `older_names` are the flags that have another name now.
    ///
    /// # Errors
    /// A rule between flags is broken; a file cannot be read or has nothing in it.
    pub(super) fn of(
        flags: &PerfFlags,
        older_names: OlderNames,
        print: &dyn Fn(&str),
    ) -> Result<Preparation, Complaint> {
        flags.check()?;
        let records = u64::try_from(flags.num_records.unwrap_or_default()).unwrap_or_default();
        let payloads = match (&flags.payload_file, flags.record_size) {
            (Some(path), _) => payloads_of_file(path, &flags.payload_delimiter, print)?,
            (None, Some(size)) => RecordPayloads::letters(usize::try_from(size).unwrap_or_default(), records),
            (None, None) => RecordPayloads::Monotonic,
        };
        older_names.tell(print);
        let config = config(flags)?;
        let in_transactions = config.get(ProducerConfig::TRANSACTIONAL_ID_CONFIG).is_some();
        let transaction_ms = flags.transaction_duration_ms.and_then(|time| u64::try_from(time).ok());
        let load = PerfLoad {
            topic: flags.topic.clone().unwrap_or_default(),
            records,
            payloads,
            throughput: flags.throughput.unwrap_or(-1.0),
            threads: flags.threads,
            warmup_records: u64::try_from(flags.warmup_records).unwrap_or_default(),
            transaction: in_transactions
                .then(|| Duration::from_millis(transaction_ms.unwrap_or(DEFAULT_TRANSACTION_DURATION_MS))),
        };
        Ok(Preparation { config, load })
    }
}

/// Names of flags that Kafka has replaced, and that were used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OlderNames {
    pub(super) producer_props: bool,
    pub(super) producer_config: bool,
}

impl OlderNames {
    /// Those among a program's arguments.
    pub(super) fn among<'a>(arguments: impl IntoIterator<Item = &'a str>) -> OlderNames {
        let mut found = OlderNames { producer_props: false, producer_config: false };
        for argument in arguments {
            match argument.split('=').next() {
                Some("--producer-props") => found.producer_props = true,
                Some("--producer.config") => found.producer_config = true,
                _ => {}
            }
        }
        found
    }

    /// As Kafka's tool tells it.
    fn tell(self, print: &dyn Fn(&str)) {
        let names = [
            (self.producer_props, "--producer-props", "--command-property"),
            (self.producer_config, "--producer.config", "--command-config"),
        ];
        for (used, older, newer) in names {
            if used {
                print(&format!(
                    "Option {older} has been deprecated and will be removed in a future version. Use {newer} instead."
                ));
            }
        }
    }
}

/// The settings: the file's, above them those of the command line, above them those that have flags of their own.
fn config(flags: &PerfFlags) -> Result<ProducerConfig, Complaint> {
    let (flag, pairs) = match flags.producer_props.is_empty() {
        true => ("--command-property", &flags.command_properties),
        false => ("--producer-props", &flags.producer_props),
    };
    let mut config = flags.settings.with_pairs(flag, pairs)?;
    config = config.key_serializer(BYTES).value_serializer(BYTES);
    if let Some(servers) = &flags.bootstrap_server {
        config = config.bootstrap_servers(servers);
    }
    if config.get(ProducerConfig::CLIENT_ID_CONFIG).is_none_or(|id| id.is_empty()) {
        config = config.client_id(DEFAULT_CLIENT_ID);
    }
    let of_its_own = || format!("{TRANSACTIONAL_ID_PREFIX}{}", Uuid(fastrand::u128(..).to_be_bytes()));
    // One that is empty is refused when the producer is created, as by Kafka's tool.
    let is_given = internal::is_given(&config, ProducerConfig::TRANSACTIONAL_ID_CONFIG);
    let id = match &flags.transactional_id {
        Some(id) => Some(id.clone()),
        None if is_given => None,
        None => flags.transaction_duration_ms.map(|_| of_its_own()),
    };
    Ok(match id {
        Some(id) => config.transactional_id(&id),
        None => config,
    })
}

fn payloads_of_file(path: &Path, delimiter: &str, print: &dyn Fn(&str)) -> Result<RecordPayloads, Complaint> {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    print(&format!("Reading payloads from: {}", shown.display()));
    let text = bounded_text(path)?;
    let parts = parts_of_file(&text, &delimiter_bytes(delimiter));
    if parts.is_empty() {
        return Err(Complaint::new(format!("{}: there are no payloads in it", path.display())));
    }
    print(&format!("Number of records read: {}", parts.len()));
    Ok(RecordPayloads::OneOf(parts))
}

/// All of a file, or of a pipe, if it is not too much.
fn bounded_text(path: &Path) -> Result<Vec<u8>, Complaint> {
    let of_file = |error: io::Error| Complaint::of_file(path.display(), &error);
    let file = File::open(path).map_err(of_file)?;
    let metadata = file.metadata().map_err(of_file)?;
    let kind = metadata.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Err(Complaint::new(format!("{}: a device: expected a file or a pipe", path.display())));
    }
    let mut text = Vec::new();
    if metadata.len() <= PAYLOADS_MOST {
        file.take(PAYLOADS_MOST + 1).read_to_end(&mut text).map_err(of_file)?;
    }
    if metadata.len().max(text.len() as u64) > PAYLOADS_MOST {
        return Err(Complaint::new(format!(
            "{}: more than {PAYLOADS_MOST} bytes, and payloads are kept in memory: expected a shorter file",
            path.display()
        )));
    }
    Ok(text)
}

/// Bytes of a file of payloads: a GiB.
const PAYLOADS_MOST: u64 = 1 << 30;
const BYTES: &str = "org.apache.kafka.common.serialization.ByteArraySerializer";
const DEFAULT_CLIENT_ID: &str = "perf-producer-client";
const TRANSACTIONAL_ID_PREFIX: &str = "performance-producer-";
const DEFAULT_TRANSACTION_DURATION_MS: u64 = 3000;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use clap::Parser;
    use kafka_producer::KafkaProducer;

    use super::*;

    const NONE: OlderNames = OlderNames { producer_props: false, producer_config: false };
    const BASE: [&str; 7] = ["perf", "--topic", "t", "--num-records", "5", "--throughput", "100"];

    /// What follows from flags, or the complaint, and what was printed.
    fn prepare(more: &[&str]) -> (Result<Preparation, String>, Vec<String>) {
        let printed = RefCell::new(Vec::new());
        let print = |line: &str| printed.borrow_mut().push(line.to_owned());
        let outcome =
            PerfFlags::try_parse_from(BASE.iter().chain(more)).map_err(|error| error.to_string()).and_then(
                |flags| Preparation::of(&flags, NONE, &print).map_err(|complaint| complaint.to_string()),
            );
        (outcome, printed.into_inner())
    }

    fn prepared(more: &[&str]) -> Result<Preparation, String> {
        prepare(&[more, &["--record-size", "100"]].concat()).0
    }

    fn setting(preparation: &Preparation, name: &str) -> Option<String> {
        preparation.config.get(name)
    }

    fn temporary(name: &str, text: &str) -> Result<String, String> {
        let path =
            std::env::temp_dir().join(format!("kafka-producer-perf-test-{}-{name}", std::process::id()));
        fs::write(&path, text).map_err(|error| error.to_string())?;
        Ok(path.display().to_string())
    }

    /// `testReadProps`, `testDefaultClientId`, `testClientIdOverride`.
    #[test]
    fn settings_of_the_command_line_win_over_those_of_the_file() -> Result<(), String> {
        let file = temporary("settings", "acks=1\nlinger.ms=7\nkey.serializer=of.no.Use\n")?;
        let more = ["--producer.config", &file, "--producer-props", "bootstrap.servers=a:1", "linger.ms=8"];
        let preparation = prepared(&more)?;
        let settings = ["acks", "linger.ms", "bootstrap.servers", "client.id"];
        let found = settings.map(|name| setting(&preparation, name).unwrap_or_default());
        assert_eq!(found, ["1", "8", "a:1", "perf-producer-client"]);
        assert!(
            setting(&preparation, "key.serializer").is_some_and(|name| name.ends_with("ByteArraySerializer"))
        );
        let preparation = prepared(&[
            "--bootstrap-server",
            "b:2",
            "--command-property",
            "bootstrap.servers=a:1",
            "client.id=x",
        ])?;
        let found =
            ["bootstrap.servers", "client.id"].map(|name| setting(&preparation, name).unwrap_or_default());
        assert_eq!(found, ["b:2", "x"]);
        fs::remove_file(file).map_err(|error| error.to_string())
    }

    /// `testNoTransactionRelatedConfigs`, `testEnableTransactionByProducerProps`, `testEnableTransactionByTransactionId`,
    /// `testEnableTransactionByTransactionDurationMs`.
    #[test]
    fn transactions_are_asked_for_in_any_of_javas_ways() -> Result<(), String> {
        let file = temporary("transactional", "transactional.id=foobar")?;
        let of = |more: &[&str]| {
            let preparation = prepared(&[more, &["--bootstrap-server", "localhost:9000"]].concat())?;
            Ok::<_, String>((setting(&preparation, "transactional.id"), preparation.load.transaction))
        };
        let three_seconds = Some(Duration::from_secs(3));
        assert_eq!(of(&[])?, (None, None));
        assert_eq!(
            of(&["--producer-props", "transactional.id=foobar"])?,
            (Some("foobar".into()), three_seconds)
        );
        assert_eq!(of(&["--producer.config", &file])?, (Some("foobar".into()), three_seconds));
        let both = ["--producer.config", &file, "--producer-props", "transactional.id=hello_kafka"];
        assert_eq!(of(&both)?, (Some("hello_kafka".into()), three_seconds));
        let all = [&both[..], &["--transactional-id", "kafka_hello"]].concat();
        assert_eq!(of(&all)?, (Some("kafka_hello".into()), three_seconds));
        let (id, time) = of(&["--transaction-duration-ms", "5000"])?;
        assert_eq!(time, Some(Duration::from_secs(5)));
        assert!(
            id.clone().is_some_and(|id| id.starts_with("performance-producer-") && id.len() > 40),
            "{id:?}"
        );
        fs::remove_file(file).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_transactional_id_is_not_replaced_and_so_refused() -> Result<(), String> {
        let file = temporary("no-id", "transactional.id=")?;
        for more in [["--producer.config", &file], ["--command-property", "transactional.id="]] {
            for time in [&[][..], &["--transaction-duration-ms", "100"]] {
                let flags = [&more[..], time, &["--bootstrap-server", "a:1"]].concat();
                let refusal = KafkaProducer::<[u8], [u8]>::new(prepared(&flags)?.config).err();
                let told = refusal.map(|error| error.to_string()).unwrap_or_default();
                assert!(told.contains("(empty) for configuration transactional.id"), "{flags:?}: {told}");
            }
        }
        fs::remove_file(file).map_err(|error| error.to_string())
    }

    /// `testReadPayloadFile`.
    #[test]
    fn payloads_come_from_a_file_and_it_is_told_as_kafka_tells_it() -> Result<(), String> {
        let file = temporary("payloads", "Hello|Kafka")?;
        let more = ["--payload-file", &file, "--payload-delimiter", "|", "--bootstrap-server", "a:1"];
        let (outcome, printed) = prepare(&more);
        assert!(
            matches!(outcome?.load.payloads, RecordPayloads::OneOf(parts) if parts == [b"Hello", b"Kafka"])
        );
        assert_eq!(
            printed,
            [format!("Reading payloads from: {file}"), "Number of records read: 2".to_owned()]
        );
        fs::remove_file(file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_without_payloads_is_refused() -> Result<(), String> {
        let file = temporary("nothing", "")?;
        let complaint = |file: &str| prepare(&["--payload-file", file, "--bootstrap-server", "a:1"]).0.err();
        assert_eq!(complaint(&file), Some(format!("{file}: there are no payloads in it")));
        let missing = format!("{file}-missing");
        assert_eq!(complaint(&missing), Some(format!("{missing}: No such file or directory")));
        fs::remove_file(file).map_err(|error| error.to_string())
    }

    #[test]
    fn older_names_are_told_as_kafka_tells_them() {
        let found = OlderNames::among(["--producer-props", "a=--producer.config", "--producer.config=x"]);
        assert_eq!(found, OlderNames { producer_props: true, producer_config: true });
        assert_eq!(OlderNames::among(["--command-property", "a=b"]), NONE);
        let printed = RefCell::new(Vec::new());
        found.tell(&|line| printed.borrow_mut().push(line.to_owned()));
        let expected = [
            "Option --producer-props has been deprecated and will be removed in a future version. Use \
             --command-property instead.",
            "Option --producer.config has been deprecated and will be removed in a future version. Use \
             --command-config instead.",
        ];
        assert_eq!(printed.into_inner(), expected);
    }
}
