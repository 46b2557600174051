//! `Partition`: what an idempotent producer may write to a partition, by what it has heard until then.
//!
//! Owns: which batches were written under which numbers, and what was heard of them. Must not know: how the client
//! decides, how batches travel.
//! Brokers forgive much of what is wrong here (they answer OUT_OF_ORDER_SEQUENCE_NUMBER, and the batch goes again), until
//! one of them has forgotten the producer, or an answer is lost.

use std::collections::{BTreeMap, HashMap};

/// Epoch and first sequence number: in this order within a partition.
pub(super) type Numbers = (i16, i32);

/// The records of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchContent {
    pub(super) count: i32,
    pub(super) hash: u64,
}

/// What one producer id has written to a partition.
#[derive(Default)]
pub(super) struct Partition {
    batches: BTreeMap<Numbers, Batch>,
    /// A batch was too large: what comes may be a piece, which has its numbers already.
    has_split: bool,
    /// Under which numbers records were written last.
    written_as: HashMap<u64, Numbers>,
    /// The broker has answered that it has a batch of this id, and not since that it does not know the id.
    is_known: bool,
}

struct Batch {
    content: BatchContent,
    /// Requests that carry it and are not answered.
    on_its_way: u32,
    /// A try of it had no answer, or one that does not say that nothing was written: the broker may have it.
    is_doubtful: bool,
    /// A try of it had no answer at all: it may come in yet.
    is_unanswered: bool,
    /// The broker has it.
    is_written: bool,
    /// It was refused, and the broker has later ones.
    is_too_late: bool,
    /// Later ones have been written since nothing carries it any more.
    overtaken_by: Option<Numbers>,
}

impl Partition {
    /// The topic is another one: what was heard before says nothing of it.
    pub(super) fn begin_again(&mut self) {
        *self = Partition { written_as: std::mem::take(&mut self.written_as), ..Partition::default() };
    }

    /// A batch is written, and if it was drained just now, returns what is wrong with that.
    pub(super) fn write(&mut self, numbers: Numbers, content: BatchContent, is_now: bool) -> Option<String> {
        let is_new = self.batches.get(&numbers).is_none_or(|batch| batch.content != content);
        let replaced = is_new.then(|| self.replaced(numbers, content));
        let wrong = if is_now { self.is_wrong(numbers, content, replaced.as_deref()) } else { None };
        for numbers in replaced.into_iter().flatten() {
            self.has_split = true;
            self.batches.remove(&numbers);
        }
        for (_, earlier) in self.batches.range_mut((numbers.0, 0)..numbers) {
            if is_now && earlier.on_its_way == 0 && !earlier.is_written {
                earlier.overtaken_by = Some(numbers);
            }
        }
        let batch = Batch {
            content,
            on_its_way: 0,
            is_doubtful: false,
            is_unanswered: false,
            is_written: false,
            is_too_late: false,
            overtaken_by: None,
        };
        self.batches.entry(numbers).or_insert(batch).on_its_way += 1;
        self.written_as.insert(content.hash, numbers);
        wrong
    }

    /// A batch was to be written, and has its numbers from then on.
    pub(super) fn offered(&mut self, numbers: Numbers, content: BatchContent) {
        self.written_as.entry(content.hash).or_insert(numbers);
    }

    /// Smaller batches take the place of one that was too large.
    fn replaced(&self, (epoch, sequence): Numbers, content: BatchContent) -> Vec<Numbers> {
        let replaced = self.batches.range((epoch, sequence)..(epoch, sequence.saturating_add(content.count)));
        replaced.map(|(numbers, _)| *numbers).collect()
    }

