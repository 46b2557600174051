//! The calls of `KafkaProducer` that every program makes: sending, flushing, closing, and what there is to ask.
//!
//! Owns: their documentation, and what each waits for. Must not know: batches, requests, connections; how a record is sent
//! (`send.rs`), how a producer is closed (`mod.rs`).
//! Threads: every call on any application thread, through `&self`.

use std::time::Duration;

use crate::accumulator::BlockBudget;
use crate::cluster::PartitionInfo;
use crate::completion::{NoCallback, NoPlace, OwnCallback, RecordFuture, is_in_callback, not_in_callback};
use crate::counted::Counted;
use crate::error::{Error, ErrorKind};
use crate::mailbox::Event;
use crate::metadata::check_topic;
use crate::producer::{CloseReport, KafkaProducer};
use crate::record::{AsRecord, RecordMetadata, TopicName};

impl<K: ?Sized + 'static, V: ?Sized + 'static> KafkaProducer<K, V> {
    /// Sends a record: serializes it, chooses its partition, and puts it into that partition's batch. The sender
    /// thread does the rest; the future gives the outcome.
    ///
    /// The record is given by value or by reference: `send(&record)` leaves it with the caller, who can send it again,
    /// through this producer or another, or put it aside.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{Error, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord};
    ///
    /// fn place(
    ///     producer: &KafkaProducer<str, str>,
    ///     topic: &str,
    ///     customer: &str,
    ///     order: &String,
    /// ) -> Result<(), Error> {
    ///     producer.send(ProducerRecord::new(topic, order).with_key(customer))?;
    ///     Ok(())
    /// }
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let config = ProducerConfig::new()
    ///     .bootstrap_servers(&cluster.bootstrap_servers())
    ///     .max_request_size(1000);
    /// let producer =
    ///     KafkaProducer::<str, str>::builder(config).default_serializers().build()?;
    /// place(&producer, "orders", "customer-7", &String::from("two apples"))?;
    ///
    /// let record = ProducerRecord::new("orders", "apple ".repeat(1000));
    /// let refused = producer.send(&record).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::RecordTooLarge);
    /// std::fs::write(std::env::temp_dir().join("refused-order"), record.value())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Blocks in two cases, and for at most `max.block.ms` in both together: for the topic's metadata, when a topic is
    /// used for the first time, and for memory, while `buffer.memory` is full. In a callback, of this or any other
    /// producer, it never blocks.
    ///
    /// # Errors
    /// `Err` means that the record was **not accepted**: nothing was queued. By kind: `Serialization`, `Partitioning`,
    /// `Timeout` (metadata or memory, after `max.block.ms`), `UnknownTopicOrPartition`, `Interrupted`, `RecordTooLarge`,
    /// `InvalidRecord`, `InvalidTopic`, `Authentication`, `Authorization`, `UnsupportedVersion`, `Closed`, `WouldBlock` in
    /// a callback, `IllegalState` outside of a transaction when there is a `transactional.id`, `Forked` in a forked child,
    /// and whatever has ended this producer ([`is_fatal`](Error::is_fatal)).
    /// `Ok` means **accepted**: exactly one outcome follows, within `delivery.timeout.ms`.
    ///
    /// Java puts some of these errors into the future instead; here `send` returns all of them.
    #[doc(alias = "produce")]
    #[doc(alias = "rd_kafka_produce")]
    #[doc(alias = "publish")]
    #[doc(alias = "fire and forget")]
    pub fn send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error> {
        record
            .view(|record| self.core.do_send(record, NoCallback, self.core.block_budget()))
            .map(RecordFuture::new)
    }

    /// As [`send`](Self::send), for a program that never asks what becomes of the record: fire and forget. It is cheaper than
    /// dropping the future of `send`, by about a tenth, and does the same for the record: it is retried, kept in order, and
    /// waited for by `flush` and `close`. A record that fails later is told to interceptors and
    /// counted in the metric `record-error-total`, and to nobody else; a transaction with such a record cannot be committed.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("clicks", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// for page in ["home", "apples", "basket"] {
    ///     producer.send_and_forget(ProducerRecord::new("clicks", page))?;
    /// }
    /// producer.close()?; // all of them are in the log
    /// assert_eq!(cluster.records("clicks").len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Blocks where `send` does.
    ///
    /// # Errors
    /// As `send`: the record was not accepted.
    #[doc(alias = "fire and forget")]
    pub fn send_and_forget<By>(&self, record: impl AsRecord<K, V, By>) -> Result<(), Error> {
        let sent = record.view(|record| self.core.do_send(record, NoCallback, self.core.block_budget()));
        sent.map(|(NoPlace, _)| ())
    }

