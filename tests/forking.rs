//! `fork`: a child has its parent's producers and none of their threads. Every call says so at once, and the parent goes on.

#![cfg(test)]
#![cfg(unix)]

mod support;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fork::Fork;
use kafka_embedded::{EmbeddedCluster, TelemetryOptions};
use kafka_producer::{
    Cluster, ConsumerGroupMetadata, ErrorKind, Headers, InterceptedRecord, InterceptorError, KafkaProducer,
    Metrics, MetricsReporter, OffsetAndMetadata, PartitionRequest, Partitioner, PartitionerError,
    PreparedTxnState, ProducerInterceptor, ProducerRecord, Serializer, SerializerError, TopicPartition,
};
use support::{AGES, SOON, assert_holds_exactly, cluster, producer, send_numbered, to_first};

/// What a forked child says. It ends when it has said it; one that hangs is ended.
fn in_a_child(body: impl FnOnce() -> String) -> String {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    match fork::fork().unwrap() {
        Fork::Child => {
            let said = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| String::from("panicked"));
            let _ = there.write_all(said.as_bytes());
            std::process::exit(0)
        }
        Fork::Parent(child) => {
            drop(there);
            here.set_read_timeout(Some(AGES)).unwrap();
            let mut said = String::new();
            let read = here.read_to_string(&mut said);
            let child = rustix::process::Pid::from_raw(child).unwrap();
            let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
            read.unwrap_or_else(|error| panic!("the child hangs, and has said {said:?}: {error}"));
            said
        }
    }
}

/// Fault A5.
#[test]
fn in_a_child_every_call_is_an_error_at_once_and_the_parent_goes_on() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let answered = producer.send(to_first("000000")).unwrap();
    answered.get_timeout(AGES).unwrap();
    // The open batch has room: nothing would keep a record of the child's out of it.
    let open = producer.send(to_first("000001")).unwrap();
    let servers = cluster.bootstrap_servers();
    let said = in_a_child(|| {
        let begun = Instant::now();
        let record = to_first("x");
        let send = producer.send(&record).unwrap_err();
        assert_eq!(send.kind(), ErrorKind::Forked, "{send}");
        assert_eq!(record, to_first("x"));
        let kinds = [
            producer.try_send(to_first("x")).unwrap_err().kind(),
            producer.send_with_callback(to_first("x"), |_| {}).unwrap_err().kind(),
            producer.send(ProducerRecord::new("unknown", "x")).unwrap_err().kind(),
            open.get().unwrap_err().kind(),
            open.get_timeout(AGES).unwrap_err().kind(),
            open.try_get().unwrap().unwrap_err().kind(),
            producer.flush().unwrap_err().kind(),
            producer.partitions_for("t").unwrap_err().kind(),
            producer.close().unwrap_err().kind(),
            producer.close_timeout(Duration::from_secs(1)).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Forked; 10]);
        assert!(open.is_done(), "who asks in a circle gets on");
        assert!(
            producer.metrics().is_empty(),
            "no lock is taken that another thread of the parent may have had"
        );
        assert_eq!(answered.get().unwrap().offset(), Some(0), "what is known is known");
        let other = producer.clone();
        drop((producer, other));
        let took = begun.elapsed();
        assert!(took < SOON, "{took:?}");
        // One of its own works.
        let own = support::config(&servers, &[]);
        let own = kafka_producer::KafkaProducer::<str, str>::new(own).unwrap();
        own.send(to_first("of the child")).unwrap().get_timeout(AGES).unwrap();
        own.close().unwrap();
        String::from("all is well")
    });
    assert_eq!(said, "all is well");
    let values = support::values(&cluster, "t", 0);
    assert!(values.contains(&"of the child".to_owned()) && !values.contains(&"x".to_owned()), "{values:?}");
    assert_eq!(values.len(), 3);
}

/// A guard that the child drops, or a call that it makes, leaves the parent's transaction as it is.
/// Fault A5.
#[test]
fn in_a_child_no_call_of_transactions_does_anything_and_the_parent_commits() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("transactional.id", "orders")]);
    producer.init_transactions().unwrap();
    // Of the child's and of the parent's each has its own from the fork on.
    let mut open = Some(producer.begin().unwrap());
    open.as_ref().unwrap().send(to_first("000000")).unwrap();
    let said = in_a_child(|| {
        let begun = Instant::now();
        let transaction = open.take().unwrap();
        let group = ConsumerGroupMetadata::new("billing");
        let offsets = HashMap::from([(TopicPartition::new("t", 0), OffsetAndMetadata::new(1))]);
        let outcomes = [
            producer.init_transactions(),
            producer.begin_transaction(),
            producer.begin().map(drop),
            transaction.send_offsets(&offsets, &group),
            transaction.send(to_first("x")).map(drop),
            producer.complete_transaction(&PreparedTxnState::default()),
            producer.commit_transaction(),
            producer.abort_transaction(),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Forked, "{error}");
        }
        drop(transaction);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        String::from("all is well")
    });
    assert_eq!(said, "all is well");
    open.unwrap().commit().unwrap();
    assert_eq!(cluster.committed_records("t").len(), 1);
}

