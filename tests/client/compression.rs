//! Compressed batches: read back by decoders that are not the client's, filled by what the last ones came to, and split
//! where the broker finds them too large.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{AGES, cluster, producer, to_first};
use kafka_embedded::{Api, BatchHeader, BrokerError, EmbeddedCluster, Fault, Rewritten, TopicConfig};
use kafka_producer::{ErrorCode, ErrorKind, KafkaProducer, ProducerConfig, ProducerRecord, RecordFuture};
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::protocol::Decodable;

type Settings = &'static [(&'static str, &'static str)];

/// Codec, settings, and the number that stands in the batch.
const CODECS: [(&str, Settings, u8); 9] = [
    ("gzip", &[], 1),
    ("gzip", &[("compression.gzip.level", "1")], 1),
    ("gzip", &[("compression.gzip.level", "9")], 1),
    ("snappy", &[], 2),
    ("lz4", &[], 3),
    ("zstd", &[], 4),
    ("zstd", &[("compression.zstd.level", "-7")], 4),
    ("zstd", &[("compression.zstd.level", "1")], 4),
    ("zstd", &[("compression.zstd.level", "19")], 4),
];

fn json(number: usize) -> String {
    let cents = number * 7919 % 10_000;
    format!(r#"{{"order":{number},"user":"user-{}","state":"paid","cents":{cents}}}"#, number % 97)
}

fn noise(random: &mut fastrand::Rng, size: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}

fn headers(cluster: &EmbeddedCluster) -> Vec<BatchHeader> {
    cluster.batches("t", 0)
}

#[test]
fn every_codec_is_read_by_another_decoder_from_one_record_to_full_batches() {
    for (codec, settings, id) in CODECS {
        let cluster = cluster(1);
        let config = ProducerConfig::new()
            .bootstrap_servers(&cluster.bootstrap_servers())
            .set("compression.type", codec)
            .set("batch.size", "100000")
            .set("linger.ms", "10000");
        let config = settings.iter().fold(config, |config, (name, value)| config.set(*name, *value));
        let bytes = kafka_producer::ByteArraySerializer;
        let producer = KafkaProducer::<[u8], [u8]>::with_serializers(config, bytes, bytes).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let batches: [Vec<Vec<u8>>; 4] = [
            vec![vec![b'a'; 2000]],
            (0..300).map(|number| json(number).into_bytes()).collect(),
            (0..3000).map(|number| json(number).into_bytes()).collect(), // several batches
            vec![noise(&mut random, 50_000)],
        ];
        for batch in &batches {
            for value in batch {
                let record = ProducerRecord::new("t", value.as_slice()).with_key(b"key".as_slice());
                producer.send(record.with_header("h", "1").with_header("h", "2")).unwrap();
            }
            producer.flush().unwrap();
        }
        producer.close().unwrap();
        let records = cluster.records("t");
        let read: Vec<&[u8]> = records.iter().map(|record| record.value.as_deref().unwrap()).collect();
        let sent: Vec<&[u8]> = batches.iter().flatten().map(Vec::as_slice).collect();
        assert!(read == sent, "{codec} {settings:?}");
        let whole = |record: &&kafka_embedded::EmbeddedRecord| {
            record.key.as_deref() == Some(b"key") && record.headers.len() == 2
        };
        assert_eq!(records.iter().filter(whole).count(), sent.len());
        let headers = headers(&cluster);
        assert!(headers.len() >= 5, "{}", headers.len());
        let (last, others) = headers.split_last().unwrap();
        assert!(others.iter().all(|header| header.compression() == id), "{codec} {settings:?}");
        assert_eq!(last.compression(), 0, "{codec}: noise does not shrink, and goes as it is");
    }
}

/// Behaviour 55.
#[test]
fn batches_are_filled_by_what_the_last_ones_shrank_to() {
    let cluster = cluster(1);
    let settings =
        [("compression.type", "lz4"), ("batch.size", "2000"), ("linger.ms", "10000"), ("batch.size", "2000")];
    let producer = producer(&cluster, &settings);
    for number in 0..40_000 {
        producer.send(to_first(json(number))).unwrap();
    }
    producer.close().unwrap();
    let headers = headers(&cluster);
    let first = headers[0].record_count;
    let later = headers[headers.len() - 2].record_count;
    assert!(later > first * 2, "{first} records in the first batch, {later} in the last full one");
    let too_large = headers.iter().filter(|header| header.size_bytes() > 2000).count();
    assert!(too_large * 20 < headers.len(), "{too_large} of {} are larger than batch.size", headers.len());
    assert_eq!(cluster.records("t").len(), 40_000);
}

type Told = Arc<Mutex<Vec<(usize, Option<i64>)>>>;

/// Sends `count` records of `size` random letters in one batch, each with a callback.
fn send_together(
    producer: &crate::support::TextProducer,
    count: usize,
    size: usize,
) -> (Vec<RecordFuture>, Vec<String>, Told) {
    let mut random = fastrand::Rng::with_seed(2);
    let told = Told::default();
    let (mut futures, mut values) = (Vec::new(), Vec::new());
    for index in 0..count {
        let value: String = std::iter::repeat_with(|| random.alphanumeric()).take(size).collect();
        let tell = Arc::clone(&told);
        let callback = move |outcome: Result<kafka_producer::RecordMetadata, _>| {
            tell.lock().unwrap().push((index, outcome.ok().and_then(|metadata| metadata.offset())));
        };
        futures.push(producer.send_with_callback(to_first(value.clone()), callback).unwrap());
        values.push(value);
    }
    (futures, values, told)
}

fn small_topic(bytes: usize) -> EmbeddedCluster {
    EmbeddedCluster::builder().topic_with("t", TopicConfig::new(1).max_message_bytes(bytes)).start().unwrap()
}

/// Behaviours 50, 56.
#[test]
fn a_batch_that_is_too_large_is_split_in_order_without_a_retry_and_everyone_follows() {
    for (codec, idempotent) in [("none", true), ("gzip", true), ("zstd", false), ("lz4", true)] {
        let cluster = small_topic(2000);
        let settings = [
            ("compression.type", codec),
            ("linger.ms", "10000"),
            ("enable.idempotence", if idempotent { "true" } else { "false" }),
            ("retries", if idempotent { "1" } else { "0" }),
        ];
        let producer = producer(&cluster, &settings);
        let (futures, values, told) = send_together(&producer, 100, 100);
        producer.flush().unwrap();
        assert!(futures.iter().all(RecordFuture::is_done), "flush has waited for the pieces");
        let offsets: Vec<_> = futures.iter().map(|future| future.get().unwrap().offset().unwrap()).collect();
        assert_eq!(offsets, (0..100).collect::<Vec<i64>>(), "{codec}");
        let expected: Vec<_> = (0..100).map(|index| (index, Some(index as i64))).collect();
        assert_eq!(*told.lock().unwrap(), expected, "{codec}: callbacks in order, each once");
        let records = cluster.records("t");
        let read: Vec<_> = records.iter().map(|record| record.value.clone().unwrap()).collect();
        assert!(read == values.iter().map(|value| value.clone().into_bytes()).collect::<Vec<_>>(), "{codec}");
        if idempotent {
            let sequences: Vec<_> = records.iter().map(|record| record.sequence).collect();
            assert_eq!(sequences, (0..100).collect::<Vec<i32>>());
            assert!(records.iter().all(|record| record.producer_epoch == 0), "no new epoch for it");
        }
        let report = producer.close_timeout(AGES).unwrap();
        assert_eq!((report.failed, report.abandoned), (0, 0));
    }
}

/// Behaviour 56.
#[test]
fn a_split_keeps_the_order_with_other_batches_in_flight() {
    let cluster = small_topic(4000);
    let producer = producer(&cluster, &[("batch.size", "9000"), ("compression.type", "snappy")]);
    let small = |name: &str| producer.send(to_first(name.to_owned())).unwrap();
    small("first").get_timeout(AGES).unwrap();
    // The batches that are full go at once; the small ones go behind them.
    let mut all = Vec::new();
    for _ in 0..3 {
        all.extend(send_together(&producer, 80, 100).0);
        all.push(small("between"));
    }
    producer.flush().unwrap();
    let offsets: Vec<_> = all.iter().map(|future| future.get().unwrap().offset().unwrap()).collect();
    assert_eq!(offsets, (1..=243).collect::<Vec<i64>>());
    assert_eq!(cluster.records("t").len(), 244);
}

/// Counts the batches that the brokers find too large.
fn count_refusals(cluster: &EmbeddedCluster) -> Arc<AtomicUsize> {
    let refusals = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refusals);
    cluster.rewrite_answers(move |answer| {
        if answer.api == Api::Produce {
            let mut body = bytes::Bytes::copy_from_slice(answer.body);
            let message = ProduceResponse::decode(&mut body, answer.version).unwrap();
            let answers = message.responses.iter().flat_map(|topic| &topic.partition_responses);
            let too_large = ErrorCode::MESSAGE_TOO_LARGE.0;
            count.fetch_add(answers.filter(|one| one.error_code == too_large).count(), Ordering::Relaxed);
        }
        Rewritten::Unchanged
    });
    refusals
}

