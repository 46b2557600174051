//! Brokers and the ways to them at their worst: pauses, listeners that hang up, addresses that lead nowhere, answers that
//! are none, connections that are dead without a word. What was accepted arrives, or its error says what was wrong.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::logged::listen;
use crate::support::{
    AGES, SOON, TextProducer, cluster, config, producer, three_brokers, to_first, values, wait_until,
};
use kafka_embedded::{Api, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{ErrorCode, KafkaProducer, ProducerRecord};
use log::Level;
use socket2::{Domain, Socket, Type};

const SECOND: Duration = Duration::from_secs(1);

/// What was logged above trace, by the whole process: level, thread and text of each line.
static LOG: Mutex<Vec<(Level, String, String)>> = Mutex::new(Vec::new());

fn listen_to_all() {
    listen(log::LevelFilter::Debug, |record| {
        let thread = thread::current().name().unwrap_or_default().to_owned();
        LOG.lock().unwrap().push((record.level(), thread, record.args().to_string()));
    });
}

/// The lines of this level or a louder one in which, or in whose thread's name, a text stands: a port or a client's id
/// that no other test has.
fn logged(level: Level, text: &str) -> Vec<String> {
    let log = LOG.lock().unwrap();
    let fits = |line: &&(Level, String, String)| line.1.contains(text) || line.2.contains(text);
    log.iter().filter(|line| line.0 <= level).filter(fits).map(|line| line.2.clone()).collect()
}

fn port(address: &str) -> u16 {
    address.rsplit(':').next().unwrap().parse().unwrap()
}

/// A port at which nobody listens, nor will while it is held: other tests ask the system for ports, too.
struct ClosedPort {
    port: u16,
    _bound: Socket,
}

fn closed_port() -> ClosedPort {
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = bound.local_addr().unwrap().as_socket().unwrap().port();
    ClosedPort { port, _bound: bound }
}

/// Fault B5.
#[test]
fn a_pause_asked_for_in_the_answer_to_any_api_is_kept() {
    // So long that much is left of it on any machine when it has been looked at.
    let pause = SECOND * 6;
    let is_kept = |api| {
        let cluster = cluster(1);
        cluster.inject(Fault::throttle(api, pause));
        let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.max.age.ms", "50")]);
        let start = Instant::now();
        let sending = thread::spawn(move || {
            producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
            producer
        });
        wait_until("the pause begins", || cluster.requests(api) > 0);
        thread::sleep(SECOND);
        let asked = || [Api::Metadata, Api::InitProducerId, Api::Produce].map(|api| cluster.requests(api));
        let during = asked();
        thread::sleep(SECOND);
        assert_eq!(during, asked(), "{api:?}: nothing is asked in the pause");
        let _producer = sending.join().unwrap();
        assert!(start.elapsed() >= pause, "{api:?}: {:?}", start.elapsed());
    };
    thread::scope(|scope| {
        for api in [Api::ApiVersions, Api::Metadata, Api::InitProducerId] {
            scope.spawn(move || is_kept(api));
        }
    });
}

/// Fault B5.
#[test]
fn the_only_broker_is_not_asked_by_another_way_while_it_wants_a_pause() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.max.age.ms", "50")]);
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    let connections = cluster.connections_accepted();
    cluster.inject(Fault::throttle(Api::Produce, SECOND * 5));
    producer.send(to_first("throttled")).unwrap().get_timeout(AGES).unwrap();
    let later = producer.send(to_first("later")).unwrap();
    thread::sleep(SECOND / 2);
    let asked = cluster.requests(Api::Metadata);
    thread::sleep(SECOND);
    assert_eq!((cluster.requests(Api::Metadata), cluster.connections_accepted()), (asked, connections));
    later.get_timeout(AGES).unwrap();
    wait_until("metadata is asked for again", || cluster.requests(Api::Metadata) > asked);
}

/// Fault B5.
#[test]
fn a_broker_that_has_kept_the_pause_itself_is_not_left_alone_for_as_long_again() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).api_versions(Api::Produce, 3..=5).start().unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    cluster.throttle(AGES);
    let start = Instant::now();
    for _ in 0..3 {
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
    assert!(start.elapsed() < SOON, "before Produce version 6 the broker answers after the pause");
}

