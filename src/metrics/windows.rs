//! `Windows`: what was measured of late, in windows of time, and since the beginning.
//!
//! Owns: when a window is over, and how long the last ones are together. Must not know: what is measured, and names.
//! Threads: whoever has the lock around it. Time comes in as an argument.
//! Holds: a measurement costs a few additions, whatever is read of it later; the sum of all windows and of what has left them
//! is all that was ever measured.
//! Source: `metrics.sample.window.ms`, `metrics.num.samples`; Kafka's `SampledStat`, `Rate`, `Avg`, `Max`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many times something was measured, and what it came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measure {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// Of nothing it is less than all, which nobody reads: there is no maximum where `count` is 0.
    pub(crate) max: f64,
}

impl Default for Measure {
    fn default() -> Measure {
        Measure { count: 0, sum: 0.0, max: f64::NEG_INFINITY }
    }
}

impl Measure {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.keep_largest(value);
    }

    #[inline]
    fn keep_largest(&mut self, value: f64) {
        // One instruction, where `f64::max` looks for what is not a number as well.
        self.max = if value > self.max { value } else { self.max };
    }
}

/// Measures of the same things over another time can be added.
pub(crate) trait Measures: Default + Clone {
    fn add_all(&mut self, later: &Self);
}

impl Measures for Measure {
    fn add_all(&mut self, later: &Self) {
        self.count += later.count;
        self.sum += later.sum;
        self.keep_largest(later.max);
    }
}

/// Two groups that are measured together.
impl<A: Measures, B: Measures> Measures for (A, B) {
    fn add_all(&mut self, later: &Self) {
        self.0.add_all(&later.0);
        self.1.add_all(&later.1);
    }
}

/// How long a window is, and how many are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowRules {
    /// `metrics.sample.window.ms`. 0 counts as 1 ms.
    pub(crate) length: Duration,
    /// `metrics.num.samples`.
    pub(crate) count: u32,
}

impl WindowRules {
    fn length(&self) -> Duration {
        self.length.clamp(Duration::from_millis(1), LONGEST_WINDOW)
    }

    /// How far back a window's end may lie.
    fn span(&self) -> Duration {
        self.length().saturating_mul(self.count.max(1))
    }
}

/// No program runs for so long, and no clock ends before it: a hundred years.
const LONGEST_WINDOW: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

#[derive(Debug, Clone)]
struct Window<M> {
    start: Instant,
    measures: M,
}

/// The current window, and those before it that still count.
#[derive(Debug, Clone)]
pub(crate) struct Windows<M> {
    rules: WindowRules,
    current: M,
    /// When the current window began, and when it is over: one look at it is what a measurement costs. None until something
    /// was measured.
    begun: Option<Instant>,
    over: Option<Instant>,
    /// The oldest first. One more than `rules.count` at most: the oldest may reach into the time that is looked at.
    earlier: VecDeque<Window<M>>,
    /// All that has left the windows.
    gone: M,
}

impl<M: Measures> Windows<M> {
    /// The first window begins with the first measurement.
    pub(crate) fn new(rules: WindowRules) -> Windows<M> {
        let (begun, over) = (None, None);
        Windows { rules, current: M::default(), begun, over, earlier: VecDeque::new(), gone: M::default() }
    }

    /// The measures of the window that `now` is in.
    #[inline]
    pub(crate) fn at(&mut self, now: Instant) -> &mut M {
        if self.over.is_none_or(|over| now >= over) {
            self.begin(now);
        }
        &mut self.current
    }

    #[cold]
    fn begin(&mut self, now: Instant) {
        let measures = std::mem::take(&mut self.current);
        if let Some(start) = self.begun.replace(now) {
            self.earlier.push_back(Window { start, measures });
            self.forget_what_is_old(now);
        }
        self.over = Some(now + self.rules.length());
    }

    /// A window counts while any of it lies in the time that is looked at.
    fn forget_what_is_old(&mut self, now: Instant) {
        while let Some(oldest) = self.earlier.front() {
            let end = oldest.start + self.rules.length();
            if now.saturating_duration_since(end) < self.rules.span()
                && self.earlier.len() <= self.rules.count as usize
            {
                return;
            }
            if let Some(oldest) = self.earlier.pop_front() {
                self.gone.add_all(&oldest.measures);
            }
        }
    }

    /// What was measured elsewhere and goes on there no more counts here from now on.
    pub(crate) fn take_over(&mut self, mut others: Windows<M>, now: Instant) {
        others.at(now);
        others.forget_what_is_old(now);
        self.gone.add_all(&others.gone);
        if self.begun.is_none() {
            *self = Windows { gone: std::mem::take(&mut self.gone), ..others };
            return;
        }
        // Its windows began at other times than ours: they are over when the present one is.
        for measures in others.earlier.iter().map(|window| &window.measures).chain([&others.current]) {
            self.at(now).add_all(measures);
        }
    }

    /// What there is to read at this time.
    pub(crate) fn read(&self, now: Instant) -> WindowSums<M> {
        let mut windows = self.clone();
        // The last one may be over as well, though nothing was measured since.
        windows.at(now);
        windows.forget_what_is_old(now);
        let mut lately = M::default();
        windows.earlier.iter().for_each(|window| lately.add_all(&window.measures));
        lately.add_all(&windows.current);
        let oldest = windows.earlier.front().map(|window| window.start).or(windows.begun).unwrap_or(now);
        let mut ever = windows.gone;
        ever.add_all(&lately);
        WindowSums { lately, ever, time: time_of(windows.rules, now.saturating_duration_since(oldest)) }
    }
}