/// Fault A5.
#[test]
fn the_parent_does_not_notice_that_it_was_forked() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let futures = send_numbered(&producer, 0..10);
    for _ in 0..3 {
        let (handle, futures) = (producer.clone(), futures.clone());
        let said = in_a_child(move || {
            drop((handle, futures));
            String::from("dropped")
        });
        assert_eq!(said, "dropped");
    }
    producer.flush().unwrap();
    futures.iter().for_each(|future| drop(future.try_get().unwrap().unwrap()));
    send_numbered(&producer, 10..20);
    producer.close().unwrap();
    assert_holds_exactly(&cluster, 20);
}

/// Fault A5.
/// There the child's only thread is a copy of the sender thread.
#[test]
fn a_callback_may_fork_and_records_are_still_there_once() {
    let cluster = cluster(1);
    let producer = producer(&cluster, &[("linger.ms", "10000")]);
    let called = Arc::new(AtomicUsize::new(0));
    let parent = std::process::id();
    for number in 0..3 {
        let called = Arc::clone(&called);
        let sent = producer.send_with_callback(to_first(format!("{number:06}")), move |_| {
            if number == 1 && std::process::id() == parent {
                // The child goes on in the sender's loop, which has to let it end.
                let _ = fork::fork();
            }
            called.fetch_add(1, Ordering::Relaxed);
        });
        sent.unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(called.load(Ordering::Relaxed), 3);
    for number in 3..20 {
        producer.send(to_first(format!("{number:06}"))).unwrap().get_timeout(AGES).unwrap();
    }
    producer.close().unwrap();
    assert_holds_exactly(&cluster, 20);
}

/// Forks at the first record that it sees.
#[derive(Default)]
struct Forks {
    is_forked: AtomicBool,
}

impl Forks {
    fn fork(&self) {
        if !self.is_forked.swap(true, Ordering::Relaxed) {
            fork::fork().unwrap();
        }
    }
}

impl Serializer<str> for Forks {
    fn serialize<'a>(
        &'a self,
        _topic: &str,
        _headers: &mut Headers,
        value: &'a str,
        _out: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, SerializerError> {
        self.fork();
        Ok(Some(value.as_bytes()))
    }
}

impl Partitioner for Forks {
    fn partition(&self, _: &PartitionRequest<'_>, _: &Cluster) -> Result<i32, PartitionerError> {
        self.fork();
        Ok(0)
    }
}

impl ProducerInterceptor<str, str> for Forks {
    fn on_send(&self, _: &mut InterceptedRecord<'_, str, str>) -> Result<(), InterceptorError> {
        self.fork();
        Ok(())
    }
}

/// Fault A5. The child comes back from there into the midst of `send`, where nothing may be touched that one of the
/// parent's threads may have locked.
#[test]
fn a_serializer_a_partitioner_or_an_interceptor_may_fork_and_the_child_is_told_so() {
    for what in ["serializer", "partitioner", "interceptor"] {
        let cluster = cluster(1);
        let builder = KafkaProducer::<str, str>::builder(support::config(&cluster.bootstrap_servers(), &[]));
        let builder = match what {
            "serializer" => builder.value_serializer(Forks::default()),
            "partitioner" => builder.partitioner(Forks::default()),
            _ => builder.interceptor(Forks::default()),
        };
        let producer = builder.build().unwrap();
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let parent = std::process::id();
        let sent = producer.send(ProducerRecord::new("t", "000000"));
        if std::process::id() != parent {
            let said = sent.map_or_else(|error| format!("{:?}", error.kind()), |_| String::from("accepted"));
            let _ = there.write_all(said.as_bytes());
            std::process::exit(0)
        }
        drop(there);
        here.set_read_timeout(Some(AGES)).unwrap();
        let mut said = String::new();
        here.read_to_string(&mut said).unwrap();
        assert_eq!(said, "Forked", "{what}");
        sent.unwrap().get_timeout(AGES).unwrap();
        producer.close().unwrap();
        assert_holds_exactly(&cluster, 1);
    }
}

/// A cluster that wants to be told of its clients, often.
fn curious() -> EmbeddedCluster {
    let options = TelemetryOptions::new().interval(Duration::from_millis(5));
    EmbeddedCluster::builder().topic("t", 1).telemetry(options).start().unwrap()
}

/// Those that said that they were the last ones.
fn last_pushes(cluster: &EmbeddedCluster) -> usize {
    cluster.telemetry_pushes().iter().filter(|push| push.terminating).count()
}

/// One that does not end by itself is ended with this.
struct ForkedChild(rustix::process::Pid);

impl Drop for ForkedChild {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, rustix::process::Signal::KILL);
    }
}

