//! client-ours-counted: as client-ours, with an allocator that counts. It is no measure of time.

use std::alloc::System;

use kafka_producer_benchmarks::work::Work;
use kafka_producer_benchmarks::{Failure, ours};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Failure> {
    println!("{}", ours::run(&Work::from_args()?, Some(allocations))?);
    Ok(())
}

/// How often memory was asked for.
fn allocations() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.allocations + stats.reallocations) as u64
}