    /// As [`send`](Self::send), and calls `callback` with the outcome.
    ///
    /// The callback runs on the sender thread, in the order of `send` for each partition, before `get` returns. It
    /// must be quick: while it runs nothing is sent. It may `send`, which then never blocks; calls that would wait for
    /// records of this or any other producer (`get`, `flush`) are an error there, since they would wait for ever. A callback
    /// that panics is logged, and the others run all the same. Nobody has to poll for callbacks to run.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// let (failures, failed) = std::sync::mpsc::channel();
    /// for order in ["two apples", "a pear"] {
    ///     let failures = failures.clone();
    ///     producer.send_with_callback(ProducerRecord::new("orders", order), move |outcome| {
    ///         if let Err(error) = outcome {
    ///             let _ = failures.send((order, error)); // handled on another thread
    ///         }
    ///     })?;
    /// }
    /// producer.flush()?; // both callbacks have run
    /// assert_eq!((failed.try_iter().count(), cluster.records("orders").len()), (0, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As `send`; the callback is then dropped without being called.
    #[doc(alias = "delivery report")]
    #[doc(alias = "poll")]
    #[doc(alias = "rd_kafka_poll")]
    #[doc(alias = "dr_msg_cb")]
    #[doc(alias = "asynchronous")]
    pub fn send_with_callback<By>(
        &self,
        record: impl AsRecord<K, V, By>,
        callback: impl FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    ) -> Result<RecordFuture, Error> {
        let callback = OwnCallback::new(Some(callback));
        record
            .view(|record| self.core.do_send(record, callback, self.core.block_budget()))
            .map(RecordFuture::new)
    }

    /// As [`send`](Self::send), but never blocks.
    ///
    /// # Errors
    /// As `send`, with [`WouldBlock`](ErrorKind::WouldBlock) where `send` would wait. The topic's metadata is then
    /// fetched all the same, so that trying again later works.
    #[doc(alias = "non-blocking")]
    #[doc(alias = "QUEUE_FULL")]
    pub fn try_send<By>(&self, record: impl AsRecord<K, V, By>) -> Result<RecordFuture, Error> {
        record
            .view(|record| self.core.do_send(record, NoCallback, BlockBudget::nothing()))
            .map(RecordFuture::new)
    }

    /// Sends everything that was accepted before this call, without waiting out `linger.ms`, and blocks until it is
    /// answered: at most `delivery.timeout.ms`, and as long as callbacks run. It does not wait for records that are sent
    /// meanwhile.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// for order in ["two apples", "a pear"] {
    ///     producer.send_with_callback(ProducerRecord::new("orders", order), |outcome| {
    ///         println!("{outcome:?}")
    ///     })?;
    /// }
    /// producer.flush()?; // both callbacks have run
    /// assert_eq!(cluster.records("orders").len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Interrupted`](ErrorKind::Interrupted), and [`IllegalState`](ErrorKind::IllegalState) in a callback, of this or
    /// any other producer; [`Forked`](ErrorKind::Forked). A record that fails is no error of `flush`: its future and its
    /// callback have the outcome.
    #[doc(alias = "drain")]
    #[doc(alias = "rd_kafka_flush")]
    pub fn flush(&self) -> Result<(), Error> {
        self.core.timed(|calls| &mut calls.flush, || self.core.flush(None))
    }

