//! Which class is taken for which.

use std::collections::BTreeMap;

use rand::Rng;

use super::{NoiseConfig, NoiseError};
use crate::dataset::Dataset;

/// For each class the weights of all classes that it is taken for, as sums from the left.
pub(super) struct Confusion(Vec<Vec<f64>>);

impl Confusion {
    /// Of the settings, checked against the classes.
    pub(super) fn new(config: &NoiseConfig, dataset: &Dataset) -> Result<Self, NoiseError> {
        let names: Vec<&str> = dataset.categories.iter().map(|category| category.name.as_str()).collect();
        if let (true, [class]) = (config.flip > 0.0, &names[..]) {
            return Err(NoiseError::OneClass { flip: config.flip, class: (*class).to_owned() });
        }
        let given = config.confusion.clone().unwrap_or_default();
        check(&given, &names)?;
        let row = |of: usize| {
            let weight = |other: usize| match given.get(names[of]) {
                Some(weights) => weights.get(names[other]).copied().unwrap_or(0.0),
                None => f64::from(u8::from(other != of)),
            };
            let mut sum = 0.0;
            (0..names.len())
                .map(|other| {
                    sum += weight(other);
                    sum
                })
                .collect()
        };
        Ok(Self((0..names.len()).map(row).collect()))
    }

    /// A class that `class` is taken for; `None` where there is none.
    pub(super) fn draw(&self, class: usize, dice: &mut impl Rng) -> Option<usize> {
        let at: f64 = dice.random();
        let sums = &self.0[class];
        let all = sums.last().copied().filter(|all| *all > 0.0)?;
        sums.iter().position(|sum| at * all < *sum)
    }
}

fn check(given: &BTreeMap<String, BTreeMap<String, f64>>, names: &[&str]) -> Result<(), NoiseError> {
    let refuse = |reason: String| Err(NoiseError::Confusion { reason });
    for (class, weights) in given {
        if let Some(unknown) = std::iter::once(class).chain(weights.keys()).find(|name| !names.contains(&name.as_str()))
        {
            return refuse(format!("`{unknown}` is no class; there are: {}", names.join(", ")));
        }
        if weights.contains_key(class) {
            return refuse(format!("`{class}` is taken for itself, which is no mistake"));
        }
        if let Some((other, weight)) = weights.iter().find(|(_, weight)| !weight.is_finite() || **weight < 0.0) {
            return refuse(format!("{class} for {other} = {weight}: a weight is 0 or more"));
        }
        if weights.values().sum::<f64>() <= 0.0 {
            return refuse(format!("`{class}` is taken for nothing: give one of its classes a weight"));
        }
    }
    Ok(())
}
