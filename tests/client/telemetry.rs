//! KIP-714: what the producer tells of itself, to those who have subscribed, over sockets.

use std::time::{Duration, Instant};

use crate::support::{config, interruptible, producer, to_first, wait_until};
use kafka_embedded::{Api, BrokerError, EmbeddedCluster, Fault, ReceivedValue, SeenPush, TelemetryOptions};
use kafka_producer::{ErrorKind, KafkaProducer, Metric, MockProducer, Producer, StringSerializer, Uuid};

const MINUTE: Duration = Duration::from_secs(60);
const SENT: &str = "org.apache.kafka.producer.record.send.total";

fn cluster(options: TelemetryOptions) -> EmbeddedCluster {
    EmbeddedCluster::builder().brokers(3).topic("t", 1).telemetry(options).start().unwrap()
}

/// Waits for so many pushes, and returns them.
fn pushes(cluster: &EmbeddedCluster, count: usize) -> Vec<SeenPush> {
    wait_until("pushes", || cluster.telemetry_pushes().len() >= count);
    cluster.telemetry_pushes()
}

fn number(push: &SeenPush, name: &str) -> f64 {
    let metric = push.metric(name, &[]).unwrap_or_else(|| panic!("{name} is not there"));
    metric.value.number()
}

/// A last push too: the producer is closed within this.
fn close_within(producer: &KafkaProducer<str, str>, limit: Duration) {
    let begun = Instant::now();
    producer.close().unwrap();
    let time = begun.elapsed();
    assert!(time < limit, "it took {time:?}");
}

/// Behaviour 114.
#[test]
fn what_is_subscribed_to_is_pushed_and_is_what_metrics_tells() {
    let cluster = cluster(TelemetryOptions::new());
    let producer = producer(&cluster, &[("client.id", "shop"), ("client.rack", "east")]);
    for _ in 0..7 {
        producer.send(to_first("order")).unwrap().get().unwrap();
    }
    wait_until("a push of them", || cluster.telemetry_pushes().iter().any(|push| number(push, SENT) == 7.0));
    let pushes = cluster.telemetry_pushes();
    let last = pushes.last().unwrap();
    let id = producer.client_instance_id(Duration::ZERO).unwrap();
    assert!(pushes.iter().all(|push| push.client_instance_id == id.0 && push.broker == last.broker));
    assert!(pushes.iter().all(|push| !push.terminating && push.compression_type == 0));

    let topic = last.metric("org.apache.kafka.producer.topic.record.send.total", &[("topic", "t")]).unwrap();
    assert_eq!(
        (topic.value, topic.is_delta, topic.is_monotonic),
        (ReceivedValue::Double(7.0), Some(false), true)
    );
    assert!(topic.start_unix_nanos > 0 && topic.start_unix_nanos < topic.unix_nanos);
    assert_eq!(topic.resource, [("client_rack".to_owned(), "east".to_owned())]);
    let rate = last.metric("org.apache.kafka.producer.node.request.rate", &[("node_id", "node-1")]).unwrap();
    assert!(rate.is_delta.is_none() && rate.start_unix_nanos == 0 && rate.value.number() > 0.0);
    let started = producer.metrics().get("app-info", "start-time-ms", &[]).and_then(Metric::number).unwrap();
    assert_eq!(number(last, "org.apache.kafka.app.info.start.time.ms"), started);
    // Every number that `metrics()` has, and nothing else; the client id is the broker's to tell.
    let told = producer.metrics().iter().filter(|metric| metric.number().is_some()).count();
    assert_eq!(last.metrics.len(), told);
    assert!(last.metrics.iter().all(|metric| metric.attributes.iter().all(|(key, _)| key != "client_id")));
}

/// Behaviour 114.
#[test]
fn a_broker_without_the_requests_is_asked_nothing() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).start().unwrap();
    let producer = producer(&cluster, &[]);
    producer.send(to_first("order")).unwrap().get().unwrap();
    let waited = producer.client_instance_id(Duration::from_millis(300)).unwrap_err();
    assert_eq!(waited.kind(), ErrorKind::Timeout);
    assert!(waited.to_string().contains("within 300 ms"), "{waited}");
    close_within(&producer, MINUTE);
    assert_eq!(cluster.requests(Api::GetTelemetrySubscriptions) + cluster.requests(Api::PushTelemetry), 0);
}

/// Behaviour 114.
#[test]
fn turned_off_nothing_is_asked_and_there_is_no_id() {
    let cluster = cluster(TelemetryOptions::new());
    let producer = producer(&cluster, &[("enable.metrics.push", "false")]);
    producer.send(to_first("order")).unwrap().get().unwrap();
    let refused = producer.client_instance_id(MINUTE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::IllegalState);
    assert!(refused.to_string().contains("enable.metrics.push"), "{refused}");
    producer.close().unwrap();
    assert_eq!(cluster.requests(Api::GetTelemetrySubscriptions), 0);
}

