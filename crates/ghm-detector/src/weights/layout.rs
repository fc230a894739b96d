//! How others name the tensors of the same network.

use ghm_boxes::Rounding;

use crate::config::{ModelConfig, Style};
use crate::names::torchvision_name;

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Our own.
    Ghm,
    /// A classifier of torchvision, or its backbone alone.
    TorchvisionClassifier,
    /// The same below `backbone.`.
    PrefixedClassifier,
    /// torchvision's RetinaNet, both versions.
    TorchvisionRetinaNet,
    /// mmdetection's RetinaNet, and so the released GHM models.
    Mmdetection,
    /// Detectron2's RetinaNet.
    Detectron2,
    /// A classifier or a detector's backbone of caffe2, as in Detectron.
    Caffe2,
}

impl Layout {
    /// Whose names these are; `None` for names that nobody is known to give.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let has = |wanted: &str| names.clone().any(|name| name == wanted);
        [
            ("classification.output.weight", Self::Ghm),
            ("bbox_head.retina_cls.weight", Self::Mmdetection),
            ("head.classification_head.cls_logits.weight", Self::TorchvisionRetinaNet),
            ("head.cls_score.weight", Self::Detectron2),
            ("conv1.weight", Self::TorchvisionClassifier),
            ("backbone.conv1.weight", Self::PrefixedClassifier),
            ("res_conv1_bn_s", Self::Caffe2),
        ]
        .into_iter()
        .find_map(|(name, layout)| has(name).then_some(layout))
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ghm => "ghm",
            Self::TorchvisionClassifier => "torchvision classifier",
            Self::PrefixedClassifier => "classifier below `backbone.`",
            Self::TorchvisionRetinaNet => "torchvision RetinaNet",
            Self::Mmdetection => "mmdetection RetinaNet",
            Self::Detectron2 => "Detectron2 RetinaNet",
            Self::Caffe2 => "caffe2 backbone",
        }
    }

    /// Its names of our tensor `ours`, the first of which that is there counts, for versions of a library differ; none where
    /// a file of this kind never has it.
    pub(super) fn names(self, ours: &str) -> Vec<String> {
        if self == Self::Ghm {
            return vec![ours.to_owned()];
        }
        if let Some(name) = torchvision_name(ours) {
            return vec![match self {
                Self::TorchvisionRetinaNet => format!("backbone.body.{name}"),
                Self::Mmdetection | Self::PrefixedClassifier => format!("backbone.{name}"),
                Self::Detectron2 => detectron2_backbone(&name),
                Self::Caffe2 => return caffe2_backbone(&name),
                Self::Ghm | Self::TorchvisionClassifier => name,
            }];
        }
        let parts: Vec<&str> = ours.split('.').collect();
        match self {
            Self::TorchvisionRetinaNet => torchvision_rest(&parts),
            Self::Mmdetection => mmdetection_rest(&parts),
            Self::Detectron2 => detectron2_rest(&parts),
            Self::Ghm | Self::TorchvisionClassifier | Self::PrefixedClassifier | Self::Caffe2 => Vec::new(),
        }
    }

    /// Whether a tensor of theirs is of no use to a detector.
    pub(super) fn is_unused(self, theirs: &str) -> bool {
        let classifier = matches!(self, Self::TorchvisionClassifier | Self::PrefixedClassifier);
        let last = ["fc.", "head.fc.", "backbone.fc."];
        theirs.ends_with("num_batches_tracked")
            || (classifier && last.iter().any(|layer| theirs.starts_with(layer)))
            || (self == Self::PrefixedClassifier && !theirs.starts_with("backbone."))
            // The edges and averages of GHM's densities, which mmdetection keeps with the weights.
            || (self == Self::Mmdetection && theirs.starts_with("bbox_head.loss_"))
            // The rest of a classifier or detector; the authors' ResNet-50 has a bias before its first norm, which Detectron leaves out too.
            || (self == Self::Caffe2 && !theirs.starts_with("res") && theirs != "conv1_w")
            || (self == Self::Caffe2 && theirs.ends_with("_momentum"))
            || (self == Self::Detectron2 && (theirs.starts_with("pixel_") || theirs.contains("anchor_generator")))
    }

    /// A network with what the library computes in its own way. The style of mmdetection's is in no file.
    pub(super) fn conventions(self, mut config: ModelConfig) -> ModelConfig {
        let (relu, rounding, style) = match self {
            Self::TorchvisionRetinaNet => (true, Rounding::Torchvision, Style::Pytorch),
            // Its ResNets stride on the first 1x1 and see BGR, but for those that were set otherwise.
            Self::Detectron2 => (true, Rounding::None, Style::Caffe),
            Self::Caffe2 => (config.extra_relu, config.anchors.rounding, Style::Caffe),
            // Nor is its version.
            Self::Mmdetection if config.anchors.rounding == Rounding::Mmdetection1 => {
                (false, Rounding::Mmdetection1, config.style)
            }
            Self::Mmdetection => (false, Rounding::None, config.style),
            Self::Ghm | Self::TorchvisionClassifier | Self::PrefixedClassifier => return config,
        };
        (config.extra_relu, config.anchors.rounding, config.style) = (relu, rounding, style);
        config
    }

    /// For each anchor of a cell of ours, its place among theirs, where their order is another.
    pub(super) fn anchor_order(self, config: &ModelConfig) -> Option<Vec<usize>> {
        let (scales, ratios) = (config.anchors.scales.len(), config.anchors.ratios.len());
        // Ours run over ratios and in a ratio over scales, Detectron2's the other way about.
        let theirs = |ours: usize| ours % scales * ratios + ours / scales;
        (self == Self::Detectron2).then(|| (0..scales * ratios).map(theirs).collect())
    }
}

