//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ghm_data::FindingKind;
use serde::de::DeserializeOwned;
use serde_json::json;

pub use audit::{AuditApplyArguments, AuditArguments, AuditVerb};
pub use experiments::{FiguresArguments, ReportArguments, SweepArguments, TablesArguments};

mod audit;
mod experiments;

/// A kind by its name, as it is printed or as JSON spells it.
fn kind<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let kind = serde_json::from_value(json!(name.trim().replace(' ', "-")));
    kind.map_err(|error| error.to_string().replace(" variant", " kind"))
}

/// Object detection for imbalanced and partly mislabelled data.
#[derive(Debug, Parser)]
#[command(name = "ghm", version, about, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Synthetic scenes -> training -> evaluation -> audit of the labels, seven to ten minutes on two cores
    Demo(DemoArguments),
    /// Every defect of a data set, and its numbers; nothing is written
    Check(CheckArguments),
    /// A data set in another format
    Convert(ConvertArguments),
    /// A data set with known label noise, and its truth beside it
    Corrupt(CorruptArguments),
    /// Train a detector by a recipe, or on a folder of labelled pictures
    Train(TrainArguments),
    /// COCO numbers of a run, or of two JSON files
    Eval(EvalArguments),
    /// A grid of runs, and one table of what came out; the same command goes on after a stop
    Sweep(SweepArguments),
    /// A run or a sweep as one page for the browser, with everything to look at
    Report(ReportArguments),
    /// The tables and charts of sweeps in a document, written anew from what came out of them
    Tables(TablesArguments),
    /// The paper's figures of a run: its gradient norms, and what each loss makes of them
    Figures(FiguresArguments),
    /// Boxes on pictures
    Predict(PredictArguments),
    /// Labels that are probably wrong, the surest first
    Audit(AuditArguments),
    /// A network for other software: ONNX, or weights for torchvision
    Export(ExportArguments),
    /// What a file of weights is: whose, of which network, with which settings to start from it
    Weights(WeightsArguments),
    /// How fast this machine computes, and how well wrong labels are found
    Bench(BenchArguments),
}

/// `ghm demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where everything goes; never overwritten [default: runs/demo, or the next free runs/demo-N]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of the scenes and of the training
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Changes of the built-in recipe, as loss.classification.kind=focal
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// `ghm check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// A data set: a COCO JSON or folder, a VOC folder, a YOLO data.yaml
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Changes of the recipe, as input.width=640
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The recipe whose anchors and input size the boxes should fit [default: the built-in one]
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// Kinds of findings that are fine here, as no-objects,similar-picture
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = kind::<FindingKind>)]
    pub allow: Vec<FindingKind>,
    /// Two boxes of a picture are about one object above this IoU, 0 to 1
    #[arg(long, value_name = "IOU", default_value_t = 0.8)]
    pub duplicate_iou: f32,
    /// Read the headers of pictures alone: no damage within them is found, no copies and no leaks
    #[arg(long)]
    pub headers: bool,
    /// Print every finding [default: ten of each kind]
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `ghm convert`.
#[derive(Debug, Args)]
pub struct ConvertArguments {
    /// A data set: a COCO JSON or folder, a VOC folder, a YOLO data.yaml
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The new format
    #[arg(long)]
    pub to: DataFormat,
    /// Where it goes; never overwritten
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A split, or as train2017=train with a new name; may be given several times [default: all]
    #[arg(long, value_name = "NAME[=NEW]")]
    pub split: Vec<String>,
    /// Links to the pictures in place of copies
    #[arg(long)]
    pub link: bool,
}

/// Formats of data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DataFormat {
    /// COCO instances JSON
    Coco,
    /// Pascal VOC
    Voc,
    /// YOLO with a data.yaml
    Yolo,
}

