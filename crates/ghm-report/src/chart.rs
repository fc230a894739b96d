//! Charts as SVG or as pixels: lines or dots of several series, with bars for their spread.

use std::ops::Range;
use std::sync::Once;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::element::ErrorBarOrientV;
use plotters::prelude::*;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use crate::file::ReportError;

/// Width and height of a chart, in units: those of SVG, or pairs of pixels.
const SIZE: (u32, u32) = (720, 420);

/// What is left free around a chart, for the values beside it and for the label and the values under it, in units.
const MARGINS: u32 = 14;
const BESIDE: u32 = 62;
const UNDER: u32 = 46;

/// Pixels of a unit where a chart is made of pixels.
const PIXELS: u32 = 2;

/// Share of an axis that is left free at both ends.
const MARGIN: f64 = 0.05;

/// What is left free around a single value.
const ROOM: f64 = 0.1;

/// Colours that people with any colour vision tell apart (Okabe and Ito 2008), with a grey for the yellow, which is faint on white.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(136, 136, 136),
];

/// What tells a series from the others: once each colour has been taken lines are dashed and dots hollow.
#[derive(Clone, Copy)]
struct Look {
    colour: RGBColor,
    dashed: bool,
}

impl Look {
    fn of(number: usize) -> Self {
        Self { colour: COLOURS[number % COLOURS.len()], dashed: number >= COLOURS.len() }
    }

    fn dot(self, unit: u32) -> ShapeStyle {
        if self.dashed { self.colour.stroke_width(2 * unit) } else { self.colour.filled() }
    }
}

/// Lengths of a dash and of the gap after it, in units.
const DASH: (u32, u32) = (7, 4);

/// Radius of a dot, in units.
const DOT: u32 = 4;

/// Width of a letter in the legend, about, in units; and the most letters for which there is room.
const LETTER: u32 = 7;
const LONGEST: usize = 30;

/// The same of a name along an axis, where room is scarce.
const NARROW: u32 = 6;

/// The letters: pixels need them here, SVG takes those of whoever looks at it.
const LETTERS: &[u8] = include_bytes!("../assets/Roboto-Regular.ttf");

type Area<B> = DrawingArea<B, Shift>;
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

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
    /// From where to where it goes; as far as there are points where absent.
    pub range: Option<(f64, f64)>,
    /// Whether equal steps are equal ratios; what is not above 0 is not drawn then.
    pub logarithmic: bool,
}

/// Points of one name and colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// How its points are drawn.
    pub mark: Mark,
    /// The points, from left to right.
    pub points: Vec<Point>,
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A dot each.
    Dots,
    /// A dot each, and a line through them, as of [`Mark::Line`].
    DotsAndLine,
    /// A line through them, broken where a point cannot be drawn, and between names that differ by more than a number.
    Line,
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

impl Point {
    /// One without a bar.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, spread: 0.0 }
    }
}

impl Chart {
    /// Whether there is a point to draw.
    pub fn is_drawable(&self) -> bool {
        self.series.iter().any(|series| self.placed(series).next().is_some())
    }

    /// The chart as an SVG file.
    ///
    /// # Errors
    /// [`ReportError::Chart`] without a point that could be drawn.
    pub fn svg(&self) -> Result<String, ReportError> {
        let plot = Plot::new(self, 1)?;
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        plot.draw(&area).map_err(|error| self.failed(error))?;
        drop(area);
        Ok(text)
    }

    /// The chart as a picture of 1440 x 840 pixels.
    ///
    /// # Errors
    /// As of [`Chart::svg`].
    pub fn picture(&self) -> Result<RgbImage, ReportError> {
        let plot = Plot::new(self, PIXELS)?;
        let (width, height) = (SIZE.0 * PIXELS, SIZE.1 * PIXELS);
        let mut picture = RgbImage::new(width, height);
        let area = BitMapBackend::with_buffer(&mut picture, (width, height)).into_drawing_area();
        plot.draw(&area).map_err(|error| self.failed(error))?;
        drop(area);
        Ok(picture)
    }

    fn failed(&self, reason: impl ToString) -> ReportError {
        ReportError::Chart { title: self.title.clone(), reason: reason.to_string() }
    }

    /// How much more room names under the chart take where they stand upright, for want of room side by side; else 0.
    fn names_height(&self) -> u32 {
        let longest = self.x.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let width = NARROW * longest.min(LONGEST) as u32;
        let room = SIZE.0 - 2 * MARGINS - BESIDE - self.legend_width();
        if self.x.names.len() as u32 * width > room { width } else { 0 }
    }

