//! The flags of `kafka-producer-perf-test`, and which go together.
//!
//! Owns: names, defaults, help, and the rules. Must not know: what is done with them.
//! Source: `ProducerPerformance.argParser` and `ConfigPostProcessor` of Kafka 4.3, KIP-1052 (warm-up), KIP-1147 (names).

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Parser, ValueHint};

use crate::complaint::Complaint;
use crate::distinct_files::DistinctFiles;
use crate::producer_settings::SettingsFile;
use crate::self_description::SelfDescription;

/// Measures how fast a Kafka cluster takes records: throughput, and the time from send to acknowledgement
///
/// Flags and output are those of Kafka's own tool, so that what runs that one and reads its lines works with this one, too.
#[derive(Parser, Debug)]
#[command(
    name = "kafka-producer-perf-test",
    version,
    infer_long_args = true,
    override_usage = USAGE,
    after_help = EXAMPLES,
    group = ArgGroup::new("payload").args(["record_size", "payload_file", "payload_monotonic"]),
)]
pub(super) struct PerfFlags {
    /// Send records to this topic
    #[arg(long, required_unless_present_any = ABOUT)]
    pub(super) topic: Option<String>,

    /// How many records to send
    #[arg(long, value_name = "NUM", allow_negative_numbers = true, required_unless_present_any = ABOUT)]
    pub(super) num_records: Option<i64>,

    /// Send at most about so many records per second; -1: as fast as it goes
    #[arg(long, value_name = "NUM", allow_negative_numbers = true, required_unless_present_any = ABOUT)]
    pub(super) throughput: Option<f64>,

    /// Size of each record's value in bytes: letters from A to Z
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true, help_heading = "Payload (one of them)", required_unless_present_any = OTHER_PAYLOADS)]
    pub(super) record_size: Option<i32>,

    /// Take the values from this file, each time one by chance
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Payload (one of them)")]
    pub(super) payload_file: Option<PathBuf>,

    /// The values are the records' numbers: 0, 1, 2, …
    #[arg(long, help_heading = "Payload (one of them)")]
    pub(super) payload_monotonic: bool,

    /// What parts the values in --payload-file; \n, \t, \r and \0 are known
    #[arg(
        long,
        value_name = "TEXT",
        default_value = r"\n",
        value_parser = NonEmptyStringValueParser::new(),
        allow_hyphen_values = true,
        help_heading = "Payload (one of them)"
    )]
    pub(super) payload_delimiter: String,

    /// The brokers to begin with, HOST:PORT,…; wins over bootstrap.servers elsewhere
    #[arg(long, value_name = "SERVERS", help_heading = "Producer")]
    pub(super) bootstrap_server: Option<String>,

    #[command(flatten)]
    pub(super) settings: SettingsFile,

    /// Settings of the producer, one or more: linger.ms=10 batch.size=32768; these win over --command-config
    #[arg(long = "command-property", value_name = "NAME=VALUE", num_args = 1.., help_heading = "Producer")]
    pub(super) command_properties: Vec<String>,

    /// The older name of --command-property
    #[arg(
        long = "producer-props",
        value_name = "NAME=VALUE",
        num_args = 1..,
        help_heading = "Producer",
        conflicts_with = "command_properties"
    )]
    pub(super) producer_props: Vec<String>,

    /// Send in transactions under this id; wins over transactional.id elsewhere [default: a new id, if
    /// --transaction-duration-ms is given]
    #[arg(long, value_name = "ID", help_heading = "Transactions")]
    pub(super) transactional_id: Option<String>,

    /// Commit a transaction when it is so old [default: 3000, if there is a transactional id]
    #[arg(long, value_name = "MS", allow_negative_numbers = true, help_heading = "Transactions")]
    pub(super) transaction_duration_ms: Option<i64>,

    /// Leave the first records out of a second summary, that of the steady state
    #[arg(long, value_name = "NUM", default_value_t = 0, allow_negative_numbers = true)]
    pub(super) warmup_records: i64,

    /// Print a line of what was acknowledged in every so many milliseconds
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 5000,
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    pub(super) reporting_interval: i64,

    /// Print the producer's metrics at the end
    #[arg(long, help_heading = "Output")]
    pub(super) print_metrics: bool,

    /// Write all results to this file, as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(super) json: Option<PathBuf>,

    /// Draw throughput and latency over time into this file, as SVG
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(super) plot: Option<PathBuf>,

    /// Threads that send, all by one producer
    #[arg(long, value_name = "NUM", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) threads: u32,

    #[command(flatten)]
    pub(super) about: SelfDescription,
}

