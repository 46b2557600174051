//! The results as a picture: a line for each case, a dot for each contestant, once for the rate and once for CPU time.

use std::path::Path;

use kafka_producer_benchmarks::Failure;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::case::{Contestant, FLOOR, FRANZ_GO, JAVA, LIBRDKAFKA, OURS, OURS_CALLBACK, OURS_FUTURE};
use crate::figures::{Measured, MeasuredCase};

const COLORS: [(Contestant, RGBColor); 7] = [
    (FLOOR, RGBColor(170, 170, 170)),
    (LIBRDKAFKA, RGBColor(213, 94, 0)),
    (JAVA, RGBColor(204, 121, 167)),
    (FRANZ_GO, RGBColor(0, 158, 115)),
    (OURS, RGBColor(0, 60, 130)),
    (OURS_CALLBACK, RGBColor(30, 136, 229)),
    (OURS_FUTURE, RGBColor(130, 190, 240)),
];

const WIDTH: i32 = 1200;
const NAMES: i32 = 230;
const PANEL: i32 = 440;
const GAP: i32 = 40;
const ROW: i32 = 24;
const TOP: i32 = 70;
const BOTTOM: i32 = 40;
const DOT: i32 = 6;

/// A figure, from left to right.
struct Panel {
    title: &'static str,
    name: &'static str,
    left: i32,
    /// Powers of ten.
    from: f64,
    to: f64,
    /// What one of the axis is called.
    unit: fn(f64) -> String,
}

impl Panel {
    fn x(&self, value: f64) -> i32 {
        let share = (value.log10() - self.from) / (self.to - self.from);
        self.left + (share.clamp(0.0, 1.0) * f64::from(PANEL)) as i32
    }
}

/// Draws the charted cases.
pub(crate) fn draw(measured: &Measured, path: &Path) -> Result<(), Failure> {
    let cases: Vec<&MeasuredCase> = measured.cases().filter(|measured| measured.case.charted).collect();
    let rows = i32::try_from(cases.len())?;
    let height = TOP + rows * ROW + BOTTOM;
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    let drawn = (|| {
        area.fill(&WHITE)?;
        let panels = [
            Panel {
                title: "records a second",
                name: "rate",
                left: NAMES,
                from: 4.5,
                to: 7.75,
                unit: rate_text,
            },
            Panel {
                title: "CPU microseconds of the client for a record",
                name: "cpu",
                left: NAMES + PANEL + GAP,
                from: -1.75,
                to: 1.75,
                unit: |value| format!("{value} µs"),
            },
        ];
        legend(&area)?;
        for panel in &panels {
            axis(&area, panel, rows)?;
            for (row, case) in (0..).zip(&cases) {
                dots(&area, panel, row, case)?;
            }
        }
        for (row, case) in (0..).zip(&cases) {
            let place = (NAMES - 12, TOP + row * ROW + ROW / 2);
            area.draw(&Text::new(case.case.name, place, text(13, HPos::Right)))?;
        }
        area.present()
    })();
    Ok(drawn.map_err(|error: DrawingAreaErrorKind<_>| error.to_string())?)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

fn rate_text(value: f64) -> String {
    if value >= 1e6 { format!("{} M", value / 1e6) } else { format!("{} k", value / 1e3) }
}

fn text(size: i32, horizontal: HPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size)).pos(Pos::new(horizontal, VPos::Center))
}

fn legend(area: &Area<'_>) -> Drawn {
    let mut x = NAMES;
    for (who, color) in COLORS {
        area.draw(&Circle::new((x, 16), DOT, color.filled()))?;
        area.draw(&Text::new(who.to_string(), (x + 12, 16), text(14, HPos::Left)))?;
        x += 130;
    }
    Ok(())
}

fn axis(area: &Area<'_>, panel: &Panel, rows: i32) -> Drawn {
    let bottom = TOP + rows * ROW;
    area.draw(&Text::new(panel.title, (panel.left + PANEL / 2, TOP - 26), text(15, HPos::Center)))?;
    for power in panel.from.ceil() as i32..=panel.to.floor() as i32 {
        for digit in [1.0, 2.0, 5.0] {
            let value = digit * 10f64.powi(power);
            if value.log10() > panel.to {
                continue;
            }
            let x = panel.x(value);
            let strength = if digit == 1.0 { 200 } else { 235 };
            let line = RGBColor(strength, strength, strength);
            area.draw(&PathElement::new(vec![(x, TOP), (x, bottom)], line))?;
            let label = (panel.unit)((value * 1e3).round() / 1e3);
            area.draw(&Text::new(label, (x, bottom + 14), text(11, HPos::Center)))?;
        }
    }
    Ok(())
}

fn dots(area: &Area<'_>, panel: &Panel, row: i32, case: &MeasuredCase) -> Drawn {
    let y = TOP + row * ROW + ROW / 2;
    let line = RGBColor(225, 225, 225);
    area.draw(&PathElement::new(vec![(panel.left, y), (panel.left + PANEL, y)], line))?;
    for (who, color) in COLORS {
        let value = case.median(who, panel.name);
        if value.is_finite() && value > 0.0 {
            area.draw(&Circle::new((panel.x(value), y), DOT, color.filled()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_dot_for_each_figure() -> Result<(), Failure> {
        let mut measured = Measured::default();
        measured.read("case=100B-1MiB contestant=ours rate=9000000 cpu=0.13\ncase=get-1-0ms contestant=ours rate=1 cpu=1\n")?;
        let path = std::env::temp_dir().join(format!("kafka-producer-chart-{}.svg", std::process::id()));
        draw(&measured, &path)?;
        let svg = std::fs::read_to_string(&path)?;
        std::fs::remove_file(&path)?;
        assert_eq!(svg.matches("<circle").count(), COLORS.len() + 2);
        assert!(svg.contains("100B-1MiB") && !svg.contains("get-1-0ms"));
        Ok(())
    }
}
