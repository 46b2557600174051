//! One file per API, request and response together, named after Kafka's schema.

#[cfg_attr(not(test), allow(dead_code, reason = "the coordinator is not asked yet"))]
mod add_offsets_to_txn;
#[cfg_attr(not(test), allow(dead_code, reason = "the coordinator is not asked yet"))]
mod add_partitions_to_txn;
mod api_versions;
#[cfg_attr(not(test), allow(dead_code, reason = "the coordinator is not asked yet"))]
mod end_txn;
#[cfg_attr(not(test), allow(dead_code, reason = "the coordinator is not asked yet"))]
mod find_coordinator;
mod init_producer_id;
mod metadata;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
#[cfg_attr(not(test), allow(dead_code, reason = "the coordinator is not asked yet"))]
mod txn_offset_commit;

#[cfg_attr(not(test), expect(unused_imports, reason = "the coordinator is not asked yet"))]
pub(crate) use add_offsets_to_txn::*;
#[cfg_attr(not(test), expect(unused_imports, reason = "the coordinator is not asked yet"))]
pub(crate) use add_partitions_to_txn::*;
pub(crate) use api_versions::*;
#[cfg_attr(not(test), expect(unused_imports, reason = "the coordinator is not asked yet"))]
pub(crate) use end_txn::*;
#[cfg_attr(not(test), expect(unused_imports, reason = "the coordinator is not asked yet"))]
pub(crate) use find_coordinator::*;
pub(crate) use init_producer_id::*;
pub(crate) use metadata::*;
pub(crate) use produce::*;
pub(crate) use sasl_authenticate::*;
pub(crate) use sasl_handshake::*;
#[cfg_attr(not(test), expect(unused_imports, reason = "the coordinator is not asked yet"))]
pub(crate) use txn_offset_commit::*;
