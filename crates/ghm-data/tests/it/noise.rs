//! Labels made wrong: at their rates, each change told of, nothing else touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ghm_boxes::Bbox;
use ghm_data::{Category, Change, Dataset, ImageRecord, NoiseConfig, Object, corrupt};

/// 400 pictures of two objects each, of four classes; every tenth object is a crowd.
fn dataset() -> Dataset {
    let object = |number: u64| {
        let x = 20.0 + 90.0 * (number % 2) as f32;
        let bbox = Bbox::new(x, 30.0, x + 40.0, 90.0);
        Object {
            annotation_id: number + 1,
            record: number + 1,
            class_index: (number % 4) as usize,
            bbox_in_image: bbox,
            ignored: number % 10 == 9,
            area: f64::from(bbox.area()),
        }
    };
    let image = |id: u64| ImageRecord {
        id,
        file_name: format!("{id}.png"),
        path: PathBuf::new(),
        labels: PathBuf::new(),
        width: 200,
        height: 150,
        objects: vec![object(2 * id), object(2 * id + 1)],
    };
    let categories = (0..).zip(["a", "b", "c", "d"]).map(|(id, name)| Category { id, name: name.to_owned() }).collect();
    Dataset { categories, images: (0..400).map(image).collect() }
}

fn objects(dataset: &Dataset) -> BTreeMap<u64, Object> {
    dataset
        .images
        .iter()
        .flat_map(|image| &image.objects)
        .map(|object| (object.annotation_id, object.clone()))
        .collect()
}

fn only(set: impl FnOnce(&mut NoiseConfig)) -> NoiseConfig {
    let mut config = NoiseConfig { seed: 3, ..NoiseConfig::default() };
    set(&mut config);
    config
}

#[test]
fn undoing_the_changes_gives_the_clean_labels() {
    let clean = dataset();
    let (noisy, changes) = corrupt(&clean, &NoiseConfig::mixed(0.2, 1)).unwrap();
    let (mut all, clean) = (objects(&noisy), objects(&clean));
    let class_of = |name: &str| ["a", "b", "c", "d"].iter().position(|known| *known == name).unwrap();
    let bbox_of = |[x, y, w, h]: [f64; 4]| Bbox::new(x as f32, y as f32, (x + w) as f32, (y + h) as f32);
    for change in changes {
        match change {
            Change::Drop { annotation_id, class, bbox, .. } => {
                let was = &clean[&annotation_id];
                assert_eq!((was.class_index, was.bbox_in_image), (class_of(&class), bbox_of(bbox)));
                assert!(all.insert(annotation_id, was.clone()).is_none());
            }
            Change::Flip { annotation_id, class, was, .. } => {
                let object = all.get_mut(&annotation_id).unwrap();
                assert_eq!(object.class_index, class_of(&class));
                assert_ne!(class, was);
                object.class_index = class_of(&was);
            }
            Change::Shift { annotation_id, bbox, was, .. } => {
                let object = all.get_mut(&annotation_id).unwrap();
                assert_eq!(object.bbox_in_image, bbox_of(bbox));
                assert!((0.3..=0.7).contains(&bbox_of(bbox).iou(bbox_of(was))));
                object.bbox_in_image = bbox_of(was);
                object.area = f64::from(object.bbox_in_image.area());
            }
            Change::Spawn { annotation_id, class, bbox, .. } => {
                let object = all.remove(&annotation_id).unwrap();
                assert_eq!((object.class_index, object.bbox_in_image), (class_of(&class), bbox_of(bbox)));
                assert!(!clean.contains_key(&annotation_id));
            }
        }
    }
    assert_eq!(all, clean);
}

