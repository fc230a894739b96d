//! Charts as SVG: lines or dots of several series, with bars for their spread.

use std::ops::Range;

use plotters::prelude::*;
use plotters::series::LineSeries;

use crate::file::ReportError;

/// Width and height of a chart, in SVG units.
const SIZE: (u32, u32) = (720, 420);

/// Share of an axis that is left free at both ends.
const MARGIN: f64 = 0.05;

/// What is left free around a single value.
const ROOM: f64 = 0.1;

/// Colours that people with any colour vision tell apart (Okabe and Ito 2008), the yellow left out for its faintness on white.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Radius of a dot, in SVG units.
const DOT: u32 = 4;

/// Width of a letter in the legend, about, in SVG units; and the most letters for which there is room.
const LETTER: u32 = 7;
const LONGEST: usize = 30;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: ChartAxis,
    /// The vertical axis.
    pub y: ChartAxis,
    /// What is drawn, at least one.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartAxis {
    /// What it measures, with its unit.
    pub label: String,
    /// Names for the values 0, 1, 2 and so on, in place of numbers.
    pub names: Vec<String>,
}

/// Points of one name and colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Whether its points are joined.
    pub joined: bool,
    /// The points, from left to right.
    pub points: Vec<Point>,
}

/// A point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// How much.
    pub y: f64,
    /// Half the height of the bar through it, as a standard deviation; 0 for none.
    pub spread: f64,
}

impl Chart {
    /// The chart as an SVG file.
    ///
    /// # Errors
    /// [`ReportError::Chart`] without a point that could be drawn.
    pub fn svg(&self) -> Result<String, ReportError> {
        let points = || self.series.iter().flat_map(|series| &series.points).filter(|point| point.is_finite());
        let failed = |reason: String| ReportError::Chart { title: self.title.clone(), reason };
        let x = range(points().map(|point| (point.x, point.x)), &self.x);
        let y = range(points().map(|point| (point.y - point.spread, point.y + point.spread)), &self.y);
        let (Some(x), Some(y)) = (x, y) else { return Err(failed("there is no point to draw".into())) };
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        self.draw(&area, x, y).map_err(|error| failed(error.to_string()))?;
        drop(area);
        Ok(text)
    }

    fn draw(&self, area: &Area, x: Range<f64>, y: Range<f64>) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 17))
            .margin(14)
            .margin_right(14 + self.legend_width())
            .x_label_area_size(46)
            .y_label_area_size(62)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 14))
            .x_labels(self.x.ticks())
            .y_labels(self.y.ticks())
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_label_formatter(&|value| self.x.text(*value))
            .y_label_formatter(&|value| self.y.text(*value))
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<Point> = series.points.iter().copied().filter(Point::is_finite).collect();
            if series.joined {
                let line = points.iter().map(|point| (point.x, point.y));
                chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
            }
            // A bar has a dot of its own.
            let (bars, dots): (Vec<Point>, Vec<Point>) = points.iter().partition(|point| point.spread > 0.0);
            chart.draw_series(bars.iter().map(|point| point.bar(*colour)))?;
            chart.draw_series(dots.iter().map(|point| Circle::new((point.x, point.y), DOT, colour.filled())))?;
        }
        self.draw_legend(area)?;
        area.present()
    }

    /// Beside the chart, where no point can be; nothing for a single series.
    fn draw_legend(&self, area: &Area) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        if self.legend_width() == 0 {
            return Ok(());
        }
        let left = (SIZE.0 - self.legend_width()) as i32;
        for (number, (series, colour)) in (0..).zip(self.series.iter().zip(COLOURS.iter().cycle())) {
            let y = 60 + 20 * number;
            area.draw(&Circle::new((left, y), DOT, colour.filled()))?;
            area.draw(&Text::new(series.name.clone(), (left + 12, y - 6), ("sans-serif", 13)))?;
        }
        Ok(())
    }

    fn legend_width(&self) -> u32 {
        let longest = self.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0);
        if self.series.len() > 1 { 30 + LETTER * longest.min(LONGEST) as u32 } else { 0 }
    }
}

impl Point {
    fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }

    fn bar(&self, colour: RGBColor) -> ErrorBar<f64, f64, plotters::element::ErrorBarOrientV<f64, f64>> {
        ErrorBar::new_vertical(self.x, self.y - self.spread, self.y, self.y + self.spread, colour.filled(), 9)
    }
}

impl ChartAxis {
    /// An axis of numbers.
    pub fn of(label: &str) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// About how many marks it has; each second one of names lies between two of them.
    fn ticks(&self) -> usize {
        if self.names.is_empty() { 8 } else { 2 * self.names.len() }
    }

    fn text(&self, value: f64) -> String {
        if self.names.is_empty() {
            return match value.abs() {
                size if size != 0.0 && !(1e-3..1e5).contains(&size) => format!("{value:.1e}").replace(".0e", "e"),
                _ => format!("{}", (value * 1e6).round() / 1e6),
            };
        }
        let index = value.round();
        let whole = (value - index).abs() < 1e-6 && index >= 0.0;
        self.names.get(index as usize).filter(|_| whole).cloned().unwrap_or_default()
    }
}

/// From the least to the most of intervals, with some room.
fn range(ends: impl Iterator<Item = (f64, f64)>, axis: &ChartAxis) -> Option<Range<f64>> {
    if !axis.names.is_empty() {
        return Some(-0.5..axis.names.len() as f64 - 0.5);
    }
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| (low.min(a), high.max(b)));
    let room = if high > low { MARGIN * (high - low) } else { ROOM };
    (low <= high).then_some(low - room..high + room)
}
