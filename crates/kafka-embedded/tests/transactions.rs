//! The transaction coordinator of the embedded cluster, driven in virtual time by requests made by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod support;

use std::time::{Duration, Instant};

use kafka_embedded::{
    ActionKind, Api, BrokerError, ClusterRules, EmbeddedCluster, EmbeddedClusterBuilder, Fault,
    TransactionEnd,
};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiVersionsRequest, EndTxnRequest, FetchRequest,
    FetchResponse, FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, TopicName,
    TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use support::{Batch, NOW_MS, decode, frame, produce, value};

type Author = (i64, i16);

const ID: &str = "mover";
const TIMEOUT: Duration = Duration::from_secs(60);

/// The rules with a time that only the test moves.
struct World {
    rules: ClusterRules,
    now: Instant,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn id() -> TransactionalId {
    TransactionalId(text(ID))
}

fn topic_name() -> TopicName {
    TopicName(text("test"))
}

/// A batch of one record in a transaction.
fn batch(author: Author, sequence: i32, text: &'static str) -> Vec<u8> {
    Batch { attributes: 0x10, ..Batch::of(vec![value(text)]) }.by(author.0, author.1, sequence).bytes()
}

impl World {
    fn new(builder: EmbeddedClusterBuilder) -> Self {
        let now = Instant::now();
        Self { rules: builder.rules(now, NOW_MS).unwrap(), now }
    }

    /// One broker, one topic of two partitions.
    fn plain() -> Self {
        Self::new(EmbeddedCluster::builder().topic("test", 2))
    }

    fn ask_if_answered<R: Request>(&mut self, broker: i32, version: i16, request: &R) -> Option<R::Response>
    where
        R::Response: Decodable + HeaderVersion,
    {
        let connection = self.rules.connect(broker).unwrap();
        let actions = self.rules.handle(self.now, connection, frame(version, 7, request));
        let own = actions.iter().find(|action| action.connection == connection)?;
        match &own.kind {
            ActionKind::Answer(bytes) => Some(decode(version, bytes).1),
            ActionKind::Close => None,
        }
    }

    fn ask_at<R: Request>(&mut self, broker: i32, version: i16, request: &R) -> R::Response
    where
        R::Response: Decodable + HeaderVersion,
    {
        self.ask_if_answered(broker, version, request).unwrap()
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response
    where
        R::Response: Decodable + HeaderVersion,
    {
        let broker = self.rules.coordinator(ID).unwrap();
        self.ask_at(broker, version, request)
    }

    fn init_as(&mut self, version: i16, claimed: Author, timeout: Duration) -> Result<Author, i16> {
        let mut request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(i32::try_from(timeout.as_millis()).unwrap());
        if version >= 3 {
            request = request.with_producer_id(claimed.0.into()).with_producer_epoch(claimed.1);
        }
        let response = self.ask(version, &request);
        let author = (response.producer_id.0, response.producer_epoch);
        if response.error_code == 0 {
            return Ok(author);
        }
        assert_eq!(author, (-1, -1));
        Err(response.error_code)
    }

    fn init(&mut self) -> Result<Author, i16> {
        self.init_as(5, (-1, -1), TIMEOUT)
    }

    fn add(&mut self, version: i16, author: Author, partitions: &[i32]) -> Vec<i16> {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(topic_name()).with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id())
            .with_v3_and_below_producer_id(author.0.into())
            .with_v3_and_below_producer_epoch(author.1)
            .with_v3_and_below_topics(vec![topic]);
        let response = self.ask(version, &request);
        let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
        assert!(results.iter().map(|result| &result.partition_index).eq(partitions));
        results.iter().map(|result| result.partition_error_code).collect()
    }

    fn add_offsets(&mut self, version: i16, author: Author, group: &str) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(author.0.into())
            .with_producer_epoch(author.1)
            .with_group_id(text(group).into());
        self.ask(version, &request).error_code
    }

    fn commit_offset(&mut self, version: i16, author: Author, offset: i64) -> i16 {
        self.commit_as(version, author, offset, (-1, "", None))
    }

