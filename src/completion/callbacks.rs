//! The callbacks of a batch's records: kept without a heap block each, called in the order of `send`.
//!
//! Owns: a list for each type of closure, the merging of several. Must not know: batches, queues, who calls.
//! Threads: filled on application threads under the queue's lock, called on the sender thread.
//! Locks: that of the spare lists, with no other; no user code under it.
//! Holds: a program registers closures of few types, so a record's callback is pushed to the list of its type: its bytes
//! lie beside those of the record before, in memory that the next batch uses again, and that is no more than they need. Callbacks are called once, by ascending index,
//! whatever their types; one that panics harms no other.

use std::any::{Any, TypeId};
use std::collections::VecDeque;

use crate::catch_panic::{Harmless, catch_panic};
use crate::error::Error;
use crate::record::RecordMetadata;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// A callback as [`Producer::send_view`](crate::Producer::send_view) takes it: it is called once, with the record's outcome.
///
/// [`send_with_callback`](crate::KafkaProducer::send_with_callback) takes any closure and needs no box.
pub type Callback = Box<dyn FnOnce(Result<RecordMetadata, Error>) + Send>;

/// What is known of a record when it is appended, and needed again for its metadata.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFacts {
    pub(crate) index: u32,
    pub(crate) timestamp: i64,
    /// Of the key, and of the value, which is the lower half; -1 for null. In one number, since it is written, and soon after
    /// read, in one: a processor that has to put it together of two waits for both.
    sizes: u64,
}

impl RecordFacts {
    #[inline]
    pub(crate) fn new(index: u32, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> RecordFacts {
        let size = |bytes: Option<&[u8]>| bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
        RecordFacts { index, timestamp, sizes: u64::from(size(key)) << 32 | u64::from(size(value)) }
    }

    /// The same of a record with this number in its batch.
    #[inline]
    pub(crate) fn numbered(self, index: u32) -> RecordFacts {
        RecordFacts { index, ..self }
    }

    /// None for null.
    pub(crate) fn key_size(&self) -> Option<usize> {
        usize::try_from((self.sizes >> 32) as i32).ok()
    }

    /// None for null.
    pub(crate) fn value_size(&self) -> Option<usize> {
        usize::try_from(self.sizes as i32).ok()
    }
}

/// A record's callback, if it has one, until the record is in a batch.
pub(crate) trait CallbackSlot {
    /// Moves the callback to where its batch will call it.
    fn put(&mut self, facts: RecordFacts, callbacks: &mut Callbacks);

    /// Takes the callback out, to be called from within another.
    fn take(&mut self) -> Option<Callback>;
}

/// For a record that has none.
pub(crate) struct NoCallback;

impl CallbackSlot for NoCallback {
    #[inline(always)]
    fn put(&mut self, _facts: RecordFacts, _callbacks: &mut Callbacks) {}

    fn take(&mut self) -> Option<Callback> {
        None
    }
}

/// The user's function. One that is not called may end anywhere: what it holds does no harm.
pub(crate) struct OwnCallback<F>(Option<Harmless<F>>);

impl<F: FnOnce(Result<RecordMetadata, Error>) + Send + 'static> OwnCallback<F> {
    #[inline]
    pub(crate) fn new(function: Option<F>) -> OwnCallback<F> {
        OwnCallback(function.map(Harmless::new))
    }

    #[inline]
    fn take_function(&mut self) -> Option<F> {
        self.0.take().and_then(Harmless::take)
    }
}

impl<F: FnOnce(Result<RecordMetadata, Error>) + Send + 'static> CallbackSlot for OwnCallback<F> {
    #[inline]
    fn put(&mut self, facts: RecordFacts, callbacks: &mut Callbacks) {
        if let Some(function) = self.take_function() {
            callbacks.push(facts, function);
        }
    }

    fn take(&mut self) -> Option<Callback> {
        let function = Harmless::new(self.take_function()?);
        Some(Box::new(move |outcome| {
            if let Some(function) = function.take() {
                function(outcome);
            }
        }))
    }
}

/// What callbacks are told, and when they have to stop.
pub(crate) trait OutcomeSource {
    fn of(&self, facts: &RecordFacts) -> Result<RecordMetadata, Error>;

