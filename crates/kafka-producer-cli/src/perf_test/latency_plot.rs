//! `--plot FILE.svg`: throughput and latency over time.
//!
//! Owns: how it looks. Must not know: files, flags.
//! Holds: 1280 by 800, on white, in fonts that every viewer has; colours that can be told apart without seeing red or green.

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::java_format::fixed;
use super::perf_tally::Summary;
use super::timeline::TimelinePoint;

/// What is drawn.
pub(super) struct LatencyPlot<'a> {
    pub(super) topic: &'a str,
    pub(super) summary: &'a Summary,
    pub(super) points: &'a [TimelinePoint],
    /// When the steady state began, if there was a warm-up.
    pub(super) steady_from_seconds: Option<f64>,
}

type PlotOutcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, Y>>;

impl LatencyPlot<'_> {
    /// The text of the file.
    ///
    /// # Errors
    /// Those of the drawing library, of which none is known.
    pub(super) fn svg(&self) -> PlotOutcome<String> {
        let mut text = String::new();
        {
            let canvas = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT)).into_drawing_area();
            canvas.fill(&WHITE)?;
            self.heading(&canvas)?;
            let (_, below) = canvas.split_vertically(HEADING);
            let (upper, lower) = below.split_vertically((HEIGHT - HEADING) * 45 / 100);
            self.throughput(&upper)?;
            self.latency(&lower)?;
            canvas.present()?;
        }
        Ok(text)
    }

    fn heading(&self, canvas: &Canvas<'_>) -> PlotOutcome<()> {
        let of = self.summary;
        let title = format!("Producer performance, topic {}", self.topic);
        let mean_size = of.bytes as f64 / of.records.max(1) as f64;
        let [p50, p95, p99, p99_9] = of.latency_ms.map(number);
        let subtitle = format!(
            "{} records of {} bytes in {} s: {} records/s, {} MB/s; latency p50 {p50}, p95 {p95}, p99 {p99}, p99.9 {p99_9} ms",
            grouped(of.records as f64),
            grouped(mean_size),
            fixed(of.seconds, 1),
            grouped(of.records_per_second),
            fixed(of.mib_per_second, 1),
        );
        canvas.draw_text(&title, &font(24, FontStyle::Bold, INK), (MARGIN, 18))?;
        canvas.draw_text(&subtitle, &font(15, FontStyle::Normal, SOFT), (MARGIN, 52))?;
        Ok(())
    }

    fn throughput(&self, canvas: &Canvas<'_>) -> PlotOutcome<()> {
        let highest = highest(self.points.iter().map(|point| point.records_per_second)) * 1.08;
        let bytes: f64 = self.summary.bytes as f64 / self.summary.records.max(1) as f64;
        let mib = |records: f64| records * bytes / (1024.0 * 1024.0);
        panel_heading(canvas, "Throughput", &[(BLUE, "acknowledged records")])?;
        let mut chart = ChartBuilder::on(canvas)
            .margin_top(PANEL_HEADING)
            .margin_left(MARGIN - 8)
            .margin_right(MARGIN - 8)
            .margin_bottom(6)
            .x_label_area_size(X_LABELS)
            .y_label_area_size(Y_LABELS)
            .right_y_label_area_size(RIGHT_LABELS)
            .build_cartesian_2d(0.0..self.end(), 0.0..highest)?
            .set_secondary_coord(0.0..self.end(), 0.0..mib(highest));
        draw_axes(&mut chart, "records/s", 9, &|value| grouped(*value))?;
        chart
            .configure_secondary_axes()
            .axis_style(AXIS)
            .y_labels(9)
            .label_style(font(13, FontStyle::Normal, SOFT))
            .axis_desc_style(font(14, FontStyle::Normal, INK))
            .y_desc("MB/s")
            .y_label_formatter(&|value| number(*value))
            .draw()?;
        let line: Vec<(f64, f64)> =
            self.points.iter().map(|point| (point.seconds, point.records_per_second)).collect();
        if let (Some(first), Some(last)) = (line.first(), line.last()) {
            let mut area = line.clone();
            area.extend([(last.0, 0.0), (first.0, 0.0)]);
            chart.draw_series([Polygon::new(area, BLUE.mix(0.12).filled())])?;
        }
        chart.draw_series(LineSeries::new(line, BLUE.stroke_width(2)))?;
        self.mark_steady_state(&mut chart, 0.0, highest)
    }

    fn latency(&self, canvas: &Canvas<'_>) -> PlotOutcome<()> {
        let lines = [(VIOLET, "max", 4), (ORANGE, "p99", 2), (SKY, "p95", 1), (BLUE, "p50", 0)];
        let known = |which: usize| {
            let latency = move |point: &TimelinePoint| {
                Some((point.seconds, (*point.latency_ms?.get(which)?).max(SHORTEST_MS)))
            };
            self.points.iter().filter_map(latency)
        };
        let highest = highest(known(4).map(|(_, latency)| latency)) * 1.3;
        let lowest = known(0).map(|(_, latency)| latency).fold(highest, f64::min).min(highest / 8.0) / 1.3;
        panel_heading(
            canvas,
            "Latency, from send to acknowledgement",
            &lines.map(|(colour, name, _)| (colour, name)),
        )?;
        let mut chart = ChartBuilder::on(canvas)
            .margin_top(PANEL_HEADING)
            .margin_left(MARGIN - 8)
            .margin_right(MARGIN - 8 + RIGHT_LABELS)
            .margin_bottom(6)
            .x_label_area_size(X_LABELS)
            .y_label_area_size(Y_LABELS)
            .build_cartesian_2d(
                0.0..self.end(),
                (lowest..highest).log_scale().with_key_points(round_numbers(lowest, highest)),
            )?;
        draw_axes(&mut chart, "ms, logarithmic", 8, &|value| number(*value))?;
        for (colour, _, which) in lines {
            chart.draw_series(LineSeries::new(known(which), colour.stroke_width(2)))?;
        }
        self.mark_steady_state(&mut chart, lowest, highest)
    }

    /// A line where the warm-up ends.
    fn mark_steady_state<Y: Ranged<ValueType = f64>>(
        &self,
        chart: &mut Chart<'_, '_, Y>,
        lowest: f64,
        highest: f64,
    ) -> PlotOutcome<()> {
        let Some(from) = self.steady_from_seconds else { return Ok(()) };
        chart.draw_series(LineSeries::new([(from, lowest), (from, highest)], INK.stroke_width(1)))?;
        let style = font(13, FontStyle::Normal, INK);
        chart.draw_series([Text::new("\u{2192} steady state", (from, highest), style)])?;
        Ok(())
    }

    fn end(&self) -> f64 {
        self.points.last().map_or(1.0, |point| point.seconds)
    }
}