    /// As [`flush`](Self::flush), but blocks no longer than `timeout`. What is not answered by then goes on its way.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::{Api, EmbeddedCluster};
    /// use kafka_producer::{ErrorKind, KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// cluster.delay(Api::Produce, Duration::from_millis(300), 1); // a slow broker
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    ///
    /// let future = producer.send(ProducerRecord::new("orders", "two apples"))?;
    /// let late = producer.flush_timeout(Duration::from_millis(50)).unwrap_err();
    /// assert_eq!((late.kind(), producer.in_flight()), (ErrorKind::Timeout, 1));
    ///
    /// producer.flush_timeout(Duration::from_secs(60))?;
    /// assert_eq!((future.get()?.offset(), producer.in_flight()), (Some(0), 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As `flush`, and [`Timeout`](ErrorKind::Timeout).
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.core.timed(|calls| &mut calls.flush, || self.core.flush(Some(timeout)))
    }

    /// Refuses new records, sends everything that was accepted, and blocks until it is answered: at most
    /// `delivery.timeout.ms` and a second or two. Then interceptors, serializers and the partitioner are closed, on the
    /// producer's thread, and `close` waits for that, too. Closing twice, or from several threads, is fine.
    ///
    /// In a callback it is a close with time-out 0, as in Java: it does not wait, and what is not answered yet fails. In a
    /// callback of another producer it does not wait either, and what was accepted goes on its way.
    ///
    /// # Errors
    /// [`Interrupted`](ErrorKind::Interrupted): the producer goes on closing, and `close` may be called again.
    /// [`Timeout`](ErrorKind::Timeout): a callback is still running and holds up the others; they are called when it has
    /// returned. [`Forked`](ErrorKind::Forked).
    pub fn close(&self) -> Result<(), Error> {
        let report = self.core.close(None)?;
        if (report.callback_running || report.unanswered > 0) && !is_in_callback() {
            let what = if report.callback_running { "a callback is still running" } else { "time is over" };
            let unanswered = Counted(report.unanswered, "record");
            let text =
                format!("close: {what}, with {unanswered} not answered yet; the producer goes on closing");
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        Ok(())
    }

    /// As [`close`](Self::close), but after `timeout` everything that is not answered yet fails with an error of kind
    /// [`Closed`](ErrorKind::Closed). With 0 that is at once.
    ///
    /// It returns in time, whatever a callback does: what is still to be answered then, and that a callback is running, is
    /// in the report. Where anything is given up or left unanswered, a warning in the log says so as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kafka_embedded::{Api, EmbeddedCluster, Fault};
    /// use kafka_producer::{KafkaProducer, ProducerRecord};
    ///
    /// let cluster = EmbeddedCluster::builder().topic("orders", 1).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// producer.send(ProducerRecord::new("orders", "two apples"))?.get()?;
    ///
    /// cluster.inject(Fault::drop_answer(Api::Produce).always()); // the broker falls silent
    /// producer.send(ProducerRecord::new("orders", "a pear"))?;
    /// let report = producer.close_timeout(Duration::from_millis(200))?;
    /// assert_eq!((report.delivered, report.abandoned), (0, 1)); // since then
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Interrupted` and `Forked`, as `close`.
    pub fn close_timeout(&self, timeout: Duration) -> Result<CloseReport, Error> {
        self.core.close(Some(timeout))
    }

    /// How many records were accepted and have no outcome yet, whether they are queued or on their way to a broker. Does
    /// not block; it looks at each partition that has such records.
    #[doc(alias = "outq_len")]
    #[doc(alias = "queued")]
    pub fn in_flight(&self) -> u64 {
        if self.core.process.is_another_process() { 0 } else { self.core.unanswered() }
    }

    /// How many bytes of `buffer.memory` are taken by records that have no outcome yet. Batches reserve memory before they
    /// are full, so this is somewhat more than the size of the records. Does not block.
    #[doc(alias = "buffer-available-bytes")]
    pub fn buffered_bytes(&self) -> usize {
        let pool = self.core.accumulator.pool();
        if self.core.process.is_another_process() { 0 } else { pool.total() - pool.free() }
    }

    /// The topic's partitions with their leaders and replicas. Blocks up to `max.block.ms` for a topic that is not known
    /// yet, and at no other time. To call it when a program starts also saves the first `send` the wait.
    ///
    /// ```
    /// use kafka_embedded::EmbeddedCluster;
    /// use kafka_producer::KafkaProducer;
    ///
    /// let cluster = EmbeddedCluster::builder().brokers(3).topic("orders", 6).start()?;
    /// let producer = KafkaProducer::<str, str>::connect(&cluster.bootstrap_servers())?;
    /// let partitions = producer.partitions_for("orders")?;
    /// assert_eq!(partitions.len(), 6);
    /// assert!(partitions.iter().all(|partition| partition.leader().is_some()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Timeout`, `UnknownTopicOrPartition`, `Interrupted`, `InvalidTopic`, `Authentication`, `Authorization`, `Closed`;
    /// `IllegalState` in a callback; `Forked`.
    #[doc(alias = "partitionsFor")]
    #[doc(alias = "rd_kafka_metadata")]
    #[doc(alias = "fetch_metadata")]
    pub fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>, Error> {
        self.core.check_process()?;
        not_in_callback("partitions_for()")?;
        let topic = TopicName::from(topic);
        check_topic(&topic)?;
        let tell = || self.core.accumulator.mailbox().push(Event::Turn, None);
        let wait = || self.core.metadata.wait_for_topic(&topic, None, self.core.settings.max_block, tell);
        self.core.timed(|calls| &mut calls.metadata_wait, wait)?;
        let cluster = self.core.metadata.cluster();
        Ok(cluster.topic(&topic).map(|info| info.partitions.clone()).unwrap_or_default())
    }

    /// Reads the key and trust stores (`ssl.keystore.*`, `ssl.truststore.*`) again, now, whether their files have changed
    /// or not. New connections use them; connections that are open are not changed. Blocks as long as reading takes.
    ///
    /// It is seldom needed, since files that have changed are read again before each new connection anyway. But it tells
    /// at once whether they can be used, and it also reads the operating system's trust store again, if that is used.
    ///
    /// ```no_run
    /// # use kafka_producer::KafkaProducer;
    /// # fn rotated(producer: &KafkaProducer<str, str>) {
    /// if let Err(error) = producer.reload_credentials() {
    ///     eprintln!("the new certificates cannot be used, the old ones are kept: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config): they cannot be used, and the ones before are kept. [`Forked`](ErrorKind::Forked).
    #[doc(alias = "rotate")]
    #[doc(alias = "certificate")]
    pub fn reload_credentials(&self) -> Result<(), Error> {
        self.core.check_process()?;
        self.core.channels.reload()
    }
}
