//! The client as a whole, over real sockets to the embedded cluster: one program of all tests that can share a process,
//! so that what they wait for is waited for at once, and so that it is linked once. What looks at the process itself (its
//! threads, memory, descriptors, signals, its logger) is a program of its own beside this one.

#![cfg(test)]

mod support;
mod variations_support;

mod client {
    mod bad_input;
    mod bad_records;
    mod batching;
    mod between_sends;
    mod bootstrap;
    mod borrowing;
    mod callbacks;
    mod closing;
    mod compression;
    mod configuration;
    mod crowd;
    mod draining;
    mod error_chains;
    mod everyday;
    mod forgetting;
    mod guards;
    mod hearsay;
    mod idempotence;
    mod interceptors;
    mod memory;
    mod metadata;
    mod metrics;
    mod mock_commits;
    mod mock_producer;
    mod mock_threads;
    mod more_variations;
    mod network_faults;
    mod order_of_work;
    mod partitioning;
    mod properties_files;
    mod recovery;
    mod reloading;
    mod reporters;
    mod retries;
    mod sending;
    mod slow_callbacks;
    mod storm;
    mod telemetry;
    mod tls;
    mod tokens;
    mod transaction_cases;
    mod transactions;
    mod transactions_called_wrongly;
    mod troubles;
    mod two_phase_commit;
    mod variations;
    mod waiting;
}
