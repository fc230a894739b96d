//! What a network said of every label while it learned: a line of JSON for each picture and epoch.
//!
//! Lines are short, for there are many: an object and a background box are arrays. Boxes are `[x1, y1, x2, y2]` in pixels of the
//! upright picture.

use serde::{Deserialize, Serialize};

/// One picture in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The update, counted from 1.
    pub step: usize,
    /// The picture.
    pub image_id: u64,
    /// Its labels, those that were in the part of the picture that was looked at.
    pub objects: Vec<LabelEvidence>,
    /// Boxes where the network saw an object and no label is.
    pub background: Vec<BackgroundEvidence>,
}

/// What was said of a label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "LabelLine", into = "LabelLine")]
pub struct LabelEvidence {
    /// The label.
    pub annotation_id: u64,
    /// Anchors that answered for it.
    pub anchors: usize,
    /// Their mean gradient norm of the label's class, 0 to 1.
    pub class_norm: f32,
    /// Their mean gradient norm of the offsets, 0 to 1.
    pub box_norm: f32,
    /// Their best score of the label's class.
    pub score: f32,
    /// The other class that they saw most of, `0..C`.
    pub other_class: usize,
    /// Its mean score.
    pub other_score: f32,
    /// IoU of the label with the box that they were surest of.
    pub iou: f32,
    /// The mean of their boxes.
    pub bbox: [f32; 4],
}

/// A box where the network saw an object and no label is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "BackgroundLine", into = "BackgroundLine")]
pub struct BackgroundEvidence {
    /// Its class, `0..C`.
    pub class: usize,
    /// Its score, which is the norm of its gradient.
    pub score: f32,
    /// The box.
    pub bbox: [f32; 4],
}

type LabelLine = (u64, usize, f32, f32, f32, usize, f32, f32, [f32; 4]);
type BackgroundLine = (usize, f32, [f32; 4]);

impl From<LabelLine> for LabelEvidence {
    fn from(line: LabelLine) -> Self {
        let (annotation_id, anchors, class_norm, box_norm, score, other_class, other_score, iou, bbox) = line;
        Self { annotation_id, anchors, class_norm, box_norm, score, other_class, other_score, iou, bbox }
    }
}

impl From<LabelEvidence> for LabelLine {
    fn from(said: LabelEvidence) -> Self {
        let LabelEvidence { annotation_id, anchors, class_norm, box_norm, score, other_class, other_score, iou, bbox } =
            said;
        let [class_norm, box_norm, score, other_score, iou] =
            [class_norm, box_norm, score, other_score, iou].map(short);
        (annotation_id, anchors, class_norm, box_norm, score, other_class, other_score, iou, bbox.map(tenth))
    }
}

impl From<BackgroundLine> for BackgroundEvidence {
    fn from((class, score, bbox): BackgroundLine) -> Self {
        Self { class, score, bbox }
    }
}

impl From<BackgroundEvidence> for BackgroundLine {
    fn from(BackgroundEvidence { class, score, bbox }: BackgroundEvidence) -> Self {
        (class, short(score), bbox.map(tenth))
    }
}

/// To five decimals.
fn short(value: f32) -> f32 {
    (value * 1e5).round() / 1e5
}

/// To a tenth of a pixel.
fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_comes_back() {
        let object = LabelEvidence {
            annotation_id: 7,
            anchors: 12,
            class_norm: 0.123_456,
            box_norm: 0.5,
            score: 0.9,
            other_class: 2,
            other_score: 0.01,
            iou: 0.75,
            bbox: [1.04, 2.0, 30.55, 40.0],
        };
        let background = BackgroundEvidence { class: 1, score: 0.25, bbox: [0.0, 0.0, 9.5, 8.0] };
        let evidence = Evidence { epoch: 2, step: 9, image_id: 3, objects: vec![object], background: vec![background] };
        let line = serde_json::to_string(&evidence).unwrap();
        let expected = r#"{"epoch":2,"step":9,"image_id":3,"objects":[[7,12,0.12346,0.5,0.9,2,0.01,0.75,[1.0,2.0,30.6,40.0]]],"background":[[1,0.25,[0.0,0.0,9.5,8.0]]]}"#;
        assert_eq!(line, expected);
        let back: Evidence = serde_json::from_str(&line).unwrap();
        assert_eq!(back.objects[0], LabelEvidence { class_norm: 0.12346, bbox: [1.0, 2.0, 30.6, 40.0], ..object });
        assert_eq!(serde_json::to_string(&back).unwrap(), line);
    }
}
