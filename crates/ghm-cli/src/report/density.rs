//! The gradient density over the epochs, before and after harmonising.

use std::fs;

use anyhow::Result;
use ghm_loss::GradientDensity;
use ghm_report::{Block, Chart, ChartAxis, Mark, Point, Series};
use ghm_train::DensityRecord;

use super::gallery::spread;
use super::{Subject, figures, heading};

/// Epochs of which a curve is shown, at most.
const SHOWN: usize = 5;

pub fn blocks(subject: &Subject) -> Result<Vec<Block>> {
    let Ok(text) = fs::read_to_string(subject.directory.densities_path()) else { return Ok(Vec::new()) };
    // The last line may be half of one, while the run goes on.
    let records = text.lines().filter_map(|line| serde_json::from_str::<DensityRecord>(line).ok());
    let records = spread(records.collect(), SHOWN);
    let of = |pick: fn(&DensityRecord) -> Option<&GradientDensity>| {
        records.iter().filter_map(|record| Some((record.epoch, pick(record)?))).collect::<Vec<_>>()
    };
    let classification = of(|record| record.densities.classification.as_ref());
    let boxes = of(|record| record.densities.regression.as_ref());
    let charts = [charts("GHM-C", &classification)?, charts("GHM-R", &boxes)?].concat();
    let words = "How many examples have a gradient norm like this, as the moving average had it at the end of an epoch, and how much they \
                 weigh once each is multiplied by its beta. Harmonising makes the weight level where there is anything; a cap leaves sparse \
                 regions below.";
    Ok(vec![heading("Gradient density"), Block::Text(words.into()), figures(charts)?])
}

fn charts(name: &str, densities: &[(usize, &GradientDensity)]) -> Result<Vec<Chart>> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (epoch, density) in densities {
        let (examples, weights) = shares(density)?;
        before.push(series(*epoch, &examples));
        after.push(series(*epoch, &weights));
    }
    let chart = |title: &str, y: &str, series: Vec<Series>| Chart {
        title: format!("{name}, {title}"),
        x: ChartAxis::of("gradient norm g").from_to(0.0, 1.0),
        y: ChartAxis::of(y).logarithmic(),
        series,
    };
    Ok(vec![
        chart("before harmonising", "share of the examples in a unit region", before),
        chart("after harmonising", "share of their weight in a unit region", after),
    ])
}

fn series(epoch: usize, shares: &[f64]) -> Series {
    let middle = |region: usize| (region as f64 + 0.5) / shares.len() as f64;
    let points = shares.iter().enumerate().map(|(region, share)| Point::new(middle(region), *share));
    Series { name: format!("epoch {epoch}"), mark: Mark::DotsAndLine, points: points.collect() }
}

/// The share of the examples that each unit region has, and of their weights, each example's being its `beta`. Of a density for each class
/// the mean over classes.
fn shares(density: &GradientDensity) -> Result<(Vec<f64>, Vec<f64>)> {
    let config = *density.config();
    // Counts of a moving average are no whole numbers: of a small batch the next whole one would be far off.
    let sum: f64 = density.counts().iter().sum();
    let counts: Vec<u64> =
        density.counts().iter().map(|count| (count / sum.max(f64::MIN_POSITIVE) * 1e12) as u64).collect();
    let factors = config.at_once(&counts)?.factors();
    let weights: Vec<f64> = counts.iter().zip(&factors).map(|(count, factor)| *count as f64 * factor).collect();
    let counts: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    Ok((by_region(&counts, config.bins), by_region(&weights, config.bins)))
}

fn by_region(of_classes: &[f64], bins: usize) -> Vec<f64> {
    let sum: f64 = of_classes.iter().sum();
    let region = |bin: usize| of_classes.iter().skip(bin).step_by(bins).sum::<f64>() / sum.max(f64::MIN_POSITIVE);
    (0..bins).map(region).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghm_loss::DensityConfig;

    #[test]
    fn harmonising_makes_filled_regions_weigh_alike_and_a_cap_leaves_sparse_ones_below() {
        let of = |cap: Option<f64>| {
            let config = DensityConfig { bins: 4, momentum: 0.5, cap, ..DensityConfig::default() };
            let mut density = GradientDensity::new(config).unwrap();
            density.update(&[900, 0, 90, 10]).unwrap();
            shares(&density).unwrap()
        };
        let (before, after) = of(None);
        assert_eq!(before.iter().map(|share| (share * 100.0).round()).collect::<Vec<_>>(), [90.0, 0.0, 9.0, 1.0]);
        let third = 1.0 / 3.0;
        assert!(after.iter().zip([third, 0.0, third, third]).all(|(a, b)| (a - b).abs() < 1e-6), "{after:?}");
        let (_, capped) = of(Some(2.0));
        assert!(capped[3] < capped[2] && capped[2] < capped[0], "{capped:?}");
    }
}
