//! Every loss as a burn module.

use burn::module::Module;
use burn::tensor::{Device, Element, Tensor};
use ghm_loss::{BinWeights, Counts, Density, GradientDensity, Kind, LossError, Output, Real};
use serde::{Deserialize, Serialize};

use crate::attach::attach;
use crate::examples::{Examples, Others};
use crate::host::{Elements, Host};
use crate::state::DensityState;

/// How the losses of the examples become the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Their mean over the examples that take part, `[1]`.
    #[default]
    Mean,
    /// Their sum, `[1]`.
    Sum,
    /// Themselves, one an example, `[N]`; 0 for those that take no part.
    None,
}

/// Settings of a [`Loss`]: which, reduced how.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use ghm_burn::{Examples, LossConfig};
///
/// let device = Device::flex().autodiff();
/// let loss = LossConfig::ghm_c().init(&device)?;
/// let logits = Tensor::<2>::from_floats([[-2.0, 0.5], [-3.0, -4.0]], &device).require_grad();
/// let classes = Tensor::<1, burn::tensor::Int>::from_ints([1, -1], &device); // -1: background
/// let value = loss.forward(Examples::of_classes(logits.clone(), classes))?;
/// assert!(logits.grad(&value.backward()).is_some());
/// # Ok::<(), ghm_burn::LossError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossConfig {
    /// Which loss, with which settings.
    pub loss: ghm_loss::LossConfig,
    /// How the losses of the examples become the result.
    #[serde(default)]
    pub reduction: Reduction,
}

impl LossConfig {
    /// The mean of `loss`.
    pub fn new(loss: ghm_loss::LossConfig) -> Self {
        Self { loss, reduction: Reduction::Mean }
    }

    /// GHM-C of sigmoids, at the published settings.
    pub fn ghm_c() -> Self {
        Self::new(ghm_loss::LossConfig::GhmC(ghm_loss::DensityConfig::default()))
    }

    /// GHM-C of a softmax, at the published settings.
    pub fn softmax_ghm_c() -> Self {
        let (norm, density) = Default::default();
        Self::new(ghm_loss::LossConfig::SoftmaxGhmC { norm, density })
    }

    /// The same, reduced otherwise.
    #[must_use]
    pub fn with_reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    /// The loss, with a density that has seen nothing.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a setting of the density outside its range.
    pub fn init(&self, device: &Device) -> Result<Loss, LossError> {
        let density = self.loss.density().map(|density| GradientDensity::new(*density)).transpose()?;
        Ok(Loss { density: density.map(|density| DensityState::new(density, device)), config: self.clone() })
    }
}

/// Any loss as a module. Its density, where it has one, is part of its record and is shared by its clones.
#[derive(Module, Debug)]
pub struct Loss {
    density: Option<DensityState>,
    #[module(skip)]
    config: LossConfig,
}

impl Loss {
    /// Its settings.
    pub fn config(&self) -> &LossConfig {
        &self.config
    }

    /// Its density as it is now; the host waits for a GPU that has it.
    ///
    /// # Errors
    /// [`LossError::Device`] where that GPU fails.
    pub fn density(&self) -> Result<Option<GradientDensity>, LossError> {
        self.density.as_ref().map(DensityState::density).transpose()
    }

    /// The loss; a density takes in the counts of this call.
    ///
    /// On the CPU device logits are read where they are and the gradient is written once. On a GPU, with the feature `wgpu`
    /// or `cuda`, the mean of GHM-C and of GHM-R, density included, and the sum of the other losses that
    /// `ghm_gpu::has_kernel` knows are computed there, and the host waits for nothing; but not with weights, nor with
    /// gates beside classes. All else is copied from the device, and the gradient back.
    ///
    /// # Shapes
    /// `[1]`, or `[N]` with [`Reduction::None`]; f32.
    ///
    /// # Errors
    /// Those of the plain loss ([`LossError`]). What is wrong with data on a GPU that computes makes the value NaN instead.
    pub fn forward<const D: usize>(&self, examples: Examples<D>) -> Result<Tensor<1>, LossError> {
        let mut held = self.density.as_ref().map(DensityState::lock);
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let Some(value) = crate::kernels::forward(&self.config, &examples, held.as_deref_mut())? {
            return Ok(value);
        }
        let density = held.as_mut().map(|held| held.plain()).transpose()?;
        self.run(examples, Call { density: density.map(Density::from) })
    }