struct Reports(Arc<AtomicUsize>);

impl MetricsReporter for Reports {
    fn interval(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn report(&mut self, _metrics: &Metrics) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Fault A5. A child that told the cluster something, a farewell above all, would tell it in the name of the parent's client.
#[test]
fn a_child_tells_the_cluster_and_the_reporters_nothing_of_the_parents_producer() {
    let cluster = curious();
    let servers = cluster.bootstrap_servers();
    let reports = Arc::new(AtomicUsize::new(0));
    let builder = KafkaProducer::<str, str>::builder(support::config(&servers, &[])).default_serializers();
    let producer = builder.metrics_reporter(Reports(Arc::clone(&reports))).build().unwrap();
    producer.send(to_first("000000")).unwrap().get_timeout(AGES).unwrap();
    let id = producer.client_instance_id(AGES).unwrap();
    support::wait_until("pushes and reports", || {
        !cluster.telemetry_pushes().is_empty() && reports.load(Ordering::Relaxed) > 0
    });
    let handle = producer.clone();
    let said = in_a_child(|| {
        let (begun, reported) = (Instant::now(), reports.load(Ordering::Relaxed));
        let error = handle.client_instance_id(AGES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forked, "{error}");
        drop((handle, producer.clone()));
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!(reports.load(Ordering::Relaxed), reported);
        // One of its own is another client.
        let own = KafkaProducer::<str, str>::new(support::config(&servers, &[])).unwrap();
        let own_id = own.client_instance_id(AGES).unwrap();
        own.close_timeout(Duration::ZERO).unwrap();
        own_id.to_string()
    });
    assert!(said.len() == id.to_string().len() && said != id.to_string(), "{said} {id}");
    let of_ours = || cluster.telemetry_pushes().into_iter().filter(|push| push.client_instance_id == id.0);
    let ends = || of_ours().filter(|push| push.terminating).count();
    let (count, reported) = (of_ours().count(), reports.load(Ordering::Relaxed));
    support::wait_until("the parent goes on", || {
        of_ours().count() > count + 1 && reports.load(Ordering::Relaxed) > reported
    });
    assert_eq!(ends(), 0);
    producer.close().unwrap();
    assert_eq!(ends(), 1);
}

/// Fault A5. The child's only thread is a copy of the sender thread, which pushes.
#[test]
fn a_callback_may_fork_and_the_cluster_is_told_of_one_producer_that_ends_once() {
    let cluster = curious();
    let producer = producer(&cluster, &[]);
    let id = producer.client_instance_id(AGES).unwrap();
    let (parent, child) = (std::process::id(), Arc::new(AtomicI32::new(0)));
    let forked = Arc::clone(&child);
    let fork = move |_| {
        if let Fork::Parent(child) = fork::fork().unwrap() {
            assert_eq!(std::process::id(), parent);
            forked.store(child, Ordering::Relaxed);
        }
    };
    producer.send_with_callback(to_first("000000"), fork).unwrap().get_timeout(AGES).unwrap();
    support::wait_until("the fork", || child.load(Ordering::Relaxed) != 0);
    let child = ForkedChild(rustix::process::Pid::from_raw(child.load(Ordering::Relaxed)).unwrap());
    support::wait_until("the child's end", || {
        rustix::process::waitpid(Some(child.0), rustix::process::WaitOptions::NOHANG).unwrap().is_some()
    });
    std::mem::forget(child);
    assert_eq!(last_pushes(&cluster), 0);
    let count = cluster.telemetry_pushes().len();
    support::wait_until("the parent goes on", || cluster.telemetry_pushes().len() > count + 1);
    producer.close().unwrap();
    assert_eq!(last_pushes(&cluster), 1);
    assert!(cluster.telemetry_pushes().iter().all(|push| push.client_instance_id == id.0));
}
