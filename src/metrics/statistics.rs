//! `Statistic`: which number a metric takes from what was measured; and the macro in which sensors and their metrics are written
//! down.
//!
//! Owns: averages, maxima, rates, totals. Must not know: which metrics there are.
//! Source: Kafka's `Avg`, `Max`, `Rate`, `WindowedCount`, `Meter`, `CumulativeSum`, `CumulativeCount`.

use crate::metrics::windows::{Measure, WindowSums};

/// What a metric's number is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statistic {
    /// Of the windows; not a number where nothing was measured.
    Average,
    /// Of the windows; not a number where nothing was measured.
    Maximum,
    /// The sum of the windows for each second of them.
    Rate,
    /// How many were measured in the windows, for each second of them.
    Occurrences,
    /// The sum since the beginning.
    Total,
    /// How many were measured since the beginning.
    Times,
    /// What was measured are nanoseconds: their part of the windows' time.
    Share,
}

impl Statistic {
    pub(crate) fn of<M>(self, measured: &WindowSums<M>, sensor: fn(&M) -> &Measure) -> f64 {
        let (lately, ever) = (sensor(&measured.lately), sensor(&measured.ever));
        let seconds = measured.time.as_secs_f64();
        match self {
            Statistic::Average if lately.count == 0 => f64::NAN,
            Statistic::Maximum if lately.count == 0 => f64::NAN,
            Statistic::Average => lately.sum / lately.count as f64,
            Statistic::Maximum => lately.max,
            Statistic::Rate => lately.sum / seconds,
            Statistic::Occurrences => lately.count as f64 / seconds,
            Statistic::Total => ever.sum,
            Statistic::Times => ever.count as f64,
            Statistic::Share => lately.sum / 1e9 / seconds,
        }
    }
}

/// A metric that is read of a sensor.
pub(crate) struct MetricRow<M> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) statistic: Statistic,
    pub(crate) sensor: fn(&M) -> &Measure,
}

/// A group of sensors as a type with a field for each, and the table of what is read of them.
macro_rules! sensors {
    (
        $(#[$about:meta])*
        struct $group:ident {
            $($(#[$what:meta])* $sensor:ident { $($statistic:ident $name:literal $unit:literal $description:literal,)+ })+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $group {
            $($(#[$what])* pub(crate) $sensor: Measure,)+
        }

        impl $group {
            pub(crate) const ROWS: &'static [MetricRow<$group>] = &[$($(MetricRow {
                name: $name,
                unit: $unit,
                description: $description,
                statistic: Statistic::$statistic,
                sensor: |group| &group.$sensor,
            },)+)+];
        }

        impl Measures for $group {
            fn add_all(&mut self, later: &Self) {
                $(self.$sensor.add_all(&later.$sensor);)+
            }
        }
    };
}
pub(crate) use sensors;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(statistic: Statistic, values: &[f64]) -> f64 {
        let mut measure = Measure::default();
        values.iter().for_each(|value| measure.add(*value));
        let mut ever = measure;
        ever.add(100.0);
        statistic.of(&WindowSums { lately: measure, ever, time: Duration::from_secs(2) }, |measure| measure)
    }

    #[test]
    fn each_statistic_is_what_its_name_says() {
        let of = |statistic| read(statistic, &[3.0, 1.0]);
        assert_eq!(of(Statistic::Average), 2.0);
        assert_eq!(of(Statistic::Maximum), 3.0);
        assert_eq!(of(Statistic::Rate), 2.0);
        assert_eq!(of(Statistic::Occurrences), 1.0);
        assert_eq!(of(Statistic::Total), 104.0);
        assert_eq!(of(Statistic::Times), 3.0);
        assert_eq!(read(Statistic::Share, &[5e8, 5e8]), 0.5);
    }

    #[test]
    fn of_nothing_there_is_no_average_and_no_maximum_and_a_rate_of_0() {
        assert!(read(Statistic::Average, &[]).is_nan());
        assert!(read(Statistic::Maximum, &[]).is_nan());
        assert_eq!(read(Statistic::Rate, &[]), 0.0);
    }
}
