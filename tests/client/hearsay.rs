//! Pictures of the cluster are hearsay: brokers that lag behind, contradict each other, leave things out or tell what
//! cannot be decide where the next request goes, and nothing else; and metadata is not asked for more than it helps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::rewritten::changed;
use crate::support::{AGES, SOON, cluster, producer, three_brokers, to_first, values, wait_until};
use kafka_embedded::{Api, BrokerAnswer, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{ErrorCode, ErrorKind, ProducerRecord};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::produce_response::{LeaderIdAndEpoch, NodeEndpoint};
use kafka_protocol::messages::{BrokerId, MetadataResponse, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

/// No longer than `delivery.timeout.ms=3000`, as it has to be.
const SHORT: (&str, &str) = ("request.timeout.ms", "3000");

/// Changes every Metadata answer from now on.
fn change_metadata(
    cluster: &EmbeddedCluster,
    mut change: impl FnMut(&mut MetadataResponse) + Send + 'static,
) {
    cluster.rewrite_answers(move |answer| match answer.api {
        Api::Metadata => changed(answer, &mut change),
        _ => Rewritten::Unchanged,
    });
}

/// Changes what every Metadata answer from now on tells of the partitions of topic `t`.
fn change_partitions(
    cluster: &EmbeddedCluster,
    mut change: impl FnMut(&mut Vec<MetadataResponsePartition>) + Send + 'static,
) {
    change_metadata(cluster, move |response| {
        let is_t =
            |topic: &&mut MetadataResponseTopic| topic.name.as_ref().is_some_and(|name| name.as_str() == "t");
        response.topics.iter_mut().filter(is_t).for_each(|topic| change(&mut topic.partitions));
    });
}

/// Refuses what a Produce request brought, and names another leader.
fn refuse(answer: &BrokerAnswer<'_>, leader: i32, epoch: i32, endpoint: Option<(&str, u16)>) -> Rewritten {
    changed(answer, |response: &mut ProduceResponse| {
        let partition = &mut response.responses[0].partition_responses[0];
        partition.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
        partition.base_offset = -1;
        partition.current_leader =
            LeaderIdAndEpoch::default().with_leader_id(BrokerId(leader)).with_leader_epoch(epoch);
        response.node_endpoints.clear();
        if let Some((host, port)) = endpoint {
            let host = StrBytes::from_string(host.to_owned());
            let endpoint = NodeEndpoint::default().with_node_id(BrokerId(leader)).with_host(host);
            response.node_endpoints.push(endpoint.with_port(i32::from(port)));
        }
    })
}

/// Fault B1.
/// Behaviour 83.
#[test]
fn a_topic_that_is_created_again_with_an_older_epoch_is_found_also_where_topics_have_no_ids() {
    for version in [7, 8, 9, 10] {
        let cluster = EmbeddedCluster::builder()
            .brokers(2)
            .topic("t", 1)
            .api_versions(Api::Metadata, 1..=version)
            .api_versions(Api::Produce, 3..=8)
            .start()
            .unwrap();
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        let first = cluster.leader("t", 0).unwrap();
        for leader in [3 - first, first, 3 - first] {
            cluster.move_leader("t", 0, leader);
        }
        producer.send(to_first("before")).unwrap().get_timeout(AGES).unwrap();
        assert!(cluster.recreate_topic("t", TopicConfig::new(1)));
        if cluster.leader("t", 0) != Some(first) {
            cluster.move_leader("t", 0, first);
        }
        let start = Instant::now();
        producer.send(to_first("after")).unwrap().get_timeout(AGES).unwrap();
        assert!(start.elapsed() < SOON, "version {version}: {:?}", start.elapsed());
        assert_eq!(values(&cluster, "t", 0), ["after"], "version {version}");
        assert_eq!(producer.partitions_for("t").unwrap()[0].leader(), Some(first));
    }
}

/// Fault B2.
/// Behaviour 84.
#[test]
fn a_hint_that_metadata_never_confirms_is_given_up() {
    let cluster = three_brokers(1);
    let leader = cluster.leader("t", 0).unwrap();
    let mut hints = 1;
    cluster.rewrite_answers(move |answer| match answer.api {
        Api::Produce if hints > 0 => {
            hints -= 1;
            refuse(answer, leader % 3 + 1, i32::MAX, None)
        }
        _ => Rewritten::Unchanged,
    });
    let producer = producer(&cluster, &[("linger.ms", "0"), ("enable.idempotence", "false")]);
    let start = Instant::now();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(producer.partitions_for("t").unwrap()[0].leader(), Some(leader));
}

/// Fault B3.
/// Behaviour 86.
#[test]
fn hints_that_contradict_each_other_do_not_make_a_batch_go_all_the_time() {
    let cluster = three_brokers(1);
    let mut epoch = 1000;
    cluster.rewrite_answers(move |answer| match answer.api {
        Api::Produce => {
            epoch += 1;
            refuse(answer, answer.broker % 3 + 1, epoch, None)
        }
        _ => Rewritten::Unchanged,
    });
    let more = [("retry.backoff.ms", "100"), ("retry.backoff.max.ms", "1000"), ("linger.ms", "0")];
    let producer = producer(&cluster, &more);
    producer.send(to_first("v")).unwrap();
    wait_until("the first refusal", || cluster.requests(Api::Produce) > 0);
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(2));
    wait_until("it is tried again", || cluster.requests(Api::Produce) >= 4);
    let sent = cluster.requests(Api::Produce);
    assert_rate(begun, sent, 10.0);
    producer.close_timeout(Duration::ZERO).unwrap();
}

/// No more than so many a second since then, as it is now.
fn assert_rate(begun: Instant, count: usize, a_second: f64) {
    let seconds = begun.elapsed().as_secs_f64();
    assert!(count as f64 <= seconds * a_second, "{count} requests in {seconds} s");
}

/// Fault B4.
/// Behaviour 85.
#[test]
fn a_hint_s_address_of_a_known_broker_is_used() {
    let cluster = three_brokers(1);
    let old = cluster.leader("t", 0).unwrap();
    let new = old % 3 + 1;
    let servers = cluster.bootstrap_servers();
    let address = servers.split(',').nth(new as usize - 1).unwrap().to_owned();
    let (host, port) =
        address.rsplit_once(':').map(|(host, port)| (host.to_owned(), port.parse().unwrap())).unwrap();
    let (mut produced, mut hinted) = (0, false);
    cluster.rewrite_answers(move |answer| match answer.api {
        // Metadata has the new leader at an address where nobody is, and is silent after the hint.
        Api::Metadata if hinted => Rewritten::Nothing,
        Api::Metadata => changed(answer, |response: &mut MetadataResponse| {
            let broker = response.brokers.iter_mut().find(|broker| broker.node_id.0 == new).unwrap();
            broker.port = 1;
        }),
        Api::Produce if answer.broker == old => {
            produced += 1;
            hinted = produced == 2;
            if hinted { refuse(answer, new, 1000, Some((&host, port))) } else { Rewritten::Unchanged }
        }
        _ => Rewritten::Unchanged,
    });
    let first = servers.split(',').nth(old as usize - 1).unwrap();
    let config = crate::support::config(first, &[("linger.ms", "0")]);
    let producer: crate::support::TextProducer = kafka_producer::KafkaProducer::new(config).unwrap();
    // Once it is acknowledged, no metadata is on its way that could come after the hint.
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    cluster.move_leader("t", 0, new);
    let start = Instant::now();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(cluster.produce_requests().last().unwrap().broker, new);
}

/// Faults B6, C8.
/// Behaviour 87.
#[test]
fn a_partition_that_an_answer_leaves_out_holds_up_no_other_and_is_named() {
    let cluster = cluster(3);
    change_partitions(&cluster, |partitions| partitions.retain(|one| one.partition_index != 1));
    let more = [("delivery.timeout.ms", "3000"), ("request.timeout.ms", "2500"), ("linger.ms", "0")];
    let producer = producer(&cluster, &more);
    let start = Instant::now();
    let to = |partition| producer.send(ProducerRecord::new("t", "v").with_partition(partition)).unwrap();
    for partition in [0, 2] {
        to(partition).get_timeout(AGES).unwrap();
    }
    assert!(start.elapsed() < SOON);
    let leaders: Vec<_> = producer.partitions_for("t").unwrap().iter().map(|one| one.leader()).collect();
    assert_eq!(leaders, [Some(1), None, Some(1)]);
    let error = to(1).get_timeout(AGES).unwrap_err();
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, false));
    assert!(error.to_string().contains("lacks partition 1"), "{error}");
    for _ in 0..20 {
        let keyless = producer.send(ProducerRecord::new("t", "keyless")).unwrap().get_timeout(AGES).unwrap();
        assert_ne!(keyless.partition(), 1);
    }
    let waiting = to(1);
    cluster.stop_rewriting();
    waiting.get_timeout(AGES).unwrap();
}