/// torchvision's names of pyramid and heads; older versions have fewer levels of them.
fn torchvision_rest(parts: &[&str]) -> Vec<String> {
    let head = |part: &str| format!("head.{part}_head");
    match *parts {
        ["fpn", "lateral", level, field] => nested("backbone.fpn.inner_blocks", level, field),
        ["fpn", "output", level, field] => nested("backbone.fpn.layer_blocks", level, field),
        ["fpn", extra, field] => vec![format!("backbone.fpn.extra_blocks.{extra}.{field}")],
        [part, "tower", layer, field] => {
            let place: usize = layer.parse().unwrap_or(0);
            vec![format!("{}.conv.{layer}.0.{field}", head(part)), format!("{}.conv.{}.{field}", head(part), 2 * place)]
        }
        [part, "norms", layer, field] => vec![format!("{}.conv.{layer}.1.{field}", head(part))],
        ["classification", "output", field] => vec![format!("{}.cls_logits.{field}", head("classification"))],
        ["regression", "output", field] => vec![format!("{}.bbox_reg.{field}", head("regression"))],
        _ => Vec::new(),
    }
}

fn nested(blocks: &str, level: &str, field: &str) -> Vec<String> {
    vec![format!("{blocks}.{level}.0.{field}"), format!("{blocks}.{level}.{field}")]
}

fn mmdetection_rest(parts: &[&str]) -> Vec<String> {
    let short = |part: &str| if part == "classification" { "cls" } else { "reg" };
    let name = match *parts {
        ["fpn", "lateral", level, field] => format!("neck.lateral_convs.{level}.conv.{field}"),
        ["fpn", "output", level, field] => format!("neck.fpn_convs.{level}.conv.{field}"),
        ["fpn", "p6", field] => format!("neck.fpn_convs.3.conv.{field}"),
        ["fpn", "p7", field] => format!("neck.fpn_convs.4.conv.{field}"),
        [part, "tower", layer, field] => format!("bbox_head.{}_convs.{layer}.conv.{field}", short(part)),
        [part, "norms", layer, field] => format!("bbox_head.{}_convs.{layer}.gn.{field}", short(part)),
        [part, "output", field] => format!("bbox_head.retina_{}.{field}", short(part)),
        _ => return Vec::new(),
    };
    vec![name]
}

/// `layer1.0.bn2.bias` as `backbone.bottom_up.res2.0.conv2.norm.bias`.
fn detectron2_backbone(torchvision: &str) -> String {
    let parts: Vec<&str> = torchvision.split('.').collect();
    let place = match parts.as_slice() {
        [layer, rest @ ..] if layer.starts_with("layer") => {
            let stage: usize = layer["layer".len()..].parse().unwrap_or(0);
            format!("res{}.{}", stage + 1, rest.join("."))
        }
        _ => format!("stem.{torchvision}"),
    };
    let place = place.replace("downsample.0.", "shortcut.").replace("downsample.1.", "shortcut.norm.");
    let normed = (1..=3).fold(place, |place, n| place.replace(&format!("bn{n}."), &format!("conv{n}.norm.")));
    format!("backbone.bottom_up.{normed}")
}

