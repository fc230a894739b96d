//! From a file with logits to a file with their loss.

use std::collections::HashMap;
use std::ops::Range;

use ghm_loss::{Examples, Kind, Loss, LossConfig, Output, Targets};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::arguments::Arguments;
use super::tensors::{File, Refusal, Stored, Tensor};

/// The shapes of one step.
struct Shapes {
    steps: usize,
    /// Of the logits or predictions of one step, at least one axis.
    values: Vec<usize>,
    /// Of its examples: that of the values, or that without its last axis.
    examples: Vec<usize>,
    /// Entries of the last axis.
    width: usize,
}

/// The targets of all steps.
enum AllTargets {
    Dense(Vec<f32>),
    Rows(Vec<i32>),
}

/// Everything but the values, checked.
struct Inputs {
    shapes: Shapes,
    targets: AllTargets,
    gates: Option<Vec<f32>>,
    weights: Option<Vec<f32>>,
}

/// Reads the one file and writes the other. Returns the value of each step.
pub fn run(arguments: &Arguments) -> Result<Vec<f64>, Refusal> {
    let path = &arguments.input;
    let refuse =
        |reason: String, remedy: &str| Refusal { file: path.clone(), tensor: None, reason, remedy: remedy.to_owned() };
    if arguments.output.exists() {
        return Err(Refusal {
            file: arguments.output.clone(),
            tensor: None,
            reason: "exists already and is not overwritten".into(),
            remedy: "give OUT another name".into(),
        });
    }
    let bytes = std::fs::read(path)
        .map_err(|error| refuse(format!("cannot be read: {error}"), "check the name and who may read it"))?;
    let file = File::open(path, &bytes)?;
    let mut config = arguments.config().map_err(|reason| refuse(reason, "--help lists all settings"))?;
    add_class_weights(&file, &mut config)?;
    let values = values_of(&file)?;
    let loss = config.clone().init().map_err(|error| refuse(error.to_string(), "change that setting"))?;
    let inputs = Inputs::read(&file, &values, config.kind(), arguments.steps)?;
    match values.view.dtype() {
        Dtype::F32 => steps::<f32>(&file, &values, &inputs, loss, arguments),
        Dtype::F16 => steps::<f16>(&file, &values, &inputs, loss, arguments),
        Dtype::BF16 => steps::<bf16>(&file, &values, &inputs, loss, arguments),
        _ => Err(file.refuse_type(&values, "F32, F16 or BF16")),
    }
}

fn values_of<'a>(file: &File<'a>) -> Result<Tensor<'a>, Refusal> {
    match (file.tensor("logits"), file.tensor("predictions")) {
        (Some(values), None) | (None, Some(values)) => Ok(values),
        (Some(_), Some(values)) => {
            Err(file.refuse(Some(values.name), "stands beside `logits`", "leave one of the two out"))
        }
        (None, None) => Err(file.refuse(
            Some("logits"),
            "is missing, and so is `predictions`",
            "save one of the two, and `targets`",
        )),
    }
}

fn add_class_weights(file: &File, config: &mut LossConfig) -> Result<(), Refusal> {
    match (file.tensor("class_weights"), config) {
        (None, _) => Ok(()),
        (Some(tensor), LossConfig::BalancedCrossEntropy(config)) => {
            config.class_weights = Some(f32s(file, &tensor)?);
            Ok(())
        }
        (Some(tensor), config) => Err(file.refuse(
            Some(tensor.name),
            format!("{} has no weights of classes", config.name()),
            "leave it out, or take --loss balanced-cross-entropy",
        )),
    }
}

impl Shapes {
    fn of(file: &File, values: &Tensor, kind: Kind, steps: bool) -> Result<Self, Refusal> {
        let (steps, shape) = match values.view.shape().split_first() {
            Some((&first, rest)) if steps => (first, rest),
            _ => (1, values.view.shape()),
        };
        let Some((&width, rows)) = shape.split_last() else {
            return Err(file.refuse_shape(values, "at least one axis, besides that of --steps"));
        };
        if values.view.data().is_empty() {
            return Err(file.refuse_shape(values, "at least one entry"));
        }
        if kind == Kind::Boxes && width != 4 {
            return Err(file.refuse_shape(values, "a last axis of 4, the corners x1, y1, x2, y2"));
        }
        let by_row = matches!(kind, Kind::Rows | Kind::Boxes);
        let examples = if by_row { rows } else { shape }.to_vec();
        Ok(Self { steps, values: shape.to_vec(), examples, width })
    }

