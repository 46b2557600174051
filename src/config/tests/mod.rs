//! Tests of the whole configuration: every setting with bad and boundary values, every rule with both outcomes, what
//! is said in the log, and that no secret gets out.

mod printed;

use std::path::Path;
use std::time::Duration;

use super::property::{PropertyValue, Rule};
use super::*;

const NEEDED: [(&str, &str); 3] =
    [("bootstrap.servers", "localhost:9092"), ("key.serializer", "string"), ("value.serializer", "string")];

fn with(pairs: &[(&str, &str)]) -> ProducerConfig {
    NEEDED.iter().chain(pairs).fold(ProducerConfig::new(), |config, (name, value)| config.set(*name, *value))
}

fn resolve(config: &ProducerConfig, given: &[&str]) -> Result<Settings, Error> {
    let mut faults = Faults::default();
    let settings = config.resolve(given, &mut faults);
    faults.into_result().map(|()| settings)
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    resolve(&with(pairs), &[]).unwrap_or_else(|error| panic!("{pairs:?}: {error}"))
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let error = resolve(&with(pairs), &[]).expect_err(&format!("{pairs:?}"));
    assert_eq!(error.kind(), crate::ErrorKind::Config);
    error.to_string()
}

fn remarks(pairs: &[(&str, &str)]) -> Vec<String> {
    let mut remarks = Remarks::default();
    let _ = with(pairs).settings(&[], &mut remarks, &mut Faults::default());
    remarks.texts().into_iter().map(str::to_owned).collect()
}

#[test]
fn has_all_of_kafka_s_settings_once() {
    let count = |origin| PROPERTIES.iter().filter(|property| property.origin() == origin).count();
    let origins =
        [PropertyOrigin::Kafka, PropertyOrigin::Kafka44, PropertyOrigin::Internal, PropertyOrigin::Ours];
    assert_eq!(origins.map(count), [113, 6, 1, 4]);
    let names: std::collections::HashSet<_> = PROPERTIES.iter().map(|property| property.name()).collect();
    assert_eq!(names.len(), 124);
}

#[test]
fn constants_are_the_names() {
    assert_eq!(ProducerConfig::BOOTSTRAP_SERVERS_CONFIG, "bootstrap.servers");
    assert_eq!(ProducerConfig::SASL_JAAS_CONFIG, "sasl.jaas.config");
}

#[test]
fn every_default_is_valid_and_means_itself() {
    for property in PROPERTIES {
        let Some(text) = property.default() else { continue };
        let value = property.parse(text, text).unwrap();
        assert!(property.is_default(&value), "{}", property.name());
        assert!(!property.doc().is_empty());
        settings(&[(property.name(), if property.is_required() { "x" } else { text })]);
    }
}

/// Values that the row must refuse, each with what the error must say.
fn bad_values(property: &PropertyDescription) -> Vec<(String, &'static str)> {
    let mut bad: Vec<(String, &str)> = match property.property_type() {
        PropertyType::Boolean => ["yes", "1", "truee"].map(|v| (v.into(), "true or false")).into(),
        PropertyType::Short => ["x", "1.0", "32768", "-32769"].map(|v| (v.into(), "short")).into(),
        PropertyType::Int => {
            ["x", "1.0", "1 0", "0x1", "2147483648", "-2147483649"].map(|v| (v.into(), "int")).into()
        }
        PropertyType::Long => ["x", "1.0", "1_0", "9223372036854775808"].map(|v| (v.into(), "long")).into(),
        PropertyType::Double => ["x", "1,0"].map(|v| (v.into(), "double")).into(),
        PropertyType::List => {
            ["a:1,,b:2", "a:1,", ",", " , "].map(|v| (v.into(), "must not be empty")).into()
        }
        PropertyType::Class | PropertyType::String | PropertyType::Password => vec![],
    };
    match property.rule {
        Rule::Any => {}
        Rule::AtLeast(low) => bad.push(((low - 1).to_string(), "at least")),
        Rule::Between(low, high) => {
            bad.push(((low - 1).to_string(), "between"));
            if high < i64::from(i32::MAX) {
                bad.push(((high + 1).to_string(), "between"));
            }
        }
        Rule::BetweenOr(low, high, also) => {
            for number in [low - 1, high + 1, also - 1] {
                bad.push((number.to_string(), "between"));
            }
        }
        Rule::BetweenReal(low, high) => {
            for number in [low - 0.01, high + 0.01, f64::NAN] {
                bad.push((number.to_string(), "between"));
            }
        }
        Rule::OneOf(_) => bad.extend(["NONE", "x"].map(|v| (v.into(), "one of"))),
        Rule::OneOfAnyCase(_) => bad.extend(["x", "all,1"].map(|v| (v.into(), "one of"))),
        Rule::NonEmpty => {}
    }
    bad
}