/// Fault B5.
#[test]
fn a_pause_of_weeks_fails_what_waits_in_time_and_the_error_says_so() {
    let cluster = cluster(1);
    cluster.create_topic("u", TopicConfig::new(1));
    let more = [("linger.ms", "0"), ("max.block.ms", "300"), ("delivery.timeout.ms", "3000")];
    let producer = producer(&cluster, &[&more[..], &[("request.timeout.ms", "2900")]].concat());
    wait_until("the first record is taken", || producer.send(to_first("warm")).is_ok());
    producer.flush().unwrap();
    cluster.throttle(Duration::from_millis(i32::MAX as u64));
    producer.send(to_first("throttled")).unwrap().get_timeout(AGES).unwrap();
    let error = producer.send(ProducerRecord::new("u", "v")).unwrap_err();
    assert!(error.to_string().contains("throttled until"), "{error}");
    let start = Instant::now();
    let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
    assert!(start.elapsed() < SOON && !error.possibly_written(), "{error}");
    assert!(error.to_string().contains("throttled until"), "{error}");
    assert!(!error.to_string().contains("nothing was heard"), "{error}");
    producer.close().unwrap();
}

/// A way to a broker that can forget its connections, as a load balancer does: what is said on them goes nowhere, without a
/// word.
struct Balancer {
    address: SocketAddr,
    forgotten: Arc<AtomicUsize>,
}

impl Balancer {
    fn before(broker: String) -> Balancer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let forgotten = Arc::new(AtomicUsize::new(0));
        let now = Arc::clone(&forgotten);
        // All threads are gone with the process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let broker = TcpStream::connect(&broker).unwrap();
                pass_on(client.try_clone().unwrap(), broker.try_clone().unwrap(), &now);
                pass_on(broker, client, &now);
            }
        });
        Balancer { address, forgotten }
    }

    fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, forgotten: &Arc<AtomicUsize>) {
    let forgotten = Arc::clone(forgotten);
    thread::spawn(move || {
        let (born, mut buffer) = (forgotten.load(Ordering::Acquire), [0; 4096]);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if forgotten.load(Ordering::Acquire) == born && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        if forgotten.load(Ordering::Acquire) == born {
            let _ = to.shutdown(Shutdown::Both);
        }
    });
}

/// A cluster with topics `t` and `u`, a balancer before each broker, and a producer that knows only those.
fn balanced(brokers: i32) -> (EmbeddedCluster, Vec<Balancer>, TextProducer) {
    let builder = EmbeddedCluster::builder().brokers(brokers).topic("t", brokers).topic("u", brokers);
    let cluster = builder.start().unwrap();
    let balancers: Vec<_> =
        (1..=brokers).map(|id| Balancer::before(cluster.broker_address(id).unwrap())).collect();
    for (id, balancer) in (1..).zip(&balancers) {
        cluster.advertise(id, "127.0.0.1", balancer.address.port());
    }
    let servers: Vec<_> = balancers.iter().map(|balancer| balancer.address.to_string()).collect();
    let more = [("linger.ms", "0"), ("request.timeout.ms", "3000")];
    let producer = KafkaProducer::new(config(&servers.join(","), &more)).unwrap();
    for partition in 0..brokers {
        let warm = ProducerRecord::new("t", "warm").with_partition(partition);
        producer.send(warm).unwrap().get_timeout(AGES).unwrap();
    }
    thread::sleep(Duration::from_millis(20));
    balancers.iter().for_each(Balancer::forget_all);
    (cluster, balancers, producer)
}

/// Fault B12.
#[test]
fn connections_that_were_forgotten_without_a_word_cost_one_time_out_all_together() {
    let cost_one_time_out = |brokers, topic| {
        let (_cluster, _balancers, producer) = balanced(brokers);
        for partition in 0..brokers {
            let start = Instant::now();
            let record = ProducerRecord::new(topic, "v").with_partition(partition);
            producer.send(record).unwrap().get_timeout(AGES).unwrap();
            let limit = if partition == 0 { SECOND * 6 } else { SECOND * 3 };
            assert!(start.elapsed() < limit, "{topic}-{partition} of {brokers}: {:?}", start.elapsed());
        }
    };
    thread::scope(|scope| {
        for (brokers, topic) in [(1, "t"), (3, "t"), (1, "u"), (3, "u")] {
            scope.spawn(move || cost_one_time_out(brokers, topic));
        }
    });
}

/// Fault B13.
#[test]
fn a_broker_that_refuses_api_versions_with_nothing_is_asked_in_version_0() {
    for list in [&[][..], &[0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 0], &[0, 0, 0, 0, 0, 0]] {
        let cluster = cluster(1);
        cluster.rewrite_answers(move |answer| match (answer.api, answer.version) {
            (Api::ApiVersions, 1..) => Rewritten::Body([&[0, 35], list].concat()),
            _ => Rewritten::Unchanged,
        });
        let producer = producer(&cluster, &[("linger.ms", "0")]);
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    }
}