    /// The counts of a batch whose gradients will be accumulated with others': merge those of all batches, hand the sum to
    /// [`Loss::take_in`], and each batch with the weights that come back to [`Loss::forward_given`]. The gradients then
    /// sum to those of one call over all of them.
    ///
    /// # Errors
    /// Those of [`Counts`]; [`LossError::NoDensity`] where the loss has none.
    pub fn count<const D: usize>(&self, examples: &Examples<D>) -> Result<Counts, LossError> {
        let (host, others) = (Host::of(&examples.values), examples.others());
        match host.elements() {
            Elements::F32(values) => self.config.loss.count(&others.with(values)),
            Elements::F16(values) => self.config.loss.count(&others.with(values)),
            Elements::Bf16(values) => self.config.loss.count(&others.with(values)),
        }
    }

    /// Takes the merged counts of several batches into the density, as one call.
    ///
    /// # Errors
    /// [`LossError::Length`] for counts of another density, [`LossError::NoDensity`] where the loss has none.
    pub fn take_in(&self, counts: &Counts) -> Result<BinWeights, LossError> {
        match &self.density {
            Some(density) => density.lock().plain()?.update(counts.as_slice()),
            None => Err(LossError::NoDensity { loss: self.config.loss.name() }),
        }
    }

    /// [`Loss::forward`] by the weights of [`Loss::take_in`]; the mean is this batch's part of the mean over all.
    ///
    /// # Errors
    /// Those of the plain loss; [`LossError::NoDensity`] where it has none.
    pub fn forward_given<const D: usize>(
        &self,
        examples: Examples<D>,
        weights: &BinWeights,
    ) -> Result<Tensor<1>, LossError> {
        if self.density.is_none() {
            return Err(LossError::NoDensity { loss: self.config.loss.name() });
        }
        self.run(examples, Call { density: Some(Density::from(weights)) })
    }

    fn run<const D: usize>(&self, examples: Examples<D>, call: Call) -> Result<Tensor<1>, LossError> {
        let (host, others) = (Host::of(&examples.values), examples.others());
        match host.elements() {
            Elements::F32(values) => self.run_on(examples.values, values, &others, call),
            Elements::F16(values) => self.run_on(examples.values, values, &others, call),
            Elements::Bf16(values) => self.run_on(examples.values, values, &others, call),
        }
    }

    fn run_on<const D: usize, T: Real + Element>(
        &self,
        tensor: Tensor<D>,
        values: &[T],
        others: &Others,
        call: Call,
    ) -> Result<Tensor<1>, LossError> {
        let (examples, loss) = (others.with(values), &self.config.loss);
        let mut gradient = vec![T::default(); values.len()];
        let output = Output::to(&mut gradient);
        let values = match self.config.reduction {
            Reduction::Mean => vec![loss.forward(&examples, call.density, output)?],
            Reduction::Sum => vec![loss.forward(&examples, call.density, output.reduced(ghm_loss::Reduction::Sum))?],
            Reduction::None => {
                let mut losses = vec![0.0; count_of(&tensor, loss.kind())];
                let output = output.reduced(ghm_loss::Reduction::Sum).each(&mut losses);
                loss.forward(&examples, call.density, output)?;
                losses.into_iter().map(f64::from).collect()
            }
        };
        Ok(attach(tensor, &values, gradient))
    }
}

/// What a loss is divided by in one call, where it is divided by a density that moves.
struct Call<'a> {
    density: Option<Density<'a>>,
}

/// How many examples a tensor holds.
fn count_of<const D: usize>(tensor: &Tensor<D>, kind: Kind) -> usize {
    let width = match kind {
        Kind::Elements | Kind::Differences => 1,
        Kind::Rows => tensor.dims().last().copied().unwrap_or(1),
        Kind::Boxes => 4,
    };
    tensor.shape().num_elements() / width.max(1)
}