    /// A callback has forked, and this is the child: the others are for the parent to call.
    fn is_over(&self) -> bool;
}

/// How many types of closures have a list of their own in a batch. More share one, as boxes.
const MOST_TYPES: usize = 8;

/// The callbacks of a batch's records.
#[derive(Default)]
pub(crate) struct Callbacks {
    lists: Vec<Box<dyn CallbackList>>,
    /// How many a list is made for that begins without room.
    expected: usize,
}

impl Callbacks {
    pub(crate) fn is_empty(&self) -> bool {
        self.lists.iter().all(|list| list.first().is_none())
    }

    /// Adds that of a record behind all others.
    #[inline]
    fn push<F>(&mut self, facts: RecordFacts, function: F)
    where
        F: FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    {
        for list in &mut self.lists {
            let list: &mut dyn Any = &mut **list;
            if let Some(list) = list.downcast_mut::<ListOf<F>>() {
                return list.push(facts, function);
            }
        }
        self.push_first(facts, function);
    }

    /// Adds the first one of its type.
    #[cold]
    fn push_first<F>(&mut self, facts: RecordFacts, function: F)
    where
        F: FnOnce(Result<RecordMetadata, Error>) + Send + 'static,
    {
        let is_boxed = TypeId::of::<F>() == TypeId::of::<Callback>();
        if self.lists.len() >= MOST_TYPES && !is_boxed {
            self.push::<Callback>(facts, Box::new(function));
        } else {
            let mut list = ListOf::with_capacity(self.expected);
            list.push(facts, function);
            self.lists.push(Box::new(list));
        }
    }

    /// None will be added to these: room that was made for them and is not needed goes back.
    pub(crate) fn close(&mut self, spares: &SpareLists) {
        let needed = self.lists.iter_mut().filter_map(|list| list.close());
        needed.max().into_iter().for_each(|needed| spares.expect(needed));
    }

    /// Takes those of the records before `end` out; `first`: what their indexes begin with.
    pub(crate) fn take_before(&mut self, end: u32, first: u32) -> Callbacks {
        let lists = self.lists.iter_mut().filter_map(|list| list.take_before(end, first));
        Callbacks { lists: lists.collect(), expected: 0 }
    }

    /// Calls all of them, in order, and gives their lists to `spares`. How many panicked.
    pub(crate) fn call(mut self, outcomes: &dyn OutcomeSource, spares: &SpareLists) -> usize {
        // A spare list of a type that did not come again.
        self.lists.retain(|list| list.first().is_some());
        let mut panicked = 0;
        while let Some((place, end)) = self.next() {
            let Some(list) = self.lists.get_mut(place) else { break };
            panicked += list.call_before(end, outcomes);
            if outcomes.is_over() {
                std::mem::forget(self);
                return panicked;
            }
        }
        spares.keep(self.lists);
        panicked
    }

    /// The list with the next one, and the index before which it has no other between its own.
    fn next(&self) -> Option<(usize, u32)> {
        let firsts = self.lists.iter().map(|list| list.first());
        let (mut next, mut end) = (None, u32::MAX);
        for (place, first) in firsts.enumerate() {
            let Some(first) = first else { continue };
            match next {
                Some((_, least)) if first > least => end = end.min(first),
                Some((_, least)) => (next, end) = (Some((place, first)), end.min(least)),
                None => next = Some((place, first)),
            }
        }
        next.map(|(place, _)| (place, end))
    }
}

/// Callbacks of one type, by ascending index.
trait CallbackList: Any + Send {
    /// The index of the first that is left.
    fn first(&self) -> Option<u32>;

    fn take_before(&mut self, end: u32, first: u32) -> Option<Box<dyn CallbackList>>;

    /// Calls those before `end`. How many panicked.
    fn call_before(&mut self, end: u32, outcomes: &dyn OutcomeSource) -> usize;

    /// Gives room back by which it has grown and which it does not need, and says how many it came to. One that has not grown
    /// keeps all: the next batch may need it.
    fn close(&mut self) -> Option<usize>;

