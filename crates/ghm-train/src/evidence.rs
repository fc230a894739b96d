//! What the network said of a batch's labels, brought back to the data set's own pictures.

use ghm_boxes::Bbox;
use ghm_data::{Sample, Transform};
use ghm_detector::evidence::ImageEvidence;
use ghm_eval::{BackgroundEvidence, Evidence, LabelEvidence};

/// A picture's evidence in its own pixels; epoch and update are not known here.
pub fn in_image(sample: &Sample, said: ImageEvidence) -> Evidence {
    let image_from_input = sample.input_from_image.invert();
    let size = sample.image_size;
    let objects = said.objects.into_iter().zip(&sample.annotation_ids).map(|(object, id)| LabelEvidence {
        annotation_id: *id,
        anchors: object.anchors,
        class_norm: object.class_norm,
        box_norm: object.box_norm,
        score: object.score,
        other_class: object.other.0,
        other_score: object.other.1,
        iou: object.iou,
        bbox: corners(image_from_input, object.bbox_in_input, size),
    });
    let background = said.background.into_iter().map(|seen| BackgroundEvidence {
        class: seen.class_index,
        score: seen.score,
        bbox: corners(image_from_input, seen.bbox, size),
    });
    Evidence {
        epoch: 0,
        step: 0,
        image_id: sample.image_id,
        objects: objects.collect(),
        background: background.collect(),
    }
}

fn corners(image_from_input: Transform, bbox_in_input: Bbox, (width, height): (u32, u32)) -> [f32; 4] {
    image_from_input.apply(bbox_in_input).clip(width as f32, height as f32).corners()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghm_boxes::Candidate;
    use ghm_detector::evidence::ObjectEvidence;

    #[test]
    fn boxes_are_brought_back_to_the_pictures_own_pixels() {
        // A picture of 200 by 100, mirrored, at half its size.
        let input_from_image = Transform::resize((200, 100), (100, 50)).compose(Transform::flip_horizontal(200));
        let bbox = Bbox::new(20.0, 30.0, 60.0, 80.0);
        let sample = Sample {
            image_id: 7,
            image_index: 0,
            bboxes_in_input: vec![input_from_image.apply(bbox)],
            class_indices: vec![1],
            annotation_ids: vec![42],
            ignored_in_input: Vec::new(),
            input_from_image,
            content_size: (100, 50),
            image_size: (200, 100),
        };
        let object = ObjectEvidence {
            anchors: 3,
            class_norm: 0.5,
            box_norm: 0.25,
            score: 0.75,
            other: (2, 0.125),
            bbox_in_input: input_from_image.apply(bbox),
            iou: 1.0,
        };
        let seen = Candidate { bbox: Bbox::new(-5.0, 0.0, 10.0, 10.0), class_index: 3, score: 0.5 };
        let said = in_image(&sample, ImageEvidence { objects: vec![object], background: vec![seen] });
        assert_eq!((said.image_id, said.objects[0].annotation_id), (7, 42));
        assert_eq!(said.objects[0].bbox, [20.0, 30.0, 60.0, 80.0]);
        assert_eq!((said.objects[0].other_class, said.objects[0].other_score), (2, 0.125));
        assert_eq!(said.background[0], BackgroundEvidence { class: 3, score: 0.5, bbox: [180.0, 0.0, 200.0, 20.0] });
    }
}
