//! The 80 classes of COCO.

use crate::Category;

/// Name and number, by number; those that are left out of 1 to 90 were never labelled.
const CLASSES: [(u64, &str); 80] = [
    (1, "person"),
    (2, "bicycle"),
    (3, "car"),
    (4, "motorcycle"),
    (5, "airplane"),
    (6, "bus"),
    (7, "train"),
    (8, "truck"),
    (9, "boat"),
    (10, "traffic light"),
    (11, "fire hydrant"),
    (13, "stop sign"),
    (14, "parking meter"),
    (15, "bench"),
    (16, "bird"),
    (17, "cat"),
    (18, "dog"),
    (19, "horse"),
    (20, "sheep"),
    (21, "cow"),
    (22, "elephant"),
    (23, "bear"),
    (24, "zebra"),
    (25, "giraffe"),
    (27, "backpack"),
    (28, "umbrella"),
    (31, "handbag"),
    (32, "tie"),
    (33, "suitcase"),
    (34, "frisbee"),
    (35, "skis"),
    (36, "snowboard"),
    (37, "sports ball"),
    (38, "kite"),
    (39, "baseball bat"),
    (40, "baseball glove"),
    (41, "skateboard"),
    (42, "surfboard"),
    (43, "tennis racket"),
    (44, "bottle"),
    (46, "wine glass"),
    (47, "cup"),
    (48, "fork"),
    (49, "knife"),
    (50, "spoon"),
    (51, "bowl"),
    (52, "banana"),
    (53, "apple"),
    (54, "sandwich"),
    (55, "orange"),
    (56, "broccoli"),
    (57, "carrot"),
    (58, "hot dog"),
    (59, "pizza"),
    (60, "donut"),
    (61, "cake"),
    (62, "chair"),
    (63, "couch"),
    (64, "potted plant"),
    (65, "bed"),
    (67, "dining table"),
    (70, "toilet"),
    (72, "tv"),
    (73, "laptop"),
    (74, "mouse"),
    (75, "remote"),
    (76, "keyboard"),
    (77, "cell phone"),
    (78, "microwave"),
    (79, "oven"),
    (80, "toaster"),
    (81, "sink"),
    (82, "refrigerator"),
    (84, "book"),
    (85, "clock"),
    (86, "vase"),
    (87, "scissors"),
    (88, "teddy bear"),
    (89, "hair drier"),
    (90, "toothbrush"),
];

/// The 80 classes in the order of their numbers, as networks that were trained on COCO have them.
pub fn coco_classes() -> Vec<Category> {
    CLASSES.map(|(id, name)| Category { id, name: name.to_owned() }).into()
}

/// The same where a class stands at its own number, as in torchvision's networks, which have 91 outputs: those of no class are
/// called after their number.
pub fn coco_classes_by_number() -> Vec<Category> {
    let mut all: Vec<Category> = (0..=90).map(|id| Category { id, name: format!("no class {id}") }).collect();
    for (id, name) in CLASSES {
        all[id as usize].name = name.to_owned();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_stand_in_order_and_at_their_numbers() {
        let (dense, by_number) = (coco_classes(), coco_classes_by_number());
        assert_eq!((dense.len(), by_number.len()), (80, 91));
        assert!(dense.is_sorted_by(|a, b| a.id < b.id));
        assert_eq!((dense[0].name.as_str(), dense[79].name.as_str()), ("person", "toothbrush"));
        assert!(dense.iter().all(|class| by_number[class.id as usize] == *class));
        assert_eq!(by_number[12].name, "no class 12");
    }
}
