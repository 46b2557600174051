//! Java's `SplittableRandom`: the same seed gives the same payloads as Kafka's tool.
//!
//! Owns: the sequence of numbers. Must not know: what they choose.
//! Source: `java.util.SplittableRandom` of Java 17, which is SplitMix64.

/// A sequence of numbers that its seed determines.
pub(super) struct SplittableRandom {
    seed: u64,
}

impl SplittableRandom {
    pub(super) fn new(seed: u64) -> SplittableRandom {
        SplittableRandom { seed }
    }

    /// Java's `nextInt(bound)`: from 0 on, below `bound`. There is nothing below 0, for which it is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let bound = bound.clamp(1, i32::MAX.unsigned_abs());
        let first = self.next();
        if bound.is_power_of_two() {
            return first & (bound - 1);
        }
        // Numbers of an incomplete last round would prefer small ones.
        let mut number = first >> 1;
        loop {
            let chosen = number % bound;
            if number - chosen <= i32::MAX.unsigned_abs() - (bound - 1) {
                return chosen;
            }
            number = self.next() >> 1;
        }
    }

    fn next(&mut self) -> u32 {
        self.seed = self.seed.wrapping_add(GOLDEN_GAMMA);
        let mixed = (self.seed ^ (self.seed >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((mixed ^ (mixed >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as u32
    }
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::SplittableRandom;

    /// What Java 17 printed for `new SplittableRandom(0)`.
    #[test]
    fn numbers_are_those_of_java() {
        let first = |count: usize, bound: u32| {
            let mut random = SplittableRandom::new(0);
            (0..count).map(|_| random.below(bound)).collect::<Vec<_>>()
        };
        assert_eq!(first(20, 3), [1, 1, 0, 0, 1, 1, 2, 0, 1, 0, 1, 2, 2, 0, 1, 2, 0, 2, 2, 1]);
        assert_eq!(first(20, 8), [5, 1, 3, 2, 2, 5, 7, 1, 5, 3, 7, 7, 5, 5, 0, 2, 4, 4, 5, 5]);
        assert_eq!(first(4, 2_000_000_000), [410557678, 830209396, 1297781037, 1660418793]);
    }
}