    fn legend_width(&self) -> u32 {
        let longest = self.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0);
        if self.series.len() > 1 { 30 + LETTER * longest.min(LONGEST) as u32 } else { 0 }
    }
}

/// A chart that can be drawn: where its axes begin and end, and how large a unit is.
struct Plot<'a> {
    chart: &'a Chart,
    x: Range<f64>,
    y: Range<f64>,
    unit: u32,
}

/// A point where it lies on the axes, with the ends of its bar.
#[derive(Clone, Copy)]
struct Placed {
    x: f64,
    y: f64,
    bar: Option<(f64, f64)>,
}

impl<'a> Plot<'a> {
    fn new(chart: &'a Chart, unit: u32) -> Result<Self, ReportError> {
        // Nothing else is called by this name, and the bytes are a font.
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            let _ = register_font("sans-serif", FontStyle::Normal, LETTERS);
        });
        let placed = || chart.series.iter().flat_map(|series| chart.placed(series));
        let x = chart.x.span(placed().map(|point| (point.x, point.x)));
        let y = chart.y.span(placed().map(|point| point.bar.unwrap_or((point.y, point.y))));
        match (chart.is_drawable(), x, y) {
            (true, Some(x), Some(y)) => Ok(Self { chart, x, y, unit }),
            _ => Err(chart.failed("there is no point to draw")),
        }
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B> {
        let (chart, unit) = (self.chart, self.unit);
        let letters = |size: u32| ("sans-serif", size * unit);
        let upright = chart.names_height() > 0;
        area.fill(&WHITE)?;
        let mut plane = ChartBuilder::on(area)
            .caption(&chart.title, letters(17))
            .margin(MARGINS * unit)
            .margin_right((MARGINS + chart.legend_width()) * unit)
            .x_label_area_size((UNDER + chart.names_height()) * unit)
            .y_label_area_size(BESIDE * unit)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        plane
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12).stroke_width(unit))
            .axis_style(BLACK.stroke_width(unit))
            .label_style(letters(13))
            .axis_desc_style(letters(14))
            .x_labels(chart.x.ticks(&self.x))
            .y_labels(chart.y.ticks(&self.y))
            .x_desc(&chart.x.label)
            .y_desc(&chart.y.label)
            .x_label_formatter(&|value| if upright { String::new() } else { chart.x.text(*value) })
            .y_label_formatter(&|value| chart.y.text(*value))
            .draw()?;
        for (number, series) in chart.series.iter().enumerate() {
            let look = Look::of(number);
            let stretches = chart.stretches(series);
            if series.mark != Mark::Dots {
                for stretch in stretches.iter().filter(|stretch| stretch.len() > 1) {
                    let line = stretch.iter().map(|point| (point.x, point.y));
                    let style = look.colour.stroke_width(2 * unit);
                    match look.dashed {
                        true => plane.draw_series(DashedLineSeries::new(line, DASH.0 * unit, DASH.1 * unit, style))?,
                        false => plane.draw_series(LineSeries::new(line, style))?,
                    };
                }
            }
            let points = || stretches.iter().flatten();
            plane.draw_series(points().filter_map(|point| point.bar(look, unit)))?;
            // A bar has a dot of its own, and a point alone would not be seen as a line.
            let alone = stretches.iter().filter(|stretch| stretch.len() == 1).flatten();
            let dots: Vec<&Placed> = if series.mark == Mark::Line { alone.collect() } else { points().collect() };
            let dots = dots.into_iter().filter(|point| point.bar.is_none());
            plane.draw_series(dots.map(|point| Circle::new((point.x, point.y), DOT * unit, look.dot(unit))))?;
        }
        if upright {
            self.draw_names(area, |index| plane.plotting_area().map_coordinate(&(index as f64, self.y.start)))?;
        }
        self.draw_legend(area)?;
        area.present()
    }

    /// The names of the values, upright below where each lies on the axis.
    fn draw_names<B: DrawingBackend>(&self, area: &Area<B>, place: impl Fn(usize) -> (i32, i32)) -> Drawn<B> {
        let font = ("sans-serif", 13 * self.unit).into_font().transform(FontTransform::Rotate270);
        let style = font.color(&BLACK).pos(Pos::new(HPos::Right, VPos::Center));
        for (index, name) in self.chart.x.names.iter().enumerate() {
            let (x, y) = place(index);
            area.draw(&Text::new(name.clone(), (x, y + 9 * self.unit as i32), style.clone()))?;
        }
        Ok(())
    }

    /// Beside the chart, where no point can be; nothing for a single series.
    fn draw_legend<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B> {
        let (chart, unit) = (self.chart, self.unit as i32);
        if chart.legend_width() == 0 {
            return Ok(());
        }
        let left = (SIZE.0 - chart.legend_width()) as i32 * unit;
        for (number, series) in chart.series.iter().enumerate() {
            let y = (60 + 20 * number as i32) * unit;
            area.draw(&Circle::new((left, y), DOT * self.unit, Look::of(number).dot(self.unit)))?;
            let name = (left + 12 * unit, y - 6 * unit);
            area.draw(&Text::new(series.name.clone(), name, ("sans-serif", 13 * self.unit)))?;
        }
        Ok(())
    }
}