    /// The shape of a tensor for all steps, from that of one.
    fn of_all(&self, arguments: &Arguments, shape: &[usize]) -> Vec<usize> {
        let first = arguments.steps.then_some(self.steps);
        first.into_iter().chain(shape.iter().copied()).collect()
    }

    /// Where a step lies in a tensor of `shape` a step.
    fn at(step: usize, shape: &[usize]) -> Range<usize> {
        let count = shape.iter().product::<usize>();
        step * count..(step + 1) * count
    }
}

impl Inputs {
    fn read(file: &File, values: &Tensor, kind: Kind, steps: bool) -> Result<Self, Refusal> {
        let shapes = Shapes::of(file, values, kind, steps)?;
        let all = values.view.shape();
        let Some(targets) = file.tensor("targets") else {
            return Err(file.refuse(Some("targets"), "is missing", format!("save it beside `{}`", values.name)));
        };
        let rows = &all[..all.len() - 1];
        let targets = match targets.view.dtype() {
            Dtype::F32 if targets.view.shape() == all => AllTargets::Dense(f32s(file, &targets)?),
            Dtype::F32 => return Err(file.refuse_shape(&targets, &format!("{all:?}, that of `{}`", values.name))),
            Dtype::I32 | Dtype::I64 if targets.view.shape() == rows => AllTargets::Rows(classes(file, &targets)?),
            Dtype::I32 | Dtype::I64 => {
                let expected = format!("{rows:?}, one class a row of `{}`", values.name);
                return Err(file.refuse_shape(&targets, &expected));
            }
            _ => return Err(file.refuse_type(&targets, "F32, or I32 or I64 for one class a row")),
        };
        let per_example = |name| per_example(file, name, all, &shapes);
        let (gates, weights) = (per_example("gates")?, per_example("weights")?);
        Ok(Self { shapes, targets, gates, weights })
    }

    /// What goes into the call of one step.
    fn examples<'b, T: Stored>(&'b self, step: usize, values: &'b [T]) -> Examples<'b, T> {
        let Shapes { values: shape, examples, width, .. } = &self.shapes;
        let rows = &shape[..shape.len() - 1];
        let targets = match &self.targets {
            AllTargets::Dense(targets) => Targets::Dense(&targets[Shapes::at(step, shape)]),
            AllTargets::Rows(classes) => {
                Targets::ClassIndex { rows: &classes[Shapes::at(step, rows)], classes: *width }
            }
        };
        let mut result = Examples::new(&values[Shapes::at(step, shape)], targets);
        if let Some(gates) = &self.gates {
            result = result.gated(&gates[Shapes::at(step, examples)]);
        }
        if let Some(weights) = &self.weights {
            result = result.weighted(&weights[Shapes::at(step, examples)]);
        }
        result
    }
}

/// One entry an example, of all steps; those of a row stand for each of its elements.
fn per_example(file: &File, name: &'static str, all: &[usize], shapes: &Shapes) -> Result<Option<Vec<f32>>, Refusal> {
    let Some(tensor) = file.tensor(name) else { return Ok(None) };
    let entries = match tensor.view.dtype() {
        Dtype::BOOL if name == "gates" => tensor.view.data().iter().map(|&open| f32::from(open != 0)).collect(),
        Dtype::F32 => f32s(file, &tensor)?,
        _ => return Err(file.refuse_type(&tensor, if name == "gates" { "F32 or BOOL" } else { "F32" })),
    };
    let (rows, by_row) = (&all[..all.len() - 1], shapes.examples.len() < shapes.values.len());
    match tensor.view.shape() {
        shape if by_row && shape == rows => Ok(Some(entries)),
        shape if !by_row && shape == all => Ok(Some(entries)),
        shape if !by_row && shape == rows => {
            Ok(Some(entries.iter().flat_map(|&entry| std::iter::repeat_n(entry, shapes.width)).collect()))
        }
        _ if by_row => Err(file.refuse_shape(&tensor, &format!("{rows:?}, one entry an example"))),
        _ => Err(file.refuse_shape(&tensor, &format!("{all:?} or {rows:?}, one entry an element or a row"))),
    }
}

