//! Whether transactions are whole or not there, by what the application was told and what readers of committed records see.
//!
//! Owns: the comparison. Must not know: how the run came about.

use std::collections::BTreeMap;

use crate::simulation::history::{History, Violation};
use crate::simulation::transaction_book::{ObservedOffset, ObservedTransaction, TransactionFate};

impl History {
    pub(super) fn check_transactions(&self, violations: &mut Vec<Violation>) {
        let known = &self.transactions;
        let mut fates = Vec::new();
        for (number, transaction) in known.transactions.iter().enumerate() {
            let (fate, broken) = self.check_transaction(number, transaction);
            fates.push(fate);
            violations.extend(broken);
            if transaction.is_contradictory() {
                violations.push(Violation::TwoFates(number));
            }
        }
        self.check_offsets(&fates, violations);
        if self.promise.sound {
            violations.extend(known.failures.iter().cloned().map(Violation::FailedForNothing));
        }
    }

    /// What has become of a transaction, by the log as well, and what is wrong with that.
    fn check_transaction(
        &self,
        number: usize,
        transaction: &ObservedTransaction,
    ) -> (TransactionFate, Option<Violation>) {
        let records = self.records.iter().filter(|record| record.transaction == Some(number));
        // Of a topic that was deleted nothing is there, whatever becomes of the transaction.
        let known = &self.transactions;
        let (mut count, mut there) = (0, 0);
        for record in records {
            let is_there = known.committed.contains(&record.content.value);
            count += usize::from(is_there || !known.gone.contains(&record.content.value));
            there += usize::from(is_there);
        }
        let fate = transaction.fate(known.is_settled);
        match fate {
            TransactionFate::Committed if there < count => {
                (fate, Some(Violation::LostTransaction(number, count - there)))
            }
            TransactionFate::NotCommitted if there > 0 => {
                (fate, Some(Violation::CommittedAfterAll(number, there)))
            }
            TransactionFate::Unknown if there > 0 && there < count => {
                (fate, Some(Violation::TornTransaction(number, there, count)))
            }
            TransactionFate::Unknown if count > 0 => {
                (if there > 0 { TransactionFate::Committed } else { TransactionFate::NotCommitted }, None)
            }
            _ => (fate, None),
        }
    }

    /// Offsets are committed if and only if their transaction is.
    fn check_offsets(&self, fates: &[TransactionFate], violations: &mut Vec<Violation>) {
        let mut possible: BTreeMap<(String, String, i32), Vec<Option<i64>>> = BTreeMap::new();
        for (transaction, fate) in self.transactions.transactions.iter().zip(fates) {
            for offset in &transaction.offsets {
                let ObservedOffset { group, topic, partition, offset, is_taken } = offset;
                let place = (group.clone(), (*topic).to_owned(), *partition);
                let possible = possible.entry(place).or_insert_with(|| vec![None]);
                match (fate, is_taken) {
                    (TransactionFate::Committed, true) => *possible = vec![Some(*offset)],
                    (TransactionFate::NotCommitted, _) => {}
                    _ => possible.push(Some(*offset)),
                }
            }
        }
        for (place, possible) in possible {
            let found = self.transactions.offsets.get(&place).copied();
            if !possible.contains(&found) {
                let text = format!("{place:?}: {found:?} is committed, and not one of {possible:?}");
                violations.push(Violation::StrayOffset(text));
            }
        }
    }
}