    fn commit_as(
        &mut self,
        version: i16,
        author: Author,
        offset: i64,
        (generation, member, instance): (i32, &str, Option<&str>),
    ) -> i16 {
        let mut partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(1)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("m")));
        if version >= 2 {
            partition.committed_leader_epoch = 4;
        }
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name());
        let mut request = TxnOffsetCommitRequest::default()
            .with_transactional_id(id())
            .with_group_id(text("group").into())
            .with_producer_id(author.0.into())
            .with_producer_epoch(author.1)
            .with_topics(vec![topic.with_partitions(vec![partition])]);
        if version >= 3 {
            request.generation_id = generation;
            request.member_id = text(member);
            request.group_instance_id = instance.map(text);
        }
        let broker = self.rules.group_coordinator("group").unwrap();
        self.ask_at(broker, version, &request).topics[0].partitions[0].error_code
    }

    fn end(&mut self, version: i16, author: Author, committed: bool) -> Result<Author, i16> {
        let request = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(author.0.into())
            .with_producer_epoch(author.1)
            .with_committed(committed);
        let response = self.ask(version, &request);
        let next = (response.producer_id.0, response.producer_epoch);
        if response.error_code == 0 { Ok(next) } else { Err(response.error_code) }
    }

    fn put(&mut self, version: i16, partition: i32, records: Vec<u8>) -> i16 {
        let mut request = produce(-1, "test", partition, records.clone()).with_transactional_id(Some(id()));
        if version >= 13 {
            let data =
                PartitionProduceData::default().with_index(partition).with_records(Some(records.into()));
            let topic = uuid::Uuid::from_bytes(self.rules.topic_id("test").unwrap());
            request.topic_data =
                vec![TopicProduceData::default().with_topic_id(topic).with_partition_data(vec![data])];
        }
        let leader = self.rules.leader("test", partition).unwrap();
        self.ask_at(leader, version, &request).responses[0].partition_responses[0].error_code
    }

    fn fetch(&mut self, isolation_level: i8, offset: i64) -> PartitionData {
        let response: FetchResponse = self.ask_at(1, 11, &fetch(isolation_level, offset, 0));
        response.responses[0].partitions[0].clone()
    }

    fn end_offset(&mut self, isolation_level: i8) -> i64 {
        let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
        let topic =
            ListOffsetsTopic::default().with_name(topic_name()).with_partitions(vec![partition.clone()]);
        let request =
            ListOffsetsRequest::default().with_isolation_level(isolation_level).with_topics(vec![topic]);
        self.ask_at(1, 5, &request).topics[0].partitions[0].offset
    }

    fn committed(&self) -> Vec<String> {
        texts(self.rules.committed_records("test"))
    }

    fn written(&self) -> Vec<String> {
        texts(self.rules.records("test"))
    }

    /// Kind of marker and epoch of all batches of a partition that are markers, and their offsets.
    fn markers(&self, partition: i32) -> Vec<(i64, &'static str, i16)> {
        let batches = self.rules.batches("test", partition);
        let bytes = self.rules.batch_bytes("test", partition);
        let control = batches.iter().zip(bytes).filter(|(header, _)| header.is_control());
        let marker = |(header, bytes): (&kafka_embedded::BatchHeader, Vec<u8>)| {
            assert!(header.is_transactional());
            assert_eq!(header.crc, crc32c::crc32c(&bytes[21..]));
            assert_eq!(
                (header.base_sequence, header.record_count, bytes.len()),
                (-1, 1, header.size_bytes())
            );
            // Length, attributes, deltas; then a key of 4 bytes and a value of 6.
            assert_eq!(bytes[61 + 4], 8);
            let kind = match bytes[61 + 5..61 + 9] {
                [0, 0, 0, 0] => "abort",
                [0, 0, 0, 1] => "commit",
                ref other => panic!("{other:?}"),
            };
            assert_eq!(bytes[61 + 9..], [12, 0, 0, 0, 0, 0, 0, 0]);
            (header.base_offset, kind, header.producer_epoch)
        };
        control.map(marker).collect()
    }
}

fn texts(records: Vec<kafka_embedded::EmbeddedRecord>) -> Vec<String> {
    records.into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
}

fn fetch(isolation_level: i8, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_partition(0);
    let topic = FetchTopic::default().with_topic(topic_name()).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_isolation_level(isolation_level)
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_topics(vec![topic])
}

const FENCED: i16 = BrokerError::PRODUCER_FENCED.code();
const OLD_EPOCH: i16 = BrokerError::INVALID_PRODUCER_EPOCH.code();
const CONCURRENT: i16 = BrokerError::CONCURRENT_TRANSACTIONS.code();
const INVALID_STATE: i16 = BrokerError::INVALID_TXN_STATE.code();
const INVALID_MAPPING: i16 = BrokerError::INVALID_PRODUCER_ID_MAPPING.code();

#[test]
fn the_first_protocol_in_all_its_versions() {
    for version in 0..=3 {
        let mut world = World::plain();
        let author = world.init_as(version, (-1, -1), TIMEOUT).unwrap();
        assert_eq!(world.put(9, 0, batch(author, 0, "early")), INVALID_STATE, "was not added");
        assert_eq!(world.put(11, 0, batch(author, 0, "early")), 120, "younger clients know a better word");
        assert_eq!(world.add(version, author, &[0, 1]), [0, 0]);
        let open = world.rules.open_transactions();
        assert_eq!((open[0].transactional_id.as_str(), open[0].producer_id), (ID, author.0));
        assert_eq!(open[0].partitions, [("test".to_owned(), 0), ("test".to_owned(), 1)]);
        assert_eq!((open[0].completing, open[0].timeout), (None, TIMEOUT));
        assert_eq!(world.put(11, 0, batch(author, 0, "a")), 0);
        assert_eq!(world.put(9, 1, batch(author, 0, "b")), 0);
        assert_eq!((world.committed().len(), world.written().len()), (0, 2));
        assert_eq!(world.end(version, author, true), Ok((-1, -1)), "tells no epoch");
        assert_eq!(world.committed(), ["a", "b"]);
        assert_eq!(world.markers(0), [(1, "commit", author.1)]);
        assert_eq!(world.rules.end_offset("test", 0), Some(2), "a marker takes an offset");
        assert!(world.rules.open_transactions().is_empty());
        assert_eq!(world.end(version, author, true), Ok((-1, -1)), "asked again");
        assert_eq!(world.end(version, author, false), Err(INVALID_STATE));

        assert_eq!(world.add(version, author, &[0]), [0]);
        assert_eq!(world.put(9, 0, batch(author, 1, "c")), 0, "sequence numbers go on");
        assert_eq!(world.end(version, author, false), Ok((-1, -1)));
        assert_eq!(
            (world.committed(), world.written()),
            (vec!["a".into(), "b".into()], ["a", "c", "b"].map(String::from).to_vec())
        );
        assert_eq!(world.markers(0), [(1, "commit", author.1), (3, "abort", author.1)]);
        assert_eq!(world.markers(1).len(), 1, "only where something was added");
    }
}

