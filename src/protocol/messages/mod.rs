//! One file per API, request and response together, named after Kafka's schema.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod end_txn;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod init_producer_id;
mod metadata;
mod produce;
mod push_telemetry;
mod sasl_authenticate;
mod sasl_handshake;
mod txn_offset_commit;

pub(crate) use add_offsets_to_txn::*;
pub(crate) use add_partitions_to_txn::*;
pub(crate) use api_versions::*;
pub(crate) use end_txn::*;
pub(crate) use find_coordinator::*;
pub(crate) use get_telemetry_subscriptions::*;
pub(crate) use init_producer_id::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;
pub(crate) use push_telemetry::*;
pub(crate) use sasl_authenticate::*;
pub(crate) use sasl_handshake::*;
pub(crate) use txn_offset_commit::*;