/// Fault C18.
/// Behaviour 56.
#[test]
fn what_a_topics_limit_has_taught_bounds_its_next_batches() {
    for codec in ["none", "gzip"] {
        let topic = TopicConfig::new(2).max_message_bytes(3000);
        let cluster = EmbeddedCluster::builder().topic_with("t", topic).start().unwrap();
        let refusals = count_refusals(&cluster);
        let producer = producer(&cluster, &[("compression.type", codec)]);
        let mut random = fastrand::Rng::with_seed(4);
        let (mut sent, mut futures) = ([Vec::new(), Vec::new()], Vec::new());
        let told = || (refusals.load(Ordering::Relaxed), cluster.batches("t", 0).len());
        let mut learnt = (0, 0);
        for number in 0..20_000_usize {
            // On a busy machine many batches are on their way before the first refusal comes.
            if number == 4000 {
                producer.flush().unwrap();
                learnt = told();
            }
            // Some fit only where they are alone.
            let size = if number % 1000 == 500 { 2800 } else { 100 };
            let value: String = std::iter::repeat_with(|| random.alphanumeric()).take(size).collect();
            let record = ProducerRecord::new("t", value.clone()).with_partition(number as i32 % 2);
            futures.push(producer.send(record).unwrap());
            sent[number % 2].push(value.into_bytes());
        }
        for (number, future) in futures.iter().enumerate() {
            let offset = future.get_timeout(AGES).unwrap().offset();
            assert_eq!(offset, Some(number as i64 / 2), "{codec}");
        }
        for (partition, sent) in sent.into_iter().enumerate() {
            let records =
                cluster.records("t").into_iter().filter(|record| record.partition == partition as i32);
            let read: Vec<_> = records.map(|record| record.value.unwrap()).collect();
            assert!(read == sent, "{codec}");
        }
        let (refusals, batches) = (told().0 - learnt.0, told().1 - learnt.1);
        // Where nothing was learnt each piece is as large again as what was refused.
        assert!(
            learnt.0 > 0 && refusals * 3 < batches && batches > 250,
            "{codec}: {learnt:?}, {refusals}, {batches}"
        );
    }
}