/// Fault C3.
#[test]
fn a_listener_that_hangs_up_after_api_versions_is_told_once_with_sasl_and_not_hammered() {
    listen_to_all();
    let cluster = cluster(1);
    cluster.inject(Fault::cut_before(Api::Metadata).always());
    let client_id = "hangs-up-after-versions";
    let more = [
        ("client.id", client_id),
        ("reconnect.backoff.max.ms", "400"),
        ("max.block.ms", "4000"),
        ("retry.backoff.max.ms", "10"),
    ];
    let begun = Instant::now();
    let producer = producer(&cluster, &more);
    let error = producer.send(to_first("v")).unwrap_err();
    let words = "this listener may require SASL (it closes the connection after ApiVersions)";
    assert!(error.to_string().contains(words), "{error}");
    let told = logged(Level::Info, client_id);
    let told: Vec<_> = told.iter().filter(|line| !line.starts_with("ProducerConfig values")).collect();
    assert!(told.len() == 1 && told[0].contains(words), "{told:#?}");
    assert_eq!(logged(Level::Warn, client_id).len(), 1);
    // 10, 20, 40, 80, 160, 320 ms, then 400 ms each, give or take a fifth.
    let (accepted, took) = (cluster.connections_accepted(), begun.elapsed());
    assert!(accepted >= 5 && (accepted as f64) < 12.0 + 4.0 * took.as_secs_f64(), "{accepted} in {took:?}");
    cluster.clear_faults();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    let again = logged(Level::Info, client_id).into_iter().filter(|line| line.contains("answers again"));
    assert_eq!(again.count(), 1);
}

/// Fault C3.
#[test]
fn a_listener_that_has_served_and_then_hangs_up_is_not_said_to_require_sasl() {
    listen_to_all();
    for api in [Api::Produce, Api::InitProducerId, Api::Metadata] {
        for (number, cut) in [Fault::cut_before(api), Fault::cut_after(api)].into_iter().enumerate() {
            let cluster = cluster(1);
            let client_id = format!("hung-up-{api:?}-{number}");
            let more = [("linger.ms", "0"), ("client.id", client_id.as_str()), ("metadata.max.age.ms", "50")];
            // Metadata is the first that is asked for, so that it has to be answered once.
            cluster.inject(cut.skip(u32::from(api != Api::InitProducerId)).times(3));
            let producer = producer(&cluster, &more);
            for _ in 0..3 {
                producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
            }
            wait_until("all was cut off", || cluster.connections_accepted() > 3);
            producer.close().unwrap();
            let told = logged(Level::Debug, &client_id);
            assert!(told.iter().any(|line| line.contains("the broker closed the connection")), "{told:#?}");
            assert!(!told.iter().any(|line| line.contains("SASL")), "{told:#?}");
        }
    }
}

/// Fault C2.
#[test]
fn nothing_follows_a_fatal_error_in_the_log_but_what_fails_with_it() {
    listen_to_all();
    for code in [ErrorCode::CLUSTER_AUTHORIZATION_FAILED, ErrorCode::PRODUCER_FENCED] {
        let cluster = cluster(1);
        let client_id = format!("dead-{}", code.0);
        let producer = producer(&cluster, &[("linger.ms", "0"), ("client.id", client_id.as_str())]);
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::fail(Api::Produce, code.0).always());
        assert!(producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err().is_fatal());
        thread::sleep(SECOND / 4);
        drop(producer);
        let told = logged(Level::Debug, &client_id);
        assert!(told.iter().any(|line| line.contains(code.name())), "{told:#?}");
        assert!(!told.iter().any(|line| line.contains("from now on")), "{told:#?}");
    }
}

/// Fault C2.
#[test]
fn a_refused_batch_is_not_said_to_have_been_given_up() {
    listen_to_all();
    for code in [ErrorCode::TOPIC_AUTHORIZATION_FAILED, ErrorCode::INVALID_RECORD] {
        let cluster = cluster(1);
        let client_id = format!("refused-{}", code.0);
        let producer = producer(&cluster, &[("linger.ms", "0"), ("client.id", client_id.as_str())]);
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
        cluster.inject(Fault::fail(Api::Produce, code.0).times(1));
        producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
        wait_until("the epoch is told", || {
            logged(Level::Info, &client_id).iter().any(|line| line.contains("since a batch failed"))
        });
    }
}

