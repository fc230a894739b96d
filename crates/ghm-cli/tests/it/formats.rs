//! The same pictures and labels as COCO, Pascal VOC and YOLO train alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ghm_boxes::Bbox;
use ghm_data::{Category, Dataset, ImageRecord, Object, fingerprint, write_coco};
use serde_json::Value;

use crate::support::{Workplace, contents};

/// Both splits of a workplace's scenes as every format can say them: boxes of whole pixels, and those classes that
/// occur, sorted by name.
pub struct Scenes {
    splits: [(&'static str, Dataset); 2],
}

impl Scenes {
    pub fn of(place: &Workplace) -> Self {
        let source = ghm_data::open(&place.path("data")).unwrap();
        let mut splits = ["train", "val"].map(|split| (split, source.load(split).unwrap().dataset));
        let names: BTreeSet<String> = splits.iter().flat_map(|(_, dataset)| class_of_each_box(dataset)).collect();
        let categories: Vec<Category> =
            (1..).zip(&names).map(|(id, name)| Category { id, name: name.clone() }).collect();
        for (_, dataset) in &mut splits {
            for object in dataset.images.iter_mut().flat_map(|image| image.objects.iter_mut()) {
                let name = &dataset.categories[object.class_index].name;
                object.class_index = names.iter().position(|known| known == name).unwrap();
                object.bbox_in_image = whole_pixels(object.bbox_in_image);
                object.area = f64::from(object.bbox_in_image.area());
            }
            dataset.categories.clone_from(&categories);
        }
        Self { splits }
    }

    /// `annotations/{split}.json`, and the pictures in `{split}`.
    pub fn write_coco(&self, root: &Path) {
        write_coco_folder(&self.splits, root);
    }

    /// `JPEGImages`, `Annotations` and `ImageSets/Main/{split}.txt`.
    pub fn write_voc(&self, root: &Path) {
        for (split, dataset) in &self.splits {
            let mut list = String::new();
            for image in &dataset.images {
                // One folder holds the pictures of all splits.
                let name = format!("{split}_{:06}", image.id);
                copy(&image.path, &root.join(format!("JPEGImages/{name}.jpg")));
                write(&root.join(format!("Annotations/{name}.xml")), &voc_xml(&name, image, &dataset.categories));
                list.push_str(&name);
                list.push('\n');
            }
            write(&root.join(format!("ImageSets/Main/{split}.txt")), &list);
        }
    }

    /// `data.yaml`, `images/{split}` and `labels/{split}`.
    pub fn write_yolo(&self, root: &Path) {
        for (split, dataset) in &self.splits {
            for image in &dataset.images {
                let lines: Vec<String> = image.objects.iter().map(|object| yolo_line(object, image)).collect();
                copy(&image.path, &root.join("images").join(split).join(&image.file_name));
                let labels = root.join("labels").join(split).join(&image.file_name);
                write(&labels.with_extension("txt"), &lines.concat());
            }
        }
        let names: Vec<&str> = self.splits[0].1.categories.iter().map(|category| category.name.as_str()).collect();
        let manifest = format!("path: .\ntrain: images/train\nval: images/val\nnames: [{}]\n", names.join(", "));
        write(&root.join("data.yaml"), &manifest);
    }
}

/// The class name of every box.
fn class_of_each_box(dataset: &Dataset) -> impl Iterator<Item = String> {
    let objects = dataset.images.iter().flat_map(|image| &image.objects);
    objects.map(move |object| dataset.categories[object.class_index].name.clone())
}

/// The smallest box of whole pixels around this one; a scene's objects are wider than the one pixel VOC cannot say.
fn whole_pixels(bbox: Bbox) -> Bbox {
    Bbox::new(bbox.x1.floor(), bbox.y1.floor(), bbox.x2.ceil(), bbox.y2.ceil())
}

fn voc_xml(name: &str, image: &ImageRecord, categories: &[Category]) -> String {
    let objects: Vec<String> = image.objects.iter().map(|object| voc_object(object, categories)).collect();
    let (width, height) = (image.width, image.height);
    let size = format!("<size><width>{width}</width><height>{height}</height><depth>3</depth></size>");
    format!("<annotation><filename>{name}.jpg</filename>{size}{}</annotation>\n", objects.concat())
}

/// VOC counts pixels from 1, and both corners belong to the box.
fn voc_object(object: &Object, categories: &[Category]) -> String {
    let (name, bbox) = (&categories[object.class_index].name, object.bbox_in_image);
    let (xmin, ymin, xmax, ymax) = (bbox.x1 + 1.0, bbox.y1 + 1.0, bbox.x2, bbox.y2);
    let corners = format!("<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>");
    format!("<object><name>{name}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>")
}

/// Shares of a side of 64 pixels are exact in binary and in decimals.
fn yolo_line(object: &Object, image: &ImageRecord) -> String {
    let centre_and_length = |low: f32, high: f32, side: u32| {
        let (low, high, side) = (f64::from(low), f64::from(high), f64::from(side));
        ((low + high) / 2.0 / side, (high - low) / side)
    };
    let bbox = object.bbox_in_image;
    let (cx, width) = centre_and_length(bbox.x1, bbox.x2, image.width);
    let (cy, height) = centre_and_length(bbox.y1, bbox.y2, image.height);
    format!("{} {cx} {cy} {width} {height}\n", object.class_index)
}

/// `annotations/{split}.json`, and the pictures in `{split}`.
fn write_coco_folder(splits: &[(&str, Dataset)], root: &Path) {
    let annotations = root.join("annotations");
    fs::create_dir_all(&annotations).unwrap();
    for (split, dataset) in splits {
        for image in &dataset.images {
            copy(&image.path, &root.join(split).join(&image.file_name));
        }
        write_coco(dataset, &annotations.join(format!("{split}.json"))).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Boxes of each class that has any.
fn labelled_boxes(dataset: &Dataset) -> BTreeMap<String, u64> {
    let mut boxes: BTreeMap<String, u64> = BTreeMap::new();
    for name in class_of_each_box(dataset) {
        *boxes.entry(name).or_default() += 1;
    }
    boxes
}

/// The same by the evaluation that a run has left.
fn evaluated_boxes(run: &Path) -> BTreeMap<String, u64> {
    let evaluation: Value = serde_json::from_slice(&fs::read(run.join("evaluation.json")).unwrap()).unwrap();
    let classes = evaluation["per_class"].as_object().unwrap().iter();
    let boxes = classes.map(|(name, numbers)| (name.clone(), numbers["ground_truth"].as_u64().unwrap()));
    boxes.filter(|(_, count)| *count > 0).collect()
}

/// Both losses of every update.
fn losses(run: &Path) -> Vec<[f64; 2]> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let of_update = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        ["classification", "regression"].map(|key| record[key].as_f64().unwrap())
    };
    text.lines().map(of_update).collect()
}

fn expect_complete(run: &Path) {
    for name in ["recipe.toml", "metrics.jsonl", "epochs.csv", "detections.json", "evaluation.json"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    for name in ["last", "best"] {
        assert!(run.join("checkpoints").join(name).join("model.safetensors").is_file(), "{name}");
    }
    assert!(run.join("samples").is_dir(), "no sample pictures");
    assert!(!run.join("findings.txt").exists(), "there were defects");
}

/// Trains an epoch without a recipe on the scenes in another format, and looks at what the run has left.
fn trains_without_a_recipe(write: impl FnOnce(&Scenes, &Path)) {
    let place = Workplace::new();
    let (data, run) = (place.path("photos"), place.path("run"));
    write(&Scenes::of(&place), &data);
    let before = contents(&data);
    let small = ["model.channels=8", "input.width=64", "input.height=64", "schedule.epochs=1", "schedule.batch=2"];
    let mut arguments = vec!["train", "photos", "--out", "run"];
    arguments.splice(2..2, small);
    let table = place.done(&arguments);
    expect_complete(&run);
    let drawn = labelled_boxes(&ghm_data::open(&place.path("data")).unwrap().load("val").unwrap().dataset);
    assert_eq!(evaluated_boxes(&run), drawn);
    for name in drawn.keys() {
        let is_named = table.lines().any(|line| line.split_whitespace().next() == Some(name.as_str()));
        assert!(is_named, "no line for `{name}` in: {table}");
    }
    assert!(contents(&data) == before, "the data were changed");
}

#[test]
fn a_pascal_voc_folder_trains_without_a_recipe() {
    trains_without_a_recipe(Scenes::write_voc);
}

#[test]
fn a_yolo_folder_trains_without_a_recipe() {
    trains_without_a_recipe(Scenes::write_yolo);
}

#[test]
fn the_same_labels_in_every_format_give_the_same_losses() {
    let place = Workplace::new();
    let scenes = Scenes::of(&place);
    scenes.write_coco(&place.path("coco"));
    scenes.write_voc(&place.path("voc"));
    scenes.write_yolo(&place.path("yolo"));
    let [coco, voc, yolo] = ["coco", "voc", "yolo"].map(|format| {
        let (root, out) = (format!("data.root={format}"), format!("run-{format}"));
        place.done(&["train", "recipe.toml", &root, "schedule.epochs=1", "--out", &out]);
        let run = place.path(&out);
        expect_complete(&run);
        (losses(&run), evaluated_boxes(&run))
    });
    assert_eq!(coco.0.len(), 6);
    // Bit for bit: order of pictures, boxes and class indices are the same.
    assert_eq!(voc, coco);
    assert_eq!(yolo, coco);
}

/// Exports a few pictures of a shared data set as COCO and trains an epoch on the export.
fn real_pictures_train_as_coco(name: &str) {
    let Some(shared) = std::env::var_os("GHM_SHARED_DATA") else {
        eprintln!("skipped: GHM_SHARED_DATA is not set");
        return;
    };
    let place = Workplace::new();
    let source = ghm_data::open(&Path::new(&shared).join(name)).unwrap();
    let few = [("train", 12), ("val", 4)].map(|(split, pictures)| {
        let mut dataset = source.load(split).unwrap().dataset;
        dataset.images.truncate(pictures);
        (split, dataset)
    });
    let (export, run) = (place.path("export"), place.path("run"));
    write_coco_folder(&few, &export);
    let exported = ghm_data::open(&export).unwrap();
    for (split, dataset) in &few {
        let read = exported.load(split).unwrap();
        assert!(read.findings.is_empty(), "{split}: {:?}", read.findings);
        assert_eq!(fingerprint(&read.dataset), fingerprint(dataset), "{split}");
    }
    place.done(&["train", "recipe.toml", "data.root=export", "schedule.epochs=1", "--out", "run"]);
    expect_complete(&run);
    assert_eq!(losses(&run).len(), 6);
    assert_eq!(evaluated_boxes(&run), labelled_boxes(&few[1].1));
}

#[test]
fn real_data_blood_cells_exported_from_voc_to_coco_train() {
    real_pictures_train_as_coco("bccd");
}

#[test]
fn real_data_cards_exported_from_yolo_to_coco_train() {
    real_pictures_train_as_coco("cards");
}
