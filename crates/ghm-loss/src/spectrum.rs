//! How the gradient of a loss is shared out over gradient norms: what the figures of the paper show.

use crate::density::DensityConfig;
use crate::edges::bin_of;
use crate::error::{LossError, expect_length};
use crate::examples::Examples;
use crate::family::LossConfig;
use crate::output::{Output, Reduction};
use crate::regions::check_bins;

/// Regions of a spectrum are at least as many.
const FINE: usize = 100;

/// Examples by gradient norm `g`, and how much of the gradient of several losses they have: Li et al. 2019, fig. 2, 3 and 5.
///
/// The norm is that of a plain loss, cross entropy (`g = |p - p*|`) or ASL1 (`g = |d| / sqrt(d^2 + mu^2)`), and lies in `[0, 1]`, which is
/// cut into regions of equal width: some for each of the `M` unit regions of the density.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    norm: LossConfig,
    bins: usize,
    objects: Vec<u64>,
    background: Vec<u64>,
    /// The sum of the norms in each region.
    norms: Vec<f64>,
    /// Other losses, and the sums of the sizes of their gradients.
    others: Vec<(LossConfig, Vec<f64>)>,
}

/// What an example is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It answers for an object.
    Object,
    /// It answers for none.
    Background,
}

impl Spectrum {
    /// An empty one. `norm` is the loss whose gradient is the norm, `bins` the number of unit regions `M`; of `others`, losses without
    /// a moving density, the gradients are added up beside.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a number of bins outside its range.
    pub fn new(norm: LossConfig, bins: usize, others: Vec<LossConfig>) -> Result<Self, LossError> {
        check_bins(bins)?;
        let regions = bins * FINE.div_ceil(bins);
        let others = others.into_iter().map(|loss| (loss, vec![0.0; regions])).collect();
        let (objects, background, norms) = (vec![0; regions], vec![0; regions], vec![0.0; regions]);
        Ok(Self { norm, bins, objects, background, norms, others })
    }

    /// Takes in the examples of a batch. `side` says what each is, `None` for those that do not take part.
    ///
    /// # Errors
    /// Those of the losses; nothing has been counted then.
    pub fn add(&mut self, examples: &Examples, side: impl Fn(usize) -> Option<Side>) -> Result<(), LossError> {
        let gradient = |loss: &LossConfig| {
            let mut gradient = vec![0.0; examples.values.len()];
            loss.forward(examples, None, Output::to(&mut gradient).reduced(Reduction::Sum)).map(|_| gradient)
        };
        let slopes = gradient(&self.norm)?;
        let others = self.others.iter().map(|(loss, _)| gradient(loss)).collect::<Result<Vec<_>, _>>()?;
        let regions = self.objects.len() as f32;
        for (place, slope) in slopes.iter().enumerate() {
            let Some(side) = side(place) else { continue };
            let region = bin_of(slope.abs(), regions) as usize;
            match side {
                Side::Object => self.objects[region] += 1,
                Side::Background => self.background[region] += 1,
            }
            self.norms[region] += f64::from(slope.abs());
            for ((_, sums), slopes) in self.others.iter_mut().zip(&others) {
                sums[region] += f64::from(slopes[place].abs());
            }
        }
        Ok(())
    }

    /// Where each region lies: its middle.
    pub fn middles(&self) -> Vec<f64> {
        (0..self.objects.len()).map(|region| (region as f64 + 0.5) / self.objects.len() as f64).collect()
    }

    /// Examples of each region that answer for an object.
    pub fn objects(&self) -> &[u64] {
        &self.objects
    }

    /// Examples of each region that answer for none.
    pub fn background(&self) -> &[u64] {
        &self.background
    }

    /// All examples of each region.
    pub fn examples(&self) -> Vec<u64> {
        self.objects.iter().zip(&self.background).map(|(a, b)| a + b).collect()
    }

    /// The sum of the sizes of the gradients in each region, of the loss whose gradient is the norm.
    pub fn norms(&self) -> &[f64] {
        &self.norms
    }

    /// The same of the other losses, in their order.
    pub fn others(&self) -> impl Iterator<Item = (&LossConfig, &[f64])> {
        self.others.iter().map(|(loss, sums)| (loss, sums.as_slice()))
    }