    /// `replaced`: the batches whose place it takes, if it is a new one.
    fn is_wrong(
        &self,
        numbers: Numbers,
        content: BatchContent,
        replaced: Option<&[Numbers]>,
    ) -> Option<String> {
        let (epoch, _) = numbers;
        let before = self.written_as.get(&content.hash);
        if before.and_then(|before| self.batches.get(before)).is_some_and(|before| before.is_too_late) {
            return Some("the broker has refused it and taken later ones".to_owned());
        }
        if let Some((latest, _)) = self.batches.last_key_value().filter(|((latest, _), _)| *latest > epoch) {
            return Some(format!("epoch {} has begun", latest.0));
        }
        let wrong = match replaced {
            Some(replaced) => self.is_there_already(numbers, content, replaced).or_else(|| {
                let was_sent = before.is_some() || self.has_split || !replaced.is_empty();
                if was_sent { None } else { self.is_new_wrong(numbers) }
            }),
            None => self.is_old_wrong(numbers),
        };
        wrong.or_else(|| {
            let (before, _) = self.missing(numbers).find(|(_, batch)| batch.on_its_way > 0)?;
            let text = format!("no broker knows the producer yet, and {before:?} is on its way");
            (!self.is_known).then_some(text)
        })
    }

    /// Batches before this one that no broker is known to have.
    fn missing(&self, numbers: Numbers) -> impl Iterator<Item = (Numbers, &Batch)> {
        let earlier = self.batches.range((numbers.0, 0)..numbers);
        earlier.filter(|(_, batch)| !batch.is_written).map(|(numbers, batch)| (*numbers, batch))
    }

    /// Records that may be in the log already, under numbers that the broker would not know again.
    fn is_there_already(
        &self,
        numbers: Numbers,
        content: BatchContent,
        replaced: &[Numbers],
    ) -> Option<String> {
        let may_be_there = |numbers: &&Numbers| {
            self.batches.get(numbers).is_some_and(|it| it.is_unanswered && !it.is_written)
        };
        if let Some(before) = replaced.iter().find(may_be_there) {
            return Some(format!("it is a piece of {before:?}, which may be there already"));
        }
        let before = self.written_as.get(&content.hash).filter(|before| **before != numbers);
        let before = before.filter(may_be_there)?;
        let (earlier, _) = self.missing(*before).find(|(_, batch)| batch.is_unanswered)?;
        Some(format!("as {before:?} it may come in yet, right behind {earlier:?}"))
    }

    fn is_new_wrong(&self, numbers: Numbers) -> Option<String> {
        let (oldest, _) = self.missing(numbers).next()?;
        if let Some((waiting, _)) = self.missing(numbers).find(|(_, batch)| batch.on_its_way == 0) {
            return Some(format!("it is new, and {waiting:?} has yet to go again"));
        }
        let since = self.batches.range(oldest..numbers).count();
        (since >= REMEMBERED).then(|| format!("{since} batches have gone since {oldest:?}"))
    }

    fn is_old_wrong(&self, numbers: Numbers) -> Option<String> {
        if let Some(later) = self.batches.get(&numbers).and_then(|batch| batch.overtaken_by) {
            return Some(format!("it goes again, and {later:?} has gone before it meanwhile"));
        }
        let (oldest, batch) = self.missing(numbers).next()?;
        (batch.on_its_way > 0).then(|| format!("it goes again, and {oldest:?} is on its way"))
    }

    /// What became of one try; without a code nobody knows.
    pub(super) fn tried(&mut self, numbers: Numbers, code: Option<i16>) {
        if code == Some(UNKNOWN_PRODUCER_ID) {
            self.is_known = false;
        }
        let Some(batch) = self.batches.get_mut(&numbers) else { return };
        batch.on_its_way = batch.on_its_way.saturating_sub(1);
        batch.is_unanswered |= code.is_none();
        batch.is_doubtful |= !code.is_some_and(|code| REFUSALS.contains(&code));
        if matches!(code, Some(NONE | DUPLICATE_SEQUENCE_NUMBER)) {
            self.is_known = true;
            // Whatever came before it in the sequence is there as well, or never will be.
            for (at, batch) in self.batches.range_mut((numbers.0, 0)..=numbers) {
                let is_refused = batch.on_its_way == 0 && !batch.is_doubtful && *at != numbers;
                batch.is_too_late |= is_refused && !batch.is_written;
                batch.is_written = true;
            }
        }
    }
}

/// How many of a producer's batches a broker knows again.
const REMEMBERED: usize = 5;

/// With these nothing was written, whatever else is wrong: MESSAGE_TOO_LARGE, OUT_OF_ORDER_SEQUENCE_NUMBER.
const REFUSALS: [i16; 2] = [10, 45];

const NONE: i16 = 0;
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
const UNKNOWN_PRODUCER_ID: i16 = 59;
