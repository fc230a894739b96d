//! The command line, and the loss that it describes.

use std::path::PathBuf;

use clap::{Args, Parser};
use ghm_loss::{Between, DensityConfig, Ema, ExactDensity, LossConfig, Normalise, OhemConfig, Reduction, SoftmaxNorm};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Value and gradient of any loss on the tensors of a file.
///
/// IN holds, row-major:
///
///   logits, or predictions   F32, F16 or BF16: [..., C], boxes [..., 4] as x1 y1 x2 y2
///
///   targets                  F32 of that shape; or I32 or I64 of that shape without its last axis, one class a row:
///                            0 to C - 1, -1 background, -2 ignored
///
///   gates                    optional, F32 or BOOL: what is above 0 takes part, whatever it is; the label_weight of
///                            mmdetection's GHMC and GHMR is this, and not `weights`
///
///   weights                  optional, F32: loss and gradient are multiplied by it; the density does not see it
///
///   class_weights            optional, F32 [C], for balanced-cross-entropy
///
/// Gates and weights have one entry an example: an element of logits or predictions, a row for the softmax losses, a box
/// for giou, diou and ciou. For elements they may also lack the last axis; then an entry is that of its whole row.
///
/// OUT gets `value`, F64 [steps]; `gradient`, of the type and shape of the logits; and with --each `losses`, F32, one an
/// example.
#[derive(Debug, Parser)]
#[command(name = "loss_of_file", verbatim_doc_comment)]
pub struct Arguments {
    /// A loss by its name, as ghm-c or ghm_c; any other word gets the list of all
    #[arg(long, value_parser = loss)]
    pub loss: LossConfig,
    /// The mean over the examples that take part, or the sum
    #[arg(long, value_name = "mean|sum", value_parser = word::<Reduction>, default_value = "mean")]
    pub reduction: Reduction,
    /// What value, gradient and losses are multiplied by
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub scale: f32,
    /// The first axis of every tensor but class_weights counts steps: one call each, in turn, on one moving average
    #[arg(long)]
    pub steps: bool,
    /// Write the loss of each example, too
    #[arg(long)]
    pub each: bool,
    /// The file to read
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The file to write; never overwritten
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// The settings of the loss.
    #[command(flatten)]
    pub settings: Settings,
}

/// Settings of all losses; where one is not given, the loss has that of its source.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings of the loss")]
pub struct Settings {
    /// Number of unit regions M; for the exact density, one over the width of a window
    #[arg(long)]
    pub bins: Option<usize>,
    /// Of the moving average over steps, from 0 (none) to below 1
    #[arg(long)]
    pub momentum: Option<f64>,
    /// What the harmonised loss is divided by: the bins of this call that hold an example, or all
    #[arg(long, value_name = "nonempty|bins", value_parser = word::<Normalise>)]
    pub normalise: Option<Normalise>,
    /// How counts join those of the steps before
    #[arg(long, value_name = "released|paper|corrected", value_parser = word::<Ema>)]
    pub ema: Option<Ema>,
    /// The most that beta may be
    #[arg(long)]
    pub cap: Option<f64>,
    /// How the density passes from one bin to the next
    #[arg(long, value_name = "step|blend", value_parser = word::<Between>)]
    pub between: Option<Between>,
    /// A density for each of so many classes
    #[arg(long)]
    pub classes: Option<usize>,
    /// Of softmax-ghm-c: which length of a row's gradient is its norm
    #[arg(long, value_name = "largest|euclidean", value_parser = word::<SoftmaxNorm>)]
    pub norm: Option<SoftmaxNorm>,
    /// Of focal, balanced-cross-entropy, varifocal and balanced-l1
    #[arg(long)]
    pub alpha: Option<f32>,
    /// Of focal, varifocal and balanced-l1
    #[arg(long)]
    pub gamma: Option<f32>,
    /// Of smooth-l1, quality-focal and balanced-l1
    #[arg(long)]
    pub beta: Option<f32>,
    /// Of ghm-r, ghm-r-exact and asl1
    #[arg(long)]
    pub mu: Option<f32>,
    /// Of ohem: how many of the hardest examples count, positive or negative
    #[arg(long, conflicts_with_all = ["ratio", "least"])]
    pub count: Option<usize>,
    /// Of ohem: negatives for each positive
    #[arg(long)]
    pub ratio: Option<f32>,
    /// Of ohem: the fewest negatives
    #[arg(long)]
    pub least: Option<usize>,
}

impl Arguments {
    /// The loss with the settings given.
    ///
    /// Fails, with the reason, where one is none of this loss.
    pub fn config(&self) -> Result<LossConfig, String> {
        let mut config = self.loss.clone();
        let own = self.settings.apply(&mut config);
        match self.settings.given().into_iter().find(|name| !own.contains(name)) {
            None => Ok(config),
            Some(name) if own.is_empty() => Err(format!("--{name}: {} has no settings; leave it out", config.name())),
            Some(name) => {
                let own: Vec<String> = own.iter().map(|own| format!("--{own}")).collect();
                Err(format!("--{name}: no setting of {}, which has {}", config.name(), own.join(", ")))
            }
        }
    }
}

