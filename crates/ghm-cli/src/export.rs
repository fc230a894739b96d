//! `ghm export`: a network for other software.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use ghm_data::ResizeConfig;
use ghm_detector::{INPUT_MULTIPLE, Layout, OnnxOutputs, save_as, to_onnx};
use ghm_train::{Description, Predictor, replace_file};

use crate::arguments::{ExportArguments, ExportFormat};
use crate::model;
use crate::output::print;

/// Builds the network of torchvision's parts and loads the weights.
const TORCHVISION: &str = include_str!("export/torchvision_retinanet.py");

/// The longest side of a picture, as in a recipe.
const LONGEST: usize = ghm_data::MAX_SIDE;

/// Runs the verb.
pub fn run(arguments: &ExportArguments) -> Result<ExitCode> {
    let outputs = outputs(arguments)?;
    let path = arguments.out.clone().unwrap_or_else(|| default_path(arguments));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        ensure!(folder.is_dir(), "{}: no such folder for --out; create it first", folder.display());
    }
    expect_free(&path)?;
    let predictor = model::open(&arguments.model, &Device::flex())?;
    let description = Description::new(predictor.recipe(), predictor.categories());
    let said = match outputs {
        None => safetensors(&predictor, &description, &path)?,
        Some(form) => onnx(&predictor, &description, form, arguments.size.as_deref(), &path)?,
    };
    print(&said)?;
    Ok(ExitCode::SUCCESS)
}

/// What an ONNX file is to give out.
enum Form {
    Heads,
    Boxes,
}

fn outputs(arguments: &ExportArguments) -> Result<Option<Form>> {
    match (arguments.to, arguments.boxes) {
        (ExportFormat::Safetensors, boxes) => {
            ensure!(!boxes, "--boxes: a file of weights finds none; this is for --to onnx");
            Ok(None)
        }
        (ExportFormat::Onnx, false) => {
            ensure!(arguments.size.is_none(), "--size: without --boxes the pictures may be of any size");
            Ok(Some(Form::Heads))
        }
        (ExportFormat::Onnx, true) => {
            let fits = |side: &usize| (1..=LONGEST).contains(side) && side.is_multiple_of(INPUT_MULTIPLE);
            let size = arguments.size.as_deref().unwrap_or_default();
            let wanted = format!("give two multiples of {INPUT_MULTIPLE} from {INPUT_MULTIPLE} to {LONGEST}");
            let given: Vec<String> = size.iter().map(ToString::to_string).collect();
            ensure!(size.iter().all(fits), "--size {}: {wanted}", given.join(" "));
            Ok(Some(Form::Boxes))
        }
    }
}

/// Beside a run's checkpoints, or in the working directory.
fn default_path(arguments: &ExportArguments) -> PathBuf {
    let (ending, form) = match arguments.to {
        ExportFormat::Safetensors => ("safetensors", ""),
        ExportFormat::Onnx => ("onnx", if arguments.boxes { "-boxes" } else { "" }),
    };
    let model = &arguments.model.model;
    if model.is_dir() {
        return model.join(format!("model{form}.{ending}"));
    }
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{stem}{form}-export.{ending}"))
}

fn safetensors(predictor: &Predictor, description: &Description, path: &Path) -> Result<String> {
    let loader = path.with_extension("py");
    ensure!(loader != path, "{}: is the place of the Python file; give another --out", path.display());
    expect_free(&loader)?;
    let bytes = save_as(predictor.network(), Layout::TorchvisionRetinaNet, description.to_metadata())?;
    replace_file(path, &bytes)?;
    replace_file(&loader, TORCHVISION.as_bytes())?;
    Ok(format!(
        "{}: weights under torchvision's names\n{}: builds the network of torchvision's parts:\n\n    python {} {} PICTURE.jpg",
        path.display(),
        loader.display(),
        loader.display(),
        path.display()
    ))
}

fn onnx(
    predictor: &Predictor,
    description: &Description,
    form: Form,
    size: Option<&[usize]>,
    path: &Path,
) -> Result<String> {
    let padded = |side: usize| side.next_multiple_of(INPUT_MULTIPLE);
    let [width, height] = match size {
        Some(size) => [size[0], size[1]],
        None => [description.input.width, description.input.height].map(padded),
    };
    let (outputs, said) = match form {
        Form::Heads => (
            OnnxOutputs::Heads,
            "pixels [N, 3, H, W] to logits [N, A, C] and deltas [N, A, 4], H and W multiples of 32".to_owned(),
        ),
        Form::Boxes => {
            let said =
                format!("pixels [N, 3, {height}, {width}] and sizes [N, 2] to boxes, scores, classes and counts");
            (OnnxOutputs::Boxes { size: [height, width] }, said)
        }
    };
    let model = (&description.model, description.classes.len());
    let mut description = description.clone();
    if let OnnxOutputs::Boxes { size: [height, width] } = outputs {
        description.input = ResizeConfig { width, height, swap_portrait: false, ..description.input };
    }
    let metadata = description.to_json();
    let metadata = metadata.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.to_string()));
    replace_file(path, &to_onnx(predictor.network(), model, outputs, metadata)?)?;
    Ok(format!("{}: {said}; names of classes and the normalising of pixels are in its metadata", path.display()))
}

fn expect_free(path: &Path) -> Result<()> {
    ensure!(!path.exists(), "{}: exists already and is not overwritten; give another --out", path.display());
    Ok(())
}