/// `ghm corrupt`.
#[derive(Debug, Args)]
pub struct CorruptArguments {
    /// A data set: a COCO JSON or folder, a VOC folder, a YOLO data.yaml
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Where it goes, as COCO; never overwritten
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Share of objects that lose their label, 0 to 1
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub drop: f64,
    /// Share of objects that get another class
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub flip: f64,
    /// Share of objects whose box is moved and scaled, to an IoU of 0.3 to 0.7 with the right one
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub shift: f64,
    /// Boxes about nothing for each object
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub spawn: f64,
    /// All four at one rate
    #[arg(long, value_name = "R", conflicts_with_all = ["drop", "flip", "shift", "spawn"])]
    pub mix: Option<f64>,
    /// Which class is taken for which, as JSON: {"cat": {"dog": 3, "fox": 1}} [default: any other alike]
    #[arg(long, value_name = "FILE")]
    pub confusion: Option<PathBuf>,
    /// The split whose labels are made wrong [default: the training split]; the others stay as they are
    #[arg(long)]
    pub split: Option<String>,
    /// Seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Links to the pictures in place of copies
    #[arg(long)]
    pub link: bool,
}

/// `ghm weights`.
#[derive(Debug, Args)]
pub struct WeightsArguments {
    /// A .safetensors, .pth or .pkl file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Every tensor too: its name in the file, its shape, its place in the network
    #[arg(long)]
    pub tensors: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `ghm train`.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// A recipe (TOML), or a data set for the built-in recipe: a COCO JSON or folder, a VOC folder, a YOLO data.yaml
    #[arg(value_name = "RECIPE|DATA", required_unless_present = "resume")]
    pub recipe: Option<PathBuf>,
    /// Changes of the recipe, as schedule.epochs=12 data.root=photos
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The run directory; never overwritten [default: runs/NAME, or the next free runs/NAME-N]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Train nothing: say what the run would be, and draw its first batch with the anchors that answer for each object
    /// [default of --out: runs/NAME-dry-run]
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// Go on with the run in this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recipe", "overrides"])]
    pub resume: Option<PathBuf>,
    /// Stop, as after Ctrl-C, when the standard input ends
    #[arg(long)]
    pub until_input_ends: bool,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// `ghm eval`.
#[derive(Debug, Args)]
pub struct EvalArguments {
    /// A run directory: its best network on its validation split
    #[arg(value_name = "RUN", required_unless_present_any = ["annotations", "detections"])]
    pub run: Option<PathBuf>,
    /// The split to evaluate on, instead of the run's validation split
    #[arg(long, requires = "run")]
    pub split: Option<String>,
    /// Another data set to evaluate on
    #[arg(long, value_name = "ROOT", requires = "run")]
    pub data: Option<PathBuf>,
    /// Ground truth as COCO JSON
    #[arg(long, value_name = "GT.json", requires = "detections", conflicts_with = "run")]
    pub annotations: Option<PathBuf>,
    /// Detections as COCO results JSON
    #[arg(long, value_name = "DT.json", requires = "annotations", conflicts_with = "run")]
    pub detections: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// The network that is looked through.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// A run directory, or a file of weights: .safetensors, .pth or .pkl, of ghm, torchvision, mmdetection or Detectron2
    #[arg(value_name = "RUN|WEIGHTS")]
    pub model: PathBuf,
    /// For a file of weights: the recipe of its network and input [default: what the file says and shows, else the published
    /// ones]
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// For a file of weights: a key of the recipe, as model.style=caffe; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// For a file of weights: names of its classes, one a line in the order of its outputs [default: those in the file, else
    /// COCO's where it has 80 or 91]
    #[arg(long, value_name = "FILE")]
    pub classes: Option<PathBuf>,
}

/// `ghm export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The network.
    #[command(flatten)]
    pub model: ModelArguments,
    /// What for: onnx, or safetensors under torchvision's names beside a .py file that builds the network
    #[arg(long)]
    pub to: ExportFormat,
    /// The file; never overwritten [default: RUN/model.onnx and the like, or WEIGHTS-export.onnx in the working directory]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// ONNX: boxes, scores and classes in place of logits and deltas
    #[arg(long)]
    pub boxes: bool,
    /// ONNX with --boxes: width and height of the pictures, multiples of 32 [default: the recipe's input, rounded up]
    #[arg(long, value_names = ["WIDTH", "HEIGHT"], num_args = 2)]
    pub size: Option<Vec<usize>>,
}

/// What a network can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// ONNX, opset 17
    Onnx,
    /// Weights under torchvision's names
    Safetensors,
}

