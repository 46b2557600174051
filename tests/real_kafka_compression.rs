//! Compressed batches on Apache Kafka: valid in its log, and read by Java's consumer and by kcat; too large ones are split.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod real_kafka_support;

use harness::kafka_cluster::Kafka;
use kafka_producer::ProducerRecord;
use real_kafka_support::bytes_producer;

harness::on_each_version! {
    every_codec_is_read_by_java_and_by_kcat
    a_batch_that_the_topic_finds_too_large_is_split
}

fn json(number: usize) -> Vec<u8> {
    let cents = number * 7919 % 10_000;
    format!(r#"{{"order":{number},"user":"user-{}","state":"paid","cents":{cents}}}"#, number % 97)
        .into_bytes()
}

fn noise(random: &mut fastrand::Rng, size: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}

/// One record, a few, full batches; what shrinks well, what does not at all.
fn groups() -> Vec<Vec<Vec<u8>>> {
    let mut random = fastrand::Rng::with_seed(4);
    vec![
        vec![vec![b'a'; 2000]],
        (0..20).map(json).collect(),
        (0..5000).map(json).collect(),
        vec![vec![0; 900_000]],
        vec![noise(&mut random, 60_000)],
    ]
}

fn every_codec_is_read_by_java_and_by_kcat(version: &str) {
    let kafka = Kafka::start(version, 1);
    let groups = groups();
    let sent: Vec<&Vec<u8>> = groups.iter().flatten().collect();
    for (topic, name, settings) in [
        ("gzip-6", "gzip", &[("compression.type", "gzip")][..]),
        ("gzip-1", "gzip", &[("compression.type", "gzip"), ("compression.gzip.level", "1")]),
        ("gzip-9", "gzip", &[("compression.type", "gzip"), ("compression.gzip.level", "9")]),
        ("snappy", "snappy", &[("compression.type", "snappy")]),
        ("lz4", "lz4", &[("compression.type", "lz4")]),
        ("zstd-3", "zstd", &[("compression.type", "zstd")]),
        ("zstd-fast", "zstd", &[("compression.type", "zstd"), ("compression.zstd.level", "-131072")]),
        ("zstd-19", "zstd", &[("compression.type", "zstd"), ("compression.zstd.level", "19")]),
    ] {
        kafka.create_topic(topic, 1, 1, &[]);
        let more = [("linger.ms", "10000"), ("batch.size", "100000")];
        let producer = bytes_producer(&kafka, &[settings, &more].concat());
        for group in &groups {
            for value in group {
                let record = ProducerRecord::new(topic, value.as_slice()).with_key(b"key".as_slice());
                producer.send(record.with_header("h", "1")).unwrap();
            }
            producer.flush().unwrap();
        }
        producer.close().unwrap();
        for rows in [kafka.read_back(topic), kafka.read_back_with_java(topic)] {
            let read: Vec<&Vec<u8>> = rows.iter().map(|row| row.value.as_ref().unwrap()).collect();
            assert!(read == sent, "{topic}: {} of {} records", read.len(), sent.len());
            assert!(rows.iter().all(|row| row.headers.len() == 1 && row.key.as_deref() == Some(b"key")));
        }
        let batches = &kafka.log_batches(1, topic)[&0];
        assert!(batches.iter().all(|batch| batch.is_valid), "{topic}");
        let (noise, others) = batches.split_last().unwrap();
        assert!(others.iter().all(|batch| batch.compression.eq_ignore_ascii_case(name)), "{batches:?}");
        assert!(noise.compression.eq_ignore_ascii_case("none"), "{noise:?}");
    }
}

fn a_batch_that_the_topic_finds_too_large_is_split(version: &str) {
    let kafka = Kafka::start(version, 1);
    for (topic, codec) in [("plain", "none"), ("packed", "zstd")] {
        kafka.create_topic(topic, 1, 1, &[("max.message.bytes", "3000")]);
        let settings =
            [("linger.ms", "10000"), ("batch.size", "60000"), ("retries", "1"), ("compression.type", codec)];
        let producer = bytes_producer(&kafka, &settings);
        let mut random = fastrand::Rng::with_seed(5);
        let values: Vec<Vec<u8>> = (0..200).map(|_| noise(&mut random, 200)).collect();
        let send = |value: &Vec<u8>| producer.send(ProducerRecord::new(topic, value.as_slice())).unwrap();
        let futures: Vec<_> = values.iter().map(send).collect();
        producer.flush().unwrap();
        for (index, future) in futures.iter().enumerate() {
            assert_eq!(future.get().unwrap().offset(), Some(index as i64), "{topic}");
        }
        producer.close().unwrap();
        let read: Vec<_> = kafka.read_back(topic).into_iter().map(|row| row.value.unwrap()).collect();
        assert!(read == values, "{topic}: each once, in order");
        let batches = &kafka.log_batches(1, topic)[&0];
        assert!(
            batches.iter().all(|batch| batch.is_valid && batch.base_sequence == batch.base_offset as i32)
        );
    }
}
