//! Losses, learning rate and average precision over the epochs.

use anyhow::{Context, Result};
use ghm_report::{Block, Chart, ChartAxis, Mark, Point, Series};
use serde::Deserialize;

use super::{Subject, figures, heading};

/// Points of a curve over updates, at most about.
const POINTS: usize = 400;

/// A line of `epochs.csv`.
#[derive(Debug, Deserialize)]
struct Epoch {
    epoch: f64,
    classification: f64,
    regression: f64,
    #[serde(rename = "AP")]
    ap: Option<f64>,
    #[serde(rename = "AP50")]
    ap50: Option<f64>,
    #[serde(rename = "AP75")]
    ap75: Option<f64>,
}

pub fn blocks(subject: &Subject) -> Result<Vec<Block>> {
    let epochs = epochs(subject)?;
    if epochs.is_empty() {
        return Ok(Vec::new());
    }
    let over = |name: &str, y: &dyn Fn(&Epoch) -> Option<f64>| Series {
        name: name.to_owned(),
        mark: Mark::DotsAndLine,
        points: epochs.iter().filter_map(|epoch| Some(Point::new(epoch.epoch, y(epoch)?))).collect(),
    };
    let chart = |title: &str, y: ChartAxis, series: Vec<Series>| Chart {
        title: title.to_owned(),
        x: ChartAxis::of("epoch"),
        y,
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
    };
    let losses = vec![
        over("classification", &|epoch| Some(epoch.classification)),
        over("boxes", &|epoch| Some(epoch.regression)),
    ];
    let precision =
        vec![over("AP", &|epoch| epoch.ap), over("AP50", &|epoch| epoch.ap50), over("AP75", &|epoch| epoch.ap75)];
    let rate = Chart {
        title: "Learning rate".into(),
        x: ChartAxis::of("update"),
        y: ChartAxis::of("learning rate"),
        series: vec![rates(subject)?],
    };
    let charts = [
        chart("Losses, means of the epochs", ChartAxis::of("loss, weights included"), losses),
        chart(
            "Average precision on the validation split",
            ChartAxis::of("average precision").from_to(0.0, 1.0),
            precision,
        ),
        rate,
    ];
    Ok(vec![heading("Training"), figures(charts)?])
}

fn epochs(subject: &Subject) -> Result<Vec<Epoch>> {
    let path = subject.directory.epochs_path();
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let read = || csv::Reader::from_path(&path)?.deserialize().collect::<Result<Vec<Epoch>, _>>();
    read().with_context(|| format!("{}: cannot be read", path.display()))
}

/// The learning rate of some updates, evenly spread.
fn rates(subject: &Subject) -> Result<Series> {
    let records = subject.directory.read_metrics()?;
    let rates: Vec<Point> = records.map(|record| Point::new(record.step as f64, record.learning_rate)).collect();
    let every = rates.len().div_ceil(POINTS).max(1);
    Ok(Series { name: "learning rate".into(), mark: Mark::Line, points: rates.into_iter().step_by(every).collect() })
}