/// `ghm predict`.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// The network.
    #[command(flatten)]
    pub model: ModelArguments,
    /// Pictures, folders of pictures, or quoted patterns such as 'photos/*.jpg'
    #[arg(value_name = "IMAGES", required = true)]
    pub images: Vec<String>,
    /// Where pictures with boxes go [default: RUN/predictions, for a file of weights predictions, or the next free number of
    /// it]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only boxes above this score, 0 to 1
    #[arg(long, default_value_t = 0.3)]
    pub score: f32,
    /// Where the COCO results go [default: detections.json beside the pictures]
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// `ghm bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// What to time.
    #[command(subcommand)]
    pub what: BenchVerb,
}

/// What can be timed.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// Every loss, value and gradient, beside a plain copy of as many bytes
    Losses(BenchLossesArguments),
    /// Training updates, part by part
    Step(BenchStepArguments),
    /// A network's boxes in pictures, part by part
    Predict(BenchPredictArguments),
    /// Batches from files, and decoding alone
    Loader(BenchLoaderArguments),
    /// How well an audit finds labels that ghm corrupt made wrong, beside other rankings
    Audit(BenchAuditArguments),
}

/// The network and pictures that are timed.
#[derive(Debug, Args)]
pub struct BenchWhat {
    /// Changes of the recipe, as model.backbone=resnet18
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The recipe: its network and pictures, of which predict takes the size and the classes [default: the published
    /// network, made-up pictures]
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// Width and height of made-up pictures, multiples of 32
    #[arg(long, value_names = ["WIDTH", "HEIGHT"], num_args = 2, default_values_t = [512, 512], conflicts_with = "recipe")]
    pub size: Vec<usize>,
    /// Classes, for made-up pictures
    #[arg(long, default_value_t = 80, conflicts_with = "recipe")]
    pub classes: usize,
    /// How many times it is done, after two that do not count
    #[arg(long, default_value_t = 5)]
    pub repeats: usize,
    /// Threads [default: one for each core]
    #[arg(long)]
    pub threads: Option<usize>,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `ghm bench step`.
#[derive(Debug, Args)]
pub struct BenchStepArguments {
    /// Network and pictures.
    #[command(flatten)]
    pub what: BenchWhat,
    /// Made-up pictures in a batch
    #[arg(long, default_value_t = 2, conflicts_with = "recipe")]
    pub batch: usize,
}

/// `ghm bench predict`.
#[derive(Debug, Args)]
pub struct BenchPredictArguments {
    /// Network and pictures.
    #[command(flatten)]
    pub what: BenchWhat,
    /// Pictures at a time; several, as 1,8, are timed one after the other
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1])]
    pub batch: Vec<usize>,
}

/// `ghm bench loader`.
#[derive(Debug, Args)]
pub struct BenchLoaderArguments {
    /// A data set: a COCO JSON or folder, a VOC folder, a YOLO data.yaml
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Changes of the recipe, as input.width=512 input.height=384 schedule.batch=8 [a batch: 4 pictures]
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// How many times all pictures are read, after one that does not count
    #[arg(long, default_value_t = 5)]
    pub repeats: usize,
    /// Threads beside a single one [default: data.threads, or one for each core]
    #[arg(long)]
    pub threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `ghm bench audit`.
#[derive(Debug, Args)]
pub struct BenchAuditArguments {
    /// Runs that were trained on what ghm corrupt or a sweep wrote; of several on labels to which the same was done, means and
    /// standard deviations; on others, a table of all
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// What is wrong in truth, the same for every run [default: truth.json in each run's data set]
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// A ranking more: by K networks, as ghm audit --folds K trains them
    #[arg(long, value_name = "K")]
    pub folds: Option<usize>,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `ghm bench losses`.
#[derive(Debug, Args)]
pub struct BenchLossesArguments {
    /// Numbers of logits, offsets or coordinates, multiples of 80 [default: 10000 100000 1000000 3024000 30000000]
    #[arg(long, value_name = "N", num_args = 1..)]
    pub elements: Vec<usize>,
    /// Numbers of threads [default: 1 and all]
    #[arg(long, value_name = "T", num_args = 1..)]
    pub threads: Vec<usize>,
    /// These losses alone, as ghm_c focal
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub loss: Vec<String>,
    /// A fifteenth of the time for each, and no more than 1000000 elements unless told
    #[arg(long)]
    pub quick: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