#[test]
fn each_kind_comes_at_its_rate_and_crowds_stay() {
    let clean = dataset();
    let kinds: [fn(&mut NoiseConfig, f64); 4] =
        [|c, r| c.drop = r, |c, r| c.flip = r, |c, r| c.shift = r, |c, r| c.spawn = r];
    for (index, set) in kinds.into_iter().enumerate() {
        let (noisy, changes) = corrupt(&clean, &only(|config| set(config, 0.25))).unwrap();
        // 720 objects at 0.25: 180, with a standard deviation of 12.
        assert!((140..=220).contains(&changes.len()), "kind {index}: {}", changes.len());
        let crowds =
            |dataset: &Dataset| objects(dataset).into_values().filter(|object| object.ignored).collect::<Vec<_>>();
        assert_eq!(crowds(&noisy), crowds(&clean));
        assert_eq!(corrupt(&clean, &only(|config| set(config, 0.0))).unwrap().1, []);
    }
}

#[test]
fn a_higher_rate_changes_what_a_lower_one_did_and_more() {
    let clean = dataset();
    let dropped = |rate: f64| -> BTreeSet<u64> {
        let changes = corrupt(&clean, &only(|config| (config.drop, config.flip) = (rate, 1.0 - rate))).unwrap().1;
        let one = |change: Change| match change {
            Change::Drop { annotation_id, .. } => Some(annotation_id),
            _ => None,
        };
        changes.into_iter().filter_map(one).collect()
    };
    let (few, many) = (dropped(0.1), dropped(0.4));
    assert!(few.is_subset(&many) && few.len() < many.len());
}

#[test]
fn boxes_about_nothing_are_away_from_all_objects_even_dropped_ones() {
    let clean = dataset();
    let (_, changes) = corrupt(&clean, &only(|config| (config.drop, config.spawn) = (0.5, 1.0))).unwrap();
    let mut spawned = 0;
    for change in changes {
        if let Change::Spawn { image_id, bbox: [x, y, w, h], .. } = change {
            let bbox = Bbox::new(x as f32, y as f32, (x + w) as f32, (y + h) as f32);
            let image = &clean.images[image_id as usize];
            assert!(image.objects.iter().all(|object| object.bbox_in_image.iou(bbox) <= 0.1));
            assert_eq!(bbox, bbox.clip(200.0, 150.0));
            spawned += 1;
        }
    }
    assert!(spawned > 500, "{spawned}");
}

#[test]
fn classes_are_taken_for_those_that_the_confusions_say() {
    let clean = dataset();
    let confusion = serde_json::from_str(r#"{"a": {"b": 3, "c": 1}, "b": {"a": 1}}"#).unwrap();
    let config = only(|config| (config.flip, config.confusion) = (1.0, Some(confusion)));
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for change in corrupt(&clean, &config).unwrap().1 {
        if let Change::Flip { class, was, .. } = change {
            *counts.entry((was, class)).or_default() += 1;
        }
    }
    let count = |was: &str, class: &str| counts.get(&(was.to_owned(), class.to_owned())).copied().unwrap_or(0);
    assert_eq!(count("a", "d") + count("b", "c") + count("b", "d"), 0);
    let share = count("a", "b") as f64 / (count("a", "b") + count("a", "c")) as f64;
    assert!((0.65..0.85).contains(&share), "{share}");
    assert!(count("c", "a") > 0 && count("c", "b") > 0 && count("c", "d") > 0);
}

#[test]
fn rates_out_of_range_and_flips_of_one_class_are_refused() {
    let mut one = dataset();
    one.categories.truncate(1);
    one.images.iter_mut().flat_map(|image| &mut image.objects).for_each(|object| object.class_index = 0);
    assert!(corrupt(&one, &only(|config| config.flip = 0.1)).unwrap_err().to_string().contains("one class"));
    let mut last = dataset();
    last.images[0].objects[0].annotation_id = u64::MAX;
    assert!(
        corrupt(&last, &only(|config| config.spawn = 0.1)).unwrap_err().to_string().contains("number the annotations")
    );
    for rate in [-0.1, 1.1, f64::NAN] {
        assert!(corrupt(&dataset(), &only(|config| config.shift = rate)).unwrap_err().to_string().contains("shift"));
    }
}
