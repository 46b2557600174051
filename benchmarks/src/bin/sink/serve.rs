//! One connection: requests in, answers out, in the order in which they came.
//!
//! Announces what Apache Kafka 4 announces. Produce 0 to 2 are in the list and refused (librdkafka wants to see
//! them), Fetch, ListOffsets and FindCoordinator are in the list and not served (librdkafka writes today's batch format only
//! to a broker that also has Fetch 4, and compresses by lz4 only for one that has FindCoordinator).

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use kafka_producer_benchmarks::work::TOPIC;
use rustls::ServerConfig;

use crate::answer::ResponseFrame;
use crate::delayed::DelayedAnswers;
use crate::input::{Input, malformed};
use crate::produce_log::{self, SinkLog, TOPIC_ID};
use crate::request_header::RequestHeader;
use crate::sink_stream::SinkStream;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;

/// Key, lowest and highest version.
const APIS: [(i16, i16, i16); 7] = [
    (PRODUCE, 0, 13),
    (1, 4, 17),
    (2, 1, 10),
    (METADATA, 0, 12),
    (10, 0, 6),
    (API_VERSIONS, 0, 4),
    (INIT_PRODUCER_ID, 0, 5),
];

/// The others follow it.
const FIRST_BROKER: i32 = 1;
const HOST: &[u8] = b"127.0.0.1";
const UNSUPPORTED_VERSION: i16 = 35;

/// How clients are served.
#[derive(Clone)]
pub(crate) struct Service {
    /// Of each broker.
    pub(crate) ports: Arc<[u16]>,
    /// How long an answer takes.
    pub(crate) delay: Duration,
    /// Produce requests are not answered.
    pub(crate) silent: bool,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// Serves a client until it closes the connection. What is not Kafka counts as an error and ends the connection.
pub(crate) fn serve(socket: TcpStream, service: &Service, log: &SinkLog) {
    if let Err(error) = requests(socket, service, log)
        && !matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    {
        log.failed();
        eprintln!("sink: {error}");
    }
}

fn requests(socket: TcpStream, service: &Service, log: &SinkLog) -> io::Result<()> {
    let mut delayed = match service.delay {
        Duration::ZERO => None,
        delay => Some(DelayedAnswers::new(&socket, delay)?),
    };
    let mut input = Input::new(SinkStream::new(socket, service.tls.as_ref())?);
    let mut send = |answer: &mut ResponseFrame, input: &mut Input| match &mut delayed {
        None => answer.send(input.stream()),
        Some(delayed) => answer.send(delayed),
    };
    let mut answer = ResponseFrame::new();
    let mut produced = produce_log::ProduceScratch::default();
    while !input.at_end()? {
        let begin = input.position();
        let size = input.i32()?;
        let end = input.position() + u64::try_from(size).map_err(|_| malformed(format!("size {size}")))?;
        let header = RequestHeader::read(&mut input)?;
        if header.key == PRODUCE {
            produce_log::handle(&header, &mut input, &mut answer, log, &mut produced)?;
            if input.position() != end {
                return Err(malformed(format!("Produce ends at {}, its frame at {end}", input.position())));
            }
            log.requested(end - begin);
            if produced.acknowledge && !service.silent {
                log.answered(send(&mut answer, &mut input)?);
            }
            continue;
        }
        match header.key {
            METADATA => metadata(&header, &service.ports, log.partitions(), &mut answer),
            API_VERSIONS => api_versions(&header, &mut answer),
            INIT_PRODUCER_ID => init_producer_id(&header, &mut answer),
            key => return Err(malformed(format!("API {key} version {} is not served", header.version))),
        }
        let rest =
            end.checked_sub(input.position()).ok_or_else(|| malformed("a frame shorter than its header"))?;
        input.skip(rest)?;
        send(&mut answer, &mut input)?;
    }
    Ok(())
}

fn api_versions(header: &RequestHeader, answer: &mut ResponseFrame) {
    let known = (0..=4).contains(&header.version);
    let version = if known { header.version } else { 0 };
    answer.start(header.correlation_id, false, version >= 3);
    answer.i16(if known { 0 } else { UNSUPPORTED_VERSION }).array(APIS.len());
    for (key, lowest, highest) in APIS {
        answer.i16(key).i16(lowest).i16(highest).tags();
    }
    if version >= 1 {
        answer.i32(0); // throttle time
    }
    answer.tags();
}

/// All brokers, the one topic, whatever was asked for.
fn metadata(header: &RequestHeader, ports: &[u16], partitions: usize, answer: &mut ResponseFrame) {
    let version = header.version;
    answer.start(header.correlation_id, version >= 9, version >= 9);
    if version >= 3 {
        answer.i32(0); // throttle time
    }
    answer.array(ports.len());
    for (id, port) in (FIRST_BROKER..).zip(ports) {
        answer.i32(id).string(HOST).i32(i32::from(*port));
        if version >= 1 {
            answer.null_string(); // rack
        }
        answer.tags();
    }
    if version >= 2 {
        answer.string(b"sink"); // cluster id
    }
    if version >= 1 {
        answer.i32(FIRST_BROKER); // controller
    }
    answer.array(1).i16(0).string(TOPIC.as_bytes());
    if version >= 10 {
        answer.raw(&TOPIC_ID);
    }
    if version >= 1 {
        answer.i8(0); // not internal
    }
    answer.array(partitions);
    for partition in 0..partitions {
        let leader = FIRST_BROKER + (partition % ports.len()) as i32;
        partition_metadata(version, partition as i32, leader, answer);
    }
    if version >= 8 {
        answer.i32(i32::MIN); // what one may do to the topic: not asked
    }
    answer.tags();
    if (8..=10).contains(&version) {
        answer.i32(i32::MIN); // what one may do to the cluster
    }
    answer.tags();
}

fn partition_metadata(version: i16, partition: i32, leader: i32, answer: &mut ResponseFrame) {
    answer.i16(0).i32(partition).i32(leader);
    if version >= 7 {
        answer.i32(0); // leader epoch
    }
    answer.array(1).i32(leader).array(1).i32(leader); // replicas, all in sync
    if version >= 5 {
        answer.array(0); // none offline
    }
    answer.tags();
}

fn init_producer_id(header: &RequestHeader, answer: &mut ResponseFrame) {
    answer.start(header.correlation_id, header.version >= 2, header.version >= 2);
    answer.i32(0).i16(0).i64(1).i16(0).tags(); // throttle time, no error, producer id and epoch
}
