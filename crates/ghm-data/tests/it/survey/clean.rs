//! Clean data sets in every format.

use ghm_boxes::AnchorConfig;
use ghm_data::{AnchorReach, FindingKind, ResizeConfig, ResizeMode};

use super::*;

/// Two splits of three pictures with two objects of two classes each.
fn pictures() -> impl Iterator<Item = (&'static str, u64)> {
    (0..6).map(|index| (if index < 3 { "train" } else { "val" }, index))
}

fn coco() -> Folder {
    let folder = Folder::new();
    for split in ["train", "val"] {
        let mut file = Coco::of_classes(&[(1, "cat"), (2, "dog")]);
        for (_, index) in pictures().filter(|(of, _)| *of == split) {
            let name = format!("{index}.png");
            paint(&folder, &format!("images/{name}"), index);
            file.image(index, &name);
            file.object(2 * index, index, 1, [4.0, 5.0, 30.0, 40.0]);
            file.object(2 * index + 1, index, 2, [50.0, 5.0, 40.0, 20.0]);
        }
        folder.write(&format!("annotations/{split}.json"), file.text());
    }
    folder
}

fn voc() -> Folder {
    let folder = Folder::new();
    for (split, index) in pictures() {
        paint(&folder, &format!("JPEGImages/{index}.png"), index);
        let object = |name: &str, [x1, y1, x2, y2]: [u32; 4]| {
            format!(
                "<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            )
        };
        let objects = object("cat", [5, 6, 34, 45]) + &object("dog", [51, 6, 90, 25]);
        let size = format!("<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>");
        folder.write(&format!("Annotations/{index}.xml"), format!("<annotation>{size}{objects}</annotation>"));
        for list in [split, "trainval"] {
            let list = format!("ImageSets/Main/{list}.txt");
            let before = std::fs::read_to_string(folder.path(&list)).unwrap_or_default();
            folder.write(&list, format!("{before}{index}\n"));
        }
    }
    folder
}

fn yolo() -> Folder {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n");
    for (split, index) in pictures() {
        paint(&folder, &format!("images/{split}/{index}.png"), index);
        folder.write(&format!("labels/{split}/{index}.txt"), "0 0.2 0.4 0.3 0.6\n1 0.7 0.3 0.4 0.3\n");
    }
    folder
}

#[test]
fn of_a_clean_data_set_nothing_is_said_and_its_numbers_are_told() {
    for folder in [coco(), voc(), yolo()] {
        let survey = look(folder.root());
        assert_eq!(survey.findings, [], "{}", survey.format);
        let splits: Vec<_> = survey.splits.iter().filter(|split| split.split != "trainval").collect();
        let [train, val] = splits[..] else { panic!("{splits:?}") };
        for split in [train, val] {
            assert_eq!((split.pictures, split.objects, split.without_objects, split.ignored), (3, 6, 0, 0));
            let classes: Vec<_> = split.classes.iter().map(|c| (&c.name[..], c.objects, c.pictures)).collect();
            assert_eq!(classes, [("cat", 3, 3), ("dog", 3, 3)]);
            assert_eq!(split.objects_per_picture.median, 2.0);
            assert_eq!(split.unreached, None);
        }
    }
}

#[test]
fn boxes_that_no_anchor_reaches_are_counted_and_told_of_where_they_are_many() {
    let folder = coco();
    let with_base = |base_size: f32| {
        let resize = ResizeConfig { width: WIDTH, height: HEIGHT, mode: ResizeMode::Fit, swap_portrait: false };
        let anchors = AnchorConfig { base_size, ..AnchorConfig::default() };
        let config = SurveyConfig { reach: Some(AnchorReach { anchors, resize }), ..SurveyConfig::default() };
        survey(&open(folder.root()).unwrap(), &config, &|_, _| ())
    };
    let fitting = with_base(32.0);
    assert_eq!((fitting.splits[0].unreached, fitting.findings.len()), (Some(0.0), 0));
    let large = with_base(512.0);
    assert_eq!(large.splits[0].unreached, Some(1.0));
    let kinds: Vec<FindingKind> = large.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::UnreachedBoxes; 2]);
}

#[test]
fn every_picture_is_told_of_as_it_is_looked_at() {
    let told = std::sync::Mutex::new(Vec::new());
    survey(&open(coco().root()).unwrap(), &SurveyConfig::default(), &|done, of| told.lock().unwrap().push((done, of)));
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
}
