//! A few requests over a bare socket, for the harness itself: is the cluster ready, who leads what, create a topic.
//!
//! Must not know: the producer under test. Old, fixed versions that every broker from 2.x on answers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// What one broker knows of the cluster.
pub struct ProbedMetadata {
    /// Ids of the live brokers.
    pub brokers: Vec<i32>,
    pub partitions: Vec<ProbedPartition>,
}

/// A partition of the topic that was asked for.
pub struct ProbedPartition {
    pub error: i16,
    pub index: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// Asks the broker on this port: Metadata version 1.
pub fn metadata(port: u16, topic: Option<&str>) -> io::Result<ProbedMetadata> {
    let mut request = ProbeRequest::new(3, 1);
    request.array(topic.as_slice(), |request, name| request.string(name));
    let mut answer = request.ask(port, Duration::from_millis(1000))?;
    let brokers = answer.array(|answer| {
        let node = answer.i32()?;
        answer.string()?;
        answer.i32()?;
        answer.string()?;
        Ok(node)
    })?;
    answer.i32()?; // the controller, or whom it takes for one
    let topics = answer.array(|answer| {
        answer.i16()?;
        answer.string()?;
        answer.take(1)?;
        answer.array(ProbeAnswer::partition)
    })?;
    Ok(ProbedMetadata { brokers, partitions: topics.into_iter().flatten().collect() })
}

/// Creates a topic: CreateTopics version 2. The error is Kafka's code and words.
pub fn create_topic(
    port: u16,
    name: &str,
    partitions: i32,
    replicas: i16,
    configs: &[(&str, &str)],
) -> io::Result<()> {
    let mut request = ProbeRequest::new(19, 2);
    request.array(&[name], |request, name| {
        request.string(name);
        request.bytes.extend(partitions.to_be_bytes());
        request.bytes.extend(replicas.to_be_bytes());
        request.bytes.extend(0_i32.to_be_bytes()); // no assignments by hand
        request.array(configs, |request, (key, value)| {
            request.string(key);
            request.string(value);
        });
    });
    request.bytes.extend(15_000_i32.to_be_bytes());
    request.bytes.push(0); // not only validate
    let mut answer = request.ask(port, Duration::from_secs(20))?;
    answer.i32()?; // throttle time
    answer.array(|answer| {
        answer.string()?;
        let code = answer.i16()?;
        let message = answer.string()?;
        match code {
            0 => Ok(()),
            _ => Err(io::Error::other(format!("creating topic {name}: error {code} {message:?}"))),
        }
    })?;
    Ok(())
}

/// Deletes a topic: DeleteTopics version 1.
pub fn delete_topic(port: u16, name: &str) -> io::Result<()> {
    let mut request = ProbeRequest::new(20, 1);
    request.array(&[name], |request, name| request.string(name));
    request.bytes.extend(15_000_i32.to_be_bytes());
    let mut answer = request.ask(port, Duration::from_secs(20))?;
    answer.i32()?; // throttle time
    answer.array(|answer| {
        answer.string()?;
        match answer.i16()? {
            0 => Ok(()),
            code => Err(io::Error::other(format!("deleting topic {name}: error {code}"))),
        }
    })?;
    Ok(())
}

/// The offset behind the last record of a partition, from its leader: ListOffsets version 1.
pub fn end_offset(port: u16, topic: &str, partition: i32) -> io::Result<u64> {
    let mut request = ProbeRequest::new(2, 1);
    request.bytes.extend((-1_i32).to_be_bytes()); // no broker asks
    request.array(&[topic], |request, name| {
        request.string(name);
        request.array(&[partition], |request, partition| {
            request.bytes.extend(partition.to_be_bytes());
            request.bytes.extend((-1_i64).to_be_bytes()); // the latest
        });
    });
    let mut answer = request.ask(port, Duration::from_secs(20))?;
    let ends = answer.array(|answer| {
        answer.string()?;
        answer.array(|answer| {
            answer.i32()?;
            let code = answer.i16()?;
            answer.take(8)?; // a time
            let offset = i64::from_be_bytes(answer.take(8)?.try_into().unwrap());
            match u64::try_from(offset) {
                Ok(offset) if code == 0 => Ok(offset),
                _ => Err(io::Error::other(format!("the end of {topic}-{partition}: error {code}"))),
            }
        })
    })?;
    let end = ends.into_iter().flatten().next();
    end.ok_or_else(|| io::Error::other(format!("the end of {topic}-{partition}: no answer")))
}

/// What a group has committed for a partition; none: nothing. Asks any broker for the group's coordinator, which is made by
/// that if need be, and that one: FindCoordinator version 0, OffsetFetch version 1.
pub fn committed_offset(port: u16, group: &str, topic: &str, partition: i32) -> io::Result<Option<u64>> {
    let mut request = ProbeRequest::new(10, 0);
    request.string(group);
    let mut answer = request.ask(port, Duration::from_secs(20))?;
    match answer.i16()? {
        0 => {}
        code => return Err(io::Error::other(format!("the coordinator of {group}: error {code}"))),
    }
    answer.i32()?; // its id
    answer.string()?; // its host, which is this one
    let port = u16::try_from(answer.i32()?).map_err(io::Error::other)?;
    let mut request = ProbeRequest::new(9, 1);
    request.string(group);
    request.array(&[topic], |request, name| {
        request.string(name);
        request.array(&[partition], |request, partition| request.bytes.extend(partition.to_be_bytes()));
    });
    let mut answer = request.ask(port, Duration::from_secs(20))?;
    let found = answer.array(|answer| {
        answer.string()?;
        answer.array(|answer| {
            answer.i32()?;
            let offset = i64::from_be_bytes(answer.take(8)?.try_into().unwrap());
            answer.string()?;
            match answer.i16()? {
                0 => Ok(u64::try_from(offset).ok()),
                code => Err(io::Error::other(format!("{group} at {topic}-{partition}: error {code}"))),
            }
        })
    })?;
    let found = found.into_iter().flatten().next();
    found.ok_or_else(|| io::Error::other(format!("{group} at {topic}-{partition}: no answer")))
}

struct ProbeRequest {
    bytes: Vec<u8>,
}

impl ProbeRequest {
    /// The length is filled in later; correlation 1, no client id.
    fn new(api: i16, version: i16) -> ProbeRequest {
        let mut bytes = vec![0; 4];
        bytes.extend(api.to_be_bytes());
        bytes.extend(version.to_be_bytes());
        bytes.extend(1_i32.to_be_bytes());
        bytes.extend((-1_i16).to_be_bytes());
        ProbeRequest { bytes }
    }

