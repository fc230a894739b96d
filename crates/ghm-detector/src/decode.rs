//! Logits and deltas to boxes.

use burn::tensor::Tensor;
use ghm_boxes::{Candidate, LevelAnchors, suppress};
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
        .enumerate()
        .map(|(level, (logits, deltas))| Level {
            classes: logits.dims()[2],
            count: maps[level][0] * maps[level][1] * config.anchors.per_cell(),
            anchors: config.anchors.level(level, &maps),
            logits: host(logits),
            deltas: host(deltas),
        })
        .collect();
    content_sizes
        .par_iter()
        .enumerate()
        .map(|(picture, content)| {
            let of_level = |level: &Level| level.candidates(config, picture, *content);
            let candidates: Vec<Vec<Candidate>> = levels.par_iter().map(of_level).collect();
            suppress(candidates.concat(), config.predict.nms_iou, config.predict.max_detections)
        })
        .collect()
}

/// A tensor's elements on the host, whatever its precision.
fn host(tensor: Tensor<3>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}

/// Logits that one thread looks through at a time.
const CHUNK: usize = 1 << 16;

/// Logits that are compared before any is looked at: seldom is one of them above the threshold.
const RUN: usize = 64;

struct Level {
    classes: usize,
    /// Anchors of a picture, `A_l`.
    count: usize,
    anchors: LevelAnchors,
    /// `[N, A_l, C]`.
    logits: Vec<f32>,
    /// `[N, A_l, 4]`.
    deltas: Vec<f32>,
}

impl Level {
    fn candidates(&self, config: &ModelConfig, picture: usize, content: (usize, usize)) -> Vec<Candidate> {
        let logits = &self.logits[picture * self.count * self.classes..][..self.count * self.classes];
        let deltas = &self.deltas[picture * self.count * 4..][..self.count * 4];
        let threshold = config.predict.score;
        let least = (threshold / (1.0 - threshold)).ln(); // the logit of the threshold spares the exponentials
        let found = best(above(logits, least), config.predict.candidates).into_iter().map(|(logit, index)| {
            let (anchor, class_index) = (index / self.classes, index % self.classes);
            let delta = std::array::from_fn(|i| deltas[anchor * 4 + i]);
            let bbox = config.coder.box_from_delta(self.anchors.at(anchor), delta);
            let bbox = bbox.clip(content.0 as f32, content.1 as f32);
            Candidate { bbox, class_index, score: 1.0 / (1.0 + (-logit).exp()) }
        });
        found.filter(|candidate| candidate.bbox.is_proper()).collect()
    }
}

/// The logits above `least` with their places.
fn above(logits: &[f32], least: f32) -> Vec<(f32, usize)> {
    let of_chunk = |(chunk, logits): (usize, &[f32])| {
        let mut found = Vec::new();
        for (run, logits) in logits.chunks(RUN).enumerate() {
            if logits.iter().fold(false, |any, logit| any | (*logit > least)) {
                let first = chunk * CHUNK + run * RUN;
                found.extend((first..).zip(logits).filter(|(_, l)| **l > least).map(|(index, l)| (*l, index)));
            }
        }
        found
    };
    let chunks: Vec<Vec<(f32, usize)>> = logits.par_chunks(CHUNK).enumerate().map(of_chunk).collect();
    chunks.concat()
}

/// The best `limit`, best first; of equal ones that which comes first.
fn best(mut found: Vec<(f32, usize)>, limit: usize) -> Vec<(f32, usize)> {
    let better = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if found.len() > limit {
        found.select_nth_unstable_by(limit, better);
        found.truncate(limit);
    }
    found.sort_unstable_by(better);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use ghm_boxes::{AnchorConfig, Bbox};

    fn output(logits: Vec<f32>) -> Output {
        let device = Device::flex();
        let logits = Tensor::from_data(TensorData::new(logits, [1, 4, 2]), &device);
        Output { logits: vec![logits], deltas: vec![Tensor::zeros([1, 4, 4], &device)], maps: vec![[2, 2]] }
    }

    fn config() -> ModelConfig {
        let anchors = AnchorConfig { base_size: 8.0, scales: vec![1.0], ratios: vec![1.0], ..AnchorConfig::default() };
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

    #[test]
    fn the_best_of_many_candidates_stay_wherever_they_are() {
        let logits: Vec<f32> = (0..3 * CHUNK + 77).map(|at| (at * 7919 % 100_003) as f32 / 100_003.0).collect();
        let mut expected: Vec<(f32, usize)> = logits.iter().copied().zip(0..).collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let all: Vec<_> = expected.iter().copied().filter(|(logit, _)| *logit > 0.5).collect();
        for limit in [0, 1, 1000, all.len(), all.len() + 1] {
            assert_eq!(best(above(&logits, 0.5), limit), all[..limit.min(all.len())], "{limit}");
        }
    }
}