    /// It will be used again: what it has room for is what it begins with.
    fn begin_again(&mut self);

    /// The bytes that it has room for.
    fn room(&self) -> usize;
}

/// Two lists, one beside the other: a function and what belongs to it, put together before they are stored, would be read in
/// pieces of another width than they were written in.
struct ListOf<F> {
    facts: VecDeque<RecordFacts>,
    functions: VecDeque<F>,
    /// How many it had room for when its batch began.
    room_before: usize,
}

impl<F: FnOnce(Result<RecordMetadata, Error>) + Send + 'static> ListOf<F> {
    fn with_capacity(count: usize) -> ListOf<F> {
        let (facts, functions) = (VecDeque::with_capacity(count), VecDeque::with_capacity(count));
        ListOf { facts, functions, room_before: 0 }
    }

    #[inline]
    fn push(&mut self, facts: RecordFacts, function: F) {
        self.facts.push_back(facts);
        self.functions.push_back(function);
    }

    /// Takes the first one, where it is that of a record before `end`.
    #[inline]
    fn pop_before(&mut self, end: u32) -> Option<(RecordFacts, F)> {
        self.facts.front().filter(|facts| facts.index < end)?;
        self.facts.pop_front().zip(self.functions.pop_front())
    }

    fn call_until_panic(&mut self, end: u32, outcomes: &dyn OutcomeSource) {
        while !outcomes.is_over()
            && let Some((facts, callback)) = self.pop_before(end)
        {
            callback(outcomes.of(&facts));
        }
    }
}

impl<F: FnOnce(Result<RecordMetadata, Error>) + Send + 'static> CallbackList for ListOf<F> {
    fn first(&self) -> Option<u32> {
        self.facts.front().map(|facts| facts.index)
    }

    fn take_before(&mut self, end: u32, first: u32) -> Option<Box<dyn CallbackList>> {
        let count = self.facts.partition_point(|facts| facts.index < end);
        let facts = self.facts.drain(..count).map(|facts| facts.numbered(facts.index - first)).collect();
        let functions = self.functions.drain(..count).collect();
        (count > 0).then(|| Box::new(ListOf { facts, functions, room_before: 0 }) as Box<dyn CallbackList>)
    }

    fn call_before(&mut self, end: u32, outcomes: &dyn OutcomeSource) -> usize {
        let mut panicked = 0;
        // What a callback holds ends with it, inside.
        while catch_panic(|| self.call_until_panic(end, outcomes)).is_none() {
            panicked += 1;
        }
        panicked
    }

    fn close(&mut self) -> Option<usize> {
        let has_grown = self.facts.capacity() > self.room_before;
        has_grown.then(|| {
            self.facts.shrink_to_fit();
            self.functions.shrink_to_fit();
            self.facts.len()
        })
    }

    fn begin_again(&mut self) {
        self.room_before = self.facts.capacity();
    }

    fn room(&self) -> usize {
        self.facts.capacity() * size_of::<RecordFacts>() + self.functions.capacity() * size_of::<F>()
    }
}

/// Lists whose callbacks were called, for the batches to come. What one thread allocates and another frees costs both more
/// than the callbacks do.
#[derive(Default)]
pub(crate) struct SpareLists {
    spares: Mutex<Spares>,
    /// How many callbacks the last list came to that had to grow. One that has to grow by doubling leaves holes behind it that
    /// nothing else fits into.
    came_to: AtomicUsize,
}

#[derive(Default)]
struct Spares {
    lists: Vec<Box<dyn CallbackList>>,
    /// The bytes that they have room for.
    room: usize,
}

/// How many callbacks a list is made for before any is there, at most: a batch may have one alone.
const MOST_EXPECTED: usize = 1024;

/// How much room spare lists have at most, in bytes; a list that has more is not kept.
const MOST_SPARE: usize = 1 << 20;

impl SpareLists {
    /// What a new batch begins with: a list that the last one's callbacks, if they are of its type, need not grow.
    pub(super) fn take(&self) -> Callbacks {
        let mut spares = self.spares.lock();
        let list = spares.lists.pop();
        spares.room -= list.as_ref().map_or(0, |list| list.room());
        let came_to = self.came_to.load(Ordering::Relaxed);
        Callbacks { lists: Vec::from_iter(list), expected: came_to.min(MOST_EXPECTED) }
    }