/// Fault C4.
#[test]
fn a_normal_close_says_nothing_above_debug() {
    listen_to_all();
    let cluster = crate::support::three_brokers(3);
    let servers = cluster.bootstrap_servers();
    let ports: Vec<_> = servers.split(',').map(|server| format!(":{}", port(server))).collect();
    let client_id = "closes-in-peace";
    let producer = producer(&cluster, &[("linger.ms", "0"), ("client.id", client_id)]);
    for partition in 0..3 {
        producer.send(ProducerRecord::new("t", "v").with_partition(partition)).unwrap();
    }
    producer.close().unwrap();
    // Of its brokers: a port alone another test may have had before.
    let of_brokers = |level| {
        let lines = logged(level, client_id).into_iter();
        let lines = lines.filter(|line| !line.starts_with("ProducerConfig values"));
        lines.filter(|line| ports.iter().any(|port| line.contains(port))).collect::<Vec<_>>()
    };
    assert_eq!(of_brokers(Level::Info), [""; 0]);
    let quiet = of_brokers(Level::Debug);
    assert!(quiet.iter().any(|line| line.contains("the producer is closed")), "{quiet:#?}");
}

/// Fault C5.
#[test]
fn an_advertised_address_that_cannot_be_reached_says_who_advertised_it_and_a_server_to_begin_with_does_not() {
    let cluster = cluster(1);
    let (first, second) = (closed_port(), closed_port());
    cluster.advertise(1, "127.0.0.1", first.port);
    let more = [("delivery.timeout.ms", "2500"), ("request.timeout.ms", "2000"), ("linger.ms", "0")];
    let advertised = producer(&cluster, &more);
    let error = advertised.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err();
    assert!(error.to_string().contains("advertised by broker 1: check advertised.listeners"), "{error}");
    let nowhere = format!("127.0.0.1:{}", second.port);
    let lost: TextProducer = KafkaProducer::new(config(&nowhere, &[("max.block.ms", "2500")])).unwrap();
    let error = lost.partitions_for("t").unwrap_err().to_string();
    assert!(error.contains("cannot connect") && !error.contains("advertised"), "{error}");
}

/// Fault C3.
#[test]
fn an_advertised_address_that_cannot_be_reached_is_told_once_and_nobody_is_hammered_meanwhile() {
    listen_to_all();
    let cluster = cluster(1);
    let closed = closed_port();
    cluster.advertise(1, "127.0.0.1", closed.port);
    let more = [("client.id", "sisyphus"), ("linger.ms", "0"), ("reconnect.backoff.max.ms", "300")];
    let producer = producer(&cluster, &more);
    let begun = Instant::now();
    let future = producer.send(to_first("v")).unwrap();
    thread::sleep(SECOND * 3);
    let loud: Vec<_> = logged(Level::Info, "sisyphus").into_iter().collect();
    let count = |text: &str| loud.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("cannot connect"), count("beginning again")), (1, 1), "{loud:#?}");
    let (accepted, took) = (cluster.connections_accepted(), begun.elapsed());
    assert!((accepted as f64) < 8.0 * took.as_secs_f64(), "{accepted} in {took:?}");
    cluster.advertise(1, "127.0.0.1", port(&cluster.bootstrap_servers()));
    future.get_timeout(AGES).unwrap();
}

/// Fault C9.
#[test]
fn an_answer_that_cannot_be_read_is_what_everyone_is_told_who_waits_on_that_connection() {
    let cluster = cluster(1);
    let more = [("enable.idempotence", "false"), ("retries", "0"), ("linger.ms", "0"), ("batch.size", "1")];
    let producer = producer(&cluster, &more);
    producer.send(to_first("warm")).unwrap().get_timeout(AGES).unwrap();
    cluster.delay(Api::Produce, Duration::from_millis(200), 1);
    cluster.rewrite_answers(|answer| match answer.api {
        Api::Produce => Rewritten::Body(answer.body[..answer.body.len() / 2].to_vec()),
        _ => Rewritten::Unchanged,
    });
    let futures: Vec<_> = (0..5).map(|_| producer.send(to_first("v")).unwrap()).collect();
    for future in futures {
        let error = future.get_timeout(AGES).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("Produce v") && text.contains("responses[0]"), "{text}");
        assert!(!text.contains("closed by this client") && error.possibly_written(), "{text}");
    }
}

/// Fault C9.
#[test]
fn metadata_that_cannot_be_read_is_told_to_whoever_waits_for_it() {
    let cluster = cluster(1);
    cluster.rewrite_answers(|answer| match answer.api {
        Api::Metadata => Rewritten::Body(answer.body[..9].to_vec()),
        _ => Rewritten::Unchanged,
    });
    let producer = producer(&cluster, &[("max.block.ms", "2500")]);
    let error = producer.send(to_first("v")).unwrap_err();
    assert!(error.to_string().contains("Metadata v") && error.to_string().contains("brokers"), "{error}");
}