    /// The same of the harmonised loss, each example's gradient being `beta` times that of the plain one. The density is that of all
    /// examples taken in, without a moving average and one for all classes; between bins it is that of a bin's middle.
    ///
    /// # Errors
    /// [`LossError`] for settings out of their range, and for another number of bins than the spectrum's.
    pub fn harmonised(&self, density: &DensityConfig) -> Result<Vec<f64>, LossError> {
        expect_length("bins of the density", density.bins, "bins of the spectrum", self.bins)?;
        let fine = self.objects.len() / self.bins;
        let counts: Vec<u64> = self.examples().chunks(fine).map(|chunk| chunk.iter().sum()).collect();
        let weights = DensityConfig { classes: None, ..*density }.at_once(&counts)?;
        let beta: Vec<f64> = weights.factors().iter().map(|factor| factor * weights.examples() as f64).collect();
        Ok(self.norms.iter().enumerate().map(|(region, norm)| norm * beta[region / fine]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Targets;

    const CLASSES: usize = 2;

    /// Rows of logits over a wide range with every kind of target.
    fn batch(rows: usize) -> (Vec<f32>, Vec<i32>) {
        let logit = |place: usize| ((place * 37 % 101) as f32 - 50.0) / 9.0;
        ((0..rows * CLASSES).map(logit).collect(), (0..rows).map(|row| (row * 5 % 4) as i32 - 2).collect())
    }

    fn side(rows: &[i32], place: usize) -> Option<Side> {
        match rows[place / CLASSES] {
            crate::IGNORED => None,
            class if class == (place % CLASSES) as i32 => Some(Side::Object),
            _ => Some(Side::Background),
        }
    }

    fn spectrum(density: &DensityConfig, logits: &[f32], rows: &[i32]) -> Spectrum {
        let focal = LossConfig::Focal(crate::FocalConfig::default());
        let mut spectrum = Spectrum::new(LossConfig::CrossEntropy, density.bins, vec![focal]).unwrap();
        // In two batches: the density is that of both.
        let half = rows.len() / 2;
        for (logits, rows) in [(&logits[..half * CLASSES], &rows[..half]), (&logits[half * CLASSES..], &rows[half..])] {
            let examples = Examples::new(logits, Targets::ClassIndex { rows, classes: CLASSES });
            spectrum.add(&examples, |place| side(rows, place)).unwrap();
        }
        spectrum
    }

    #[test]
    fn harmonised_sums_are_those_of_the_gradient_that_ghm_c_writes() {
        let (logits, rows) = batch(400);
        let density = DensityConfig { bins: 30, momentum: 0.0, cap: Some(4.0), ..DensityConfig::default() };
        let spectrum = spectrum(&density, &logits, &rows);
        assert_eq!(spectrum.middles().len(), 120);
        let mut gradient = vec![0.0f32; logits.len()];
        let examples = Examples::new(&logits, Targets::ClassIndex { rows: &rows, classes: CLASSES });
        let output = Output::to(&mut gradient).reduced(Reduction::Sum);
        LossConfig::GhmC(density).init().unwrap().forward(&examples, output).unwrap();
        let mut written = vec![0.0f64; 120];
        for (place, slope) in gradient.iter().enumerate().filter(|(place, _)| side(&rows, *place).is_some()) {
            let target = f32::from(u8::from(side(&rows, place) == Some(Side::Object)));
            let g = (1.0 / (1.0 + (-logits[place]).exp()) - target).abs();
            written[((g * 120.0) as usize).min(119)] += f64::from(slope.abs());
        }
        let harmonised = spectrum.harmonised(&density).unwrap();
        let sum: f64 = written.iter().sum();
        // An example at an edge may lie on either side of it by this sigmoid.
        let apart: f64 = harmonised.iter().zip(&written).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart < 0.02 * sum, "{apart} of {sum}");
        assert!((harmonised.iter().sum::<f64>() - sum).abs() < 1e-5 * sum);
    }

    #[test]
    fn each_example_is_counted_once_on_its_side_and_no_ignored_one() {
        let (logits, rows) = batch(40);
        let spectrum = spectrum(&DensityConfig { bins: 10, ..DensityConfig::default() }, &logits, &rows);
        let ignored = rows.iter().filter(|class| **class == crate::IGNORED).count();
        let objects = rows.iter().filter(|class| **class >= 0).count();
        assert!(ignored > 0 && objects > 0);
        assert_eq!(spectrum.objects().iter().sum::<u64>() as usize, objects);
        assert_eq!(spectrum.examples().iter().sum::<u64>() as usize, (rows.len() - ignored) * CLASSES);
        let focal: f64 = spectrum.others().map(|(_, sums)| sums.iter().sum::<f64>()).sum();
        assert!(focal > 0.0 && focal < spectrum.norms().iter().sum());
    }

    #[test]
    fn numbers_of_bins_that_cannot_be_are_refused() {
        for bins in [0, crate::MAX_BINS + 1] {
            assert!(Spectrum::new(LossConfig::CrossEntropy, bins, Vec::new()).is_err());
        }
        let (logits, rows) = batch(8);
        let spectrum = spectrum(&DensityConfig { bins: 10, ..DensityConfig::default() }, &logits, &rows);
        assert!(spectrum.harmonised(&DensityConfig::default()).is_err());
    }
}