/// Behaviour 57.
#[test]
fn one_record_that_is_too_large_fails_alone_and_its_company_arrives() {
    let cluster = small_topic(2000);
    let producer = producer(&cluster, &[("linger.ms", "10000"), ("compression.type", "gzip")]);
    let mut random = fastrand::Rng::with_seed(3);
    let large: String = std::iter::repeat_with(|| random.alphanumeric()).take(6000).collect();
    let alone = producer.send(to_first(large.clone())).unwrap();
    let error = alone.get_timeout(AGES).unwrap_err();
    let told = (error.kind(), error.code(), error.possibly_written());
    assert_eq!(told, (ErrorKind::RecordTooLarge, Some(ErrorCode::MESSAGE_TOO_LARGE), false), "{error}");
    assert!(!error.is_retriable() && !error.is_fatal());

    let before = producer.send(to_first("before".to_owned())).unwrap();
    let large = producer.send(to_first(large)).unwrap();
    let after = producer.send(to_first("after".to_owned())).unwrap();
    producer.flush().unwrap();
    assert_eq!(large.get().unwrap_err().kind(), ErrorKind::RecordTooLarge);
    assert_eq!([before, after].map(|future| future.get().unwrap().offset()), [Some(0), Some(1)]);
    assert_eq!(cluster.records("t").len(), 2);
}

