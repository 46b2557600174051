//! What of a configuration is printed, and what stays inside; what files hold.

use super::*;

#[test]
fn secrets_stay_inside() {
    for property in PROPERTIES.iter().filter(|property| property.is_secret()) {
        let pairs = [("security.protocol", "SASL_SSL"), (property.name(), " tiger ")];
        let config = with(&pairs);
        assert_eq!(config.get(property.name()).as_deref(), Some("[hidden]"));
        let said = remarks(&pairs).concat();
        let resolved = resolve(&config, &[]).map(|settings| format!("{settings:?}"));
        let resolved = resolved.unwrap_or_else(|error| format!("{error} {error:?}"));
        let hidden = resolved.contains("[hidden]");
        for text in [config.to_string(), format!("{config:?}"), format!("{config:#?}"), resolved, said] {
            assert!(!text.contains("tiger"), "{}: {text}", property.name());
        }
        assert!(hidden || property.support() != PropertySupport::Refused);
    }
    let other = with(&[("basic.auth.user.info", "me:tiger")]);
    assert!(!format!("{other} {other:?} {:?}", resolve(&other, &[])).contains("tiger"));
}

#[test]
fn a_replaced_variable_stays_out_of_errors_and_prints() {
    let env = [
        ("config.providers", "env"),
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
    ];
    let secret = env!("CARGO_PKG_NAME");
    for name in ["linger.ms", "acks", "retries", "security.protocol", "enable.idempotence"] {
        let pairs = [env[0], env[1], (name, "${env:CARGO_PKG_NAME}")];
        let config = ProducerConfig::from_properties(pairs).unwrap();
        let error = refusal(&pairs).replace("version of kafka-producer", "");
        assert!(error.contains("${env:CARGO_PKG_NAME}") && !error.contains(secret), "{error}");
        assert!(!format!("{config} {config:?}").contains(secret));
    }
    let named = settings(&[env[0], env[1], ("client.id", "${env:CARGO_PKG_NAME}")]);
    assert_eq!(named.client_id, secret);
    assert_eq!(named.properties["client.id"], secret);
    assert_eq!(remarks(&[env[0], env[1], ("client.id", "${env:NO_SUCH_VARIABLE}")]).len(), 1);
}

#[test]
fn prints_all_values_as_java_does() {
    let text = with(&[("sasl.jaas.config", "tiger"), ("unknown", "x")]).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ProducerConfig values:");
    assert_eq!(lines.len(), 125);
    for line in ["\tacks = all", "\tbootstrap.servers = [localhost:9092]", "\tpartitioner.class = null"] {
        assert!(lines.contains(&line), "{line}");
    }
    assert!(
        lines.contains(&"\tsasl.jaas.config = [hidden]") && lines.is_sorted_by_key(|l| l.starts_with('\t'))
    );
    assert_eq!(format!("{:?}", ProducerConfig::new().set("x", "y")), r#"ProducerConfig {"x": "[hidden]"}"#);
}

/// The settings of `tests/properties/NAME.properties`.
fn settings_of(name: &str) -> Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/properties").join(name);
    resolve(&ProducerConfig::from_file(path.with_extension("properties")).unwrap(), &[]).unwrap()
}

#[test]
fn the_values_of_a_properties_file_arrive_with_their_types() {
    let millis = Duration::from_millis;
    let delivery = settings_of("delivery");
    assert_eq!(delivery.bootstrap_servers.len(), 2);
    assert_eq!(delivery.client_id, "telemetry \u{e4}\u{f6}\u{fc}");
    assert_eq!((delivery.acks, delivery.enable_idempotence, delivery.retries), (Acks::Leader, false, 7));
    assert_eq!(delivery.max_in_flight_requests_per_connection, 9);
    assert_eq!((delivery.delivery_timeout, delivery.request_timeout), (millis(60_001), millis(15_001)));
    assert_eq!((delivery.retry_backoff, delivery.retry_backoff_max), (millis(31), millis(701)));

    let batching = settings_of("batching");
    assert_eq!((batching.batch_size_bytes, batching.linger), (262_144, millis(51)));
    assert_eq!((batching.buffer_memory_bytes, batching.max_request_size_bytes), (128 << 20, 4 << 20));
    assert_eq!(batching.max_block, millis(5001));

    let partitioning = settings_of("partitioning");
    let class = Some("org.apache.kafka.clients.producer.RoundRobinPartitioner");
    assert_eq!(partitioning.partitioner_class.map(|class| class.name).as_deref(), class);
    assert!(partitioning.partitioner_ignore_keys && !partitioning.partitioner_adaptive);

    assert_eq!((partitioning.client_rack, partitioning.partitioner_availability_timeout), (None, None));
    let racks = settings_of("racks");
    assert_eq!(racks.client_rack.as_deref(), Some("zone-a"));
    assert_eq!(racks.partitioner_availability_timeout, Some(millis(251)));

    let connections = settings_of("connections");
    assert_eq!(connections.client_id, env!("CARGO_PKG_NAME"));
    assert_eq!(
        (connections.metadata_max_age, connections.metadata_max_idle),
        (millis(60_001), millis(30_001))
    );
    assert_eq!(
        (connections.reconnect_backoff, connections.reconnect_backoff_max),
        (millis(101), millis(2001))
    );
    assert_eq!(connections.socket_connection_setup_timeout, millis(5001));
    assert_eq!(connections.socket_connection_setup_timeout_max, millis(20_001));
    assert_eq!(connections.connections_max_idle, Some(millis(120_001)));
    assert_eq!((connections.send_buffer_bytes, connections.receive_buffer_bytes), (Some(65_536), None));
}

#[test]
fn what_is_printed_at_start_up_is_what_holds_after_the_rules() {
    let line = |pairs: &[(&str, &str)], name: &str| {
        let config = with(pairs);
        let text = config.in_effect(&resolve(&config, &[]).unwrap()).to_string();
        let start = format!("\t{name} = ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
    };
    assert_eq!(line(&[("acks", "1")], "enable.idempotence"), "false");
    assert_eq!(line(&[("linger.ms", "100000")], "delivery.timeout.ms"), "130000");
    assert_eq!(line(&[("linger.ms", " +9999999999999 ")], "linger.ms"), "2147483647");
    assert_eq!(line(&[("reconnect.backoff.ms", "500")], "reconnect.backoff.max.ms"), "500");
    assert_eq!(line(&[("bootstrap.servers", "a:1 ,b:2,a:1")], "bootstrap.servers"), "[a:1, b:2]");
    assert_eq!(line(&[("enable.idempotence", " TRUE ")], "enable.idempotence"), "true");
    assert!(line(&[], "client.id").starts_with("producer-"));
    // What stands for a variable may be secret.
    let env = [
        ("config.providers", "env"),
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
    ];
    let variable = "${env:CARGO_PKG_NAME}";
    assert_eq!(line(&[env[0], env[1], ("client.id", variable)], "client.id"), variable);
}
