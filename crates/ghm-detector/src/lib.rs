//! RetinaNet: a ResNet or ResNeXt, a feature pyramid P3-P7 and two shared heads, with its training targets and its predictions.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | everything a recipe may choose about the network |
//! | [`backbone`] | the ResNets and ResNeXts there are |
//! | [`norm`], [`layers`] | normalisation; a convolution with its norm, residual and ReLU |
//! | [`resnet`], [`fpn`], [`head`] | the three parts |
//! | [`retinanet`] | the whole: pictures to logits and deltas |
//! | [`part`] | the parts of it, which are told apart, and what each takes |
//! | [`targets`] | what each anchor is trained on |
//! | [`mod@decode`] | logits and deltas to boxes in the original picture |
//! | [`evidence`] | what a network says of each label, and where it sees objects without one |
//! | `host` | [`numbers`], a tensor as a plain vector |
//! | [`names`], [`weights`] | parameters by name; weights in and out |
//! | [`onnx`] | the network as an ONNX file |
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ghm_detector::{ModelConfig, RetinaNet};
//!
//! let config = ModelConfig { channels: 32, head_depth: 1, ..ModelConfig::default() };
//! let device = Device::flex();
//! let network = RetinaNet::new(&config, 3, 0, &device)?;
//! let output = network.forward(Tensor::zeros([1, 3, 64, 64], &device));
//! assert_eq!(output.logits.len(), 5); // P3 to P7
//! assert_eq!(output.logits[0].dims(), [1, 8 * 8 * 9, 3]);
//! assert_eq!(output.deltas[0].dims(), [1, 8 * 8 * 9, 4]);
//! # Ok::<(), ghm_detector::DetectorError>(())
//! ```

pub mod backbone;
pub mod config;
pub mod decode;
pub mod error;
pub mod evidence;
pub mod fpn;
pub mod head;
mod host;
pub mod layers;
pub mod names;
pub mod norm;
pub mod onnx;
pub mod part;
pub mod resnet;
pub mod retinanet;
pub mod targets;
pub mod weights;

pub use backbone::Backbone;
pub use config::{ExtraLevels, HeadNorm, ModelConfig, NormKind, Precision, PredictConfig, Style};
pub use decode::decode;
pub use error::DetectorError;
pub use host::numbers;
pub use onnx::{OnnxOutputs, to_onnx};
pub use part::{Parameters, Part, Work};
pub use retinanet::{INPUT_MULTIPLE, LEVELS, Output, RetinaNet};
pub use targets::{ImageTruth, Targets, assign};
pub use weights::{
    DESCRIPTION, Layout, MappedTensor, WeightsPart, WeightsReport, WeightsSummary, inspect_weights, load_model,
    load_weights, save_as, save_model,
};