/// Fault C10.
#[test]
fn control_characters_in_a_host_name_are_escaped_wherever_it_is_told() {
    listen_to_all();
    let cluster = cluster(1);
    cluster.advertise(1, "evil\n\u{1b}[31m\u{202e}host", 9092);
    let more = [("delivery.timeout.ms", "2500"), ("request.timeout.ms", "2000"), ("linger.ms", "0")];
    let producer = producer(&cluster, &more);
    let error = producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap_err().to_string();
    let raw = |text: &String| text.contains(|c: char| c.is_control() || c == '\u{202e}');
    assert!(error.contains("evil\\n\\u{1b}[31m\\u{202e}host:9092") && !raw(&error), "{error}");
    let told = logged(Level::Debug, "evil");
    assert!(!told.is_empty() && !told.iter().any(raw), "{told:#?}");
}

/// Fault A8.
#[test]
fn the_way_in_is_closed_once_the_brokers_are_known_elsewhere() {
    let cluster = cluster(1);
    let servers = cluster.bootstrap_servers().replace("127.0.0.1", "localhost");
    let producer: TextProducer = KafkaProducer::new(config(&servers, &[("linger.ms", "0")])).unwrap();
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    wait_until("one connection is left", || cluster.connections_open() == 1);
    producer.send(to_first("v")).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(cluster.connections_accepted(), 2);
}

/// Behaviour 117.
#[test]
fn the_way_in_is_the_connection_to_the_broker_that_is_found_there() {
    let cluster = three_brokers(3);
    let producer = producer(&cluster, &[("linger.ms", "0")]);
    for partition in 0..3 {
        let record = ProducerRecord::new("t", "v").with_partition(partition);
        producer.send(record).unwrap().get_timeout(AGES).unwrap();
    }
    assert_eq!((cluster.connections_accepted(), cluster.connections_open()), (3, 3));
}

/// Half an answer, one that nobody asked for, the same one twice, and the end: at each step of a connection.
#[test]
fn what_is_no_answer_ends_its_connection_and_the_next_one_does_the_work() {
    let apis = [Api::ApiVersions, Api::Metadata, Api::InitProducerId, Api::Produce];
    for api in apis {
        for kind in 0..6 {
            let cluster = cluster(1);
            let mut times = 2;
            cluster.rewrite_answers(move |answer| {
                if answer.api != api || times == 0 {
                    return Rewritten::Unchanged;
                }
                times -= 1;
                let frame = answer.frame(answer.correlation_id, answer.body);
                match kind {
                    0 => Rewritten::Close(frame[..frame.len() / 2].to_vec()),
                    1 => Rewritten::Close(Vec::new()),
                    2 => Rewritten::Raw([frame.clone(), frame].concat()),
                    3 => Rewritten::Raw(answer.frame(answer.correlation_id + 1, answer.body)),
                    4 => Rewritten::Raw(frame[..frame.len() / 2].to_vec()),
                    _ => Rewritten::Pieces(
                        frame.chunks(7).map(|part| (Duration::from_millis(1), part.to_vec())).collect(),
                    ),
                }
            });
            let producer = producer(&cluster, &[("linger.ms", "0"), ("request.timeout.ms", "300")]);
            for number in 0..3 {
                let record = to_first(number.to_string());
                if let Err(error) = producer.send(record).unwrap().get_timeout(AGES) {
                    panic!("{api:?}, {kind}: {error}");
                }
            }
            assert_eq!(values(&cluster, "t", 0), ["0", "1", "2"], "{api:?}, {kind}");
        }
    }
}

#[test]
fn a_broker_that_comes_back_elsewhere_again_and_again_is_followed() {
    let cluster = cluster(1);
    let broker = cluster.broker_address(1).unwrap();
    let producer = producer(&cluster, &[("linger.ms", "0"), ("metadata.max.age.ms", "20")]);
    for number in 0..20 {
        let way = Balancer::before(broker.clone());
        cluster.advertise(1, "127.0.0.1", way.address.port());
        thread::sleep(Duration::from_millis(40));
        producer.send(to_first(number.to_string())).unwrap().get_timeout(AGES).unwrap();
    }
    wait_until("the earlier ways are closed", || cluster.connections_open() <= 2);
    assert_eq!(values(&cluster, "t", 0).len(), 20);
}