#[test]
fn a_bad_value_is_refused_with_name_value_and_what_is_accepted() {
    for property in PROPERTIES {
        for (value, accepted) in bad_values(property) {
            let error = refusal(&[(property.name(), &value)]);
            let early = ProducerConfig::from_properties([(property.name(), value.as_str())]).unwrap_err();
            assert_eq!(early.to_string(), error);
            let start = format!("Invalid value {value} for configuration {}: ", property.name());
            assert!(error.starts_with(&start) && error.contains(accepted), "{error}");
            assert!(error.contains(&property.accepted()), "{error}");
        }
    }
}

#[test]
fn the_wording_is_java_s() {
    assert_eq!(
        refusal(&[("batch.size", "-1")]),
        "Invalid value -1 for configuration batch.size: Value must be at least 0"
    );
    assert_eq!(
        refusal(&[("compression.gzip.level", "0")]),
        "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9, or -1"
    );
}

#[test]
fn the_ends_of_every_range_are_accepted() {
    for property in PROPERTIES {
        let ends = match property.rule {
            Rule::AtLeast(low) => vec![low, low + 1],
            Rule::Between(low, high) => vec![low, high],
            Rule::BetweenOr(low, high, also) => vec![low, high, also],
            _ => vec![],
        };
        for number in ends {
            let text = format!(" {number}\t");
            assert_eq!(
                property.parse(&text, &text).unwrap(),
                PropertyValue::Integer(number),
                "{}",
                property.name()
            );
        }
        if let Rule::OneOf(names) | Rule::OneOfAnyCase(names) = property.rule {
            for name in names {
                assert_eq!(property.parse(name, name).unwrap(), PropertyValue::Text(name.to_string()));
            }
        }
        if let Rule::OneOfAnyCase(names) = property.rule {
            assert!(property.parse(&names[0].to_ascii_lowercase(), "").is_ok());
        }
    }
}

#[test]
fn a_missing_setting_has_one_wording() {
    for (i, (name, _)) in NEEDED.iter().enumerate() {
        let rest = NEEDED.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, pair)| *pair);
        let config = ProducerConfig::from_properties(rest).unwrap();
        let told = resolve(&config, &[]).unwrap_err().to_string();
        let wording = format!("Missing required configuration \"{name}\" which has no default value.");
        let is_serializer = name.ends_with(".serializer");
        assert!(
            told.starts_with(&wording) && told.contains("default_serializers()") == is_serializer,
            "{told}"
        );
        let others = if is_serializer { "producer.key.serializer" } else { "bootstrap.server" };
        let others = others.replace("key", name.split('.').next().unwrap());
        let told = resolve(&config.set(&others, "a:1"), &[]).unwrap_err().to_string();
        assert_eq!(told, format!("{wording} (There is \"{others}\", which is not a known setting.)"));
    }
    let config = ProducerConfig::new().bootstrap_servers("a:1");
    let given = ["key.serializer", "value.serializer"];
    assert_eq!(resolve(&config, &given).unwrap().key_serializer, None);
    assert!(resolve(&config, &given[..1]).is_err());
    assert!(resolve(&ProducerConfig::new(), &given).is_err());
}

#[test]
fn what_is_not_built_is_refused_by_name_unless_it_says_the_default() {
    for (name, value) in [SECURE[1], SECURE[3]] {
        let error = refusal(&[SASL_SSL, (name, value)]);
        let part = format!("Invalid value {value} for configuration {name}: ");
        assert!(error.contains(&part) && error.contains("not supported by this version"), "{error}");
    }
    settings(&[("security.protocol", "plaintext")]);
    settings(&[("sasl.login.refresh.window.factor", "0.80")]);
    settings(&[("ssl.enabled.protocols", "TLSv1.2, TLSv1.3")]);
}