/// Faults B6, C8.
#[test]
fn a_partition_that_stands_twice_in_an_answer_is_used_once() {
    let cluster = cluster(2);
    change_partitions(&cluster, |partitions| partitions.extend(partitions.first().cloned()));
    let producer = producer(&cluster, &[("max.block.ms", "2500")]);
    assert_eq!(producer.partitions_for("t").unwrap().len(), 2);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let error = producer.send(ProducerRecord::new("t", "v").with_partition(2)).unwrap_err();
    assert!(error.to_string().contains("names partition 0 more than once"), "{error}");
}

/// Fault C8.
#[test]
fn metadata_without_brokers_is_said_to_be_that() {
    let cluster = cluster(1);
    change_metadata(&cluster, |response| response.brokers.clear());
    let producer = producer(&cluster, &[("max.block.ms", "2500")]);
    let error = producer.send(to_first("v")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the metadata names no broker") && !text.contains("NONE"), "{text}");
    cluster.stop_rewriting();
    wait_until("brokers", || producer.send(to_first("v")).is_ok());
}

/// Fault B7.
/// Behaviour 88.
#[test]
fn a_leader_that_is_no_broker_is_no_leader() {
    let cluster = cluster(3);
    change_partitions(&cluster, |partitions| partitions[1].leader_id = BrokerId(99));
    let producer = producer(&cluster, &[("linger.ms", "0"), ("batch.size", "100")]);
    for _ in 0..60 {
        let record = ProducerRecord::new("t", "x".repeat(150));
        assert_ne!(producer.send(record).unwrap().get_timeout(AGES).unwrap().partition(), 1);
    }
    assert_eq!(producer.partitions_for("t").unwrap()[1].leader(), None);
    let asked = cluster.requests(Api::Metadata);
    wait_until("it is asked for again", || cluster.requests(Api::Metadata) > asked);
    let waiting = producer.send(ProducerRecord::new("t", "v").with_partition(1)).unwrap();
    cluster.stop_rewriting();
    waiting.get_timeout(AGES).unwrap();
}

/// Fault B8.
#[test]
fn a_short_max_age_is_no_reason_to_ask_all_the_time() {
    for max_age in ["0", "1", "10"] {
        let cluster = cluster(1);
        let more =
            [("retry.backoff.ms", "100"), ("retry.backoff.max.ms", "1000"), ("metadata.max.age.ms", max_age)];
        let producer = producer(&cluster, &more);
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
        let (begun, before) = (Instant::now(), cluster.requests(Api::Metadata));
        thread::sleep(Duration::from_secs(2));
        wait_until("it is asked for", || cluster.requests(Api::Metadata) >= before + 5);
        assert_rate(begun, cluster.requests(Api::Metadata) - before, 13.0);
    }
}

/// Fault B9.
/// Behaviour 89.
#[test]
fn topics_that_are_used_one_after_the_other_are_asked_for_one_by_one() {
    const TOPICS: usize = 300;
    let builder =
        (0..TOPICS).fold(EmbeddedCluster::builder(), |builder, n| builder.topic(format!("t{n}"), 1));
    for created_on_demand in [false, true] {
        let cluster = match created_on_demand {
            true => EmbeddedCluster::builder().auto_create_topics(1).start().unwrap(),
            false => builder.clone().start().unwrap(),
        };
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        change_metadata(&cluster, move |response| {
            count.fetch_add(response.topics.len(), Ordering::Relaxed);
        });
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        for n in 0..TOPICS {
            producer.send(ProducerRecord::new(format!("t{n}"), "v")).unwrap().get_timeout(AGES).unwrap();
        }
        let told = told.load(Ordering::Relaxed);
        assert!((TOPICS..TOPICS * 4).contains(&told), "{told} topics were told of for {TOPICS}");
    }
}

/// Fault B10.
/// Behaviour 89.
#[test]
fn what_does_not_come_is_asked_for_less_and_less_often_and_holds_up_nothing_new() {
    thread::scope(|scope| {
        for leaderless in [false, true] {
            scope.spawn(move || ask_in_vain(leaderless));
        }
    });
}

fn ask_in_vain(leaderless: bool) {
    let cluster = cluster(2);
    assert!(cluster.create_topic("new", TopicConfig::new(1)));
    if leaderless {
        change_partitions(&cluster, |partitions| partitions[1].leader_id = BrokerId(-1));
    }
    let more = [
        ("retry.backoff.ms", "100"),
        ("retry.backoff.max.ms", "8000"),
        ("max.block.ms", "60000"),
        ("delivery.timeout.ms", "60000"),
        ("linger.ms", "0"),
    ];
    let producer = producer(&cluster, &more);
    // A record waits for a leader, or its caller for a partition that the topic does not have.
    let partition = if leaderless { 1 } else { 2 };
    let begun = Instant::now();
    let waiting = {
        let producer = producer.clone();
        let record = ProducerRecord::new("t", "v").with_partition(partition);
        thread::spawn(move || producer.send(record).unwrap().get_timeout(AGES))
    };
    // Once or twice at once, and once more where the producer has asked before it knew of any topic; then after 0.1, 0.2, 0.4,
    // 0.8, 1.6, 3.2 s, give or take a fifth.
    wait_until("it is asked for", || cluster.requests(Api::Metadata) >= 8);
    let (start, asked_for) = (Instant::now(), begun.elapsed());
    assert!(asked_for > Duration::from_millis(2_400), "eight requests in {asked_for:?}");
    producer.send(ProducerRecord::new("new", "v")).unwrap().get_timeout(AGES).unwrap();
    // Before the next of those is due.
    assert!(start.elapsed() < Duration::from_millis(2_400), "{:?}", start.elapsed());
    cluster.stop_rewriting();
    cluster.create_partitions("t", 3);
    assert_eq!(waiting.join().unwrap().unwrap().partition(), partition);
}

/// Fault C1.
#[test]
fn who_waits_for_a_leader_in_vain_is_told_so_and_so_is_who_finds_the_buffer_full_of_such_records() {
    let cluster = cluster(2);
    change_partitions(&cluster, |partitions| {
        partitions[1].leader_id = BrokerId(-1);
        partitions[1].error_code = ErrorCode::LEADER_NOT_AVAILABLE.0;
    });
    let more = [
        ("buffer.memory", "40000"),
        ("batch.size", "10000"),
        ("max.block.ms", "200"),
        ("linger.ms", "0"),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "5000"),
    ];
    let producer = producer(&cluster, &more);
    wait_until("the topic is known", || producer.partitions_for("t").is_ok());
    let record = |partition| ProducerRecord::new("t", "x".repeat(9_000)).with_partition(partition);
    let mut waiting = Vec::new();
    while let Ok(future) = producer.try_send(record(1)) {
        waiting.push(future);
    }
    assert!(waiting.len() > 2);
    let of_buffer = producer.send(record(1)).unwrap_err();
    let in_company = producer.send(record(0)).unwrap_err();
    let of_record = waiting.pop().unwrap().get_timeout(AGES).unwrap_err();
    for (error, begins, says) in [
        (of_buffer, "t-1: ", "; its partition has had no leader for "),
        (in_company, "t-0: ", "; it holds records of t-1, which has had no leader for "),
        (
            of_record,
            "t-1: not acknowledged within delivery.timeout.ms=5000",
            "; its partition has had no leader for ",
        ),
    ] {
        let text = error.to_string();
        assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, false), "{text}");
        assert!(text.starts_with(begins) && text.contains(says), "{text}");
        let waited: u64 =
            text.split("no leader for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((1..30_000).contains(&waited), "{text}");
        assert!(!text.contains("no broker") && !text.contains("nothing was heard"), "{text}");
        let code = Some(ErrorCode::LEADER_NOT_AVAILABLE).filter(|_| text.contains("its partition"));
        assert_eq!(error.code(), code, "{text}");
    }
    // With a leader again everything comes to an end.
    cluster.stop_rewriting();
    wait_until("there is room", || producer.send(record(0)).is_ok());
    producer.flush().unwrap();
    assert!(cluster.records("t").iter().any(|record| record.partition == 0));
}

