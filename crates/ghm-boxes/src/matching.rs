//! Which anchor answers for which object.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Bbox;

/// IoU thresholds of the assignment (Lin et al. 2017, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// An anchor whose best IoU is at least this is positive for that object.
    pub positive_iou: f32,
    /// An anchor whose best IoU is below this is background; between the two it is left out.
    pub negative_iou: f32,
    /// Every object also takes its best anchors when their IoU is at least this (0: always, above 1: never).
    pub min_positive_iou: f32,
    /// An anchor that is not positive and has at least this share of its own area inside a crowd or difficult box is
    /// left out.
    pub ignore_share: f32,
}

impl Default for MatchConfig {
    fn default() -> Self {
        Self { positive_iou: 0.5, negative_iou: 0.4, min_positive_iou: 0.0, ignore_share: 0.5 }
    }
}

/// Why thresholds are refused.
#[derive(Debug, Error, PartialEq)]
pub enum MatchError {
    /// The thresholds do not leave `0 <= negative_iou <= positive_iou <= 1`.
    #[error("negative_iou = {negative} and positive_iou = {positive}: need 0 <= negative_iou <= positive_iou <= 1")]
    Order {
        /// The lower threshold.
        negative: f32,
        /// The upper threshold.
        positive: f32,
    },
    /// A threshold out of its range.
    #[error("{key} = {value}: {need}")]
    Range {
        /// Which.
        key: &'static str,
        /// What was given.
        value: f32,
        /// What it may be.
        need: &'static str,
    },
}

impl MatchConfig {
    /// Refuses thresholds out of order or range.
    pub fn validate(&self) -> Result<(), MatchError> {
        let (negative, positive) = (self.negative_iou, self.positive_iou);
        if !((0.0..=positive).contains(&negative) && positive <= 1.0) {
            return Err(MatchError::Order { negative, positive });
        }
        let (least, share) = (self.min_positive_iou, self.ignore_share);
        let ranges = [
            ("min_positive_iou", least, least >= 0.0, "need a number of at least 0"),
            ("ignore_share", share, share > 0.0, "need a number above 0"),
        ];
        match ranges.into_iter().find(|(_, _, fits, _)| !fits) {
            Some((key, value, _, need)) => Err(MatchError::Range { key, value, need }),
            None => Ok(()),
        }
    }
}

/// What an anchor is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// No object.
    Background,
    /// Left out of the loss.
    Ignored,
    /// The object of this index.
    Positive(usize),
}

/// Labels every anchor.
///
/// # Shapes
/// `anchors [A]`, `objects [G]`, `crowds [K]`, result `[A]`.
///
/// Ties go to the first object for an anchor, and an object takes *all* anchors that share its best IoU; where two
/// objects claim an anchor in this way the later one has it. Objects must be proper boxes.
pub fn match_anchors(anchors: &[Bbox], objects: &[Bbox], crowds: &[Bbox], config: &MatchConfig) -> Vec<Label> {
    let mut best_of_object = vec![0.0f32; objects.len()];
    let mut labels: Vec<Label> = anchors
        .iter()
        .map(|anchor| {
            let (mut best, mut owner) = (0.0f32, 0);
            for (g, object) in objects.iter().enumerate() {
                let iou = anchor.iou(*object);
                best_of_object[g] = best_of_object[g].max(iou);
                if iou > best {
                    (best, owner) = (iou, g);
                }
            }
            match best {
                _ if best >= config.positive_iou && !objects.is_empty() => Label::Positive(owner),
                _ if best < config.negative_iou || objects.is_empty() => Label::Background,
                _ => Label::Ignored,
            }
        })
        .collect();
    for (g, object) in objects.iter().enumerate() {
        let best = best_of_object[g];
        if best > 0.0 && best >= config.min_positive_iou {
            let takes = anchors.iter().zip(&mut labels).filter(|(anchor, _)| anchor.iou(*object) == best);
            takes.for_each(|(_, label)| *label = Label::Positive(g));
        }
    }
    leave_out_crowds(anchors, crowds, config.ignore_share, &mut labels);
    labels
}

fn leave_out_crowds(anchors: &[Bbox], crowds: &[Bbox], share: f32, labels: &mut [Label]) {
    for (anchor, label) in anchors.iter().zip(labels) {
        let covered = || crowds.iter().any(|crowd| anchor.intersection(*crowd) >= share * anchor.area());
        if *label == Label::Background && covered() {
            *label = Label::Ignored;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: Bbox = Bbox::new(0.0, 0.0, 10.0, 10.0);

    fn shifted(dx: f32) -> Bbox {
        OBJECT.shift(dx, 0.0)
    }

    #[test]
    fn thresholds_split_anchors_into_positive_ignored_background() {
        // IoU of a shift by d: (10 - d) / (10 + d)
        let anchors = [shifted(0.0), shifted(3.0), shifted(4.0), shifted(6.0)]; // 1, .538, .4286, .25
        let labels = match_anchors(&anchors, &[OBJECT], &[], &MatchConfig::default());
        assert_eq!(labels, [Label::Positive(0), Label::Positive(0), Label::Ignored, Label::Background]);
    }

    #[test]
    fn an_object_that_no_anchor_reaches_takes_its_best_ones() {
        let anchors = [shifted(6.0), shifted(-6.0), shifted(9.0)];
        let labels = match_anchors(&anchors, &[OBJECT], &[], &MatchConfig::default());
        assert_eq!(labels, [Label::Positive(0), Label::Positive(0), Label::Background]);
    }

    #[test]
    fn an_object_without_any_overlap_takes_nothing() {
        let labels = match_anchors(&[shifted(50.0)], &[OBJECT], &[], &MatchConfig::default());
        assert_eq!(labels, [Label::Background]);
    }

    #[test]
    fn crowd_is_neither_positive_nor_negative() {
        let anchors = [shifted(0.0), shifted(30.0)];
        let labels = match_anchors(&anchors, &[], &[OBJECT], &MatchConfig::default());
        assert_eq!(labels, [Label::Ignored, Label::Background]);
    }

    #[test]
    fn a_positive_inside_a_crowd_stays_positive() {
        let crowd = Bbox::new(-5.0, -5.0, 20.0, 20.0);
        let labels = match_anchors(&[shifted(0.0)], &[OBJECT], &[crowd], &MatchConfig::default());
        assert_eq!(labels, [Label::Positive(0)]);
    }

    #[test]
    fn without_objects_all_is_background() {
        assert_eq!(match_anchors(&[OBJECT], &[], &[], &MatchConfig::default()), [Label::Background]);
    }

    #[test]
    fn thresholds_out_of_order_are_refused() {
        let config = MatchConfig { negative_iou: 0.6, ..Default::default() };
        assert!(config.validate().is_err());
    }

    #[test]
    fn thresholds_out_of_range_are_refused_by_key() {
        let message = |config: MatchConfig| config.validate().unwrap_err().to_string();
        let config = MatchConfig { min_positive_iou: f32::NAN, ..Default::default() };
        assert!(message(config).contains("min_positive_iou = NaN"), "{}", message(config));
        let config = MatchConfig { ignore_share: 0.0, ..Default::default() };
        assert!(message(config).contains("ignore_share = 0"), "{}", message(config));
        let never = MatchConfig { min_positive_iou: 2.0, ignore_share: 2.0, ..Default::default() };
        assert_eq!(never.validate(), Ok(()));
    }
}