const SASL_SSL: (&str, &str) = ("security.protocol", "SASL_SSL");
const SECURE: [(&str, &str); 4] = [
    ("ssl.truststore.location", "t.jks"),
    ("ssl.engine.factory.class", "x.Engine"),
    ("sasl.mechanism", "PLAIN"),
    ("sasl.login.class", "x.Login"),
];

/// As Java, which does not look at them then.
#[test]
fn settings_of_tls_and_sasl_are_a_warning_without_either() {
    for protocol in [&[][..], &[("security.protocol", "plaintext")]] {
        let pairs = [protocol, &SECURE].concat();
        settings(&pairs);
        let said = remarks(&pairs);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(SECURE.iter().all(|(name, _)| said[0].contains(name)), "{said:?}");
        assert!(said[0].ends_with("no effect with security.protocol=PLAINTEXT"), "{said:?}");
    }
    for (protocol, idle) in [("SASL_PLAINTEXT", "ssl.truststore.location"), ("SSL", "sasl.mechanism")] {
        let pairs = [("security.protocol", protocol), SECURE[0], SECURE[2]];
        let said = remarks(&pairs);
        assert_eq!(said, [format!("{idle} has no effect with security.protocol={protocol}")]);
    }
}

#[test]
fn what_cannot_matter_is_a_warning_and_nothing_where_it_says_what_holds() {
    for (name, value, default) in [
        ("metrics.recording.level", "DEBUG", "INFO"),
        ("buffer.memory.allocation.strategy", "incremental", "full"),
    ] {
        settings(&[(name, value)]);
        assert_eq!(remarks(&[(name, value)]), [format!("{name} has no effect on this producer")]);
        assert!(remarks(&[(name, default)]).is_empty());
    }
    assert!(remarks(&[("metadata.cluster.check.enable", "false")]).is_empty());
}

/// Texts and lists may be empty; so may secrets.
///
/// Behaviour 97.
#[test]
fn an_empty_text_that_is_no_value_counts_as_not_set() {
    let mut unset = 0;
    for property in PROPERTIES {
        let name = property.name();
        let empty = [(name, " ")];
        let config = ProducerConfig::from_properties(empty).unwrap();
        if property.parse("", "").is_ok() {
            assert_eq!(config.get(name).as_deref(), Some(if property.is_secret() { "[hidden]" } else { "" }));
            continue;
        }
        unset += 1;
        assert_eq!(config.get(name).as_deref(), property.default(), "{name}");
        // One thing is said: that it counts as not set, or that it is refused.
        let said = remarks(&empty).concat();
        match property.is_required() {
            true => {
                let text = format!(
                    "Missing required configuration \"{name}\" which has no default value: it is empty"
                );
                assert!(refusal(&empty).contains(&text) && said.is_empty(), "{name}: {said}")
            }
            // Nobody gets plain text who has not asked for it, nor a producer without the transactions that he has asked for.
            false if matches!(name, "security.protocol" | "transactional.id") => {
                let text = format!("Invalid value (empty) for configuration {name}: it must ");
                assert!(refusal(&empty).contains(&text) && said.is_empty(), "{name}: {said}")
            }
            false => {
                settings(&empty);
                assert!(said.contains(&format!("{name} is empty, which counts as not set")), "{name}: {said}")
            }
        }
    }
    assert!(unset > 60, "{unset}");
    // Nobody has asked for it.
    assert!(!settings(&[("enable.idempotence", ""), ("acks", "1")]).enable_idempotence);
    assert!(settings(&[("client.id", "")]).client_id.is_empty());
    let open = ProducerConfig::from_properties([("bootstrap.servers", "")]).unwrap().bootstrap_servers("a:1");
    assert!(resolve(&open, &["key.serializer", "value.serializer"]).is_ok());
    // It is not needed where its part was given, and is not in effect either.
    let mut told = Remarks::default();
    let as_value =
        open.set("key.serializer", "").settings(&["key.serializer"], &mut told, &mut Faults::default());
    assert!(as_value.key_serializer.is_none());
    assert_eq!(told.texts(), ["key.serializer is empty, which counts as not set"]);
    // Also where a variable is empty.
    let directory = std::env::temp_dir().display().to_string();
    let file = format!("kafka-producer-empty-{}", std::process::id());
    std::fs::write(Path::new(&directory).join(&file), "").unwrap();
    let variable = format!("${{dir:{directory}:{file}}}");
    let provider = [("config.providers", "dir"), ("config.providers.dir.class", "DirectoryConfigProvider")];
    let linger = settings(&[provider[0], provider[1], ("linger.ms", &variable)]).linger;
    std::fs::remove_file(Path::new(&directory).join(&file)).unwrap();
    assert_eq!(linger, Duration::from_millis(5));
}