/// Fault C1.
#[test]
fn no_error_quotes_a_code_for_a_missing_leader_that_no_broker_gave() {
    let cluster = cluster(2);
    change_partitions(&cluster, |partitions| partitions[1].leader_id = BrokerId(-1));
    let more = [("linger.ms", "0"), ("request.timeout.ms", "400"), ("delivery.timeout.ms", "500")];
    let producer = producer(&cluster, &more);
    let record = ProducerRecord::new("t", "v").with_partition(1);
    let error = producer.send(record).unwrap().get_timeout(AGES).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("; its partition has had no leader for "), "{text}");
    assert!(error.code().is_none() && !text.contains("LEADER_NOT_AVAILABLE"), "{text}");
}

/// Fault C1. The old leader's refusal is not what a record waited for, once its new leader is known and cannot be reached.
#[test]
fn who_waits_for_a_new_leader_that_cannot_be_reached_is_told_that() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = listener.local_addr().unwrap().port();
    let rows = [(1, "cannot connect to 127.0.0.1:1"), (deaf, "no answer to ApiVersions")];
    for (port, expected) in rows {
        let cluster = EmbeddedCluster::builder().brokers(2).topic("t", 1).start().unwrap();
        let producer = producer(&cluster, &[("linger.ms", "0"), ("delivery.timeout.ms", "3000"), SHORT]);
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
        cluster.advertise(2, "127.0.0.1", port);
        cluster.move_leader("t", 0, 2);
        let error = producer.send(to_first("w")).unwrap().get_timeout(AGES).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        // While it is being connected the refusal is the last error.
        let quotes_refusal = error.to_string().contains("6 NOT_LEADER_OR_FOLLOWER");
        assert!(port == deaf || !quotes_refusal, "{error}");
        assert!(!error.possibly_written(), "{error}");
    }
}