impl Chart {
    /// The points of a series that can be drawn.
    fn placed<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = Placed> + 'a {
        series.points.iter().filter_map(|point| self.place(point))
    }

    /// The same in stretches: what a line joins, without a point between that cannot be drawn.
    fn stretches(&self, series: &Series) -> Vec<Vec<Placed>> {
        let drawable = series.points.split(|point| self.place(point).is_none());
        let joined = drawable.flat_map(|points| points.chunk_by(|left, right| self.x.joins(left.x, right.x)));
        joined.map(|stretch| stretch.iter().filter_map(|point| self.place(point)).collect()).collect()
    }

    fn place(&self, point: &Point) -> Option<Placed> {
        let (x, y) = (self.x.place(point.x), self.y.place(point.y));
        let low = self.y.place(point.y - point.spread);
        let bar = (if low.is_finite() { low } else { y }, self.y.place(point.y + point.spread));
        let bar = (point.spread > 0.0 && bar.1.is_finite()).then_some(bar);
        (x.is_finite() && y.is_finite()).then_some(Placed { x, y, bar })
    }
}

impl Placed {
    fn bar(&self, look: Look, unit: u32) -> Option<ErrorBar<f64, f64, ErrorBarOrientV<f64, f64>>> {
        let (low, high) = self.bar?;
        Some(ErrorBar::new_vertical(self.x, low, self.y, high, look.dot(unit), 9 * unit))
    }
}

impl ChartAxis {
    /// An axis of numbers.
    pub fn of(label: &str) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// The same from one number to another.
    #[must_use]
    pub fn from_to(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// The same with equal steps for equal ratios.
    #[must_use]
    pub fn logarithmic(self) -> Self {
        Self { logarithmic: true, ..self }
    }

    /// Where a value lies along the axis; nowhere what has no logarithm.
    fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            true if value > 0.0 => value.log10(),
            true => f64::NAN,
            false => value,
        }
    }

    /// Whether a line may lead from one value to another: between numbers, and between names that differ by a number alone.
    fn joins(&self, left: f64, right: f64) -> bool {
        let stem =
            |value: f64| self.text(value).replace(|letter: char| letter.is_ascii_digit() || ".+-".contains(letter), "");
        self.names.is_empty() || stem(left) == stem(right)
    }

    /// From the least to the most of intervals, with some room.
    fn span(&self, ends: impl Iterator<Item = (f64, f64)>) -> Option<Range<f64>> {
        if !self.names.is_empty() {
            return Some(-0.5..self.names.len() as f64 - 0.5);
        }
        if let Some((low, high)) = self.range.map(|(low, high)| (self.place(low), self.place(high)))
            && low.is_finite()
            && high.is_finite()
        {
            return Some(low..high);
        }
        let (low, high) =
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| (low.min(a), high.max(b)));
        let room = if high > low { MARGIN * (high - low) } else { ROOM };
        (low <= high).then_some(low - room..high + room)
    }

    /// About how many marks it has. Each second one of names lies between two of them, and powers of ten have one each if they are few.
    fn ticks(&self, span: &Range<f64>) -> usize {
        match self.names.len() {
            0 if self.logarithmic => ((span.end - span.start).ceil() as usize + 1).clamp(4, 12),
            0 => 8,
            names => 2 * names,
        }
    }

    fn text(&self, value: f64) -> String {
        if self.names.is_empty() {
            return number(if self.logarithmic { 10f64.powf(value) } else { value }, self.logarithmic);
        }
        let index = value.round();
        let whole = (value - index).abs() < 1e-6 && index >= 0.0;
        self.names.get(index as usize).filter(|_| whole).cloned().unwrap_or_default()
    }
}

/// A number at a mark; between powers of ten as many digits as tell it from the next mark.
fn number(value: f64, rounded: bool) -> String {
    match value.abs() {
        // What is left of a sum of marks.
        size if size < 1e-15 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}").replace(".0e", "e"),
        size if rounded && size > 0.0 => {
            let digits = 10f64.powf(1.0 - size.log10().floor());
            format!("{}", (value * digits).round() / digits)
        }
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}
