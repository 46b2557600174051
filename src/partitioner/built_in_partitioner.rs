//! The built-in choice for records without a key (KIP-794): which partition a topic's keyless records keep to, when they
//! leave it, and where they go.
//!
//! Owns: the arithmetic, all of it pure, and the number of the partition. Must not know: queues, clocks, random sources;
//! whoever owns a topic's state brings them.
//! Threads: any; the first of several that choose at once wins.
//! Source: Kafka's `BuiltInPartitioner`.

use std::sync::atomic::{AtomicI32, Ordering};

/// The partition that keyless records keep to.
pub(crate) struct StickyPartition(AtomicI32);

impl Default for StickyPartition {
    fn default() -> Self {
        StickyPartition(AtomicI32::new(-1))
    }
}

impl StickyPartition {
    #[inline]
    pub(crate) fn is(&self, partition: i32) -> bool {
        self.current() == partition
    }

    /// The partition has had its share: the next record chooses.
    pub(crate) fn leave(&self) {
        self.0.store(-1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn current(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes `chosen` the partition unless another thread was faster; returns the one that holds.
    pub(crate) fn choose(&self, seen: i32, chosen: i32) -> i32 {
        match self.0.compare_exchange(seen, chosen, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => chosen,
            Err(other) if other >= 0 => other,
            Err(_) => chosen,
        }
    }
}

/// Partitions weighted by how little waits for them: the longest queue plus one, minus the own queue. An immutable
/// picture of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadTable {
    /// Running sums of the weights, each with its partition: never empty, strictly rising.
    cumulative: Vec<(u32, i32)>,
}

impl LoadTable {
    /// The table of these partitions: how long their queues are (in batches), and their numbers. Queues of the same
    /// length make an even choice. `None` where there are no partitions.
    pub(crate) fn new(queues: impl IntoIterator<Item = (u32, i32)>) -> Option<LoadTable> {
        let mut cumulative: Vec<(u32, i32)> = queues.into_iter().collect();
        // No weight above this, so that the sum of all fits.
        let cap = u32::MAX / u32::try_from(cumulative.len().max(1)).unwrap_or(u32::MAX);
        let longest = cumulative.iter().map(|(size, _)| *size).max()?;
        let mut sum = 0;
        for (size, _) in &mut cumulative {
            sum += (longest - *size).saturating_add(1).min(cap);
            *size = sum;
        }
        Some(LoadTable { cumulative })
    }

    /// A partition, by a random number that is evenly distributed over all of `u32`.
    pub(crate) fn choose(&self, random: u32) -> i32 {
        let total = self.cumulative.last().map_or(1, |(sum, _)| *sum);
        let point = random % total;
        let place = self.cumulative.partition_point(|(sum, _)| *sum <= point);
        self.cumulative.get(place).map_or(0, |(_, partition)| *partition)
    }
}

/// The partition to go on with: as the table says, or, where no partition has a leader, any of all. `random` is evenly
/// distributed over all of `u32`; with no partitions the answer is 0.
pub(crate) fn next_partition(partition_count: usize, table: Option<&LoadTable>, random: u32) -> i32 {
    let any = || (random as usize).checked_rem(partition_count).and_then(|any| i32::try_from(any).ok());
    table.map_or_else(|| any().unwrap_or(0), |table| table.choose(random))
}

/// Whether it is time to leave the partition: `batch_size` bytes went to it and its last batch is full (so that no
/// half-filled batch is left behind), or twice as many bytes, whatever the batch. The bytes are those on the wire,
/// estimated with compression. A batch size of 0 acts as 1.
#[inline]
pub(crate) fn should_switch(bytes_in_sticky: usize, batch_size: usize, last_batch_is_full: bool) -> bool {
    let batch_size = batch_size.max(1);
    bytes_in_sticky >= batch_size.saturating_mul(2) || (bytes_in_sticky >= batch_size && last_batch_is_full)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chi-square of what was seen against what the weights say.
    fn chi_square(seen: &[u32], weights: &[u32]) -> f64 {
        let draws: u32 = seen.iter().sum();
        let total: u32 = weights.iter().sum();
        seen.iter()
            .zip(weights)
            .map(|(seen, weight)| {
                let expected = f64::from(draws) * f64::from(*weight) / f64::from(total);
                (f64::from(*seen) - expected).powi(2) / expected
            })
            .sum()
    }

    fn draw(count: usize, times: u32, mut choose: impl FnMut(u32) -> i32) -> Vec<u32> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut seen = vec![0; count];
        for _ in 0..times {
            seen[choose(random.u32(..)) as usize] += 1;
        }
        seen
    }

    #[test]
    fn the_table_of_javas_comment() {
        let table = LoadTable::new([(0, 10), (3, 11), (1, 12)]).unwrap();
        assert_eq!(table.cumulative, [(4, 10), (5, 11), (8, 12)]);
        let chosen: Vec<i32> = (0..8).map(|random| table.choose(random)).collect();
        assert_eq!(chosen, [10, 10, 10, 10, 11, 12, 12, 12]);
    }

    /// Behaviour 29.
    #[test]
    fn as_javas_adaptive_partitions_test() {
        let table = LoadTable::new([5, 0, 3, 0, 1].into_iter().zip(0..)).unwrap();
        let mut seen = [0; 5];
        for random in 0..2 * 21 {
            seen[table.choose(random) as usize] += 1;
        }
        assert_eq!(seen, [2, 12, 6, 12, 10]);
    }

    #[test]
    fn extreme_queues_neither_overflow_nor_starve_the_short_one() {
        for sizes in [vec![0, u32::MAX], vec![u32::MAX, 0, u32::MAX, 1], vec![u32::MAX; 70_000]] {
            let ids = 0..sizes.len() as i32;
            let table = LoadTable::new(sizes.into_iter().zip(0..)).unwrap();
            assert!(table.cumulative.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(ids.contains(&table.choose(u32::MAX - 1)));
        }
        let table = LoadTable::new([(0, 0), (u32::MAX, 1)]).unwrap();
        assert_eq!(table.choose(u32::MAX / 3), 0);
    }

    /// Behaviour 29.
    #[test]
    fn choices_follow_the_weights() {
        // Unequal queues, as a slow broker makes them: partition 2 and 5 wait.
        let sizes = [0, 1, 40, 0, 2, 25, 3, 0, 1, 0];
        let weights: Vec<u32> = sizes.iter().map(|size| 41 - size).collect();
        let table = LoadTable::new(sizes.into_iter().zip(0..)).unwrap();
        let seen = draw(10, 100_000, |random| next_partition(10, Some(&table), random));
        // 9 degrees of freedom: 27.9 is exceeded once in a thousand.
        assert!(chi_square(&seen, &weights) < 27.9, "{seen:?}");
        assert!(chi_square(&seen, &[1; 10]) > 1000.0, "the test must be able to tell: {seen:?}");
    }

    /// Behaviour 29.
    #[test]
    fn queues_of_the_same_length_make_an_even_choice() {
        for length in [0, 7] {
            let available = [1, 3, 4, 7];
            let table = LoadTable::new(available.map(|partition| (length, partition))).unwrap();
            let seen = draw(8, 40_000, |random| next_partition(8, Some(&table), random));
            assert_eq!([seen[0], seen[2], seen[5], seen[6]], [0; 4]);
            // 3 degrees of freedom: 16.3.
            let seen: Vec<u32> = available.iter().map(|partition| seen[*partition as usize]).collect();
            assert!(chi_square(&seen, &[1; 4]) < 16.3, "{seen:?}");
        }
        let only = LoadTable::new([(4, 9)]).unwrap();
        assert!([0, 1, u32::MAX].iter().all(|random| only.choose(*random) == 9));
    }

    #[test]
    fn where_no_partition_has_a_leader_any_will_do() {
        assert_eq!(LoadTable::new([]), None);
        let seen = draw(8, 40_000, |random| next_partition(8, None, random));
        // 7 degrees of freedom: 24.3.
        assert!(chi_square(&seen, &[1; 8]) < 24.3, "{seen:?}");
        assert_eq!(next_partition(0, None, 5), 0);
    }

    /// Behaviour 28.
    #[test]
    fn the_switch_rule() {
        for (bytes, batch_size, full, expected) in [
            (0, 16384, true, false),
            (16383, 16384, true, false),
            (16384, 16384, true, true),
            (16384, 16384, false, false),
            (32767, 16384, false, false),
            (32767, 16384, true, true),
            (32768, 16384, false, true),
            (0, 0, true, false),
            (1, 0, true, true),
            (1, 0, false, false),
            (2, 0, false, true),
            (usize::MAX, usize::MAX, false, true),
            (usize::MAX - 1, usize::MAX, true, false),
        ] {
            assert_eq!(should_switch(bytes, batch_size, full), expected, "{bytes} {batch_size} {full}");
        }
    }
}