/// `layer1.0.bn2.bias` as `res2_0_branch2b_bn_b`; none for statistics, which are in the scales and offsets.
fn caffe2_backbone(torchvision: &str) -> Vec<String> {
    let parts: Vec<&str> = torchvision.split('.').collect();
    let (place, layer, field) = match parts[..] {
        [layer, field] => ("res".to_owned(), layer, field),
        [stage, block, "downsample", layer, field] => (caffe2_block(stage, block), layer, field),
        [stage, block, layer, field] => (caffe2_block(stage, block), layer, field),
        _ => return Vec::new(),
    };
    let branch = match layer.trim_start_matches("conv").trim_start_matches("bn") {
        _ if place == "res" => "conv1",
        "1" if layer.len() > 1 => "branch2a",
        "2" => "branch2b",
        "3" => "branch2c",
        _ => "branch1",
    };
    let is_norm = layer.starts_with("bn") || layer == "1";
    match (is_norm, field) {
        (false, "weight") if place == "res" => vec!["conv1_w".to_owned()],
        (false, "weight") => vec![format!("{place}_{branch}_w")],
        (true, "weight") => vec![format!("{place}_{branch}_bn_s")],
        (true, "bias") => vec![format!("{place}_{branch}_bn_b")],
        _ => Vec::new(),
    }
}

/// `layer1`, `0` as `res2_0`.
fn caffe2_block(layer: &str, block: &str) -> String {
    let stage: usize = layer.trim_start_matches("layer").parse().unwrap_or(0);
    format!("res{}_{block}", stage + 1)
}