/// Rates are over the time that the windows span, and over all but one of them at least: the first second of a program is no
/// second of its rate.
fn time_of(rules: WindowRules, elapsed: Duration) -> Duration {
    let length = rules.length();
    let full = u32::try_from(elapsed.as_nanos() / length.as_nanos()).unwrap_or(u32::MAX);
    let missing = rules.count.saturating_sub(1).saturating_sub(full);
    elapsed.saturating_add(length.saturating_mul(missing)).max(Duration::from_millis(1))
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowSums<M> {
    /// In the windows that count.
    pub(crate) lately: M,
    /// Since the beginning.
    pub(crate) ever: M,
    /// What the windows that count span.
    pub(crate) time: Duration,
}

impl<A, B> WindowSums<(A, B)> {
    pub(crate) fn split(self) -> (WindowSums<A>, WindowSums<B>) {
        let WindowSums { lately, ever, time } = self;
        (
            WindowSums { lately: lately.0, ever: ever.0, time },
            WindowSums { lately: lately.1, ever: ever.1, time },
        )
    }
}

impl<M: Measures> WindowSums<M> {
    /// What was measured elsewhere at the same time counts as well.
    pub(crate) fn add(&mut self, beside: &WindowSums<M>) {
        self.lately.add_all(&beside.lately);
        self.ever.add_all(&beside.ever);
        self.time = self.time.max(beside.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: WindowRules = WindowRules { length: Duration::from_secs(30), count: 2 };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn windows() -> (Windows<Measure>, Instant) {
        (Windows::new(RULES), Instant::now())
    }

    #[test]
    fn what_is_measured_is_summed_and_the_largest_is_kept_also_below_zero() {
        let (mut windows, start) = windows();
        for value in [-3.0, -1.0, -2.0] {
            windows.at(start).add(value);
        }
        assert_eq!(windows.read(start).lately, Measure { count: 3, sum: -6.0, max: -1.0 });
    }

    #[test]
    fn a_rate_of_the_first_second_is_over_a_whole_window_and_that_second() {
        let (mut windows, start) = windows();
        windows.at(start).add(1.0);
        assert_eq!(windows.read(start).time, Duration::from_secs(30));
        assert_eq!(windows.read(after(start, 1)).time, Duration::from_secs(31));
    }

    #[test]
    fn a_window_counts_as_long_as_it_reaches_into_the_time_that_is_looked_at() {
        let (mut windows, start) = windows();
        windows.at(start).add(1.0);
        windows.at(after(start, 30)).add(2.0);
        windows.at(after(start, 60)).add(4.0);
        // The first window ended at 30 s; until 90 s it is looked at.
        let read = windows.read(after(start, 89));
        assert_eq!((read.lately.sum, read.ever.sum, read.time), (7.0, 7.0, Duration::from_secs(89)));
        let read = windows.read(after(start, 90));
        assert_eq!((read.lately.sum, read.ever.sum), (6.0, 7.0));
    }

    #[test]
    fn what_has_left_the_windows_is_in_the_total_and_nowhere_else() {
        let (mut windows, start) = windows();
        for second in 0..1000 {
            windows.at(after(start, second)).add(1.0);
        }
        let read = windows.read(after(start, 999));
        assert_eq!(read.ever, Measure { count: 1000, sum: 1000.0, max: 1.0 });
        // Three windows of 30 s and the one that has begun, at most.
        assert!((60.0..=100.0).contains(&read.lately.sum), "{}", read.lately.sum);
        assert!((read.lately.sum / read.time.as_secs_f64() - 1.0).abs() < 0.05, "{read:?}");
        let read = windows.read(after(start, 5000));
        assert_eq!((read.lately, read.ever.sum), (Measure::default(), 1000.0));
    }

    #[test]
    fn what_was_measured_elsewhere_counts_lately_and_in_the_total() {
        let (mut ours, start) = windows();
        let (mut first, mut second) = (ours.clone(), ours.clone());
        first.at(start).add(1.0);
        second.at(start).add(2.0);
        second.at(after(start, 200)).add(4.0);
        ours.take_over(first, after(start, 10));
        let read = ours.read(after(start, 20));
        assert_eq!((read.lately.sum, read.ever.sum, read.time), (1.0, 1.0, Duration::from_secs(50)));
        ours.take_over(second, after(start, 200));
        let read = ours.read(after(start, 200));
        assert_eq!((read.lately.sum, read.ever.sum), (4.0, 7.0));
    }

    #[test]
    fn reading_changes_nothing() {
        let (mut windows, start) = windows();
        windows.at(start).add(1.0);
        let before = windows.read(after(start, 1));
        windows.read(after(start, 4000));
        assert_eq!(windows.read(after(start, 1)), before);
    }

    #[test]
    fn windows_of_no_length_and_a_clock_that_stands_still_divide_by_nothing() {
        let start = Instant::now();
        let mut windows = Windows::<Measure>::new(WindowRules { length: Duration::ZERO, count: 1 });
        windows.at(start).add(1.0);
        assert_eq!(windows.read(start).time, Duration::from_millis(1));
    }

    #[test]
    fn a_window_that_is_longer_than_any_clock_takes_all() {
        let start = Instant::now();
        let mut windows = Windows::<Measure>::new(WindowRules { length: Duration::MAX, count: 2 });
        windows.at(start).add(1.0);
        windows.at(after(start, 1_000_000)).add(2.0);
        assert_eq!(windows.read(after(start, 1_000_001)).lately, Measure { count: 2, sum: 3.0, max: 2.0 });
    }
}
