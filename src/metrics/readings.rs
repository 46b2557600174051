//! `Reading`: which number a metric takes from what was measured; and the macro in which sensors and their metrics are written
//! down.
//!
//! Owns: averages, maxima, rates, totals. Must not know: which metrics there are.
//! Source: Kafka's `Avg`, `Max`, `Rate`, `WindowedCount`, `Meter`, `CumulativeSum`, `CumulativeCount`.

use crate::metrics::windows::{Measure, Measured, Measures};

/// What a metric's number is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
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

impl Reading {
    pub(crate) fn of<M: Measures>(self, measured: &Measured<M>, sensor: fn(&M) -> &Measure) -> f64 {
        let (lately, ever) = (sensor(&measured.lately), sensor(&measured.ever));
        let seconds = measured.time.as_secs_f64();
        match self {
            Reading::Average if lately.count == 0 => f64::NAN,
            Reading::Maximum if lately.count == 0 => f64::NAN,
            Reading::Average => lately.sum / lately.count as f64,
            Reading::Maximum => lately.max,
            Reading::Rate => lately.sum / seconds,
            Reading::Occurrences => lately.count as f64 / seconds,
            Reading::Total => ever.sum,
            Reading::Times => ever.count as f64,
            Reading::Share => lately.sum / 1e9 / seconds,
        }
    }
}

/// A metric that is read of a sensor.
pub(crate) struct Row<M> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) reading: Reading,
    pub(crate) sensor: fn(&M) -> &Measure,
}

/// A group of sensors as a type with a field for each, and the table of what is read of them.
macro_rules! sensors {
    (
        $(#[$about:meta])*
        struct $group:ident {
            $($(#[$what:meta])* $sensor:ident { $($reading:ident $name:literal $unit:literal $description:literal,)+ })+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $group {
            $($(#[$what])* pub(crate) $sensor: Measure,)+
        }

        impl $group {
            pub(crate) const ROWS: &'static [Row<$group>] = &[$($(Row {
                name: $name,
                unit: $unit,
                description: $description,
                reading: Reading::$reading,
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

    fn read(reading: Reading, values: &[f64]) -> f64 {
        let mut measure = Measure::default();
        values.iter().for_each(|value| measure.add(*value));
        let mut ever = measure;
        ever.add(100.0);
        reading.of(&Measured { lately: measure, ever, time: Duration::from_secs(2) }, |measure| measure)
    }

    #[test]
    fn each_reading_is_what_its_name_says() {
        let of = |reading| read(reading, &[3.0, 1.0]);
        assert_eq!(of(Reading::Average), 2.0);
        assert_eq!(of(Reading::Maximum), 3.0);
        assert_eq!(of(Reading::Rate), 2.0);
        assert_eq!(of(Reading::Occurrences), 1.0);
        assert_eq!(of(Reading::Total), 104.0);
        assert_eq!(of(Reading::Times), 3.0);
        assert_eq!(read(Reading::Share, &[5e8, 5e8]), 0.5);
    }

    #[test]
    fn of_nothing_there_is_no_average_and_no_maximum_and_a_rate_of_0() {
        assert!(read(Reading::Average, &[]).is_nan());
        assert!(read(Reading::Maximum, &[]).is_nan());
        assert_eq!(read(Reading::Rate, &[]), 0.0);
    }
}