/// Behaviour 56.
#[test]
fn the_pieces_of_a_split_batch_keep_its_time_and_can_be_retried() {
    let cluster = small_topic(2000);
    let settings = [
        // An answer that is late is one that was lost, after which nothing is split.
        ("request.timeout.ms", "2500"),
        ("delivery.timeout.ms", "40000"),
        ("linger.ms", "500"),
    ];
    let producer = producer(&cluster, &settings);
    cluster.inject(Fault::drop_answer(Api::Produce).skip(2).times(1));
    cluster.inject(Fault::cut_after(Api::Produce).skip(6).times(1));
    let (futures, values, _) = send_together(&producer, 60, 100);
    let offsets: Vec<_> = futures.iter().map(|future| future.get_timeout(AGES)).collect();
    assert!(offsets.iter().all(Result::is_ok), "{offsets:?}");
    let read: Vec<_> = cluster.records("t").into_iter().map(|record| record.value.unwrap()).collect();
    assert!(read == values.into_iter().map(String::into_bytes).collect::<Vec<_>>());

    // A broker that refuses every size, however small, as long as the record may take.
    cluster.inject(Fault::fail(Api::Produce, BrokerError::MESSAGE_TOO_LARGE).always());
    let (futures, ..) = send_together(&producer, 30, 100);
    producer.flush().unwrap();
    for future in futures {
        assert_eq!(future.get_timeout(Duration::ZERO).unwrap_err().kind(), ErrorKind::RecordTooLarge);
    }
}

/// The broker looks at the size first, and does not say whether it has the batch from before its limit was lowered.
/// Behaviour 56.
#[test]
fn a_batch_that_may_be_in_the_log_is_not_split() {
    let cluster = small_topic(2000);
    let producer = producer(&cluster, &[("linger.ms", "5000"), ("request.timeout.ms", "2500")]);
    cluster.drop_answer(Api::Produce, 1);
    let (futures, ..) = send_together(&producer, 60, 100);
    for future in futures {
        let error = future.get_timeout(AGES).unwrap_err();
        assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::RecordTooLarge, true), "{error}");
    }
    producer.send(to_first("next".to_owned())).unwrap().get_timeout(AGES).unwrap();
    assert_eq!(cluster.records("t").len(), 1);
}

/// Behaviour 58.
#[test]
fn zstd_is_refused_by_a_broker_that_is_too_old_for_it() {
    let cluster = EmbeddedCluster::builder().topic("t", 1).api_versions(Api::Produce, 3..=6).start().unwrap();
    let old = producer(&cluster, &[("compression.type", "zstd"), ("linger.ms", "10000")]);
    let error = old.send(to_first("a".repeat(1000))).unwrap().get_timeout(AGES).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE), "{error}");
    let lz4 = producer(&cluster, &[("compression.type", "lz4")]);
    lz4.send(to_first("a".repeat(1000))).unwrap().get_timeout(AGES).unwrap();
}

#[test]
fn a_level_that_a_codec_does_not_have_is_refused_by_name() {
    let cluster = cluster(1);
    let with = |level: &str| {
        let settings = [("compression.type", "lz4"), ("compression.lz4.level", level)];
        KafkaProducer::<str, str>::new(crate::support::config(&cluster.bootstrap_servers(), &settings))
    };
    with("9").unwrap();
    if cfg!(feature = "lz4-c") {
        with("12").unwrap();
    } else {
        let error = with("12").unwrap_err().to_string();
        assert!(error.contains("compression.lz4.level") && error.contains("`lz4-c`"), "{error}");
    }
}
