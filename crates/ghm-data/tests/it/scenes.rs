//! Synthetic scenes: repeatable, labelled as drawn, and an ordinary COCO data set on disk.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use ghm_data::scenes::{ObjectKind, SceneConfig, SceneSplit, ScenesError, render_scene, write_scenes};
use serde_json::Value;

fn small() -> SceneConfig {
    SceneConfig { width: 96, height: 80, train: 6, validation: 3, ..SceneConfig::default() }
}

fn bytes_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("a path below the folder").display().to_string();
                files.push((name, fs::read(&path).expect("a file")));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let root = tempfile::tempdir().unwrap();
    let written = [1, 3].map(|threads| {
        let out = root.path().join(threads.to_string());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write_scenes(&small(), &out)).unwrap();
        bytes_below(&out)
    });
    assert_eq!(written[0].len(), 6 + 3 + 2);
    assert_eq!(written[0], written[1]);
}

#[test]
fn seeds_splits_and_indices_differ() {
    let other_seed = SceneConfig { seed: small().seed + 1, ..small() };
    let scenes = [
        render_scene(&small(), SceneSplit::Train, 0),
        render_scene(&small(), SceneSplit::Train, 1),
        render_scene(&small(), SceneSplit::Validation, 0),
        render_scene(&other_seed, SceneSplit::Train, 0),
    ];
    for (k, scene) in scenes.iter().enumerate() {
        assert!(scenes[k + 1..].iter().all(|other| other.pixels != scene.pixels && other.objects != scene.objects));
    }
}

#[test]
fn a_scene_does_not_depend_on_how_many_scenes_there_are() {
    let more = SceneConfig { train: 500, validation: 70, ..small() };
    assert_eq!(render_scene(&small(), SceneSplit::Train, 4), render_scene(&more, SceneSplit::Train, 4));
}

#[test]
fn classes_are_long_tailed_and_the_rarest_is_not_rarer_than_six_percent() {
    let config = SceneConfig { width: 48, height: 40, ..SceneConfig::default() };
    let mut counts = [0usize; ObjectKind::ALL.len()];
    for index in 0..600 {
        render_scene(&config, SceneSplit::Train, index).objects.iter().for_each(|o| counts[o.class_index] += 1);
    }
    let total: usize = counts.iter().sum();
    assert!(counts[0] * 3 > total && counts[0] > 4 * counts[5], "{counts:?}");
    assert!(counts[..3].windows(2).all(|pair| pair[0] > pair[1]), "{counts:?}");
    assert!(counts.iter().all(|&count| count as f64 >= 0.06 * total as f64), "{counts:?}");
}

#[test]
fn scenes_have_two_to_six_objects_with_boxes_inside_the_picture() {
    let config = SceneConfig::default();
    for index in 0..40 {
        let scene = render_scene(&config, SceneSplit::Validation, index);
        assert_eq!(scene.pixels.len(), 96 * 96 * 3);
        assert!((1..=6).contains(&scene.objects.len()), "{} objects", scene.objects.len());
        for object in &scene.objects {
            let bbox = object.bbox_in_image;
            assert!(bbox.is_proper() && bbox == bbox.clip(96.0, 96.0), "{bbox:?}");
            assert!((8.0..=90.5).contains(&bbox.width().max(bbox.height())), "{bbox:?}");
        }
    }
}

#[test]
fn extreme_settings_are_drawn_without_a_panic() {
    for (width, height, max_objects, clutter) in
        [(0, 0, 3, 3), (1, 1, 6, 6), (300, 2, 6, 6), (64, 64, 0, 0), (64, 64, 60, 60)]
    {
        let config = SceneConfig { width, height, max_objects, clutter, ..SceneConfig::default() };
        let scene = render_scene(&config, SceneSplit::Train, 0);
        assert_eq!(scene.pixels.len(), (width * height * 3) as usize);
    }
}

#[test]
fn the_annotations_are_coco_with_unique_ids_that_agree_with_the_summary() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("scenes");
    let written = write_scenes(&small(), &out).unwrap();
    for (split, name) in [(&written.train, "train"), (&written.validation, "val")] {
        assert_eq!(split.annotations, out.join("annotations").join(format!("{name}.json")));
        let file: Value = serde_json::from_slice(&fs::read(&split.annotations).unwrap()).unwrap();
        let list = |key: &str| file[key].as_array().unwrap().clone();
        let ids = |key: &str| list(key).iter().map(|entry| entry["id"].as_u64().unwrap()).collect::<HashSet<_>>();
        for key in ["images", "annotations", "categories"] {
            assert_eq!(ids(key).len(), list(key).len(), "{key}");
        }
        assert_eq!(list("images").len(), split.images);
        assert_eq!(list("annotations").len(), split.objects_per_class.iter().sum::<usize>());
        for image in list("images") {
            assert!(split.images_folder.join(image["file_name"].as_str().unwrap()).is_file());
        }
        for annotation in list("annotations") {
            assert!(ids("images").contains(&annotation["image_id"].as_u64().unwrap()));
            assert!(ids("categories").contains(&annotation["category_id"].as_u64().unwrap()));
            let [x, y, w, h] = [0, 1, 2, 3].map(|k| annotation["bbox"][k].as_f64().unwrap());
            assert!(x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 96.0 && y + h <= 80.0);
        }
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("mine.txt"), "mine").unwrap();
    let error = write_scenes(&small(), root.path()).unwrap_err();
    assert!(matches!(&error, ScenesError::Exists { path } if path == root.path()), "{error}");
    assert_eq!(bytes_below(root.path()), [("mine.txt".to_string(), b"mine".to_vec())]);
    let error = write_scenes(&small(), &root.path().join("mine.txt")).unwrap_err();
    assert!(matches!(error, ScenesError::Exists { .. }), "{error}");
}

#[test]
fn a_setting_out_of_range_is_refused_by_name_before_anything_is_written() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("scenes");
    let error = write_scenes(&SceneConfig { width: 31, ..small() }, &out).unwrap_err();
    assert_eq!(error.to_string(), "scene setting `width` is 31, but must lie between 32 and 4096");
    assert!(!out.exists());
}
