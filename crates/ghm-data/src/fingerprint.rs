//! A short name for the content of a data set, to tell whether a continued run still sees the same data.

use sha2::{Digest, Sha256};

use crate::dataset::Dataset;

/// SHA-256, as 64 hexadecimal digits, over classes, file names, sizes and objects in their order.
///
/// Where the pictures lie and what their pixels hold does not enter: a data set that was moved keeps its fingerprint.
pub fn fingerprint(dataset: &Dataset) -> String {
    let mut content = Content(Sha256::new());
    content.count(dataset.categories.len());
    for category in &dataset.categories {
        content.number(category.id);
        content.text(&category.name);
    }
    content.count(dataset.images.len());
    for image in &dataset.images {
        content.number(image.id);
        content.text(&image.file_name);
        content.number(u64::from(image.width));
        content.number(u64::from(image.height));
        content.count(image.objects.len());
        for object in &image.objects {
            content.count(object.class_index);
            for edge in
                [object.bbox_in_image.x1, object.bbox_in_image.y1, object.bbox_in_image.x2, object.bbox_in_image.y2]
            {
                content.number(u64::from(edge.to_bits()));
            }
            content.number(u64::from(object.ignored));
            content.number(object.area.to_bits());
        }
    }
    content.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every value has a fixed length or is preceded by it, so that no two data sets write the same bytes.
struct Content(Sha256);

impl Content {
    fn number(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    fn count(&mut self, value: usize) {
        self.number(value as u64);
    }

    fn text(&mut self, value: &str) {
        self.count(value.len());
        self.0.update(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Category, ImageRecord, Object};
    use ghm_boxes::Bbox;

    fn dataset() -> Dataset {
        let object = Object {
            annotation_id: 1,
            record: 1,
            class_index: 0,
            bbox_in_image: Bbox::new(1.0, 2.0, 3.0, 4.0),
            ignored: false,
            area: 4.0,
        };
        let image = ImageRecord {
            id: 1,
            file_name: "a.jpg".into(),
            path: "/here/a.jpg".into(),
            labels: "/here/a.json".into(),
            width: 8,
            height: 8,
            objects: vec![object],
        };
        Dataset { categories: vec![Category { id: 1, name: "cat".into() }], images: vec![image] }
    }

    #[test]
    fn a_moved_data_set_keeps_its_fingerprint() {
        let mut moved = dataset();
        moved.images[0].path = "/there/a.jpg".into();
        assert_eq!(fingerprint(&moved), fingerprint(&dataset()));
        assert_eq!(fingerprint(&moved).len(), 64);
    }

    #[test]
    fn any_change_of_content_changes_the_fingerprint() {
        let changes: [fn(&mut Dataset); 7] = [
            |d| d.categories[0].id = 2,
            |d| d.categories[0].name = "dog".into(),
            |d| d.images[0].file_name = "b.jpg".into(),
            |d| d.images[0].width = 9,
            |d| d.images[0].objects[0].bbox_in_image.x2 = 3.5,
            |d| d.images[0].objects[0].ignored = true,
            |d| d.images[0].objects.clear(),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut changed = dataset();
            change(&mut changed);
            assert_ne!(fingerprint(&changed), fingerprint(&dataset()), "change {index}");
        }
    }
}
