//! The network as an ONNX file, for runtimes of other makers.

use prost::Message;

use crate::config::ModelConfig;
use crate::{DetectorError, RetinaNet};
use graph::{Graph, any, side};

mod boxes;
pub(crate) mod graph;
mod proto;

/// What an ONNX file gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnnxOutputs {
    /// What the heads say: `logits [N, A, C]` and `deltas [N, A, 4]` of all levels in their order, for pictures of any size
    /// that is a multiple of 32.
    Heads,
    /// Boxes, for pictures of this height and width: see [`to_onnx`].
    Boxes {
        /// Height and width of the input, multiples of 32.
        size: [usize; 2],
    },
}

/// The network as an ONNX file's bytes (opset 17), with any number of pictures in a batch.
///
/// # Shapes
/// Input `pixels [N, 3, H, W]`, normalised as for the network. [`OnnxOutputs::Heads`] has its outputs there. With
/// [`OnnxOutputs::Boxes`] a second input `sizes [N, 2]` holds width and height of each picture before padding, and the outputs
/// are those of [`fn@crate::decode`], `D = max_detections` of each picture, best first: `boxes [N, D, 4]` (`x1, y1, x2, y2` in input
/// pixels), `scores [N, D]`, `classes [N, D]`, and `counts [N]`, how many of the `D` are boxes; the rest have score 0.
///
/// `classes` is the number of classes, `metadata` goes into the file's header.
///
/// # Errors
/// [`DetectorError::Config`] for a size that is not a multiple of 32.
pub fn to_onnx(
    network: &RetinaNet,
    (config, classes): (&ModelConfig, usize),
    outputs: OnnxOutputs,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<u8>, DetectorError> {
    let mut graph = Graph::default();
    let sides = match outputs {
        OnnxOutputs::Heads => [any("height"), any("width")],
        OnnxOutputs::Boxes { size } => {
            expect_multiple(size)?;
            size.map(side)
        }
    };
    let [height, width] = sides;
    let pixels = graph.input("pixels", vec![any("batch"), side(3), height, width]);
    let levels = network.trace(&mut graph, &pixels);
    match outputs {
        OnnxOutputs::Heads => {
            let (logits, deltas): (Vec<_>, Vec<_>) = levels.into_iter().unzip();
            for (values, name, last) in [(logits, "logits", classes), (deltas, "deltas", 4)] {
                let joined = graph.concat(&values, 1);
                graph.output(&joined, name, vec![any("batch"), any("anchors"), side(last)]);
            }
        }
        OnnxOutputs::Boxes { size } => {
            boxes::trace(&mut graph, (config, classes), levels, &network.maps(size));
        }
    }
    Ok(graph.into_model("retinanet", metadata).encode_to_vec())
}

fn expect_multiple(size: [usize; 2]) -> Result<(), DetectorError> {
    let multiple = crate::retinanet::INPUT_MULTIPLE;
    if size.iter().all(|side| *side > 0 && side.is_multiple_of(multiple)) {
        return Ok(());
    }
    let (key, value) = ("size", format!("{}x{}", size[1], size[0]));
    Err(DetectorError::Config { key, value, reason: "give two multiples of 32" })
}
