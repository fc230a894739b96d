//! Whether a recipe's anchors reach the boxes.

use ghm_boxes::{AnchorConfig, Bbox};
use rayon::prelude::*;

use super::Part;
use crate::augment::Draw;
use crate::finding::{Defect, Finding, FindingKind};
use crate::pipeline::ResizeConfig;

/// Levels of the pyramid, P3 to P7.
const LEVELS: usize = 5;

/// A box is reached from this IoU with an anchor: RetinaNet's `positive_iou`.
const REACHED: f32 = 0.5;

/// Share of boxes out of reach from which it is a defect.
const TOLERATED: f64 = 0.1;

/// A recipe's anchors and input size.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorReach {
    /// The anchors.
    pub anchors: AnchorConfig,
    /// How pictures come to the input.
    pub resize: ResizeConfig,
}

impl AnchorReach {
    /// The share of a split's boxes that no anchor has an IoU of 0.5 with; `None` without boxes.
    pub(super) fn unreached(&self, part: &Part) -> Option<f64> {
        let best: Vec<f32> = part
            .dataset
            .images
            .par_iter()
            .flat_map_iter(|image| {
                let size = (image.width as usize, image.height as usize);
                let placement = self.resize.place(size, &Draw::NONE);
                let (maps, transform) = (maps(placement.content_size), placement.input_from_image);
                let objects = image.objects.iter().filter(|object| !object.ignored);
                objects.map(move |object| self.best_iou(transform.apply(object.bbox_in_image), &maps))
            })
            .collect();
        let out = best.iter().filter(|iou| **iou < REACHED).count();
        (!best.is_empty()).then(|| out as f64 / best.len() as f64)
    }

    /// A finding, where many are out of reach.
    pub(super) fn check(&self, part: &Part) -> Option<Finding> {
        let share = self.unreached(part).filter(|share| *share > TOLERATED)?;
        let reason = format!(
            "no anchor reaches an IoU of 0.5 with {:.0}% of the boxes of `{}` at {}x{} pixels",
            100.0 * share,
            part.name,
            self.resize.width,
            self.resize.height
        );
        let remedy = "change input.width and input.height, model.anchors.base_size or model.anchors.ratios";
        let labels = &part.dataset.images.first()?.labels;
        Some(Defect::new(FindingKind::UnreachedBoxes, reason, remedy).at(labels, "split"))
    }

    /// The best IoU of a box with any anchor: of each level only the cells around its centre can have it.
    fn best_iou(&self, bbox: Bbox, maps: &[[usize; 2]; LEVELS]) -> f32 {
        let (x, y) = bbox.center();
        let of_level = |level: usize| {
            let (anchors, stride) = (self.anchors.level(level, maps), AnchorConfig::stride(level) as f32);
            let [rows, columns] = maps[level];
            let around = |at: f32, cells: usize| {
                let first = (at / stride).floor().max(0.0) as usize;
                [first.saturating_sub(1), first, first + 1].map(|cell| cell.min(cells - 1))
            };
            let cells = around(y, rows)
                .into_iter()
                .flat_map(move |row| around(x, columns).into_iter().map(move |column| row * columns + column));
            let per_cell = self.anchors.per_cell();
            let ious = cells
                .flat_map(|cell| (cell * per_cell..(cell + 1) * per_cell).map(|index| anchors.at(index).iou(bbox)));
            ious.fold(0.0, f32::max)
        };
        (0..LEVELS).map(of_level).fold(0.0, f32::max)
    }
}

/// Rows and columns of cells of each level for pixels of this width and height, which are padded to whole strides of P5.
fn maps((width, height): (usize, usize)) -> [[usize; 2]; LEVELS] {
    let padded = [height, width].map(|side| side.next_multiple_of(AnchorConfig::stride(2)));
    std::array::from_fn(|level| padded.map(|side| side.div_ceil(AnchorConfig::stride(level))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::ResizeMode;
    use proptest::prelude::*;

    fn reach() -> AnchorReach {
        let resize = ResizeConfig { width: 256, height: 256, mode: ResizeMode::Fit, swap_portrait: false };
        AnchorReach { anchors: AnchorConfig::default(), resize }
    }

    proptest! {
        #[test]
        fn the_best_anchor_is_the_best_of_all(x in 0f32..200.0, y in 0f32..200.0, w in 2f32..250.0, h in 2f32..250.0) {
            let bbox = Bbox::new(x, y, (x + w).min(256.0), (y + h).min(256.0));
            let maps = maps((256, 256));
            let all = (0..LEVELS).flat_map(|level| reach().anchors.level_anchors(level, &maps));
            let best = all.map(|anchor| anchor.iou(bbox)).fold(0.0, f32::max);
            prop_assert!((reach().best_iou(bbox, &maps) - best).abs() < 1e-6);
        }
    }
}
