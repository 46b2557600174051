//! `EmbeddedCluster`: the handle that programs have of a running cluster.
//!
//! Owns: the public calls, each under the rules' lock. Must not know: how a request is answered.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[cfg(feature = "tls")]
use super::TlsServer;
use super::server::Server;
use super::{
    Api, BatchHeader, BrokerAnswer, BrokerError, ClusterRules, CommittedOffset, EmbeddedClusterBuilder,
    EmbeddedRecord, Fault, OpenTransaction, Rewritten, SeenLogin, SeenProduce, SeenPush, TelemetryOptions,
    TopicConfig,
};

/// A running cluster. Dropping it closes all connections and ends all its threads.
#[derive(Debug)]
pub struct EmbeddedCluster {
    server: Server,
}

impl EmbeddedCluster {
    /// Settings of a new cluster: one broker and no topics unless they say otherwise.
    #[must_use]
    pub fn builder() -> EmbeddedClusterBuilder {
        EmbeddedClusterBuilder::new()
    }

    fn start(settings: &EmbeddedClusterBuilder) -> io::Result<Self> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        let rules = settings.clone().rules(Instant::now(), unix_ms);
        let rules = rules.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        #[cfg(feature = "tls")]
        let tls = settings.tls.clone().map(TlsServer::new).transpose()?;
        #[cfg(not(feature = "tls"))]
        let tls = None;
        Ok(Self { server: Server::start(rules, tls)? })
    }

    /// The TLS of the brokers: what clients have to trust, certificates for clients, faults; `None` if the cluster was
    /// built without.
    ///
    /// ```
    /// use kafka_embedded::{EmbeddedCluster, TlsOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = EmbeddedCluster::builder().tls(TlsOptions::new()).start()?;
    /// let tls = cluster.tls().ok_or("no TLS")?;
    /// let properties = [
    ///     ("security.protocol", "SSL".to_owned()),
    ///     ("ssl.truststore.type", "PEM".to_owned()),
    ///     ("ssl.truststore.certificates", tls.trusted_pem()),
    /// ];
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<&TlsServer> {
        self.server.tls()
    }

    /// The addresses of all brokers, as for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<String> = self.server.addresses().map(|address| address.to_string()).collect();
        addresses.join(",")
    }

    /// The address of one broker, as `host:port`; `None` if there is no such broker.
    #[must_use]
    pub fn broker_address(&self, broker: i32) -> Option<String> {
        self.server.with_rules(|rules| rules.address(broker).map(|(host, port)| format!("{host}:{port}")))
    }

    /// All records of a topic, partition by partition in the order of their offsets, those of compressed batches, too.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<EmbeddedRecord> {
        self.server.with_rules(|rules| rules.records(topic))
    }

    /// The records of a topic as consumers with `isolation.level=read_committed` get them: those of aborted transactions are
    /// not among them, and a partition ends where its first open transaction begins.
    #[must_use]
    pub fn committed_records(&self, topic: &str) -> Vec<EmbeddedRecord> {
        self.server.with_rules(|rules| rules.committed_records(topic))
    }

    /// The offsets that a consumer group has committed in transactions, by topic and partition; those of open transactions are
    /// not among them.
    #[must_use]
    pub fn committed_offsets(&self, group: &str) -> Vec<CommittedOffset> {
        self.server.with_rules(|rules| rules.committed_offsets(group))
    }

    /// The transactions that are open or are being completed, by transactional id.
    #[must_use]
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.server.with_rules(|rules| rules.open_transactions())
    }

    /// The broker that coordinates a transactional id: by the hash of the id, the next one if that is stopped, or where it was
    /// [moved](Self::move_coordinator). `None` if all are stopped.
    #[must_use]
    pub fn coordinator(&self, transactional_id: &str) -> Option<i32> {
        self.server.with_rules(|rules| rules.coordinator(transactional_id))
    }

    /// The broker that coordinates a consumer group, as [`coordinator`](Self::coordinator).
    #[must_use]
    pub fn group_coordinator(&self, group: &str) -> Option<i32> {
        self.server.with_rules(|rules| rules.group_coordinator(group))
    }

    /// Makes a broker the coordinator of a transactional id; the one before answers NOT_COORDINATOR from now on. Nothing
    /// happens if the broker is stopped.
    pub fn move_coordinator(&self, transactional_id: &str, broker: i32) {
        self.server.with_rules(|rules| rules.move_coordinator(transactional_id, broker));
    }

    /// Makes a broker the coordinator of a consumer group, as [`move_coordinator`](Self::move_coordinator).
    pub fn move_group_coordinator(&self, group: &str, broker: i32) {
        self.server.with_rules(|rules| rules.move_group_coordinator(group, broker));
    }

    /// Sets the epoch of a transactional id, as after that many transactions: the next InitProducerId gives the epoch after
    /// it. After epoch 32766 there is a new producer id.
    pub fn set_producer_epoch(&self, transactional_id: &str, epoch: i16) {
        self.server.with_rules(|rules| rules.set_producer_epoch(transactional_id, epoch));
    }

    /// Changes the level of `transaction.version`, 0 to 2, as an upgrade does; returns `false` for other levels. Clients learn
    /// it by ApiVersions, on their next connection. From now on the coordinator fences by this protocol; it answers each
    /// producer by the protocol of its requests.
    pub fn set_transaction_version(&self, level: i16) -> bool {
        self.server.with_rules(|rules| rules.set_transaction_version(level))
    }

    /// A consumer group is in this generation from now on, with this member (and its `group.instance.id`) in it beside those
    /// that were named before. Offsets that others commit in a transaction, or in another generation, are answered with
    /// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or ILLEGAL_GENERATION, unless the request names no member at all. Anybody may
    /// commit the offsets of a group for which this was not called.
    pub fn set_group_member(&self, group: &str, generation: i32, member: &str, instance: Option<&str>) {
        self.server.with_rules(|rules| rules.set_group_member(group, generation, member, instance));
    }

    /// Forgets the generation and the members of a consumer group: anybody may commit its offsets again.
    pub fn forget_group_members(&self, group: &str) {
        self.server.with_rules(|rules| rules.forget_group_members(group));
    }

    /// The metrics that clients have pushed, in order. Without [`telemetry`](EmbeddedClusterBuilder::telemetry) there are none.
    #[must_use]
    pub fn telemetry_pushes(&self) -> Vec<SeenPush> {
        self.server.with_rules(|rules| rules.telemetry_pushes().to_vec())
    }

    /// Wants something else of clients from now on. Nothing, where the cluster was built without
    /// [`telemetry`](EmbeddedClusterBuilder::telemetry).
    pub fn set_telemetry(&self, options: TelemetryOptions) {
        self.server.with_rules(|rules| rules.set_telemetry(options));
    }

    /// The headers of the batches of a partition, in order.
    #[must_use]
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<BatchHeader> {
        self.server.with_rules(|rules| rules.batches(topic, partition))
    }

    /// The bytes of the batches of a partition, as a consumer gets them.
    #[must_use]
    pub fn batch_bytes(&self, topic: &str, partition: i32) -> Vec<Vec<u8>> {
        self.server.with_rules(|rules| rules.batch_bytes(topic, partition))
    }

    /// The offset that the next record of a partition gets.
    #[must_use]
    pub fn end_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.server.with_rules(|rules| rules.end_offset(topic, partition))
    }

    /// The broker that leads a partition; `None` if none does.
    #[must_use]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.server.with_rules(|rules| rules.leader(topic, partition))
    }

    /// The id of a topic.
    #[must_use]
    pub fn topic_id(&self, topic: &str) -> Option<[u8; 16]> {
        self.server.with_rules(|rules| rules.topic_id(topic))
    }

    /// Makes something go wrong: see [`Fault`].
    pub fn inject(&self, fault: Fault) {
        self.server.with_rules(|rules| rules.inject(fault));
    }

    /// Answers the next `times` requests of a kind with an error: [`Fault::fail`].
    pub fn fail(&self, api: Api, error: impl Into<BrokerError>, times: u32) {
        self.inject(Fault::fail(api, error).times(times));
    }

    /// Sends the next `times` answers of a kind later: [`Fault::delay`].
    pub fn delay(&self, api: Api, by: Duration, times: u32) {
        self.inject(Fault::delay(api, by).times(times));
    }

    /// Carries out the next `times` requests of a kind and loses the answers: [`Fault::drop_answer`].
    pub fn drop_answer(&self, api: Api, times: u32) {
        self.inject(Fault::drop_answer(api).times(times));
    }

    /// Cuts the connection at the next `times` requests of a kind, before they are carried out.
    pub fn cut_before(&self, api: Api, times: u32) {
        self.inject(Fault::cut_before(api).times(times));
    }

    /// Cuts the connection at the next `times` requests of a kind, after they are carried out.
    pub fn cut_after(&self, api: Api, times: u32) {
        self.inject(Fault::cut_after(api).times(times));
    }

    /// Tells clients in every answer to Produce to pause for this long, until [`clear_faults`](Self::clear_faults):
    /// [`Fault::throttle`].
    pub fn throttle(&self, time: Duration) {
        self.inject(Fault::throttle(Api::Produce, time).always());
    }

    /// Removes all faults that have not acted yet.
    pub fn clear_faults(&self) {
        self.server.with_rules(ClusterRules::clear_faults);
    }

    /// Lets a closure say what is sent in place of each answer, from now on; it takes the place of one given before.
    ///
    /// The closure gets every answer, to ApiVersions as well, in the order in which the requests come; the same
    /// requests in the same order give the same calls. What it returns stands where the answer stood, behind the
    /// answers before it on the same connection. A request that is not answered (`acks=0`, a lost answer, a cut
    /// connection) is none of its calls. It runs while the cluster is locked: calling the cluster from it blocks for
    /// ever.
    ///
    /// A message is read and written by whatever knows Kafka's messages, here by the crate `kafka-protocol`. Your own
    /// package needs these beside this one:
    ///
    /// ```toml
    /// [dev-dependencies]
    /// kafka-protocol = { version = "0.18", default-features = false, features = [
    ///     "broker", "client",
    /// ] }
    /// bytes = "1"
    /// ```
    ///
    /// ```
    /// use kafka_embedded::{Api, EmbeddedCluster, Rewritten};
    /// use kafka_producer::{KafkaProducer, ProducerConfig, ProducerRecord};
    /// use kafka_protocol::messages::MetadataResponse;
    /// use kafka_protocol::protocol::{Decodable, Encodable};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = EmbeddedCluster::builder().topic("test", 1).start()?;
    /// // The first answer to Metadata says that broker 7 leads everything. There is none.
    /// let mut lies = 1;
    /// cluster.rewrite_answers(move |answer| {
    ///     if answer.api != Api::Metadata || lies == 0 {
    ///         return Rewritten::Unchanged;
    ///     }
    ///     lies -= 1;
    ///     let mut body = bytes::Bytes::copy_from_slice(answer.body);
    ///     let mut message = MetadataResponse::decode(&mut body, answer.version).unwrap();
    ///     let partitions = message.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    ///     partitions.for_each(|partition| partition.leader_id = 7.into());
    ///     let mut body = Vec::new();
    ///     message.encode(&mut body, answer.version).unwrap();
    ///     Rewritten::Body(body)
    /// });
    ///
    /// let config = ProducerConfig::new()
    ///     .bootstrap_servers(&cluster.bootstrap_servers())
    ///     .key_serializer("StringSerializer")
    ///     .value_serializer("StringSerializer");
    /// let producer: KafkaProducer<str, str> = KafkaProducer::new(config)?;
    /// producer.send(ProducerRecord::new("test", "WORLD"))?.get()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rewrite_answers(&self, rewrite: impl FnMut(&BrokerAnswer<'_>) -> Rewritten + Send + 'static) {
        self.server.with_rules(|rules| rules.rewrite_answers(rewrite));
    }

    /// Sends answers as they are again.
    pub fn stop_rewriting(&self) {
        self.server.with_rules(ClusterRules::stop_rewriting);
    }

    /// Lets a broker's Metadata stop: it goes on showing the cluster as it is now, whatever happens to it, as a
    /// broker does that lags behind. What it answers to other requests is true.
    pub fn freeze_metadata(&self, broker: i32) {
        self.server.with_rules(|rules| rules.freeze_metadata(broker));
    }

    /// Lets a broker's Metadata catch up.
    pub fn thaw_metadata(&self, broker: i32) {
        self.server.with_rules(|rules| rules.thaw_metadata(broker));
    }

    /// Lets Metadata say that a broker is at this address; it goes on listening where it does. Host and port of
    /// anything: a name that does not exist, a port where nobody listens.
    pub fn advertise(&self, broker: i32, host: impl Into<String>, port: u16) {
        self.server.with_rules(|rules| rules.set_address(broker, host, port));
    }

    /// Another cluster in this one's place, on the same ports: nothing lies in its logs, producer ids begin anew, no
    /// transaction is open, no offset committed, and Metadata tells this cluster id. The topics are gone, or empty and with new ids if they are kept.
    /// Connections stay; where a restart would end them, stop and start the brokers as well.
    pub fn wipe(&self, cluster_id: impl Into<String>, keep_topics: bool) {
        self.server.act(|rules| {
            rules.wipe(cluster_id, keep_topics);
            rules.due(Instant::now())
        });
    }

    /// Stops a broker: nobody listens on its port, its connections end, its partitions go to other replicas.
    pub fn stop_broker(&self, broker: i32) {
        self.server.stop_broker(broker);
    }

    /// Starts a stopped broker again, on its port and with its log. It leads only what nobody else leads.
    ///
    /// # Errors
    ///
    /// If there is no such broker, or its port was taken meanwhile.
    pub fn start_broker(&self, broker: i32) -> io::Result<()> {
        self.server.start_broker(broker)
    }

    /// Makes a broker the leader of a partition, with the next leader epoch. Nothing happens if the broker is
    /// stopped or there is no such partition.
    pub fn move_leader(&self, topic: &str, partition: i32, broker: i32) {
        self.server.act(|rules| rules.move_leader(Instant::now(), topic, partition, broker));
    }

    /// Creates a topic; `false` if it exists or cannot.
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> bool {
        self.server.with_rules(|rules| rules.create_topic(name, config))
    }

    /// Gives a user of SASL a password, or a new one; it counts from the next login on.
    pub fn set_user(&self, name: impl Into<String>, password: impl Into<String>) {
        self.server.with_rules(|rules| rules.set_user(name, password));
    }

    /// Takes a user of SASL away. Clients that have logged in as this user stay so until their sessions end.
    pub fn remove_user(&self, name: &str) {
        self.server.with_rules(|rules| rules.remove_user(name));
    }

    /// `connections.max.reauth.ms` of logins to come; none: they count as long as connections stand.
    pub fn set_max_reauth(&self, time: Option<Duration>) {
        self.server.with_rules(|rules| rules.set_max_reauth(time));
    }

    /// All logins by SASL that came to their end, in order.
    #[must_use]
    pub fn logins(&self) -> Vec<SeenLogin> {
        self.server.with_rules(|rules| rules.logins().to_vec())
    }

    /// Deletes a topic with all that lies in it; `false` if there is none. Created again, it has another id.
    pub fn delete_topic(&self, name: &str) -> bool {
        self.server.with_rules(|rules| rules.delete_topic(name))
    }

    /// Deletes a topic and creates it again in one step, with another id and nothing in it; `false` if there is
    /// none or it cannot.
    pub fn recreate_topic(&self, name: &str, config: TopicConfig) -> bool {
        self.server.with_rules(|rules| rules.recreate_topic(name, config))
    }

    /// Adds partitions to a topic until it has `partitions` of them; `false` if there is no such topic.
    pub fn create_partitions(&self, topic: &str, partitions: i32) -> bool {
        self.server.with_rules(|rules| rules.create_partitions(topic, partitions))
    }

    /// Lets Metadata tell of a topic's first `partitions` only, as a broker does that has not heard yet that
    /// there are more; with `i32::MAX` of all again. `false` if there is no such topic.
    pub fn tell_partitions(&self, topic: &str, partitions: i32) -> bool {
        self.server.with_rules(|rules| rules.tell_partitions(topic, partitions))
    }

    /// Lets a partition forget the producers that wrote to it, as it does when their records are deleted.
    pub fn forget_producers(&self, topic: &str, partition: i32) {
        self.server.with_rules(|rules| rules.forget_producers(topic, partition));
    }

    /// Lets all partitions that a broker leads forget the producers that wrote to them; all partitions, if no
    /// broker is given.
    pub fn forget_all_producers(&self, broker: Option<i32>) {
        self.server.with_rules(|rules| rules.forget_all_producers(broker));
    }

    /// Lets all partitions that a broker leads know the last batch of each producer only, as Kafka's do after a restart;
    /// all partitions, if no broker is given.
    pub fn forget_earlier_batches(&self, broker: Option<i32>) {
        self.server.with_rules(|rules| rules.forget_earlier_batches(broker));
    }

    /// How many requests of a kind have come, whatever became of them.
    #[must_use]
    pub fn requests(&self, api: Api) -> usize {
        self.server.with_rules(|rules| rules.requests(api))
    }

    /// How many connections have been accepted so far.
    #[must_use]
    pub fn connections_accepted(&self) -> u64 {
        self.server.with_rules(|rules| rules.connections_accepted())
    }

    /// How many connections there are now.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.server.with_rules(|rules| rules.connections_open())
    }

    /// All Produce requests that have come, in order.
    #[must_use]
    pub fn produce_requests(&self) -> Vec<SeenProduce> {
        self.server.with_rules(|rules| rules.produce_requests().to_vec())
    }
}

impl EmbeddedClusterBuilder {
    /// Starts the brokers: each listens on a port of its own on 127.0.0.1 when this returns.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for settings that make no cluster; otherwise what the system says about
    /// sockets and threads.
    pub fn start(self) -> io::Result<EmbeddedCluster> {
        EmbeddedCluster::start(&self)
    }
}