/// Fault C1. Nor is it where the new leader has the record and does not answer.
#[test]
fn who_waits_for_the_answer_of_a_new_leader_is_told_that() {
    let cluster = EmbeddedCluster::builder().brokers(2).topic("t", 1).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    cluster.inject(Fault::drop_answer(Api::Produce).on_broker(2).always());
    cluster.move_leader("t", 0, 2);
    let future = producer.send(to_first("w")).unwrap();
    wait_until("the new leader has it", || cluster.requests(Api::Produce) == 3);
    let _ = producer.close_timeout(Duration::from_millis(10));
    let error = future.get_timeout(AGES).unwrap_err();
    assert!(error.to_string().contains("6 NOT_LEADER_OR_FOLLOWER"), "{error}");
    assert!(error.to_string().contains("no answer to Produce yet"), "{error}");
    assert!(error.possibly_written(), "{error}");
}

/// Fault C6.
#[test]
fn a_port_that_is_none_is_named() {
    for port in [70_000, -1, 0] {
        let cluster = cluster(1);
        change_metadata(&cluster, move |response| response.brokers[0].port = port);
        let more = [("delivery.timeout.ms", "2500"), ("request.timeout.ms", "2000"), ("linger.ms", "0")];
        let producer = producer(&cluster, &more);
        let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!(":{port}")) && text.contains("no port"), "{text}");
    }
}

/// Fault C6.
/// Behaviour 85.
#[test]
fn a_hint_s_port_that_is_none_is_not_used() {
    let cluster = three_brokers(1);
    let leader = cluster.leader("t", 0).unwrap();
    let new = leader % 3 + 1;
    cluster.rewrite_answers(move |answer| match answer.api {
        Api::Produce if answer.broker == leader => changed(answer, |response: &mut ProduceResponse| {
            for endpoint in &mut response.node_endpoints {
                endpoint.port = 70_000;
            }
        }),
        _ => Rewritten::Unchanged,
    });
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    cluster.move_leader("t", 0, new);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
}