#[test]
fn the_second_protocol_counts_the_epoch_up_at_each_end() {
    for produce in [12, 13] {
        let mut world = World::plain();
        let first = world.init().unwrap();
        assert_eq!(world.put(produce, 0, batch(first, 0, "a")), 0, "the broker adds the partition");
        assert_eq!(world.rules.open_transactions()[0].partitions, [("test".to_owned(), 0)]);
        assert_eq!(world.commit_offset(5, first, 17), 0, "and the group");
        assert!(world.rules.committed_offsets("group").is_empty());
        let second = world.end(5, first, true).unwrap();
        assert_eq!(second, (first.0, first.1 + 1));
        assert_eq!(world.markers(0), [(1, "commit", second.1)], "a marker has the next epoch");
        let offset = &world.rules.committed_offsets("group")[0];
        assert_eq!((offset.topic.as_str(), offset.partition, offset.offset), ("test", 1, 17));
        assert_eq!((offset.leader_epoch, offset.metadata.as_deref()), (4, Some("m")));

        assert_eq!(world.end(5, first, true), Ok(second), "asked again: told again");
        assert_eq!(world.end(5, first, false), Err(INVALID_STATE));
        assert_eq!(world.put(produce, 0, batch(first, 1, "late")), OLD_EPOCH, "of the transaction before");
        assert_eq!(world.put(produce, 0, batch(second, 1, "b")), 45, "a new epoch begins at 0");
        assert_eq!(world.put(produce, 0, batch(second, 0, "b")), 0);
        let third = world.end(5, second, false).unwrap();
        assert_eq!(world.end(5, third, false), Ok((first.0, third.1 + 1)), "an abort of nothing counts, too");
        assert_eq!(
            world.end(5, (first.0, third.1 + 1), true),
            Err(INVALID_STATE),
            "a commit of nothing does not"
        );
        assert_eq!(world.end(5, first, false), Err(FENCED));
        assert_eq!(
            (world.committed(), world.written()),
            (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
    }
}

#[test]
fn an_end_of_nothing() {
    for version in 0..=5 {
        let mut world = World::plain();
        assert_eq!(world.end(version, (1000, 0), true), Err(INVALID_MAPPING), "no such transactional id");
        let author = world.init().unwrap();
        assert_eq!(world.end(version, author, true), Err(INVALID_STATE));
        let abort = world.end(version, author, false);
        assert_eq!(abort, if version < 5 { Err(INVALID_STATE) } else { Ok((author.0, author.1 + 1)) });
    }
}

#[test]
fn a_newer_producer_fences_the_older_one() {
    for version in 0..=5 {
        let mut world = World::plain();
        let old = world.init_as(version, (-1, -1), TIMEOUT).unwrap();
        assert_eq!(world.add(3, old, &[0]), [0]);
        assert_eq!(world.put(9, 0, batch(old, 0, "old")), 0);
        assert_eq!(
            world.init_as(version, (-1, -1), TIMEOUT),
            Err(CONCURRENT),
            "the open one is aborted first"
        );
        assert_eq!(world.markers(0), [(1, "abort", old.1 + 1)]);
        let new = world.init_as(version, (-1, -1), TIMEOUT).unwrap();
        assert_eq!(new, (old.0, old.1 + 2));
        assert_eq!(world.put(9, 0, batch(old, 1, "zombie")), OLD_EPOCH);
        assert_eq!(world.put(12, 0, batch(old, 1, "zombie")), OLD_EPOCH);
        for (last_without, version) in [(1, 0), (1, 1), (1, 2), (1, 3)] {
            let expected = if version > last_without { FENCED } else { OLD_EPOCH };
            assert_eq!(world.add(version, old, &[0]), [expected]);
            assert_eq!(world.add_offsets(version, old, "group"), expected);
            assert_eq!(world.end(version, old, false), Err(expected));
        }
        assert_eq!(world.end(5, old, true), Err(FENCED));
        assert_eq!(world.commit_offset(5, old, 1), OLD_EPOCH);
        assert_eq!(world.add(3, (old.0 + 1, 0), &[0]), [INVALID_MAPPING]);
        assert_eq!(world.put(12, 0, batch((old.0 + 1, 0), 0, "stranger")), INVALID_MAPPING);
        assert_eq!(world.put(12, 0, batch(new, 0, "new")), 0);
        world.end(5, new, true).unwrap();
        assert_eq!(world.committed(), ["new"]);
    }
}

#[test]
fn a_producer_that_goes_on_tells_what_it_has() {
    for version in 3..=5 {
        let mut world = World::plain();
        let fenced = if version >= 4 { FENCED } else { OLD_EPOCH };
        let first = world.init().unwrap();
        let second = world.init_as(version, first, TIMEOUT).unwrap();
        assert_eq!(second, (first.0, first.1 + 1));
        assert_eq!(world.init_as(version, first, TIMEOUT), Ok(second), "asked again: told again");
        let another = world.init().unwrap();
        assert_eq!(world.init_as(version, first, TIMEOUT), Err(fenced));
        assert_eq!(world.init_as(version, second, TIMEOUT), Err(fenced));
        assert_eq!(world.init_as(version, (first.0 + 7, 0), TIMEOUT), Err(fenced));
        assert_eq!(world.init_as(version, (first.0, -1), TIMEOUT), Err(42));
        assert_eq!(world.init_as(version, another, TIMEOUT), Ok((first.0, another.1 + 1)));
    }
}

#[test]
fn timeouts_have_a_limit() {
    let builder = EmbeddedCluster::builder().max_transaction_timeout(Duration::from_millis(500));
    let mut world = World::new(builder.topic("test", 1));
    assert_eq!(world.init_as(5, (-1, -1), Duration::from_millis(501)), Err(50));
    assert_eq!(world.init_as(5, (-1, -1), Duration::ZERO), Err(50));
    assert!(world.init_as(5, (-1, -1), Duration::from_millis(500)).is_ok());
    assert_eq!(World::plain().init_as(5, (-1, -1), Duration::from_millis(900_001)), Err(50));
}

#[test]
fn what_is_open_for_too_long_is_aborted() {
    let mut world = World::plain();
    let author = world.init().unwrap();
    assert_eq!(world.rules.next_due(), None);
    assert_eq!(world.put(12, 0, batch(author, 0, "a")), 0);
    assert_eq!(world.rules.next_due(), Some(world.now + TIMEOUT));
    world.now += TIMEOUT / 2;
    assert_eq!(world.put(12, 0, batch(author, 1, "b")), 0, "does not begin anew");
    assert_eq!(world.rules.next_due(), Some(world.now + TIMEOUT / 2));
    world.now += TIMEOUT / 2;
    world.rules.due(world.now);
    assert_eq!(world.markers(0), [(2, "abort", author.1 + 1)]);
    assert!(world.rules.open_transactions().is_empty());
    assert_eq!(world.put(12, 0, batch(author, 2, "c")), OLD_EPOCH);
    for committed in [true, false] {
        assert_eq!(world.end(4, author, committed), Err(FENCED));
    }
    assert_eq!(world.end(5, author, true), Err(INVALID_STATE));
    assert_eq!(world.end(5, author, false), Ok((author.0, author.1 + 1)), "it may go on");
    assert_eq!(world.init_as(5, author, TIMEOUT), Ok((author.0, author.1 + 1)));
    assert_eq!(world.init(), Ok((author.0, author.1 + 2)));
    assert_eq!(world.end(5, author, false), Err(FENCED), "no more");
    assert!(world.committed().is_empty());
}

#[test]
fn a_request_that_comes_late_finds_the_transaction_aborted() {
    let mut world = World::plain();
    let author = world.init().unwrap();
    assert_eq!(world.add(3, author, &[0]), [0]);
    world.now += TIMEOUT;
    assert_eq!(world.end(3, author, true), Err(FENCED), "though nobody looked at the clock before");
    assert_eq!(world.markers(0), [(0, "abort", author.1 + 1)]);
    assert_eq!(world.rules.last_stable_offset("test", 0), Some(1));
}

#[test]
fn what_is_being_completed_takes_nothing_in() {
    let time = Duration::from_millis(30);
    let mut world = World::new(EmbeddedCluster::builder().topic("test", 2).transaction_completion_time(time));
    let first = world.init().unwrap();
    assert_eq!(world.put(12, 0, batch(first, 0, "a")), 0);
    let second = world.end(5, first, true).unwrap();
    assert_eq!(world.rules.open_transactions()[0].completing, Some(TransactionEnd::Commit));
    assert!(world.committed().is_empty(), "the marker is still to be written");
    assert_eq!(world.put(12, 0, batch(second, 0, "b")), CONCURRENT);
    assert_eq!(world.put(11, 0, batch(second, 0, "b")), 19, "older clients know no such error here");
    assert_eq!(world.commit_offset(5, second, 1), CONCURRENT);
    assert_eq!(world.commit_offset(4, second, 1), CONCURRENT);
    assert_eq!(world.add(3, (first.0 + 1, 0), &[0]), [CONCURRENT], "whoever asks");
    assert_eq!(world.init_as(5, (first.0 + 1, 0), TIMEOUT), Err(CONCURRENT));
    assert_eq!(world.add(3, second, &[0]), [CONCURRENT]);
    assert_eq!(world.add_offsets(4, second, "group"), CONCURRENT);
    assert_eq!(world.init(), Err(CONCURRENT));
    for author in [first, second, (first.0 + 1, 0)] {
        assert_eq!(world.end(5, author, true), Err(CONCURRENT));
        assert_eq!(world.end(5, author, false), Err(CONCURRENT));
    }
    assert_eq!(world.end(4, first, true), Err(FENCED), "by the first protocol the epoch comes first");
    assert_eq!(world.end(4, second, false), Err(CONCURRENT));
    assert_eq!(world.rules.next_due(), Some(world.now + time));
    world.now += time;
    world.rules.due(world.now);
    assert_eq!(world.committed(), ["a"]);
    assert_eq!(world.put(12, 0, batch(second, 0, "b")), 0);
    assert_eq!(world.init(), Err(CONCURRENT));
    world.now += time;
    assert_eq!(world.init(), Ok((first.0, second.1 + 2)));
}

/// As in Kafka: a log asks the coordinator once for each transaction, and lets everything in until the marker is written.
#[test]
fn what_continues_a_transaction_is_let_in_until_its_marker() {
    let time = Duration::from_millis(30);
    let completing = || {
        let builder = EmbeddedCluster::builder().topic("test", 2).transaction_completion_time(time);
        let mut world = World::new(builder);
        let author = world.init().unwrap();
        (world, author)
    };
    let (mut world, author) = completing();
    assert_eq!(world.add(3, author, &[0, 1]), [0, 0]);
    assert_eq!(world.add_offsets(3, author, "group"), 0);
    assert_eq!((world.put(9, 0, batch(author, 0, "a")), world.commit_offset(3, author, 5)), (0, 0));
    assert_eq!(world.end(3, author, true), Ok((-1, -1)));
    assert_eq!(world.put(9, 1, batch(author, 0, "first here")), 19);
    assert_eq!((world.put(9, 0, batch(author, 1, "late")), world.commit_offset(3, author, 6)), (0, 0));
    world.now += time;
    world.rules.due(world.now);
    assert_eq!((world.committed(), world.markers(1).len()), (vec!["a".into(), "late".into()], 1));
    assert_eq!(world.rules.committed_offsets("group")[0].offset, 6);
    assert_eq!(world.put(9, 0, batch(author, 2, "too late")), INVALID_STATE);
    assert_eq!(world.commit_offset(3, author, 7), INVALID_STATE);

    let (mut world, first) = completing();
    assert_eq!((world.put(12, 0, batch(first, 0, "a")), world.commit_offset(5, first, 5)), (0, 0));
    let second = world.end(5, first, false).unwrap();
    assert_eq!(world.put(12, 1, batch(first, 0, "first here")), CONCURRENT);
    assert_eq!((world.put(12, 0, batch(first, 1, "late")), world.commit_offset(5, first, 6)), (0, 0));
    assert_eq!(world.put(12, 0, batch(second, 0, "next")), CONCURRENT);
    world.now += time;
    assert_eq!(world.put(12, 0, batch(first, 2, "too late")), OLD_EPOCH);
    assert_eq!(world.commit_offset(5, first, 7), OLD_EPOCH);
    assert_eq!((world.committed().len(), world.written().len()), (0, 2));
}

#[test]
fn a_producer_of_the_second_protocol_begins_at_the_beginning() {
    let mut world = World::plain();
    let author = world.init().unwrap();
    assert_eq!(world.put(12, 0, batch(author, 5, "a")), 45);
    assert_eq!(world.rules.open_transactions()[0].partitions, [("test".to_owned(), 0)], "added before");
    assert_eq!(world.add(3, author, &[1]), [0]);
    assert_eq!(world.put(11, 1, batch(author, 5, "a")), 0, "what was before may have been deleted");
}

#[test]
fn readers_of_what_is_committed() {
    let mut world = World::plain();
    let first = world.init().unwrap();
    let plain = |text| Batch::of(vec![value(text)]).bytes();
    assert_eq!(world.put(12, 0, batch(first, 0, "aborted")), 0); // offset 0
    let second = world.end(5, first, false).unwrap(); // 1
    assert_eq!(world.put(12, 0, batch(second, 0, "committed")), 0); // 2
    let third = world.end(5, second, true).unwrap(); // 3
    assert_eq!(world.put(12, 0, plain("plain")), 0); // 4
    assert_eq!(world.put(12, 0, batch(third, 0, "open")), 0); // 5
    assert_eq!(world.put(12, 0, plain("behind")), 0); // 6

    assert_eq!(world.committed(), ["committed", "plain"]);
    assert_eq!(world.written(), ["aborted", "committed", "plain", "open", "behind"]);
    assert_eq!((world.end_offset(0), world.end_offset(1)), (7, 5));
    let all = world.fetch(0, 0);
    assert_eq!((all.high_watermark, all.last_stable_offset, all.aborted_transactions), (7, 5, None));
    assert_eq!(all.records.unwrap().len(), world.rules.batch_bytes("test", 0).concat().len());
    let stable = world.fetch(1, 0);
    assert_eq!((stable.high_watermark, stable.last_stable_offset), (7, 5));
    assert_eq!(stable.records.unwrap(), world.rules.batch_bytes("test", 0)[..5].concat());
    let aborted = stable.aborted_transactions.unwrap();
    assert_eq!((aborted.len(), aborted[0].producer_id.0, aborted[0].first_offset), (1, first.0, 0));
    assert!(world.fetch(1, 2).aborted_transactions.unwrap().is_empty(), "it ended before");
    assert_eq!(world.fetch(1, 1).aborted_transactions.unwrap().len(), 1, "its marker is read");
    assert!(world.fetch(1, 5).records.unwrap().is_empty());

    let connection = world.rules.connect(1).unwrap();
    let waits = world.rules.handle(world.now, connection, frame(11, 9, &fetch(1, 5, 10_000)));
    assert!(waits.is_empty(), "a reader waits for the end of the transaction");
    let outside = Batch::of(vec![value("outside")]).by(third.0, third.1, 1).bytes();
    assert_eq!(world.put(12, 0, outside), INVALID_STATE, "a batch outside of the open transaction");
    let own = world.rules.coordinator(ID).unwrap();
    let ending = world.rules.connect(own).unwrap();
    let end = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(third.0.into())
        .with_producer_epoch(third.1)
        .with_committed(true);
    let actions = world.rules.handle(world.now, ending, frame(5, 7, &end));
    let answered: Vec<_> = actions.iter().map(|action| action.connection).collect();
    assert_eq!(answered, [ending, connection]);
    assert_eq!(world.committed(), ["committed", "plain", "open", "behind"]);
}

#[test]
fn offsets_count_when_the_transaction_is_committed() {
    for version in 0..=4 {
        let mut world = World::plain();
        let author = world.init().unwrap();
        let not_added = if version == 4 { 120 } else { INVALID_STATE };
        assert_eq!(world.commit_offset(version, author, 5), not_added);
        assert_eq!(world.add_offsets(version, author, "group"), 0);
        assert_eq!(world.rules.open_transactions()[0].groups, ["group"]);
        assert_eq!(world.commit_offset(version, author, 5), 0);
        world.end(3, author, false).unwrap();
        assert!(world.rules.committed_offsets("group").is_empty(), "aborted");
        assert_eq!(world.add_offsets(version, author, "group"), 0);
        assert_eq!(world.commit_offset(version, author, 6), 0);
        assert_eq!(world.commit_offset(version, author, 7), 0);
        world.end(3, author, true).unwrap();
        let offsets = world.rules.committed_offsets("group");
        let told: Vec<_> = offsets.iter().map(|offset| (offset.offset, offset.leader_epoch)).collect();
        assert_eq!(told, [(7, if version >= 2 { 4 } else { -1 })]);
        assert!(world.rules.committed_offsets("another").is_empty());
    }
}

#[test]
fn offsets_of_strangers_are_refused_where_the_group_is_known() {
    for version in 3..=5 {
        let mut world = World::plain();
        let author = world.init().unwrap();
        assert_eq!(world.add_offsets(3, author, "group"), 0);
        assert_eq!(world.commit_as(version, author, 1, (9, "anybody", Some("x"))), 0, "nothing was said");
        world.rules.set_group_member("group", 3, "m1", None);
        world.rules.set_group_member("group", 4, "m2", Some("i2"));
        let codes = [
            (4, "m1", None),
            (4, "m2", Some("i2")),
            (-1, "", None),
            (3, "m1", None),
            (4, "m3", None),
            (4, "m1", Some("i2")),
            (4, "m1", Some("i3")),
        ]
        .map(|claimed| world.commit_as(version, author, 2, claimed));
        assert_eq!(codes, [0, 0, 0, 22, 25, 82, 25]);
        world.rules.forget_group_members("group");
        assert_eq!(world.commit_as(version, author, 3, (9, "anybody", None)), 0);
    }
}

#[test]
fn partitions_and_topics_that_do_not_exist() {
    let mut world = World::plain();
    let author = world.init().unwrap();
    assert_eq!(world.add(3, author, &[0, 7, 1]), [55, 3, 55], "all or nothing");
    assert!(world.rules.open_transactions().is_empty());
    let partition = |metadata: &str| {
        TxnOffsetCommitRequestPartition::default().with_committed_metadata(Some(text(metadata)))
    };
    let topic = |name: &str, metadata: &str| {
        let topic = TxnOffsetCommitRequestTopic::default().with_name(TopicName(text(name)));
        topic.with_partitions(vec![partition(metadata)])
    };
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(text("group").into())
        .with_producer_id(author.0.into())
        .with_producer_epoch(author.1)
        .with_topics(vec![topic("nowhere", ""), topic("test", &"m".repeat(4097)), topic("test", "")]);
    let mut elsewhere = topic("test", "");
    elsewhere.partitions[0].partition_index = 2;
    let nowhere = request.clone().with_topics(vec![topic("nowhere", ""), elsewhere.clone()]);
    let mut codes = |request: &TxnOffsetCommitRequest| -> Vec<i16> {
        let response = world.ask_at(1, 5, request);
        response.topics.iter().map(|topic| topic.partitions[0].error_code).collect()
    };
    assert_eq!(codes(&nowhere), [3, 3]);
    assert_eq!(codes(&nowhere.with_group_id(text("").into())), [3, 3]);
    assert_eq!(codes(&request.clone().with_group_id(text("").into())), [3, 24, 24]);
    assert_eq!(codes(&request.clone().with_producer_epoch(author.1 + 1)), [3, 47, 47]);
    assert_eq!(codes(&request), [3, 12, 0]);
    assert_eq!(world.rules.open_transactions()[0].groups, ["group"]);
}

#[test]
fn coordinators_are_found_and_move() {
    let mut world = World::new(EmbeddedCluster::builder().brokers(3).topic("test", 2));
    let author = world.init().unwrap();
    let old = world.rules.coordinator(ID).unwrap();
    let new = old % 3 + 1;
    world.rules.set_address(new, "new-host", 99);
    for (kind, current) in [(1, old), (0, world.rules.group_coordinator("group").unwrap())] {
        let key = if kind == 1 { ID } else { "group" };
        for version in (1 - i16::from(kind))..=6 {
            let mut request = FindCoordinatorRequest::default();
            if version >= 1 {
                request.key_type = kind;
            }
            if version >= 4 {
                request.coordinator_keys = vec![text(key), text("another")];
            } else {
                request.key = text(key);
            }
            let response = world.ask_at(new, version, &request);
            if version >= 4 {
                let found = &response.coordinators;
                assert_eq!((found.len(), found[0].node_id.0, found[0].error_code), (2, current, 0));
                assert_eq!((found[0].key.as_str(), found[1].key.as_str()), (key, "another"));
            } else {
                assert_eq!((response.node_id.0, response.error_code), (current, 0));
            }
        }
    }
    let unknown = FindCoordinatorRequest::default().with_key_type(2).with_coordinator_keys(vec![text(ID)]);
    let told = &world.ask_at(1, 6, &unknown).coordinators[0];
    assert_eq!((told.error_code, told.node_id.0), (42, -1));

    world.rules.move_coordinator(ID, new);
    assert_eq!(world.rules.coordinator(ID), Some(new));
    let request = FindCoordinatorRequest::default().with_key_type(1).with_key(text(ID));
    let told = world.ask_at(1, 3, &request);
    assert_eq!((told.node_id.0, told.host.as_str(), told.port), (new, "new-host", 99));
    let end = EndTxnRequest::default().with_transactional_id(id());
    assert_eq!(world.ask_at(old, 5, &end).error_code, 16);
    let init =
        InitProducerIdRequest::default().with_transactional_id(Some(id())).with_transaction_timeout_ms(1000);
    assert_eq!(world.ask_at(old, 5, &init).error_code, 16);
    let too_short = init.with_transaction_timeout_ms(0);
    assert_eq!(world.ask_at(old, 5, &too_short).error_code, 50, "whoever coordinates");
    let offsets = AddOffsetsToTxnRequest::default().with_transactional_id(id());
    assert_eq!(world.ask_at(old, 4, &offsets).error_code, 16);
    assert_eq!(world.put(12, 0, batch(author, 0, "a")), 0);
    world.rules.stop_broker(world.now, new);
    let third = world.rules.coordinator(ID).unwrap();
    assert_ne!(third, new);
    assert_eq!(world.end(5, author, true), Ok((author.0, author.1 + 1)), "it knows what the other knew");
    world.rules.move_group_coordinator("group", third);
    assert_eq!(world.rules.group_coordinator("group"), Some(third));
    let wrong = third % 3 + 1;
    let elsewhere = if wrong == new { wrong % 3 + 1 } else { wrong };
    let commit = TxnOffsetCommitRequest::default().with_group_id(text("group").into()).with_topics(vec![
        TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![TxnOffsetCommitRequestPartition::default()]),
    ]);
    assert_eq!(world.ask_at(elsewhere, 5, &commit).topics[0].partitions[0].error_code, 16);
}

#[test]
fn the_transaction_version_is_told() {
    let name = text("by-hand");
    let request = ApiVersionsRequest::default()
        .with_client_software_name(name.clone())
        .with_client_software_version(name);
    for level in 0..=2 {
        let mut world = World::new(EmbeddedCluster::builder().transaction_version(level));
        let mut told = |version| {
            let request = if version >= 3 { request.clone() } else { ApiVersionsRequest::default() };
            let response = world.ask_at(1, version, &request);
            let finalized = response.finalized_features.iter();
            let finalized: Vec<_> = finalized
                .map(|told| (told.name.to_string(), told.min_version_level, told.max_version_level))
                .collect();
            let supported = response.supported_features.iter();
            let supported: Vec<_> = supported.map(|told| (told.min_version, told.max_version)).collect();
            (response.finalized_features_epoch, finalized, supported)
        };
        assert_eq!(told(2), (-1, vec![], vec![]));
        let expected: Vec<_> =
            (level > 0).then(|| ("transaction.version".to_owned(), level, level)).into_iter().collect();
        assert_eq!(told(3), (1, expected.clone(), vec![]));
        assert_eq!(told(4), (1, expected, vec![(0, 2)]));
    }
    let mut world = World::new(EmbeddedCluster::builder().transaction_version(0));
    assert!(!world.rules.set_transaction_version(3));
    assert!(world.rules.set_transaction_version(2));
    let told = world.ask_at(1, 4, &request);
    assert_eq!((told.finalized_features_epoch, told.finalized_features[0].max_version_level), (2, 2));
    for level in [-1, 3] {
        let error = EmbeddedCluster::builder().transaction_version(level).rules(world.now, 0).unwrap_err();
        assert!(error.to_string().contains("transaction.version"), "{error}");
    }
}

#[test]
fn faults_of_each_request() {
    let error = BrokerError::COORDINATOR_LOAD_IN_PROGRESS;
    let mut world = World::plain();
    let author = world.init().unwrap();
    for api in [Api::AddPartitionsToTxn, Api::AddOffsetsToTxn, Api::TxnOffsetCommit, Api::EndTxn] {
        world.rules.inject(Fault::fail(api, error));
    }
    assert_eq!(world.add(3, author, &[0, 1]), [14, 14]);
    assert_eq!(world.add_offsets(4, author, "group"), 14);
    assert!(world.rules.open_transactions().is_empty(), "not carried out");
    assert_eq!(world.commit_offset(5, author, 1), 14);
    assert!(world.rules.open_transactions().is_empty(), "not carried out");
    assert_eq!(world.add(3, author, &[0]), [0]);
    assert_eq!(world.end(5, author, true), Err(14));
    assert_eq!(world.rules.open_transactions().len(), 1, "not carried out");

    world.rules.inject(
        Fault::fail(Api::AddPartitionsToTxn, BrokerError::TOPIC_AUTHORIZATION_FAILED).on_partition("test", 1),
    );
    assert_eq!(world.add(3, author, &[0, 1]), [55, 29]);
    for api in [Api::AddPartitionsToTxn, Api::AddOffsetsToTxn, Api::TxnOffsetCommit, Api::EndTxn] {
        world.rules.inject(Fault::fail_after(api, error));
    }
    assert_eq!(world.add(3, author, &[1]), [14]);
    assert_eq!(world.add_offsets(4, author, "group"), 14);
    assert_eq!(world.commit_offset(4, author, 3), 14);
    let open = world.rules.open_transactions();
    assert_eq!((open[0].partitions.len(), open[0].groups.len()), (2, 1), "carried out");
    assert_eq!(world.end(5, author, true), Err(14));
    assert_eq!(world.rules.committed_offsets("group")[0].offset, 3, "carried out");
    assert_eq!(world.end(5, author, true), Ok((author.0, author.1 + 1)));

    let find = FindCoordinatorRequest::default().with_key_type(1);
    world.rules.inject(Fault::fail(Api::FindCoordinator, BrokerError::COORDINATOR_NOT_AVAILABLE).times(2));
    assert_eq!(world.ask_at(1, 3, &find.clone().with_key(text(ID))).error_code, 15);
    let several = find.with_coordinator_keys(vec![text(ID)]);
    assert_eq!(world.ask_at(1, 4, &several).coordinators[0].error_code, 15);

    let author = (author.0, author.1 + 1);
    assert_eq!(world.add(3, author, &[0]), [0]);
    let end = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(author.0.into())
        .with_producer_epoch(author.1);
    world.rules.inject(Fault::cut_before(Api::EndTxn));
    assert!(world.ask_if_answered(1, 5, &end).is_none());
    assert_eq!(world.rules.open_transactions().len(), 1, "not carried out");
    world.rules.inject(Fault::throttle(Api::EndTxn, Duration::from_millis(9)));
    world.rules.inject(Fault::drop_answer(Api::EndTxn));
    assert!(world.ask_if_answered(1, 5, &end).is_none());
    assert!(world.rules.open_transactions().is_empty(), "carried out");
    assert_eq!(world.ask_at(1, 5, &end).producer_epoch, author.1 + 1, "asked again");
}

#[test]
fn another_cluster_in_its_place_knows_no_transaction() {
    let mut world = World::plain();
    let author = world.init().unwrap();
    assert_eq!(world.put(12, 0, batch(author, 0, "a")), 0);
    world.rules.wipe("another", true);
    assert!(world.rules.open_transactions().is_empty());
    assert_eq!(world.end(5, author, true), Err(INVALID_MAPPING));
    assert_eq!(world.put(12, 0, batch(author, 0, "a")), INVALID_MAPPING);
    assert_eq!(world.rules.last_stable_offset("test", 0), Some(0));
}
