//! What a thread of the application does with guards of transactions, beside the calls of its producer.
//!
//! Owns: the guards that it has. Must not know: when it plays, brokers, the sender.
//! Holds: a guard is of the transaction that it has begun, for the book, whatever has become of that.

use crate::error::{Error, ErrorKind};
use crate::producer::Transaction;
use crate::simulation::player::{Act, GuardAct, Script, SendingHandle, Shipment, SimulatedProducer};
use crate::transaction::is_under_way;

/// A guard, and its transaction in the book.
struct HeldGuard<'p> {
    guard: Transaction<'p, [u8], [u8]>,
    transaction: Option<usize>,
}

impl Script {
    /// Begins a transaction by a guard, and does what comes `next` until it has no guard any more. Returns what is to be done
    /// without.
    pub(super) fn with_guards(
        &self,
        producer: &SimulatedProducer,
        next: &mut dyn FnMut() -> Option<Act>,
    ) -> Option<Act> {
        let mut guards = Vec::new();
        let mut act = Act::Guard(GuardAct::Begin);
        loop {
            match act {
                Act::Drop => {
                    guards.into_iter().for_each(|held| self.drop_guard(held));
                    return Some(Act::Drop);
                }
                Act::Guard(GuardAct::Begin) => {
                    guards.extend(self.begin_guard(producer));
                    if guards.len() > MOST_GUARDS {
                        self.drop_guard(guards.remove(0));
                    }
                }
                Act::Guard(GuardAct::Commit { is_oldest, tries }) => {
                    self.commit_guard(producer, take(&mut guards, is_oldest), tries);
                }
                Act::Guard(GuardAct::Abort { is_oldest, tries }) => {
                    self.abort_guard(producer, take(&mut guards, is_oldest), tries);
                }
                Act::Guard(GuardAct::Drop { is_oldest }) => self.drop_guard(take(&mut guards, is_oldest)),
                // Every other one by the producer itself.
                Act::Send { topic, partition, size, how } if size % 2 == 0 => {
                    let shipment = Shipment { topic, partition, size };
                    let guard = guards.last().map(|held: &HeldGuard<'_>| &held.guard);
                    let handle = guard.map(|guard| SendingHandle::Guard(producer, guard));
                    self.send(handle.unwrap_or(SendingHandle::Producer(producer)), shipment, how);
                }
                act => self.act(producer, act),
            }
            if guards.is_empty() {
                return None;
            }
            let Some(following) = next() else {
                // Nobody plays any more, as in a crash: what is left is not dropped.
                guards.into_iter().for_each(std::mem::forget);
                return None;
            };
            act = following;
        }
    }

    fn begin_guard<'p>(&self, producer: &'p SimulatedProducer) -> Option<HeldGuard<'p>> {
        let begin = || {
            let mut begun = None;
            self.call_of_transactions("begin", self.limits.max_block, || {
                begun = Some(producer.begin()?);
                Ok(())
            })?;
            let transaction = self.ledger.with_book(|book| {
                book.begun();
                book.current()
            });
            Ok(begun.map(|guard| HeldGuard { guard, transaction }))
        };
        let begun = match begin() {
            Err(error) if self.makes_ready(producer, &error) => begin(),
            begun => begun,
        };
        begun.ok().flatten()
    }

    /// Where its commit goes on, or it was an old one, the producer's own calls do the rest.
    fn commit_guard(&self, producer: &SimulatedProducer, held: HeldGuard<'_>, tries: u32) {
        let HeldGuard { guard, transaction } = held;
        let begun = self.ledger.with_book(|book| book.commit_of_begins(transaction));
        let outcome = self.call_of_transactions("commit", self.limits.max_block * 2, || guard.commit());
        self.ledger.with_book(|book| book.commit_is_over(begun, &outcome));
        if outcome.is_err_and(|error| is_left_to_others(&error)) {
            self.transact(producer, Act::Commit { tries });
        }
    }

    fn abort_guard(&self, producer: &SimulatedProducer, held: HeldGuard<'_>, tries: u32) {
        let HeldGuard { guard, transaction } = held;
        let begun = self.ledger.with_book(|book| book.abort_of_begins(transaction));
        let outcome = self.call_of_transactions("abort", self.limits.max_block * 2, || guard.abort());
        self.ledger.with_book(|book| book.abort_is_over(begun, &outcome));
        if outcome.is_err_and(|error| is_left_to_others(&error)) {
            self.transact(producer, Act::Abort { tries });
        }
    }

    /// Nobody is told what comes of that.
    fn drop_guard(&self, held: HeldGuard<'_>) {
        self.ledger.call("drop of a guard", self.limits.max_block, || drop(held.guard));
    }
}

fn is_left_to_others(error: &Error) -> bool {
    is_under_way(error) || error.kind() == ErrorKind::IllegalState
}

/// There is one, as long as the guards are played with.
fn take<'p>(guards: &mut Vec<HeldGuard<'p>>, is_oldest: bool) -> HeldGuard<'p> {
    guards.remove(if is_oldest { 0 } else { guards.len() - 1 })
}

/// A thread keeps no more.
const MOST_GUARDS: usize = 3;