impl PerfFlags {
    /// The files that it reads and writes.
    pub(super) fn files(&self) -> DistinctFiles {
        DistinctFiles::standard(false)
            .reading("--payload-file", self.payload_file.as_deref())
            .reading("--command-config", self.settings.command_config.as_deref())
            .writing("--json", self.json.as_deref())
            .writing("--plot", self.plot.as_deref())
    }

    /// The rules that no single flag can know.
    ///
    /// # Errors
    /// The first that is broken.
    pub(super) fn check(&self) -> Result<(), Complaint> {
        let no_settings = self.bootstrap_server.is_none()
            && self.command_properties.is_empty()
            && self.producer_props.is_empty()
            && self.settings.command_config.is_none();
        let is_no_rate = self.throughput.is_some_and(f64::is_nan);
        let rules = [
            (
                self.num_records.is_some_and(|number| number <= 0),
                "--num-records should be greater than zero.",
            ),
            (
                self.num_records.is_some_and(|number| self.warmup_records >= number),
                "The value for --warmup-records must be strictly fewer than the number of records in the test, \
                 --num-records.",
            ),
            (self.record_size.is_some_and(|size| size <= 0), "--record-size should be greater than zero."),
            (
                no_settings,
                "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or \
                 --command-config must be specified.",
            ),
            (
                self.transaction_duration_ms.is_some_and(|time| time <= 0),
                "--transaction-duration-ms should be greater than zero.",
            ),
            (self.reporting_interval <= 0, "--reporting-interval should be greater than zero."),
            (is_no_rate, "--throughput should be a number of records per second, or -1."),
        ];
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(Complaint::of_usage(rule)),
            None => Ok(()),
        }
    }
}

/// Flags that need no others.
const ABOUT: [&str; 2] = ["completions", "man"];
const OTHER_PAYLOADS: [&str; 4] = ["payload_file", "payload_monotonic", "completions", "man"];

