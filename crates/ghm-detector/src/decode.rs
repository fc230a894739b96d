//! Logits and deltas to boxes.

use burn::tensor::Tensor;
use ghm_boxes::{Candidate, LevelAnchors, suppress};
use rayon::prelude::*;

use crate::config::ModelConfig;
use crate::host::numbers;
use crate::retinanet::Output;

/// The boxes of each picture of a batch, best first, in input pixels and clipped to the picture's content.
///
/// # Shapes
/// `content_sizes [N]`: width and height of each picture before padding. Result: `N` lists.
///
/// Score threshold, the best candidates of each level, suppression per class and the limit are
/// [`crate::PredictConfig`]'s.
pub fn decode(config: &ModelConfig, output: Output, content_sizes: &[(usize, usize)]) -> Vec<Vec<Candidate>> {
    let levels = levels(config, &output);
    drop(output);
    let (score, most) = (config.predict.score, config.predict.candidates);
    content_sizes
        .par_iter()
        .enumerate()
        .map(|(picture, content)| {
            let limits = Limits { content: *content, score, most };
            let of_level = |level: &Level| level.candidates(config, picture, limits, |_| true);
            let candidates: Vec<Vec<Candidate>> = levels.par_iter().map(of_level).collect();
            suppress(candidates.concat(), config.predict.nms_iou, config.predict.max_detections)
        })
        .collect()
}

/// What a network says, on the host, level by level.
pub(crate) fn levels(config: &ModelConfig, output: &Output) -> Vec<Level> {
    let maps = &output.maps;
    let level = |(level, (logits, deltas)): (usize, (&Tensor<3>, &Tensor<3>))| Level {
        classes: logits.dims()[2],
        count: maps[level][0] * maps[level][1] * config.anchors.per_cell(),
        anchors: config.anchors.level(level, maps),
        logits: numbers(logits.clone()),
        deltas: numbers(deltas.clone()),
    };
    output.logits.iter().zip(&output.deltas).enumerate().map(level).collect()
}

/// Logits that one thread looks through at a time.
const CHUNK: usize = 1 << 16;

/// Logits that are compared before any is looked at: seldom is one of them above the threshold.
const RUN: usize = 64;

/// Which boxes of a picture count.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Width and height of the picture before padding.
    pub(crate) content: (usize, usize),
    /// Those of a score above this.
    pub(crate) score: f32,
    /// Of each level so many, the best.
    pub(crate) most: usize,
}

/// One level of what a network says.
pub(crate) struct Level {
    pub(crate) classes: usize,
    /// Anchors of a picture, `A_l`.
    pub(crate) count: usize,
    pub(crate) anchors: LevelAnchors,
    /// `[N, A_l, C]`.
    pub(crate) logits: Vec<f32>,
    /// `[N, A_l, 4]`.
    pub(crate) deltas: Vec<f32>,
}

impl Level {
    /// The boxes of those anchors of a picture that `counts` takes.
    pub(crate) fn candidates(
        &self,
        config: &ModelConfig,
        picture: usize,
        limits: Limits,
        counts: impl Fn(usize) -> bool,
    ) -> Vec<Candidate> {
        let logits = &self.logits[picture * self.count * self.classes..][..self.count * self.classes];
        let deltas = &self.deltas[picture * self.count * 4..][..self.count * 4];
        let Limits { content, score, most } = limits;
        let least = (score / (1.0 - score)).ln(); // the logit of the threshold spares the exponentials
        let mut found = above(logits, least);
        found.retain(|(_, index)| counts(index / self.classes));
        let found = best(found, most).into_iter().map(|(logit, index)| {
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