fn f32s(file: &File, tensor: &Tensor) -> Result<Vec<f32>, Refusal> {
    match tensor.view.dtype() {
        Dtype::F32 => Ok(f32::read(tensor.view.data())),
        _ => Err(file.refuse_type(tensor, "F32")),
    }
}

/// Class indices; what is no i32 is no class either.
fn classes(file: &File, tensor: &Tensor) -> Result<Vec<i32>, Refusal> {
    let bytes = tensor.view.data();
    if tensor.view.dtype() == Dtype::I32 {
        return Ok(bytes.as_chunks().0.iter().map(|&entry| i32::from_le_bytes(entry)).collect());
    }
    let wide = bytes.as_chunks().0.iter().map(|&entry| i64::from_le_bytes(entry));
    wide.enumerate()
        .map(|(at, class)| {
            i32::try_from(class).map_err(|_| {
                let reason = format!("entry {at} is {class}, which is no class");
                file.refuse(Some(tensor.name), reason, "give -1 for background and -2 for a row to leave out")
            })
        })
        .collect()
}

/// Calls the loss step by step and writes what it gives.
fn steps<T: Stored>(
    file: &File,
    values: &Tensor,
    inputs: &Inputs,
    mut loss: Loss,
    arguments: &Arguments,
) -> Result<Vec<f64>, Refusal> {
    let shapes = &inputs.shapes;
    let logits = T::read(values.view.data());
    let mut gradient = vec![T::default(); logits.len()];
    let examples: usize = shapes.of_all(arguments, &shapes.examples).iter().product();
    let mut losses = vec![0.0; if arguments.each { examples } else { 0 }];
    let mut results = Vec::with_capacity(shapes.steps);
    for step in 0..shapes.steps {
        let gradient = &mut gradient[Shapes::at(step, &shapes.values)];
        let mut output = Output::to(gradient).reduced(arguments.reduction).scaled(arguments.scale);
        if arguments.each {
            output = output.each(&mut losses[Shapes::at(step, &shapes.examples)]);
        }
        let value = loss.forward(&inputs.examples(step, &logits), output).map_err(|error| {
            let reason = if arguments.steps { format!("step {step}: {error}") } else { error.to_string() };
            file.refuse(None, reason, "change the setting or the tensor it names; --help says what each may be")
        })?;
        results.push(value);
    }
    let values_of_steps: Vec<u8> = results.iter().flat_map(|value: &f64| value.to_le_bytes()).collect();
    let mut tensors = vec![
        ("value", Dtype::F64, vec![shapes.steps], values_of_steps),
        ("gradient", T::DTYPE, values.view.shape().to_vec(), T::bytes(&gradient)),
    ];
    if arguments.each {
        let shape = shapes.of_all(arguments, &shapes.examples);
        tensors.push(("losses", Dtype::F32, shape, f32::bytes(&losses)));
    }
    write(arguments, loss.config(), &tensors)?;
    Ok(results)
}

/// Writes the tensors, and in the metadata the loss with all its settings.
fn write(
    arguments: &Arguments,
    config: &LossConfig,
    tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)],
) -> Result<(), Refusal> {
    let refuse = |error: &dyn std::error::Error| Refusal {
        file: arguments.output.clone(),
        tensor: None,
        reason: format!("cannot be written: {error}"),
        remedy: "give OUT a name in a folder that exists and has room".into(),
    };
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        views.push((*name, TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| refuse(&error))?));
    }
    let settings = serde_json::to_string(config).map_err(|error| refuse(&error))?;
    let metadata = HashMap::from([("loss".to_owned(), settings)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| refuse(&error))?;
    std::fs::write(&arguments.output, bytes).map_err(|error| refuse(&error))
}
