//! `WorkBudget`: how much computing one store may ask for.
//!
//! Owns: the limits. Must not know: what is computed.
//! Holds: a store that was made to keep us busy is refused before it does.
//! Source: the limit of a single count is Java's (`PKCS12KeyStore.MAX_ITERATION_COUNT`); Java has none for all together.

use super::store_error::StoreError;

/// What is left of it. Keys are made of passwords in many steps, and the store says how many.
#[derive(Debug)]
pub(super) struct WorkBudget {
    iterations: u32,
}

impl WorkBudget {
    pub(super) fn new() -> Self {
        WorkBudget { iterations: MOST_ITERATIONS_OF_A_STORE }
    }

    /// To be called before a key is derived in this many steps.
    pub(super) fn spend(&mut self, iterations: u32) -> Result<(), StoreError> {
        if iterations == 0 {
            return Err(StoreError::Damaged("its key derivation has no iterations".into()));
        }
        let left = self.iterations.checked_sub(iterations).filter(|_| iterations <= MOST_ITERATIONS);
        self.iterations = left.ok_or_else(|| StoreError::Unsupported {
            what: format!("a key derivation of {iterations} iterations").into(),
            advice: format!(
                "there may be {MOST_ITERATIONS}, and {MOST_ITERATIONS_OF_A_STORE} in all entries together"
            )
            .into(),
        })?;
        Ok(())
    }
}

/// Some seconds of a slow processor. `keytool` and OpenSSL write 2,048 to 100,000. A fuzzer has no such time.
const MOST_ITERATIONS: u32 = if cfg!(fuzzing) { 5_000 } else { 5_000_000 };
const MOST_ITERATIONS_OF_A_STORE: u32 = 4 * MOST_ITERATIONS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_entry_nor_all_of_them_keep_us_busy() {
        let mut budget = WorkBudget::new();
        assert!(budget.spend(0).is_err() && budget.spend(MOST_ITERATIONS + 1).is_err());
        assert!((0..4).all(|_| budget.spend(MOST_ITERATIONS).is_ok()));
        assert_eq!(
            budget.spend(1).unwrap_err().to_string(),
            "a key derivation of 1 iterations is not supported: there may be 5000000, and 20000000 in all entries together"
        );
    }
}
