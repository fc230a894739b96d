//! Everything that the losses see of some pictures, by gradient norm.

use std::sync::Arc;

use anyhow::Result;
use ghm_data::{Dataset, Skipped};
use ghm_loss::{BACKGROUND, DensityConfig, Examples, FocalConfig, IGNORED, LossConfig, Side, Spectrum, Targets};
use ghm_train::{BatchExamples, Predictor, Recipe};

use crate::table::say;

use super::half::{Half, Harmonised};

/// Focal loss's weight of the positives where a recipe gives none, as published.
const ALPHA: f32 = 0.25;

/// Classification and boxes, and the pictures that could not be read.
pub fn halves(predictor: &Predictor, dataset: &Arc<Dataset>) -> Result<([Half<'static>; 2], Vec<Skipped>)> {
    let loss = &predictor.recipe().loss;
    let (c, r) = (&loss.classification, &loss.regression);
    let focal = LossConfig::Focal(FocalConfig { alpha: c.alpha.unwrap_or(ALPHA), gamma: c.gamma });
    let classes = predictor.categories().len();
    let mut classification = Spectrum::new(LossConfig::CrossEntropy, c.bins, vec![focal])?;
    let mut boxes = Spectrum::new(LossConfig::Asl1 { mu: r.mu }, r.bins, vec![LossConfig::SmoothL1 { beta: r.beta }])?;
    let skipped = predictor.examples(dataset, |batch| {
        say(&format!("picture {} of {}", batch.done, batch.total));
        add_logits(&mut classification, &batch, classes)?;
        add_offsets(&mut boxes, &batch)?;
        Ok(())
    })?;
    say("");
    let [of_logits, of_offsets] = densities(predictor.recipe());
    let halves = [
        Half {
            name: "classification",
            norm: "gradient norm g = |p - p*|",
            plain: "cross entropy",
            others: &["focal"],
            sides: &["objects", "background"],
            harmonised: Harmonised::of("GHM-C", &classification, of_logits)?,
            spectrum: classification,
        },
        Half {
            name: "boxes",
            norm: "gradient norm g = |d| / √(d² + μ²)",
            plain: "ASL1",
            others: &["smooth L1"],
            sides: &["offsets of objects"],
            harmonised: Harmonised::of("GHM-R", &boxes, of_offsets)?,
            spectrum: boxes,
        },
    ];
    Ok((halves, skipped))
}

fn add_logits(spectrum: &mut Spectrum, batch: &BatchExamples, classes: usize) -> Result<(), ghm_loss::LossError> {
    let rows = &batch.targets.classes[..];
    let examples = Examples::new(&batch.logits, Targets::ClassIndex { rows, classes });
    spectrum.add(&examples, |place| match rows[place / classes] {
        IGNORED => None,
        BACKGROUND => Some(Side::Background),
        class if class as usize == place % classes => Some(Side::Object),
        _ => Some(Side::Background),
    })
}

fn add_offsets(spectrum: &mut Spectrum, batch: &BatchExamples) -> Result<(), ghm_loss::LossError> {
    let gates = &batch.targets.delta_weights[..];
    let examples = Examples::new(&batch.deltas, Targets::Dense(&batch.targets.deltas)).gated(gates);
    spectrum.add(&examples, |place| (gates[place] > 0.0).then_some(Side::Object))
}

/// The settings of the recipe's densities, whether its losses have any or not; one density for all classes.
fn densities(recipe: &Recipe) -> [DensityConfig; 2] {
    let (c, r) = (&recipe.loss.classification, &recipe.loss.regression);
    let rest = DensityConfig::default();
    [
        DensityConfig { bins: c.bins, cap: c.cap, normalise: c.normalise, between: c.between, ..rest },
        DensityConfig { bins: r.bins, cap: r.cap, normalise: r.normalise, between: r.between, ..rest },
    ]
}