/// A panel's axes and its grid: time from left to right, `what` upwards, with about so many labels.
fn draw_axes<Y: Ranged<ValueType = f64> + ValueFormatter<f64>>(
    chart: &mut Chart<'_, '_, Y>,
    what: &str,
    labels: usize,
    text: &dyn Fn(&f64) -> String,
) -> PlotOutcome<()> {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .y_labels(labels)
        .x_labels(12)
        .label_style(font(13, FontStyle::Normal, SOFT))
        .axis_desc_style(font(14, FontStyle::Normal, INK))
        .x_desc("seconds since the start")
        .y_desc(what)
        .y_label_formatter(text)
        .x_label_formatter(&|value| seconds(*value))
        .draw()?;
    Ok(())
}

/// A panel's name, and beside it what its lines are.
fn panel_heading(canvas: &Canvas<'_>, name: &str, lines: &[(RGBColor, &str)]) -> PlotOutcome<()> {
    let middle = PANEL_HEADING as i32 / 2;
    let style = font(16, FontStyle::Bold, INK).pos(Pos::new(HPos::Left, VPos::Center));
    canvas.draw_text(name, &style, (MARGIN, middle))?;
    let style = font(14, FontStyle::Normal, INK).pos(Pos::new(HPos::Left, VPos::Center));
    let widths =
        lines.iter().map(|(_, name)| LEGEND_LINE + 8 + LEGEND_LETTER * name.len() as i32 + LEGEND_GAP);
    let mut left = WIDTH as i32 - MARGIN - RIGHT_LABELS - widths.sum::<i32>() + LEGEND_GAP;
    for (colour, name) in lines {
        let ends = [(left, middle), (left + LEGEND_LINE, middle)];
        canvas.draw(&PathElement::new(ends, colour.stroke_width(3)))?;
        canvas.draw_text(name, &style, (left + LEGEND_LINE + 8, middle))?;
        left += LEGEND_LINE + 8 + LEGEND_LETTER * name.len() as i32 + LEGEND_GAP;
    }
    Ok(())
}

fn font(size: i32, style: FontStyle, colour: RGBColor) -> TextStyle<'static> {
    ("Helvetica, Arial, sans-serif", size, style).into_font().color(&colour)
}