const USAGE: &str = "\
kafka-producer-perf-test --bootstrap-server <SERVERS> --topic <TOPIC> --num-records <NUM> --throughput <NUM>
           (--record-size <BYTES> | --payload-file <FILE> | --payload-monotonic) [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  As fast as it goes, a million records of 100 bytes:
    kafka-producer-perf-test --bootstrap-server localhost:9092 --topic perf \\
      --num-records 1000000 --record-size 100 --throughput -1

  50000 records per second for a minute, after a warm-up of ten seconds, with a plot:
    kafka-producer-perf-test --bootstrap-server localhost:9092 --topic perf \\
      --num-records 3500000 --warmup-records 500000 --record-size 1000 --throughput 50000 \\
      --command-property acks=all compression.type=lz4 --plot perf.svg --json perf.json

  Transactions of half a second:
    kafka-producer-perf-test --command-config client.properties --topic perf \\
      --num-records 100000 --record-size 100 --throughput 10000 --transaction-duration-ms 500

Exit status: 0 if every record was acknowledged, 1 if one was not, nothing could be sent, or results could not be written, 2 if flags or settings are wrong, \
130 and 143 after Ctrl-C and SIGTERM.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    const BASE: [&str; 6] = ["--topic", "Hello-Kafka", "--num-records", "5", "--throughput", "100"];
    const SERVER: [&str; 2] = ["--producer-props", "bootstrap.servers=localhost:9000"];

    fn parse(more: &[&str]) -> Result<PerfFlags, clap::Error> {
        PerfFlags::try_parse_from(["kafka-producer-perf-test"].iter().chain(&BASE).chain(more))
    }

    #[test]
    fn the_flags_contradict_nothing_of_themselves() {
        PerfFlags::command().debug_assert();
    }

    /// `testConfigPostProcessor`.
    #[test]
    fn flags_are_read() -> Result<(), clap::Error> {
        let more = ["--record-size", "100", "--print-metrics", "--transactional-id", "foobar"];
        let flags = parse(&[&more[..], &["--transaction-duration-ms", "5000"], &SERVER].concat())?;
        assert_eq!((flags.topic.as_deref(), flags.num_records), (Some("Hello-Kafka"), Some(5)));
        assert_eq!((flags.throughput, flags.record_size), (Some(100.0), Some(100)));
        assert!(flags.print_metrics && !flags.payload_monotonic && flags.check().is_ok());
        assert_eq!(flags.producer_props, ["bootstrap.servers=localhost:9000"]);
        assert_eq!(
            (flags.transactional_id.as_deref(), flags.transaction_duration_ms),
            (Some("foobar"), Some(5000))
        );
        assert_eq!((flags.warmup_records, flags.reporting_interval, flags.threads), (0, 5000, 1));
        assert_eq!(flags.payload_delimiter, r"\n");
        Ok(())
    }

    /// `testMutuallyExclusiveGroup`, and that one of the group is required.
    #[test]
    fn there_is_one_kind_of_payload() {
        let kind = |more: &[&str]| parse(&[more, &SERVER].concat()).map_err(|error| error.kind()).err();
        let conflict = Some(ErrorKind::ArgumentConflict);
        assert_eq!(kind(&["--record-size", "100", "--payload-monotonic"]), conflict);
        assert_eq!(kind(&["--payload-file", "abc.txt", "--payload-monotonic"]), conflict);
        assert_eq!(kind(&["--payload-file", "abc.txt", "--record-size", "1"]), conflict);
        assert_eq!(kind(&[]), Some(ErrorKind::MissingRequiredArgument));
        assert_eq!(kind(&["--payload-monotonic"]), None);
    }

    /// `testUnexpectedArg`.
    #[test]
    fn a_flag_that_is_not_known_is_refused() {
        let outcome = parse(&["--record-size", "100", "--test", "test"]).map_err(|error| error.kind());
        assert_eq!(outcome.err(), Some(ErrorKind::UnknownArgument));
    }

    /// `testFractionalThroughput`, and Kafka's way to say that there is none.
    #[test]
    fn a_throughput_may_be_a_fraction_or_negative() {
        for throughput in ["1.25", "-1"] {
            let arguments = [
                "perf",
                "--topic",
                "t",
                "--num-records",
                "5",
                "--record-size",
                "1",
                "--throughput",
                throughput,
            ];
            let flags = PerfFlags::try_parse_from(arguments);
            assert_eq!(flags.map(|flags| flags.throughput).ok(), Some(throughput.parse().ok()));
        }
    }

    /// `testInvalidConfigPostProcessor`, with the texts of 4.3.
    #[test]
    fn rules_are_kafkas_and_told_in_its_words() {
        let refused = |more: &[&str]| {
            let arguments = ["perf", "--topic", "t", "--throughput", "-1"];
            let flags = PerfFlags::try_parse_from(arguments.iter().chain(more));
            flags.map(|flags| flags.check().map_err(|complaint| complaint.to_string()).err()).ok().flatten()
        };
        let size = ["--record-size", "100"];
        let five = ["--num-records", "5"];
        let cases: [(Vec<&str>, &str); 7] = [
            (
                [&size[..], &five].concat(),
                "At least one of --bootstrap-server, --command-property, --producer-props, ",
            ),
            (
                [&size[..], &SERVER, &["--num-records", "-5"]].concat(),
                "--num-records should be greater than zero.",
            ),
            (
                [&five[..], &SERVER, &["--record-size", "-100"]].concat(),
                "--record-size should be greater than zero.",
            ),
            (
                [&size[..], &five, &SERVER, &["--transaction-duration-ms", "0"]].concat(),
                "--transaction-duration-ms should be greater than zero.",
            ),
            (
                [&size[..], &five, &SERVER, &["--reporting-interval", "0"]].concat(),
                "--reporting-interval should be greater than zero.",
            ),
            (
                [&size[..], &five, &SERVER, &["--warmup-records", "5"]].concat(),
                "The value for --warmup-records must be strictly fewer than the number of records",
            ),
            ([&size[..], &five, &["--command-config", "x"], &["--warmup-records", "-1"]].concat(), ""),
        ];
        for (arguments, expected) in cases {
            let found = refused(&arguments);
            match expected {
                "" => assert_eq!(found, None, "{arguments:?}"),
                _ => assert!(
                    found.as_deref().unwrap_or_default().starts_with(expected),
                    "{arguments:?}: {found:?}"
                ),
            }
        }
    }

    #[test]
    fn the_older_and_the_newer_name_do_not_go_together() {
        let outcome = parse(&[&SERVER[..], &["--record-size", "1", "--command-property", "acks=1"]].concat());
        assert_eq!(outcome.map_err(|error| error.kind()).err(), Some(ErrorKind::ArgumentConflict));
        let both = ["--record-size", "1", "--producer.config", "a", "--command-config", "b"];
        assert!(parse(&both).is_err());
    }
}
