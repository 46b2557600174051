//! client-ours: the work of the benchmark by kafka-producer (ours.rs).

use kafka_producer_benchmarks::work::Work;
use kafka_producer_benchmarks::{Failure, ours};

fn main() -> Result<(), Failure> {
    println!("{}", ours::run(&Work::from_args()?, None)?);
    Ok(())
}