fn highest(values: impl Iterator<Item = f64>) -> f64 {
    // An axis needs a length.
    values.fold(SHORTEST_MS, f64::max)
}

/// 1, 2, 5, 10 and so on within bounds; only the powers of ten where these would be too many.
fn round_numbers(lowest: f64, highest: f64) -> Vec<f64> {
    let steps: &[f64] = if highest / lowest < 5000.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = (-3..=7).map(|power| 10_f64.powi(power));
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * power));
    all.filter(|number| (lowest..=highest).contains(number)).collect()
}

/// 1234567 as 1,234,567.
fn grouped(number: f64) -> String {
    let figures = fixed(number, 0);
    let mut text = String::new();
    for (at, figure) in figures.chars().enumerate() {
        if at > 0 && (figures.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(figure);
    }
    text
}

/// As many digits as a reader needs.
fn number(value: f64) -> String {
    let digits = match value {
        value if value >= 10.0 || value == 0.0 => return grouped(value),
        value if value >= 1.0 => 1,
        value if value >= 0.1 => 2,
        _ => 3,
    };
    let text = fixed(value, digits);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn seconds(value: f64) -> String {
    number((value * 1000.0).round() / 1000.0)
}

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;
const HEADING: u32 = 84;
const PANEL_HEADING: u32 = 36;
const MARGIN: i32 = 28;
const X_LABELS: i32 = 44;
const Y_LABELS: i32 = 84;
const RIGHT_LABELS: i32 = 64;
const LEGEND_LINE: i32 = 28;
const LEGEND_LETTER: i32 = 7;
const LEGEND_GAP: i32 = 24;
/// Nothing is shorter on a logarithmic axis.
const SHORTEST_MS: f64 = 0.001;

const INK: RGBColor = RGBColor(33, 37, 41);
const SOFT: RGBColor = RGBColor(92, 99, 106);
const AXIS: RGBColor = RGBColor(150, 156, 162);
const GRID: RGBColor = RGBColor(226, 229, 232);
// Okabe and Ito's colours.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const SKY: RGBColor = RGBColor(86, 180, 233);
const ORANGE: RGBColor = RGBColor(230, 130, 0);
const VIOLET: RGBColor = RGBColor(170, 80, 140);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::perf_test::perf_tally::PerfTally;
    use crate::perf_test::timeline::Timeline;

    #[test]
    fn a_plot_names_what_it_shows_with_units() -> PlotOutcome<()> {
        let (mut tally, mut timeline) = (PerfTally::new(Duration::ZERO, false), Timeline::new());
        for number in 0..2000 {
            let (now, latency) = (Duration::from_millis(number), Duration::from_micros(500 + number * 3));
            tally.add(100, latency, now, Duration::MAX);
            timeline.add(100, latency, now);
        }
        let end = Duration::from_secs(2);
        let (summary, points) = (tally.summary(end), timeline.points(end));
        let plot =
            LatencyPlot { topic: "a<b>", summary: &summary, points: &points, steady_from_seconds: Some(0.5) };
        let svg = plot.svg()?;
        assert!(svg.starts_with("<svg width=\"1280\" height=\"800\""), "{svg}");
        let shown = [
            "topic a&lt;b&gt;",
            "2,000 records of 100 bytes in 2.0 s: 1,000 records/s",
            "Throughput",
            "records/s",
            "MB/s",
            "Latency, from send to acknowledgement",
            "p50",
            "p95",
            "p99",
            "max",
            "ms, logarithmic",
            "seconds since the start",
            "steady state",
        ];
        for text in shown {
            assert!(svg.contains(text), "{text} is missing in {svg}");
        }
        assert!(svg.matches("<polyline").count() >= 5, "a line for each");
        Ok(())
    }

    #[test]
    fn a_test_without_an_acknowledged_record_is_drawn_as_well() -> PlotOutcome<()> {
        let summary = PerfTally::new(Duration::ZERO, false).summary(Duration::from_secs(1));
        let plot = LatencyPlot { topic: "t", summary: &summary, points: &[], steady_from_seconds: None };
        assert!(plot.svg()?.contains("0 records of 0 bytes"));
        Ok(())
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (0.005, "0.005"),
            (0.25, "0.25"),
            (1.5, "1.5"),
            (2.0, "2"),
            (100.0, "100"),
            (12.4, "12"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(round_numbers(0.8, 25.0), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(round_numbers(0.5, 20_000.0), [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
    }
}