    fn string(&mut self, text: &str) {
        self.bytes.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn array<T>(&mut self, items: &[T], write: impl Fn(&mut ProbeRequest, &T)) {
        self.bytes.extend(i32::try_from(items.len()).unwrap().to_be_bytes());
        for item in items {
            write(self, item);
        }
    }

    fn ask(mut self, port: u16, limit: Duration) -> io::Result<ProbeAnswer> {
        let length = u32::try_from(self.bytes.len() - 4).unwrap();
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut socket = TcpStream::connect_timeout(&address, Duration::from_millis(300))?;
        socket.set_read_timeout(Some(limit))?;
        socket.write_all(&self.bytes)?;
        let mut length = [0; 4];
        socket.read_exact(&mut length)?;
        let mut bytes = Vec::new();
        socket.take(u64::from(u32::from_be_bytes(length))).read_to_end(&mut bytes)?;
        let mut answer = ProbeAnswer { bytes, position: 0 };
        answer.i32()?; // correlation
        Ok(answer)
    }
}

struct ProbeAnswer {
    bytes: Vec<u8>,
    position: usize,
}

impl ProbeAnswer {
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let start = self.position;
        self.position += count;
        self.bytes.get(start..start + count).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    fn i16(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().unwrap()))
    }

    fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().unwrap()))
    }

    /// Null becomes empty.
    fn string(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn array<T>(&mut self, read: impl Fn(&mut ProbeAnswer) -> io::Result<T>) -> io::Result<Vec<T>> {
        (0..self.i32()?).map(|_| read(self)).collect()
    }

    fn partition(&mut self) -> io::Result<ProbedPartition> {
        Ok(ProbedPartition {
            error: self.i16()?,
            index: self.i32()?,
            leader: self.i32()?,
            replicas: self.array(ProbeAnswer::i32)?,
            in_sync: self.array(ProbeAnswer::i32)?,
        })
    }
}
