//! Answers of the embedded brokers, changed on their way: by the codec that is not ours.

use kafka_embedded::{BrokerAnswer, Rewritten};
use kafka_protocol::protocol::{Decodable, Encodable};

/// The broker's answer with a change.
pub(crate) fn changed<T: Decodable + Encodable>(
    answer: &BrokerAnswer<'_>,
    change: impl FnOnce(&mut T),
) -> Rewritten {
    let mut body = bytes::Bytes::copy_from_slice(answer.body);
    let mut message = T::decode(&mut body, answer.version).unwrap();
    change(&mut message);
    let mut body = Vec::new();
    message.encode(&mut body, answer.version).unwrap();
    Rewritten::Body(body)
}
