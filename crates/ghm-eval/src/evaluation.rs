//! The numbers of an evaluation, as a file and as a table.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// The twelve COCO numbers and those of each class, all in `[0, 1]`.
///
/// `None`, in a file `null`, is undefined: there was nothing to find (pycocotools prints -1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Average precision: the mean over IoU 0.50, 0.55 to 0.95 and all classes.
    #[serde(rename = "AP")]
    pub ap: Option<f64>,
    /// AP at IoU 0.50.
    #[serde(rename = "AP50")]
    pub ap50: Option<f64>,
    /// AP at IoU 0.75.
    #[serde(rename = "AP75")]
    pub ap75: Option<f64>,
    /// AP of objects of an area up to 32 x 32 pixels.
    #[serde(rename = "AP_small")]
    pub ap_small: Option<f64>,
    /// AP of objects between 32 x 32 and 96 x 96 pixels.
    #[serde(rename = "AP_medium")]
    pub ap_medium: Option<f64>,
    /// AP of objects of an area from 96 x 96 pixels.
    #[serde(rename = "AP_large")]
    pub ap_large: Option<f64>,
    /// Average recall with the best detection of each picture and class.
    #[serde(rename = "AR_1")]
    pub ar_1: Option<f64>,
    /// Average recall with 10 detections a picture and class.
    #[serde(rename = "AR_10")]
    pub ar_10: Option<f64>,
    /// Average recall with 100 detections a picture and class.
    #[serde(rename = "AR_100")]
    pub ar_100: Option<f64>,
    /// AR_100 of small objects.
    #[serde(rename = "AR_small")]
    pub ar_small: Option<f64>,
    /// AR_100 of medium objects.
    #[serde(rename = "AR_medium")]
    pub ar_medium: Option<f64>,
    /// AR_100 of large objects.
    #[serde(rename = "AR_large")]
    pub ar_large: Option<f64>,
    /// The numbers of each class.
    pub per_class: PerClass,
    /// What looked odd and was evaluated all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Evaluation {
    /// The twelve numbers in COCO's order, under the names a file gives them.
    pub fn named(&self) -> [(&'static str, Option<f64>); 12] {
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("AP_small", self.ap_small),
            ("AP_medium", self.ap_medium),
            ("AP_large", self.ap_large),
            ("AR_1", self.ar_1),
            ("AR_10", self.ar_10),
            ("AR_100", self.ar_100),
            ("AR_small", self.ar_small),
            ("AR_medium", self.ar_medium),
            ("AR_large", self.ar_large),
        ]
    }
}

/// The numbers of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassNumbers {
    /// Mean over IoU 0.50 to 0.95; `None` when the class has no objects.
    #[serde(rename = "AP")]
    pub ap: Option<f64>,
    /// AP at IoU 0.50.
    #[serde(rename = "AP50")]
    pub ap50: Option<f64>,
    /// AP at IoU 0.75.
    #[serde(rename = "AP75")]
    pub ap75: Option<f64>,
    /// Objects to find: annotations that are not crowds.
    pub ground_truth: usize,
    /// Detections of the class.
    pub detections: usize,
}

/// Classes by name in the ground truth's order; a JSON object in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerClass(Vec<(String, ClassNumbers)>);

impl PerClass {
    /// Classes in the order they are to be shown; names should differ.
    pub fn new(classes: Vec<(String, ClassNumbers)>) -> Self {
        Self(classes)
    }

    /// Names and numbers in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &ClassNumbers)> {
        self.0.iter().map(|(name, numbers)| (name.as_str(), numbers))
    }

    /// The numbers of the class of that name.
    pub fn get(&self, name: &str) -> Option<&ClassNumbers> {
        self.iter().find(|(own, _)| *own == name).map(|(_, numbers)| numbers)
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for PerClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for PerClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = PerClass;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of class names and numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PerClass, A::Error> {
                let mut classes = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    classes.push(entry);
                }
                Ok(PerClass(classes))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Something odd that does not stop an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// A detection equal to an earlier one in picture, class, box and score; it counts as a false positive.
    DuplicateDetection {
        /// Its index.
        index: usize,
        /// Index of the earlier one.
        first_index: usize,
        /// Their picture.
        image_id: u64,
        /// Their class.
        category_id: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::DuplicateDetection { index, first_index, image_id, category_id } = self;
        write!(
            f,
            "detections[{index}] (image {image_id}, category {category_id}) repeats detections[{first_index}]; \
             is non-maximum suppression missing, or a batch written twice?"
        )
    }
}

