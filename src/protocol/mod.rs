//! Kafka's messages: one file per API under `messages`, frame headers, and which version of each is spoken.
//!
//! Owns: what fields a message has in which version. Must not know: connections, batches' contents, what to do
//! about an error code. Requests only encode and responses only decode here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod messages;
mod request;

#[cfg(test)]
mod against_schemas;
#[cfg(test)]
mod vectors;

pub(crate) use messages::*;
pub(crate) use request::{
    BrokerVersions, Request, Response, correlation_id, decode_response, decode_response_with, encode_request,
    pause_after,
};