const DENSITY: [&str; 7] = ["bins", "momentum", "normalise", "ema", "cap", "between", "classes"];

impl Settings {
    /// Puts what is given into `config`. Returns the names of all settings that this loss has.
    fn apply(&self, config: &mut LossConfig) -> Vec<&'static str> {
        match config {
            LossConfig::GhmC(density) => self.apply_to_density(density),
            LossConfig::SoftmaxGhmC { norm, density } => {
                set(norm, self.norm);
                [self.apply_to_density(density), vec!["norm"]].concat()
            }
            LossConfig::GhmR { mu, density } => {
                set(mu, self.mu);
                [self.apply_to_density(density), vec!["mu"]].concat()
            }
            LossConfig::GhmCExact(density) => self.apply_to_exact(density),
            LossConfig::GhmRExact { mu, density } => {
                set(mu, self.mu);
                [self.apply_to_exact(density), vec!["mu"]].concat()
            }
            LossConfig::BalancedCrossEntropy(config) => {
                set(&mut config.alpha, self.alpha);
                vec!["alpha"]
            }
            LossConfig::Ohem(config) => self.apply_to_ohem(config),
            LossConfig::Focal(config) => {
                set(&mut config.alpha, self.alpha);
                set(&mut config.gamma, self.gamma);
                vec!["alpha", "gamma"]
            }
            LossConfig::QualityFocal(config) => {
                set(&mut config.beta, self.beta);
                vec!["beta"]
            }
            LossConfig::Varifocal(config) => {
                set(&mut config.alpha, self.alpha);
                set(&mut config.gamma, self.gamma);
                vec!["alpha", "gamma"]
            }
            LossConfig::Asl1 { mu } => {
                set(mu, self.mu);
                vec!["mu"]
            }
            LossConfig::SmoothL1 { beta } => {
                set(beta, self.beta);
                vec!["beta"]
            }
            LossConfig::BalancedL1(config) => {
                set(&mut config.alpha, self.alpha);
                set(&mut config.gamma, self.gamma);
                set(&mut config.beta, self.beta);
                vec!["alpha", "gamma", "beta"]
            }
            LossConfig::SoftmaxCrossEntropy | LossConfig::CrossEntropy | LossConfig::L1 => Vec::new(),
            LossConfig::Giou | LossConfig::Diou | LossConfig::Ciou => Vec::new(),
        }
    }

    fn apply_to_density(&self, density: &mut DensityConfig) -> Vec<&'static str> {
        set(&mut density.bins, self.bins);
        set(&mut density.momentum, self.momentum);
        set(&mut density.normalise, self.normalise);
        set(&mut density.ema, self.ema);
        set(&mut density.between, self.between);
        density.cap = self.cap.or(density.cap);
        density.classes = self.classes.or(density.classes);
        DENSITY.to_vec()
    }

    fn apply_to_exact(&self, density: &mut ExactDensity) -> Vec<&'static str> {
        set(&mut density.bins, self.bins);
        density.cap = self.cap.or(density.cap);
        vec!["bins", "cap"]
    }

    fn apply_to_ohem(&self, config: &mut OhemConfig) -> Vec<&'static str> {
        if let Some(count) = self.count {
            *config = OhemConfig::Hardest { count };
        }
        if let OhemConfig::Ratio { ratio, least } = config {
            set(ratio, self.ratio);
            set(least, self.least);
        }
        vec!["count", "ratio", "least"]
    }

    /// The names of those given.
    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("bins", self.bins.is_some()),
            ("momentum", self.momentum.is_some()),
            ("normalise", self.normalise.is_some()),
            ("ema", self.ema.is_some()),
            ("cap", self.cap.is_some()),
            ("between", self.between.is_some()),
            ("classes", self.classes.is_some()),
            ("norm", self.norm.is_some()),
            ("alpha", self.alpha.is_some()),
            ("gamma", self.gamma.is_some()),
            ("beta", self.beta.is_some()),
            ("mu", self.mu.is_some()),
            ("count", self.count.is_some()),
            ("ratio", self.ratio.is_some()),
            ("least", self.least.is_some()),
        ];
        all.into_iter().filter(|&(_, given)| given).map(|(name, _)| name).collect()
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// A loss at its defaults.
fn loss(name: &str) -> Result<LossConfig, String> {
    let (wanted, all) = (name.replace('-', "_"), LossConfig::defaults());
    let names: Vec<&str> = all.iter().map(LossConfig::name).collect();
    let reason = format!("no such loss; one of: {}", names.join(", "));
    all.into_iter().find(|config| config.name() == wanted).ok_or(reason)
}

/// One of the words that stand for a value in files.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}