/// As a password it may be one, and is not shown.
#[test]
fn a_variable_that_nobody_fills_is_told() {
    let providers = [("config.providers", "env"), ("config.providers.env.class", "EnvVarConfigProvider")];
    for text in ["${env:TIGER}", "a ${TIGER} b", "${vault:tiger/x:y}", "x ${ } ${TIGER}"] {
        for others in [&[][..], &providers] {
            let said = remarks(&[others, &[("sasl.jaas.config", text)]].concat());
            let is_known = text.contains("env:") && !others.is_empty();
            let words = "sasl.jaas.config holds a variable (${…}) for which config.providers has no provider";
            assert_eq!(said.iter().any(|line| line.starts_with(words)), !is_known, "{text}: {said:?}");
            assert!(is_known || !said.concat().to_lowercase().contains("tiger"), "{said:?}");
        }
    }
    for text in ["$ConnectionString", "${", "${}", "${ x}", "a$}b"] {
        let said = remarks(&[("sasl.jaas.config", text)]).concat();
        assert!(!said.contains("variable"), "{said}");
    }
}

#[test]
fn the_query_of_a_url_is_not_shown() {
    let name = "sasl.oauthbearer.token.endpoint.url";
    for (url, shown) in [
        ("https://me:tiger@idp/token?key=tiger@x", "[hidden]@idp/token?[hidden]"),
        ("https://idp/token?key=tiger", "https://idp/token?[hidden]"),
        ("https://idp/token", "https://idp/token"),
    ] {
        let config = with(&[(name, url)]);
        assert_eq!(config.get(name).as_deref(), Some(shown));
        assert!(!format!("{config:?} {config}").contains("tiger"), "{config}");
    }
}

#[test]
fn what_was_set_can_be_taken_back() {
    let config = with(&[("linger.ms", "20")]).unset("linger.ms").unset("no.such.setting");
    assert_eq!(config.get("linger.ms").as_deref(), Some("5"));
    assert_eq!(config, with(&[]));
}

#[test]
fn a_prefix_in_a_name_is_told() {
    let said = remarks(&[("spring.kafka.producer.linger-ms", "20")]);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("spring.kafka.producer.linger-ms is not a known setting"), "{said:?}");
    assert!(said[0].contains("without the prefix spring.kafka.producer.: "), "{said:?}");
    assert!(said[0].ends_with("ProducerConfig::with_prefix"), "{said:?}");
}

#[test]
fn telemetry_is_on_unless_it_is_turned_off_and_jvm_settings_only_warn() {
    assert!(
        settings(&[]).enable_metrics_push && settings(&[("enable.metrics.push", "true")]).enable_metrics_push
    );
    assert!(!settings(&[("enable.metrics.push", "false")]).enable_metrics_push);
    let jvm = |property: &&&PropertyDescription| {
        property.support() == PropertySupport::Ignored && property.parse("x.Y", "").is_ok()
    };
    for property in PROPERTIES.iter().filter(jvm) {
        let said = remarks(&[(property.name(), "x.Y")]);
        assert!(said.len() == 1 && said[0].contains(property.name()) && said[0].contains("no effect"));
        settings(&[(property.name(), "x.Y")]);
    }
}

