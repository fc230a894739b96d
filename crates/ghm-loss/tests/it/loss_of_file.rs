//! The example `loss_of_file`: what it writes is what direct calls give, and bad input is refused with a way out.

#[path = "../../examples/loss_of_file/arguments.rs"]
mod arguments;
#[path = "../../examples/loss_of_file/run.rs"]
mod run;
#[path = "../../examples/loss_of_file/tensors.rs"]
mod tensors;

use std::path::{Path, PathBuf};

use clap::Parser;
use ghm_loss::{
    BACKGROUND, Between, DensityConfig, Ema, ExactDensity, Examples, IGNORED, Kind, Loss, LossConfig, Normalise,
    OhemConfig, Output, Reduction, SoftmaxNorm, Targets,
};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use self::arguments::Arguments;
use self::tensors::Stored;
use crate::fixture::{random_between, random_logits};

const ROWS: usize = 6;
const CLASSES: usize = 4;
const STEPS: usize = 3;
const SHAPE: [usize; 3] = [STEPS, ROWS, CLASSES];

type Named = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn f32s(name: &'static str, shape: &[usize], values: &[f32]) -> Named {
    (name, Dtype::F32, shape.to_vec(), f32::bytes(values))
}

fn i32s(name: &'static str, shape: &[usize], values: &[i32]) -> Named {
    (name, Dtype::I32, shape.to_vec(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// A folder with `in.safetensors`.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(tensors: &[Named]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        std::fs::write(place.path("in.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self, options: &str) -> Arguments {
        let (input, output) = (self.path("in.safetensors"), self.path("out.safetensors"));
        let files = [input.display().to_string(), output.display().to_string()];
        let all = ["loss_of_file"].into_iter().chain(options.split_whitespace()).map(ToOwned::to_owned).chain(files);
        Arguments::try_parse_from(all).unwrap_or_else(|error| panic!("{options}: {error}"))
    }

    /// Runs and expects a refusal that says all `parts`.
    fn refused(&self, options: &str, parts: &[&str]) {
        let refusal = run::run(&self.arguments(options)).unwrap_err().to_string();
        for part in parts.iter().chain(&["safetensors", "hint: "]) {
            assert!(refusal.contains(part), "{options}: no `{part}` in: {refusal}");
        }
        assert!(!self.path("out.safetensors").exists(), "{options}");
    }
}

/// A tensor of a file: type, shape, bytes.
fn tensor(path: &Path, name: &str) -> (Dtype, Vec<usize>, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    (view.dtype(), view.shape().to_vec(), view.data().to_vec())
}

/// Rows of a class, background and, but for softmax, ignored ones.
fn classes(kind: Kind) -> Vec<i32> {
    let other = |row: usize| match (kind, row % 3) {
        (Kind::Rows, 1) => 3,
        (_, 1) => BACKGROUND,
        _ => IGNORED,
    };
    (0..STEPS * ROWS).map(|row| if row % 3 == 0 { (row % CLASSES) as i32 } else { other(row) }).collect()
}

/// Boxes of some size, and others near them.
fn boxes() -> (Vec<f32>, Vec<f32>) {
    let at = random_between(7, STEPS * ROWS * 4, 0.0, 10.0);
    let corner = |(place, value): (usize, &f32)| if place % 4 < 2 { *value } else { 20.0 + value };
    let targets: Vec<f32> = at.iter().enumerate().map(corner).collect();
    let offsets = random_between(8, targets.len(), -3.0, 3.0);
    (targets.iter().zip(offsets).map(|(target, offset)| target + offset).collect(), targets)
}

/// Runs a loss on a file with logits of type `T`, and step by step by itself, and compares every bit.
fn compared<T: Stored>(config: &LossConfig) {
    let kind = config.kind();
    let dense = matches!(kind, Kind::Differences | Kind::Boxes);
    let (values, targets) = match kind {
        Kind::Elements | Kind::Rows => (random_logits(3, STEPS * ROWS * CLASSES), Vec::new()),
        Kind::Differences | Kind::Boxes => boxes(),
    };
    // Rounded to T first, so that both see the same numbers.
    let values = T::read(&narrowed::<T>(&values));
    let name = if dense { "predictions" } else { "logits" };
    let rows = classes(kind);
    let examples = if matches!(kind, Kind::Rows | Kind::Boxes) { &SHAPE[..2] } else { &SHAPE[..] };
    let count = examples.iter().product();
    let (gates, weights) = (random_between(5, count, -0.2, 1.0), random_between(6, count, 0.1, 2.0));
    let place = Place::new(&[
        (name, T::DTYPE, SHAPE.to_vec(), T::bytes(&values)),
        if dense { f32s("targets", &SHAPE, &targets) } else { i32s("targets", &SHAPE[..2], &rows) },
        f32s("gates", examples, &gates),
        f32s("weights", examples, &weights),
    ]);
    let found = run::run(&place.arguments(&format!("--loss {} --steps --each --scale 3", config.name())));
    let found = found.unwrap_or_else(|refusal| panic!("{}: {refusal}", config.name()));

    let mut loss: Loss = config.clone().init().unwrap();
    let (mut gradient, mut losses) = (vec![T::default(); values.len()], vec![0.0; count]);
    for (step, &found) in found.iter().enumerate() {
        let at = step * ROWS * CLASSES..(step + 1) * ROWS * CLASSES;
        let own = step * count / STEPS..(step + 1) * count / STEPS;
        let targets = match dense {
            true => Targets::Dense(&targets[at.clone()]),
            false => Targets::ClassIndex { rows: &rows[step * ROWS..(step + 1) * ROWS], classes: CLASSES },
        };
        let examples = Examples::new(&values[at.clone()], targets).gated(&gates[own.clone()]);
        let output = Output::to(&mut gradient[at]).scaled(3.0).each(&mut losses[own.clone()]);
        let value = loss.forward(&examples.weighted(&weights[own]), output).unwrap();
        assert_eq!(found, value, "{} step {step}", config.name());
        assert!(value.is_finite() && value > 0.0, "{} step {step}: {value}", config.name());
    }
    let out = place.path("out.safetensors");
    let bytes = found.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(tensor(&out, "value"), (Dtype::F64, vec![STEPS], bytes));
    assert_eq!(tensor(&out, "gradient"), (T::DTYPE, SHAPE.to_vec(), T::bytes(&gradient)), "{}", config.name());
    assert_eq!(tensor(&out, "losses"), (Dtype::F32, examples.to_vec(), f32::bytes(&losses)), "{}", config.name());
}

/// The bytes of `values` rounded to T.
fn narrowed<T: Stored>(values: &[f32]) -> Vec<u8> {
    match T::DTYPE {
        Dtype::F16 => f16::bytes(&values.iter().map(|&value| f16::from_f32(value)).collect::<Vec<_>>()),
        Dtype::BF16 => bf16::bytes(&values.iter().map(|&value| bf16::from_f32(value)).collect::<Vec<_>>()),
        _ => f32::bytes(values),
    }
}

#[test]
fn every_loss_gives_the_bits_of_direct_calls_over_steps_in_all_types() {
    for config in LossConfig::defaults() {
        compared::<f32>(&config);
        compared::<f16>(&config);
        compared::<bf16>(&config);
    }
}

#[test]
fn every_setting_reaches_its_loss() {
    let place = Place::new(&[]);
    let config = |options: &str| place.arguments(options).config().unwrap();
    let density = DensityConfig {
        bins: 12,
        momentum: 0.5,
        normalise: Normalise::Bins,
        ema: Ema::Paper,
        cap: Some(9.0),
        between: Between::Blend,
        classes: Some(4),
    };
    let all = "--bins 12 --momentum 0.5 --normalise bins --ema paper --cap 9 --between blend --classes 4";
    assert_eq!(config(&format!("--loss ghm-c {all}")), LossConfig::GhmC(density));
    assert_eq!(config(&format!("--loss ghm_r --mu 0.1 {all}")), LossConfig::GhmR { mu: 0.1, density });
    let softmax = LossConfig::SoftmaxGhmC { norm: SoftmaxNorm::Euclidean, density };
    assert_eq!(config(&format!("--loss softmax-ghm-c --norm euclidean {all}")), softmax);
    let exact = ExactDensity { bins: 7, cap: Some(2.0) };
    assert_eq!(config("--loss ghm-c-exact --bins 7 --cap 2"), LossConfig::GhmCExact(exact));
    assert_eq!(config("--loss ghm-r-exact --mu 1 --bins 7 --cap 2"), LossConfig::GhmRExact { mu: 1.0, density: exact });
    assert_eq!(config("--loss ohem --count 9"), LossConfig::Ohem(OhemConfig::Hardest { count: 9 }));
    let ratio = OhemConfig::Ratio { ratio: 1.5, least: 2 };
    assert_eq!(config("--loss ohem --ratio 1.5 --least 2"), LossConfig::Ohem(ratio));
    assert_eq!(config("--loss smooth-l1 --beta 0.5"), LossConfig::SmoothL1 { beta: 0.5 });
    assert_eq!(config("--loss asl1 --mu 0.5"), LossConfig::Asl1 { mu: 0.5 });
    for (options, expected) in [
        ("--loss focal --alpha 0.4 --gamma 1", serde_json::json!({"kind": "focal", "alpha": 0.4f32, "gamma": 1.0})),
        (
            "--loss varifocal --alpha 0.4 --gamma 1",
            serde_json::json!({"kind": "varifocal", "alpha": 0.4f32, "gamma": 1.0}),
        ),
        ("--loss quality-focal --beta 1", serde_json::json!({"kind": "quality_focal", "beta": 1.0})),
        (
            "--loss balanced-cross-entropy --alpha 0.4",
            serde_json::json!({"kind": "balanced_cross_entropy", "alpha": 0.4f32}),
        ),
        (
            "--loss balanced-l1 --alpha 0.4 --gamma 1 --beta 2",
            serde_json::json!({"kind": "balanced_l1", "alpha": 0.4f32, "gamma": 1.0, "beta": 2.0}),
        ),
    ] {
        assert_eq!(serde_json::to_value(config(options)).unwrap(), expected, "{options}");
    }
}

#[test]
fn a_setting_of_another_loss_is_refused_with_those_it_has() {
    let place = Place::new(&[]);
    let refused = |options: &str| place.arguments(options).config().unwrap_err();
    assert_eq!(refused("--loss focal --bins 3"), "--bins: no setting of focal, which has --alpha, --gamma");
    assert_eq!(refused("--loss l1 --mu 3"), "--mu: l1 has no settings; leave it out");
}

#[test]
fn class_indices_may_be_wide_gates_true_or_false_and_both_those_of_rows() {
    let logits = random_logits(1, ROWS * CLASSES);
    let rows = [0, 3, BACKGROUND, IGNORED, 1, 2];
    let wide = rows.iter().flat_map(|&row| i64::from(row).to_le_bytes()).collect();
    let place = Place::new(&[
        f32s("logits", &[ROWS, CLASSES], &logits),
        ("targets", Dtype::I64, vec![ROWS], wide),
        ("gates", Dtype::BOOL, vec![ROWS], vec![1, 1, 1, 1, 0, 1]),
    ]);
    let found = run::run(&place.arguments("--loss cross-entropy --reduction sum")).unwrap();
    let gates: Vec<f32> = (0..ROWS * CLASSES).map(|at| f32::from(at / CLASSES != 4)).collect();
    let mut gradient = vec![0.0; logits.len()];
    let examples = Examples::new(&logits, Targets::ClassIndex { rows: &rows, classes: CLASSES }).gated(&gates);
    let output = Output::to(&mut gradient).reduced(Reduction::Sum);
    assert_eq!(found, [ghm_loss::cross_entropy(&examples, output).unwrap()]);
    let (_, shape, bytes) = tensor(&place.path("out.safetensors"), "gradient");
    assert_eq!((shape, bytes), (vec![ROWS, CLASSES], f32::bytes(&gradient)));
}

#[test]
fn weights_of_classes_come_from_the_file() {
    let (logits, targets, class_weights) = ([0.5, -1.0, 2.0, 0.0], [1.0, 0.0, 0.0, 1.0], [2.0, 0.5]);
    let tensors = [
        f32s("logits", &[2, 2], &logits),
        f32s("targets", &[2, 2], &targets),
        f32s("class_weights", &[2], &class_weights),
    ];
    let place = Place::new(&tensors);
    let found = run::run(&place.arguments("--loss balanced-cross-entropy")).unwrap();
    let config = ghm_loss::BalancedCrossEntropyConfig {
        class_weights: Some(class_weights.to_vec()),
        ..ghm_loss::BalancedCrossEntropyConfig::default()
    };
    let examples = Examples::new(&logits, Targets::Dense(&targets));
    let expected = ghm_loss::balanced_cross_entropy(&examples, &config, &mut [0.0; 4]).unwrap();
    assert_eq!(found, [expected]);
    Place::new(&tensors).refused("--loss focal", &["tensor `class_weights`", "focal has no weights of classes"]);
}

#[test]
fn bad_files_are_refused_with_file_tensor_reason_and_remedy() {
    let (logits, targets) = (f32s("logits", &[2, 2], &[0.0; 4]), f32s("targets", &[2, 2], &[0.0; 4]));
    let with = |tensors: &[&Named]| Place::new(&tensors.iter().map(|&named| named.clone()).collect::<Vec<_>>());
    with(&[&targets]).refused("--loss focal", &["in.safetensors", "tensor `logits`: is missing"]);
    with(&[&logits]).refused("--loss focal", &["tensor `targets`: is missing", "beside `logits`"]);
    let both = f32s("predictions", &[2, 2], &[0.0; 4]);
    with(&[&logits, &targets, &both]).refused("--loss focal", &["tensor `predictions`: stands beside `logits`"]);
    let doubles = ("logits", Dtype::F64, vec![2, 2], vec![0; 32]);
    with(&[&doubles, &targets])
        .refused("--loss focal", &["tensor `logits`: is of type F64, expected F32, F16 or BF16"]);
    let bytes = ("targets", Dtype::U8, vec![2, 2], vec![0; 4]);
    with(&[&logits, &bytes]).refused("--loss focal", &["tensor `targets`: is of type U8", "I64 for one class a row"]);
    let long = f32s("targets", &[4], &[0.0; 4]);
    with(&[&logits, &long]).refused("--loss focal", &["tensor `targets`: is of shape [4], expected [2, 2]"]);
    let rows = i32s("targets", &[3], &[0; 3]);
    with(&[&logits, &rows]).refused("--loss focal", &["tensor `targets`: is of shape [3], expected [2]"]);
    let far = ("targets", Dtype::I64, vec![2], [0, 1i64 << 40].iter().flat_map(|class| class.to_le_bytes()).collect());
    with(&[&logits, &far]).refused("--loss focal", &["tensor `targets`: entry 1 is 1099511627776, which is no class"]);
    let none = i32s("targets", &[2], &[0, 2]);
    with(&[&logits, &none]).refused("--loss focal", &["targets[1] is 2: expected 0..2"]);
    let gates = f32s("gates", &[3], &[0.0; 3]);
    with(&[&logits, &targets, &gates])
        .refused("--loss focal", &["tensor `gates`: is of shape [3], expected [2, 2] or [2]"]);
    let weights = ("weights", Dtype::BOOL, vec![2, 2], vec![0; 4]);
    with(&[&logits, &targets, &weights]).refused("--loss focal", &["tensor `weights`: is of type BOOL, expected F32"]);
    with(&[&logits, &targets])
        .refused("--loss giou", &["tensor `logits`: is of shape [2, 2], expected a last axis of 4"]);
    with(&[&logits, &targets]).refused("--loss softmax-ghm-c", &["the targets are dense"]);
    with(&[&logits, &targets])
        .refused("--loss ghm-c --bins 0", &["bins is 0: expected a whole number from 1 to 10000"]);
    with(&[&logits, &targets]).refused("--loss focal --gamma=-1", &["gamma is -1"]);
    with(&[&logits, &targets]).refused("--loss focal --mu 1", &["--mu: no setting of focal"]);
    let beyond = f32s("targets", &[2, 2], &[0.0, 0.0, 1.5, 0.0]);
    with(&[&logits, &beyond]).refused("--loss focal --steps", &["step 1: targets[0] is 1.5"]);
    for shape in [vec![0, 2], vec![2, 0], vec![1 << 40, 0], vec![]] {
        let empty = f32s("logits", &shape, &vec![0.0; shape.iter().product()]);
        with(&[&empty, &targets]).refused("--loss focal --steps --each", &["tensor `logits`: is of shape ["]);
    }
}

#[test]
fn files_that_are_missing_cut_short_or_there_already_are_refused() {
    let place = Place::new(&[f32s("logits", &[2], &[0.0; 2]), f32s("targets", &[2], &[0.0; 2])]);
    let whole = std::fs::read(place.path("in.safetensors")).unwrap();
    for length in [0, 7, 20, whole.len() - 1] {
        std::fs::write(place.path("in.safetensors"), &whole[..length]).unwrap();
        place.refused("--loss focal", &["in.safetensors: not a whole safetensors file"]);
    }
    std::fs::remove_file(place.path("in.safetensors")).unwrap();
    place.refused("--loss focal", &["in.safetensors: cannot be read"]);
    std::fs::write(place.path("out.safetensors"), "mine").unwrap();
    let refusal = run::run(&place.arguments("--loss focal")).unwrap_err().to_string();
    assert!(refusal.contains("out.safetensors: exists already and is not overwritten"), "{refusal}");
    assert_eq!(std::fs::read_to_string(place.path("out.safetensors")).unwrap(), "mine");
}

#[test]
fn a_loss_that_there_is_not_is_refused_with_those_there_are() {
    let refused = |options: &[&str]| Arguments::try_parse_from([&["loss_of_file"], options].concat()).unwrap_err();
    let error = refused(&["--loss", "foc", "a", "b"]);
    assert!(error.to_string().contains("no such loss; one of: ghm_c, ghm_c_exact, softmax_ghm_c"), "{error}");
    assert_eq!(error.exit_code(), 2);
    let error = refused(&["--loss", "ghm-c", "--ema", "new", "a", "b"]).to_string();
    assert!(error.contains("`released`, `paper`, `corrected`"), "{error}");
}