fn detectron2_rest(parts: &[&str]) -> Vec<String> {
    let level = |index: &str| index.parse::<usize>().unwrap_or(0) + 3;
    let short = |part: &str| if part == "classification" { "cls" } else { "bbox" };
    match *parts {
        ["fpn", "lateral", index, field] => vec![format!("backbone.fpn_lateral{}.{field}", level(index))],
        ["fpn", "output", index, field] => vec![format!("backbone.fpn_output{}.{field}", level(index))],
        ["fpn", extra, field] => vec![format!("backbone.top_block.{extra}.{field}")],
        [part, "tower", layer, field] => {
            // A convolution and its ReLU.
            let place = 2 * layer.parse::<usize>().unwrap_or(0);
            vec![format!("head.{}_subnet.{place}.{field}", short(part))]
        }
        [part, "norms", layer, field] => {
            // With norms a layer is convolution, norm, ReLU: its convolutions are not where they are without.
            let place = 3 * layer.parse::<usize>().unwrap_or(0) + 1;
            vec![format!("head.{}_subnet.{place}.{field}", short(part))]
        }
        ["classification", "output", field] => vec![format!("head.cls_score.{field}")],
        ["regression", "output", field] => vec![format!("head.bbox_pred.{field}")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::settings::between;

    fn first(layout: Layout, ours: &str) -> String {
        layout.names(ours).swap_remove(0)
    }

    #[test]
    fn names_of_every_part_are_those_of_the_libraries() {
        use Layout::{
            Caffe2, Detectron2, Mmdetection, PrefixedClassifier, TorchvisionClassifier, TorchvisionRetinaNet,
        };
        for (layout, ours, theirs) in [
            (TorchvisionClassifier, "backbone.stem.weight", "conv1.weight"),
            (PrefixedClassifier, "backbone.stages.0.0.conv2.norm.bias", "backbone.layer1.0.bn2.bias"),
            (TorchvisionRetinaNet, "backbone.stem.norm.running_var", "backbone.body.bn1.running_var"),
            (TorchvisionRetinaNet, "fpn.lateral.2.bias", "backbone.fpn.inner_blocks.2.0.bias"),
            (TorchvisionRetinaNet, "fpn.p6.weight", "backbone.fpn.extra_blocks.p6.weight"),
            (TorchvisionRetinaNet, "regression.tower.3.weight", "head.regression_head.conv.3.0.weight"),
            (TorchvisionRetinaNet, "classification.norms.1.bias", "head.classification_head.conv.1.1.bias"),
            (TorchvisionRetinaNet, "classification.output.bias", "head.classification_head.cls_logits.bias"),
            (Mmdetection, "backbone.stages.3.0.downsample.norm.weight", "backbone.layer4.0.downsample.1.weight"),
            (Mmdetection, "fpn.output.1.weight", "neck.fpn_convs.1.conv.weight"),
            (Mmdetection, "fpn.p7.bias", "neck.fpn_convs.4.conv.bias"),
            (Mmdetection, "regression.tower.0.bias", "bbox_head.reg_convs.0.conv.bias"),
            (Mmdetection, "classification.output.weight", "bbox_head.retina_cls.weight"),
            (Caffe2, "backbone.stem.weight", "conv1_w"),
            (Caffe2, "backbone.stem.norm.bias", "res_conv1_bn_b"),
            (Caffe2, "backbone.stages.0.0.downsample.weight", "res2_0_branch1_w"),
            (Caffe2, "backbone.stages.0.0.downsample.norm.weight", "res2_0_branch1_bn_s"),
            (Caffe2, "backbone.stages.2.5.conv1.weight", "res4_5_branch2a_w"),
            (Caffe2, "backbone.stages.2.5.conv3.norm.bias", "res4_5_branch2c_bn_b"),
            (Detectron2, "backbone.stem.norm.weight", "backbone.bottom_up.stem.conv1.norm.weight"),
            (Detectron2, "backbone.stages.1.0.downsample.weight", "backbone.bottom_up.res3.0.shortcut.weight"),
            (Detectron2, "backbone.stages.2.5.conv3.norm.bias", "backbone.bottom_up.res4.5.conv3.norm.bias"),
            (Detectron2, "fpn.lateral.0.weight", "backbone.fpn_lateral3.weight"),
            (Detectron2, "regression.tower.2.weight", "head.bbox_subnet.4.weight"),
            (Detectron2, "regression.output.bias", "head.bbox_pred.bias"),
        ] {
            assert_eq!(first(layout, ours), theirs, "{layout:?}");
        }
        let older = |ours| Layout::TorchvisionRetinaNet.names(ours).swap_remove(1);
        assert_eq!(older("fpn.lateral.2.bias"), "backbone.fpn.inner_blocks.2.bias");
        assert_eq!(older("regression.tower.3.weight"), "head.regression_head.conv.6.weight");
    }

    #[test]
    fn the_settings_of_a_library_are_advised_where_the_network_has_others() {
        let advice = |layout: Layout, config: &ModelConfig| between(config, &layout.conventions(config.clone()));
        let ours = ModelConfig::default();
        assert_eq!(advice(Layout::Mmdetection, &ours), ["model.extra_relu=false"]);
        assert_eq!(advice(Layout::TorchvisionRetinaNet, &ours), ["model.anchors.rounding=torchvision"]);
        let mmdetection = ModelConfig { extra_relu: false, ..ours.clone() };
        assert!(advice(Layout::Mmdetection, &mmdetection).is_empty());
        assert_eq!(advice(Layout::Detectron2, &ours), ["model.style=caffe"]);
        assert!(advice(Layout::TorchvisionClassifier, &mmdetection).is_empty());
    }

    #[test]
    fn what_others_keep_beside_the_weights_is_of_no_use() {
        for (layout, name) in [
            (Layout::Mmdetection, "bbox_head.loss_cls.edges"),
            (Layout::Mmdetection, "bbox_head.loss_bbox.acc_sum"),
            (Layout::Detectron2, "pixel_mean"),
            (Layout::Caffe2, "fc1000_w"),
            (Layout::Caffe2, "res2_0_branch1_w_momentum"),
            (Layout::Caffe2, "retnet_cls_pred_fpn3_w"),
            (Layout::Detectron2, "anchor_generator.cell_anchors.0"),
            (Layout::TorchvisionClassifier, "fc.weight"),
            (Layout::TorchvisionRetinaNet, "backbone.body.bn1.num_batches_tracked"),
        ] {
            assert!(layout.is_unused(name), "{name}");
        }
        assert!(!Layout::Mmdetection.is_unused("bbox_head.retina_cls.weight"));
        assert!(!Layout::Caffe2.is_unused("res2_0_branch1_w"));
    }

    #[test]
    fn anchors_of_detectron2_run_over_scales_first() {
        let order = Layout::Detectron2.anchor_order(&ModelConfig::default()).unwrap();
        assert_eq!(order, [0, 3, 6, 1, 4, 7, 2, 5, 8]);
        assert_eq!(Layout::Mmdetection.anchor_order(&ModelConfig::default()), None);
    }
}