#[test]
fn delivery_timeout_covers_linger_and_request() {
    let error = refusal(&[("delivery.timeout.ms", "30004")]);
    assert!(error.contains("delivery.timeout.ms") && error.contains("30004") && error.contains("30005"));
    assert!(remarks(&[("delivery.timeout.ms", "30004")]).is_empty(), "it is refused, not raised");
    assert_eq!(settings(&[("delivery.timeout.ms", "30005")]).delivery_timeout.as_millis(), 30005);
    let raised = [("linger.ms", "100000"), ("request.timeout.ms", "50000")];
    assert_eq!(settings(&raised).delivery_timeout.as_millis(), 150_000);
    assert!(remarks(&raised)[0].contains("raised to 150000"));
    let long = [("linger.ms", "9999999999999"), ("delivery.timeout.ms", "2147483647")];
    assert_eq!(settings(&long).linger.as_millis(), 2_147_483_647);
    assert_eq!(settings(&long[..1]).delivery_timeout.as_millis(), 2_147_483_647);
}

#[test]
fn idempotence_gives_way_only_if_nobody_asked_for_it() {
    assert!(settings(&[]).enable_idempotence);
    assert!(settings(&[("acks", "-1")]).enable_idempotence);
    for (name, value) in [("retries", "0"), ("acks", "0"), ("acks", "1")] {
        assert!(!settings(&[(name, value)]).enable_idempotence);
        assert!(remarks(&[(name, value)])[0].contains(&format!("because {name} is {value}")));
        assert!(!settings(&[(name, value), ("enable.idempotence", "false")]).enable_idempotence);
        let error = refusal(&[(name, value), ("enable.idempotence", "true")]);
        assert!(error.contains(name) && error.contains(value) && error.contains("enable.idempotence"));
    }
}

#[test]
fn more_than_five_in_flight_needs_idempotence_off() {
    let six = ("max.in.flight.requests.per.connection", "6");
    for also in [vec![], vec![("acks", "1")], vec![("retries", "0")], vec![("enable.idempotence", "true")]] {
        let error = refusal(&[&[six], &also[..]].concat());
        assert!(error.contains(six.0) && error.contains('6') && error.contains("at most 5"), "{error}");
    }
    let off = settings(&[six, ("enable.idempotence", "false")]);
    assert_eq!(off.max_in_flight_requests_per_connection, 6);
    settings(&[("max.in.flight.requests.per.connection", "5")]);
}

#[test]
fn transactions_need_idempotence_and_one_way_to_time_out() {
    let id = ("transactional.id", "orders");
    for off in [("enable.idempotence", "false"), ("acks", "1"), ("retries", "0")] {
        let error = refusal(&[id, off]);
        assert!(error.contains("transactional.id") && error.contains("idempotence"), "{error}");
    }
    assert_eq!(settings(&[id]).transactional_id.as_deref(), Some("orders"));
    for (bytes, fits) in [(32_767, true), (32_768, false)] {
        let id = "i".repeat(bytes);
        let faults = resolve(&with(&[("transactional.id", id.as_str())]), &[]);
        assert_eq!(faults.is_ok(), fits, "{bytes}");
    }
    let two_phase = ("transaction.two.phase.commit.enable", "true");
    let error = refusal(&[two_phase, ("transaction.timeout.ms", "60000")]);
    assert!(error.contains("transaction.timeout.ms") && error.contains("two.phase.commit"), "{error}");
    assert!(settings(&[two_phase]).transaction_two_phase_commit_enable);
    assert_eq!(settings(&[("transaction.timeout.ms", "61000")]).transaction_timeout_ms, 61_000);
}

#[test]
fn rack_awareness_needs_a_rack_and_sasl_a_mechanism() {
    let aware = ("partitioner.rack.aware", "true");
    for blank in [vec![aware], vec![aware, ("client.rack", "  ")]] {
        assert!(refusal(&blank).contains("client.rack must be set"));
    }
    assert_eq!(settings(&[aware, ("client.rack", " r1 ")]).client_rack.as_deref(), Some("r1"));
    assert_eq!(settings(&[("client.rack", "r1")]).client_rack.as_deref(), Some("r1"), "telemetry tells it");

    for protocol in ["SASL_PLAINTEXT", "sasl_ssl"] {
        let error = refusal(&[("security.protocol", protocol), ("sasl.mechanism", "")]);
        assert!(error.contains("sasl.mechanism") && error.contains(protocol), "{error}");
    }
}

