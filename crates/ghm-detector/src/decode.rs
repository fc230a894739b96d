//! Logits and deltas to boxes.

use burn::tensor::Tensor;
use ghm_boxes::{Bbox, Candidate, suppress};
use rayon::prelude::*;

use crate::config::ModelConfig;
use crate::retinanet::Output;

/// The boxes of each picture of a batch, best first, in input pixels and clipped to the picture's content.
///
/// # Shapes
/// `content_sizes [N]`: width and height of each picture before padding. Result: `N` lists.
///
/// Score threshold, the best candidates of each level, suppression per class and the limit are
/// [`crate::PredictConfig`]'s.
pub fn decode(config: &ModelConfig, output: Output, content_sizes: &[(usize, usize)]) -> Vec<Vec<Candidate>> {
    let maps = output.maps;
    let levels: Vec<Level> = output
        .logits
        .into_iter()
        .zip(output.deltas)
        .zip(maps)
        .enumerate()
        .map(|(level, ((logits, deltas), [rows, columns]))| Level {
            classes: logits.dims()[2],
            anchors: config.anchors.level_anchors(level, rows, columns),
            logits: host(logits),
            deltas: host(deltas),
        })
        .collect();
    content_sizes
        .par_iter()
        .enumerate()
        .map(|(picture, content)| {
            let candidates = levels.iter().flat_map(|level| level.candidates(config, picture, *content)).collect();
            suppress(candidates, config.predict.nms_iou, config.predict.max_detections)
        })
        .collect()
}

/// A tensor's elements on the host, whatever its precision.
fn host(tensor: Tensor<3>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}

struct Level {
    classes: usize,
    anchors: Vec<Bbox>,
    /// `[N, A_l, C]`.
    logits: Vec<f32>,
    /// `[N, A_l, 4]`.
    deltas: Vec<f32>,
}

impl Level {
    fn candidates(&self, config: &ModelConfig, picture: usize, content: (usize, usize)) -> Vec<Candidate> {
        let count = self.anchors.len();
        let logits = &self.logits[picture * count * self.classes..][..count * self.classes];
        let deltas = &self.deltas[picture * count * 4..][..count * 4];
        let threshold = config.predict.score;
        let least = (threshold / (1.0 - threshold)).ln(); // the logit of the threshold spares the exponentials
        let mut above: Vec<usize> = (0..logits.len()).filter(|i| logits[*i] > least).collect();
        let better = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
        let limit = config.predict.candidates;
        if above.len() > limit {
            above.select_nth_unstable_by(limit, better);
            above.truncate(limit);
        }
        above.sort_unstable_by(better);
        let found = above.into_iter().map(|index| {
            let (anchor, class_index) = (index / self.classes, index % self.classes);
            let delta = std::array::from_fn(|i| deltas[anchor * 4 + i]);
            let bbox = config.coder.box_from_delta(self.anchors[anchor], delta);
            let bbox = bbox.clip(content.0 as f32, content.1 as f32);
            Candidate { bbox, class_index, score: 1.0 / (1.0 + (-logits[index]).exp()) }
        });
        found.filter(|candidate| candidate.bbox.is_proper()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use ghm_boxes::AnchorConfig;

    fn output(logits: Vec<f32>) -> Output {
        let device = Device::flex();
        let logits = Tensor::from_data(TensorData::new(logits, [1, 4, 2]), &device);
        Output { logits: vec![logits], deltas: vec![Tensor::zeros([1, 4, 4], &device)], maps: vec![[2, 2]] }
    }

    fn config() -> ModelConfig {
        let anchors = AnchorConfig { base_size: 8.0, scales: vec![1.0], ratios: vec![1.0] };
        ModelConfig { anchors, ..ModelConfig::default() }
    }

    #[test]
    fn a_confident_anchor_becomes_its_box_with_its_class() {
        let mut logits = vec![-9.0; 8];
        logits[3 * 2 + 1] = 2.0;
        let found = decode(&config(), output(logits), &[(16, 16)]);
        assert_eq!(found[0].len(), 1);
        assert_eq!((found[0][0].class_index, found[0][0].bbox), (1, Bbox::new(4.0, 4.0, 12.0, 12.0)));
        assert!((found[0][0].score - 0.880_797).abs() < 1e-5);
    }

    #[test]
    fn boxes_are_clipped_to_the_content_and_empty_ones_dropped() {
        let mut logits = vec![-9.0; 8];
        logits[0] = 2.0; // centred at (0, 0)
        logits[2] = 2.0; // centred at (8, 0): beyond a picture 4 px wide
        let found = decode(&config(), output(logits), &[(4, 4)]);
        assert_eq!(found[0].iter().map(|f| f.bbox).collect::<Vec<_>>(), [Bbox::new(0.0, 0.0, 4.0, 4.0)]);
    }

    #[test]
    fn nan_logits_give_no_boxes_and_no_panic() {
        assert!(decode(&config(), output(vec![f32::NAN; 8]), &[(16, 16)])[0].is_empty());
    }
}