/// What each of the twelve numbers covers, in their order.
const COVERS: [&str; 12] = [
    "IoU 0.50:0.95, 100 detections",
    "IoU 0.50",
    "IoU 0.75",
    "area up to 32^2",
    "area 32^2 to 96^2",
    "area from 96^2",
    "IoU 0.50:0.95, 1 detection",
    "IoU 0.50:0.95, 10 detections",
    "IoU 0.50:0.95, 100 detections",
    "area up to 32^2",
    "area 32^2 to 96^2",
    "area from 96^2",
];

impl fmt::Display for Evaluation {
    /// Twelve lines, an empty one, then a table with one line a class. `-` is undefined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((name, number), covers) in self.named().into_iter().zip(COVERS) {
            writeln!(f, "{name:<9} {}  {covers}", shown(number))?;
        }
        if self.per_class.is_empty() {
            return Ok(());
        }
        let width = self.per_class.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("class".len());
        writeln!(f)?;
        writeln!(f, "{:<width$}     AP   AP50   AP75  ground truth  detections", "class")?;
        for (name, class) in self.per_class.iter() {
            let (ap, ap50, ap75) = (shown(class.ap), shown(class.ap50), shown(class.ap75));
            let ClassNumbers { ground_truth, detections, .. } = class;
            writeln!(f, "{name:<width$}  {ap}  {ap50}  {ap75}  {ground_truth:>12}  {detections:>10}")?;
        }
        Ok(())
    }
}

/// Three decimals, right-aligned in five columns.
fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "    -".to_owned(), |number| format!("{number:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Evaluation {
        let cell =
            ClassNumbers { ap: Some(0.5), ap50: Some(1.0), ap75: Some(0.1 + 0.2), ground_truth: 12, detections: 345 };
        Evaluation {
            ap: Some(0.5),
            ap50: Some(1.0),
            per_class: PerClass::new(vec![("white cell".into(), cell), ("b".into(), ClassNumbers::default())]),
            ..Evaluation::default()
        }
    }

    #[test]
    fn a_file_names_the_numbers_and_keeps_the_order_of_classes() {
        let text = serde_json::to_string(&example()).unwrap();
        assert!(text.starts_with(r#"{"AP":0.5,"AP50":1.0,"AP75":null,"AP_small":null"#), "{text}");
        assert!(text.contains(r#""per_class":{"white cell":{"AP":0.5,"#), "{text}");
        assert!(text.contains(r#""b":{"AP":null,"AP50":null,"AP75":null,"ground_truth":0,"detections":0}"#), "{text}");
        assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), example());
    }

    #[test]
    fn the_table_aligns_its_columns() {
        let text = example().to_string();
        let expected = "class          AP   AP50   AP75  ground truth  detections\n\
                        white cell  0.500  1.000  0.300            12         345\n\
                        b               -      -      -             0           0\n";
        assert!(text.ends_with(expected), "{text}");
        assert!(text.starts_with("AP        0.500  IoU 0.50:0.95"), "{text}");
        assert_eq!(text.lines().count(), 12 + 1 + 3);
    }

    #[test]
    fn a_warning_survives_a_file() {
        let warning = Warning::DuplicateDetection { index: 3, first_index: 1, image_id: 42, category_id: 7 };
        let evaluation = Evaluation { warnings: vec![warning], ..Evaluation::default() };
        let text = serde_json::to_string(&evaluation).unwrap();
        assert!(text.contains("duplicate_detection"), "{text}");
        assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
    }
}