    fn expect(&self, count: usize) {
        self.came_to.store(count, Ordering::Relaxed);
    }

    /// Keeps those of the lists for which there is room; they are empty.
    fn keep(&self, lists: Vec<Box<dyn CallbackList>>) {
        let mut spares = self.spares.lock();
        let mut others = Vec::new();
        for mut list in lists {
            list.begin_again();
            if spares.room + list.room() <= MOST_SPARE && list.room() > 0 {
                spares.room += list.room();
                spares.lists.push(list);
            } else {
                others.push(list);
            }
        }
        drop(spares);
        drop(others); // not under the lock
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::error::ErrorKind;

    fn facts(index: u32) -> RecordFacts {
        RecordFacts::new(index, 0, None, None)
    }

    /// An error that names the record; over after so many.
    struct Numbered(Cell<u32>);

    impl OutcomeSource for Numbered {
        fn of(&self, facts: &RecordFacts) -> Result<RecordMetadata, Error> {
            self.0.set(self.0.get() - 1);
            Err(Error::new(ErrorKind::Broker, facts.index.to_string()))
        }

        fn is_over(&self) -> bool {
            self.0.get() == 0
        }
    }

    type Seen = Arc<Mutex<Vec<String>>>;

    /// A callback of one of many types, by its number.
    fn push(callbacks: &mut Callbacks, index: u32, kind: u32, seen: &Seen) {
        let seen = Arc::clone(seen);
        macro_rules! of_its_own_type {
            ($($number:literal)*) => {
                match kind {
                    $($number => OwnCallback::new(Some(move |outcome: Result<RecordMetadata, Error>| {
                        let text = outcome.unwrap_err().to_string();
                        assert!(!text.contains('7'), "this one panics on purpose");
                        seen.lock().unwrap().push(format!("{text} by {}", $number));
                    })).put(facts(index), callbacks),)*
                    _ => unreachable!(),
                }
            };
        }
        of_its_own_type!(0 1 2 3 4 5 6 7 8 9 10 11);
    }

    fn told(seen: &Seen) -> Vec<String> {
        std::mem::take(&mut *seen.lock().unwrap())
    }

    /// Behaviour 44.
    #[test]
    fn callbacks_of_any_types_are_called_in_the_order_of_their_records() {
        fastrand::seed(5);
        for types in [1, 2, 5, 12] {
            let (seen, mut callbacks) = (Seen::default(), Callbacks::default());
            let kinds: Vec<u32> = (0..2000).map(|_| fastrand::u32(..types)).collect();
            // Not every record has one.
            let with = |index: &u32| index % 11 != 3;
            (0..2000)
                .filter(with)
                .for_each(|index| push(&mut callbacks, index, kinds[index as usize], &seen));
            assert!(callbacks.lists.len() <= MOST_TYPES + 1);
            let panicked = callbacks.call(&Numbered(Cell::new(u32::MAX)), &SpareLists::default());
            let expected = (0..2000).filter(with).filter(|index| !index.to_string().contains('7'));
            let names: Vec<String> = told(&seen).iter().map(|told| told.replace("Broker: ", "")).collect();
            let expected: Vec<_> =
                expected.map(|index| format!("{index} by {}", kinds[index as usize])).collect();
            assert_eq!(names, expected, "{types} types");
            assert_eq!(panicked, (0..2000).filter(with).count() - expected.len());
        }
    }

    /// Behaviour 50.
    #[test]
    fn after_a_split_each_part_has_its_own_and_counts_from_its_first_record() {
        let (seen, mut callbacks) = (Seen::default(), Callbacks::default());
        (0..6).for_each(|index| push(&mut callbacks, index, index % 2, &seen));
        let first = callbacks.take_before(3, 0);
        let second = callbacks.take_before(6, 3);
        assert!(callbacks.next().is_none());
        for (part, expected) in
            [(second, ["0 by 1", "1 by 0", "2 by 1"]), (first, ["0 by 0", "1 by 1", "2 by 0"])]
        {
            assert_eq!(part.call(&Numbered(Cell::new(u32::MAX)), &SpareLists::default()), 0);
            assert_eq!(
                told(&seen).iter().map(|told| told.replace("Broker: ", "")).collect::<Vec<_>>(),
                expected
            );
        }
    }

    #[test]
    fn in_a_forked_child_the_others_are_neither_called_nor_dropped() {
        let (seen, mut callbacks) = (Seen::default(), Callbacks::default());
        (0..6).for_each(|index| push(&mut callbacks, index, index % 2, &seen));
        callbacks.call(&Numbered(Cell::new(3)), &SpareLists::default());
        assert_eq!(told(&seen).len(), 3);
        assert_eq!(Arc::strong_count(&seen), 4, "three callbacks are left with what they hold");
    }

    #[test]
    fn a_list_is_used_again_by_callbacks_of_its_type_and_little_is_kept() {
        let (seen, spares) = (Seen::default(), SpareLists::default());
        let room = || spares.spares.lock().room;
        let batch = |kind, count| {
            let mut callbacks = spares.take();
            assert!(callbacks.is_empty());
            (0..count).for_each(|index| push(&mut callbacks, index, kind, &seen));
            let lists = callbacks.lists.len();
            callbacks.call(&Numbered(Cell::new(u32::MAX)), &spares);
            lists
        };
        assert_eq!(batch(0, 100), 1);
        let kept = room();
        assert!(kept >= 100 * size_of::<RecordFacts>());
        assert_eq!((batch(0, 90), room()), (1, kept), "used again, and as large as it was");
        assert_eq!(batch(1, 1), 2, "that of the other type stays empty, and is dropped");
        assert_eq!(spares.spares.lock().lists.len(), 1);
        drop(spares.take());
        assert_eq!(batch(1, 100_000), 1);
        assert!(room() <= MOST_SPARE);
        while !spares.take().lists.is_empty() {}
        assert_eq!(room(), 0);
    }

    #[test]
    fn a_full_batch_keeps_no_room_that_it_has_grown_by_in_vain() {
        let (seen, spares) = (Seen::default(), SpareLists::default());
        let batch = |count| {
            let mut callbacks = spares.take();
            (0..count).for_each(|index| push(&mut callbacks, index, 0, &seen));
            callbacks.close(&spares);
            let room = callbacks.lists[0].room();
            callbacks.call(&Numbered(Cell::new(u32::MAX)), &spares);
            room
        };
        let one = batch(1);
        assert_eq!(batch(1100), 1100 * one);
        assert_eq!(batch(900), 1100 * one, "it has not grown, and the next one may need it");
        assert_eq!(batch(1101), 1101 * one);
    }

    #[test]
    fn where_no_list_is_spare_a_new_one_is_made_for_as_many_as_the_last_came_to() {
        let (seen, spares) = (Seen::default(), SpareLists::default());
        let batch = |count| {
            let mut callbacks = spares.take();
            push(&mut callbacks, 0, 0, &seen);
            let at_first = callbacks.lists[0].room();
            (1..count).for_each(|index| push(&mut callbacks, index, 0, &seen));
            let grown = callbacks.lists[0].room();
            callbacks.close(&spares);
            (at_first, grown, callbacks.lists[0].room() / count as usize)
        };
        let (_, _, one) = batch(150);
        let (at_first, grown, kept) = batch(150);
        assert_eq!((at_first, grown, kept), (150 * one, 150 * one, one));
        batch(100_000);
        assert_eq!(batch(1).0, MOST_EXPECTED * one, "not as many as that");
    }

    #[test]
    fn a_callback_that_is_taken_is_called_from_within_another() {
        let mut none = NoCallback;
        assert!(none.take().is_none());
        let told = Arc::new(Mutex::new(0));
        let counting = Arc::clone(&told);
        let mut slot = OwnCallback::new(Some(move |_| *counting.lock().unwrap() += 1));
        let boxed = slot.take().unwrap();
        assert!(slot.take().is_none());
        boxed(Err(Error::new(ErrorKind::Broker, "on purpose")));
        assert_eq!(*told.lock().unwrap(), 1);
    }
}