#[test]
fn what_is_generic_over_producers_asks_for_the_id_as_well_and_the_mock_has_none() {
    fn id(producer: &dyn Producer<str, str>) -> Result<Uuid, ErrorKind> {
        producer.client_instance_id(MINUTE).map_err(|error| error.kind())
    }
    let cluster = cluster(TelemetryOptions::new());
    let producer = producer(&cluster, &[]);
    assert_eq!(id(&producer), Ok(producer.client_instance_id(Duration::ZERO).unwrap()));
    let mock = MockProducer::<str, str>::new(StringSerializer, StringSerializer);
    assert_eq!(id(&mock), Err(ErrorKind::IllegalState));
}

#[test]
fn the_id_is_there_without_a_record_and_stays_after_close() {
    let cluster = cluster(TelemetryOptions::new().metrics(Vec::<String>::new()));
    let producer = producer(&cluster, &[]);
    let id = producer.client_instance_id(MINUTE).unwrap();
    assert!(!id.is_zero());
    producer.close().unwrap();
    assert_eq!(producer.client_instance_id(Duration::ZERO).unwrap(), id);
    // Nothing was subscribed to, so nothing was pushed, the last push neither.
    assert_eq!(cluster.requests(Api::PushTelemetry), 0);
}

#[test]
fn who_waits_for_an_id_is_let_go_by_close_by_an_interrupt_and_by_the_end_of_the_time() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).start().unwrap();
    let producer = producer(&cluster, &[]);
    let handle = producer.clone();
    let (interrupt, waiting) = interruptible(move || handle.client_instance_id(MINUTE));
    interrupt.interrupt();
    assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(producer.client_instance_id(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    let handle = producer.clone();
    let waiting = std::thread::spawn(move || handle.client_instance_id(MINUTE));
    producer.close().unwrap();
    assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

/// Behaviour 115.
#[test]
fn at_the_end_there_is_one_last_push_with_all_that_was_sent() {
    let cluster = cluster(TelemetryOptions::new().interval(Duration::from_secs(600)));
    let producer = producer(&cluster, &[]);
    producer.client_instance_id(MINUTE).unwrap();
    for _ in 0..5 {
        producer.send(to_first("order")).unwrap();
    }
    close_within(&producer, MINUTE);
    let pushes = cluster.telemetry_pushes();
    assert_eq!(pushes.iter().map(|push| push.terminating).collect::<Vec<_>>(), [true]);
    assert_eq!(number(&pushes[0], SENT), 5.0);
}

/// Behaviour 115.
#[test]
fn a_broker_that_never_answers_a_push_delays_no_record_and_no_end() {
    for silent in [Api::GetTelemetrySubscriptions, Api::PushTelemetry] {
        let cluster = cluster(TelemetryOptions::new());
        cluster.inject(Fault::drop_answer(silent).always());
        // An answer that is waited for on a connection of records would hold them up for this long.
        let producer =
            producer(&cluster, &[("request.timeout.ms", "600000"), ("delivery.timeout.ms", "700000")]);
        producer.send(to_first("the first one")).unwrap().get_timeout(MINUTE).unwrap();
        wait_until("a request without an answer", || cluster.requests(silent) == 1);
        for _ in 0..50 {
            producer.send(to_first("order")).unwrap().get_timeout(MINUTE).unwrap();
        }
        close_within(&producer, MINUTE);
        assert_eq!(cluster.records("t").len(), 51);
    }
}

/// Behaviour 115.
#[test]
fn whatever_goes_wrong_with_telemetry_records_go_on() {
    for api in [Api::GetTelemetrySubscriptions, Api::PushTelemetry] {
        for fault in [
            Fault::cut_before(api),
            Fault::cut_after(api),
            Fault::fail(api, BrokerError::INVALID_REQUEST),
            Fault::fail(api, BrokerError::CLUSTER_AUTHORIZATION_FAILED),
            Fault::throttle(api, Duration::from_secs(3600)),
        ] {
            let cluster = cluster(TelemetryOptions::new());
            cluster.inject(fault.always());
            let producer = producer(&cluster, &[]);
            producer.send(to_first("the first one")).unwrap().get_timeout(MINUTE).unwrap();
            wait_until("the request", || cluster.requests(api) > 0);
            producer.send(to_first("order")).unwrap().get_timeout(MINUTE).unwrap();
            close_within(&producer, MINUTE);
            assert_eq!(cluster.records("t").len(), 2);
        }
    }
}

/// Behaviour 116.
#[test]
fn another_subscription_is_asked_for_and_followed() {
    let cluster = cluster(TelemetryOptions::new());
    let producer = producer(&cluster, &[]);
    let first = pushes(&cluster, 1).remove(0);
    cluster.set_telemetry(TelemetryOptions::new().metrics([SENT]).delta());
    let is_new = |push: &SeenPush| push.metrics.len() == 1 && push.metrics[0].is_delta == Some(true);
    wait_until("what is subscribed to now", || {
        cluster.telemetry_pushes().iter().filter(|it| is_new(it)).count() > 1
    });
    // Its id is the same as before.
    assert!(
        cluster.telemetry_pushes().iter().all(|push| push.client_instance_id == first.client_instance_id)
    );
    producer.send(to_first("order")).unwrap().get().unwrap();
    producer.close().unwrap();
    let pushes = cluster.telemetry_pushes();
    assert!(pushes.last().unwrap().terminating);
    // The deltas come to the whole, and each begins where the one before ended.
    let deltas: Vec<_> = pushes.iter().filter(|push| is_new(push)).map(|push| &push.metrics[0]).collect();
    assert_eq!(deltas.iter().map(|metric| metric.value.number()).sum::<f64>(), 1.0);
    assert!(deltas.windows(2).all(|pair| pair[1].start_unix_nanos == pair[0].unix_nanos));
}

/// Behaviour 116.
#[test]
fn refusals_are_followed_as_java_does() {
    for (api, error, goes_on) in [
        (Api::PushTelemetry, BrokerError::UNKNOWN_SUBSCRIPTION_ID, true),
        (Api::PushTelemetry, BrokerError::UNSUPPORTED_COMPRESSION_TYPE, true),
        (Api::PushTelemetry, BrokerError::THROTTLING_QUOTA_EXCEEDED, true),
        (Api::PushTelemetry, BrokerError::TELEMETRY_TOO_LARGE, true),
        (Api::PushTelemetry, BrokerError::INVALID_RECORD, false),
        (Api::GetTelemetrySubscriptions, BrokerError::UNKNOWN_SUBSCRIPTION_ID, true),
        (Api::GetTelemetrySubscriptions, BrokerError::UNSUPPORTED_VERSION, false),
    ] {
        let cluster = cluster(TelemetryOptions::new());
        cluster.fail(api, error, 1);
        let producer = producer(&cluster, &[]);
        producer.send(to_first("order")).unwrap().get().unwrap();
        if goes_on {
            pushes(&cluster, 2);
            let asked = 2;
            assert_eq!(cluster.requests(Api::GetTelemetrySubscriptions), asked, "{api:?} {error:?}");
        } else {
            wait_until("the refusal", || cluster.requests(api) == 1);
            std::thread::sleep(Duration::from_millis(300));
            producer.close().unwrap();
            assert_eq!(
                (cluster.requests(api), cluster.telemetry_pushes().len()),
                (1, 0),
                "{api:?} {error:?}"
            );
        }
    }
}

/// Behaviour 116.
#[test]
fn pushes_are_compressed_as_the_broker_likes_best_of_what_there_is() {
    let accepted = |types: &[i8]| TelemetryOptions::new().compression_types(types.iter().copied());
    for (types, expected) in [
        (&[][..], 0),
        (&[99, 0], 0),
        #[cfg(feature = "zstd")]
        (&[4, 3], 4),
        #[cfg(feature = "lz4")]
        (&[3], 3),
        #[cfg(feature = "snappy")]
        (&[2, 1], 2),
        #[cfg(feature = "gzip")]
        (&[77, 1], 1),
    ] {
        let cluster = cluster(accepted(types));
        let _producer = producer(&cluster, &[]);
        let push = pushes(&cluster, 1).remove(0);
        assert_eq!(push.compression_type, expected, "{types:?}");
        assert!(push.metric(SENT, &[]).is_some());
    }
}

/// Behaviour 116.
#[test]
fn what_is_more_than_brokers_take_is_not_sent() {
    let cluster = cluster(TelemetryOptions::new().max_bytes(500));
    let producer = producer(&cluster, &[]);
    producer.client_instance_id(MINUTE).unwrap();
    wait_until("it is asked again", || cluster.requests(Api::GetTelemetrySubscriptions) > 1);
    cluster.set_telemetry(TelemetryOptions::new());
    pushes(&cluster, 1);
    assert_eq!(cluster.requests(Api::PushTelemetry), cluster.telemetry_pushes().len());
}

#[test]
fn a_broker_that_goes_leaves_the_records_to_others_and_a_new_connection_is_tried_later() {
    let cluster = cluster(TelemetryOptions::new().interval(Duration::from_millis(100)));
    let producer = producer(&cluster, &[("reconnect.backoff.ms", "10")]);
    let broker = pushes(&cluster, 1)[0].broker;
    cluster.stop_broker(broker);
    producer.send(to_first("order")).unwrap().get().unwrap();
    close_within(&producer, MINUTE);
    assert_eq!(cluster.records("t").len(), 1);
}

#[test]
fn in_a_callback_an_id_that_is_not_known_is_an_error() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).start().unwrap();
    let config = config(&cluster.bootstrap_servers(), &[]);
    let producer: KafkaProducer<str, str> = KafkaProducer::new(config).unwrap();
    let (told, tell) = std::sync::mpsc::channel();
    let handle = producer.clone();
    let callback =
        move |_| told.send(handle.client_instance_id(MINUTE).map_err(|error| error.kind())).unwrap();
    producer.send_with_callback(to_first("order"), callback).unwrap();
    assert_eq!(tell.recv_timeout(MINUTE).unwrap(), Err(ErrorKind::IllegalState));
}
