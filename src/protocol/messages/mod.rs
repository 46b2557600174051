//! One file per API, request and response together, named after Kafka's schema.

mod api_versions;
mod init_producer_id;
mod metadata;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;

pub(crate) use api_versions::*;
pub(crate) use init_producer_id::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;
pub(crate) use sasl_authenticate::*;
pub(crate) use sasl_handshake::*;