#[test]
fn reconnect_backoff_alone_is_constant() {
    let millis = |pairs: &[(&str, &str)]| {
        let settings = settings(pairs);
        [settings.reconnect_backoff.as_millis(), settings.reconnect_backoff_max.as_millis()]
    };
    assert_eq!(millis(&[]), [50, 1000]);
    assert_eq!(millis(&[("reconnect.backoff.ms", "500")]), [500, 500]);
    assert_eq!(millis(&[("reconnect.backoff.ms", "500"), ("reconnect.backoff.max.ms", "700")]), [500, 700]);
    assert_eq!(millis(&[("reconnect.backoff.max.ms", "700")]), [50, 700]);
}

#[test]
fn a_maximum_below_its_start_is_said() {
    for (first, maximum) in [
        (("retry.backoff.ms", "2000"), "retry.backoff.max.ms"),
        (("socket.connection.setup.timeout.ms", "30001"), "socket.connection.setup.timeout.max.ms"),
    ] {
        let said = remarks(&[first]);
        assert!(said.len() == 1 && said[0].contains(first.0) && said[0].contains(maximum), "{said:?}");
    }
    assert!(remarks(&[]).is_empty());
}

#[test]
fn repeated_and_unknown_names_are_warnings() {
    let twice = [("bootstrap.servers", "a:1, b:2 ,a:1")];
    assert_eq!(settings(&twice).bootstrap_servers, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    assert!(remarks(&twice)[0].contains("bootstrap.servers has repeated values"));
    assert!(
        remarks(&[("linger.mss", "5")])[0]
            .contains("linger.mss is not a known setting, did you mean linger.ms?")
    );
    let said = remarks(&[("schema.registry.auth", "user:tiger")]);
    assert_eq!(said, ["schema.registry.auth is not a known setting"]);
    let settings = settings(&[("schema.registry.auth", "user:tiger")]);
    assert_eq!(settings.properties["schema.registry.auth"], "user:tiger");
}

#[test]
fn a_bad_address_is_named() {
    let error = refusal(&[("bootstrap.servers", "a:1,localhost,b:2")]);
    assert!(error.starts_with("Invalid value localhost for configuration bootstrap.servers: "), "{error}");
    assert!(error.contains("host:port"), "{error}");
}

#[test]
fn settings_have_java_s_defaults() {
    let settings = settings(&[]);
    assert_eq!(settings.acks, Acks::All);
    assert_eq!(settings.acks.wire(), -1);
    assert_eq!(settings.retries, 2_147_483_647);
    assert_eq!(settings.batch_size_bytes, 16384);
    assert_eq!(settings.buffer_memory_bytes, 32 << 20);
    assert_eq!(settings.max_request_size_bytes, 1 << 20);
    assert_eq!(settings.linger, Duration::from_millis(5));
    assert_eq!(settings.max_block, Duration::from_secs(60));
    assert_eq!(settings.delivery_timeout, Duration::from_secs(120));
    assert_eq!(settings.send_buffer_bytes, Some(128 << 10));
    assert_eq!(settings.receive_buffer_bytes, Some(32 << 10));
    assert_eq!(settings.connections_max_idle, Some(Duration::from_secs(540)));
    assert_eq!(settings.get_spin, Duration::from_micros(50));
    assert_eq!(settings.partitioner_class, None);
    assert!(settings.partitioner_adaptive && !settings.partitioner_ignore_keys);
}

#[test]
fn extremes_are_cut_to_what_can_be_handled() {
    let settings = settings(&[
        ("max.block.ms", "9223372036854775807"),
        ("metadata.max.age.ms", "9223372036854775807"),
        ("connections.max.idle.ms", "-1"),
        ("send.buffer.bytes", "-1"),
        ("batch.size", "0"),
        ("buffer.memory", "9223372036854775807"),
    ]);
    assert!(std::time::Instant::now().checked_add(settings.max_block).is_some());
    assert_eq!(settings.connections_max_idle, None);
    assert_eq!(settings.send_buffer_bytes, None);
    assert_eq!(settings.batch_size_bytes, 1);
}

#[test]
fn client_ids_are_as_given_or_counted() {
    assert_eq!(settings(&[("client.id", " a b ")]).client_id, "a b");
    assert_eq!(settings(&[("client.id", "")]).client_id, "");
    let (first, second) = (settings(&[]).client_id, settings(&[]).client_id);
    assert!(first.starts_with("producer-") && second.starts_with("producer-") && first != second);
}

#[test]
fn typed_setters_end_in_the_same_rows() {
    let config = ProducerConfig::new()
        .bootstrap_servers("a:1")
        .acks(Acks::Leader)
        .linger(Duration::from_micros(1500))
        .max_block(Duration::MAX)
        .batch_size(1 << 20)
        .enable_idempotence(false)
        .partitioner_availability_timeout(Duration::from_millis(250))
        .partitioner_rack_aware(true)
        .client_rack("zone-a")
        .get_spin(Duration::from_nanos(1))
        .client_dns_lookup(ClientDnsLookup::ResolveCanonicalBootstrapServersOnly)
        .bootstrap_resolve_timeout(Duration::from_secs(3))
        .metadata_recovery_strategy(MetadataRecoveryStrategy::None)
        .metadata_recovery_rebootstrap_trigger(Duration::from_secs(60))
        .metadata_cluster_change(ClusterChange::Fail);
    for (name, text) in [
        ("acks", "1"),
        ("linger.ms", "2"),
        ("max.block.ms", "9223372036854775807"),
        ("batch.size", "1048576"),
        ("enable.idempotence", "false"),
        ("partitioner.availability.timeout.ms", "250"),
        ("partitioner.rack.aware", "true"),
        ("client.rack", "zone-a"),
        ("get.spin.us", "1"),
        ("client.dns.lookup", "resolve_canonical_bootstrap_servers_only"),
        ("bootstrap.resolve.timeout.ms", "3000"),
        ("metadata.recovery.strategy", "none"),
        ("metadata.recovery.rebootstrap.trigger.ms", "60000"),
        ("metadata.cluster.change", "fail"),
    ] {
        assert_eq!(config.get(name).as_deref(), Some(text), "{name}");
    }
    let settings = resolve(&config, &["key.serializer", "value.serializer"]).unwrap();
    assert_eq!(settings.client_dns_lookup, ClientDnsLookup::ResolveCanonicalBootstrapServersOnly);
    assert_eq!(settings.metadata_recovery_strategy, MetadataRecoveryStrategy::None);
    assert_eq!(settings.metadata_cluster_change, ClusterChange::Fail);
    assert_eq!(self::settings(&[]).metadata_cluster_change, ClusterChange::Follow);
    let shouted = self::settings(&[("metadata.recovery.strategy", "NONE")]);
    assert_eq!(shouted.metadata_recovery_strategy, MetadataRecoveryStrategy::None);
    let error = resolve(&with(&[]).batch_size(1 << 31), &[]).unwrap_err();
    assert!(error.to_string().contains("2147483648 for configuration batch.size"), "{error}");
}

/// Each number with a unit in its name says in which unit it is counted.
#[test]
fn a_number_with_its_unit_is_refused_with_the_unit_that_is_meant() {
    let mut seen = 0;
    for description in ProducerConfig::reference() {
        let name = description.name();
        let (written, unit) = match name.rsplit('.').next() {
            Some("ms") => ("5ms", "milliseconds"),
            Some("us") => ("5us", "microseconds"),
            Some("seconds") => ("5s", "seconds"),
            Some("bytes" | "size" | "memory") => ("5kB", "bytes"),
            _ => continue,
        };
        let refused = ProducerConfig::from_properties([(name, written)]).unwrap_err().to_string();
        let start = format!("Invalid value {written} for configuration {name}: Not a number of type ");
        assert!(refused.starts_with(&start), "{refused}");
        let end = format!("; it is counted in {unit}, and written without the unit");
        assert!(refused.ends_with(&end), "{refused}");
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}
