//! `ghm train --dry-run`, and with it every recipe of a published row.

use std::path::Path;

use crate::support::{Workplace, contents, text};

/// Pictures and settings that leave a network of any size little to do.
const SMALL: [&str; 6] = [
    "data.root=data",
    "data.train=train",
    "data.validation=val",
    "schedule.batch=2",
    "input.width=64",
    "input.height=64",
];

/// Name, backbone as its parameters tell it, kinds of both losses, regions of GHM-C.
const PUBLISHED: [(&str, &str, &str, &str, usize); 18] = [
    ("ce-r50", "resnet50", "cross_entropy", "smooth_l1", 30),
    ("focal-r101", "resnet101", "focal", "smooth_l1", 30),
    ("focal-r50", "resnet50", "focal", "smooth_l1", 30),
    ("focal-x101-32x4d", "resnext101_32x4d", "focal", "smooth_l1", 30),
    ("focal-x101-64x4d", "resnext101_64x4d", "focal", "smooth_l1", 30),
    ("ghm-r101", "resnet101", "ghm", "ghm", 30),
    ("ghm-r50", "resnet50", "ghm", "ghm", 30),
    ("ghm-x101-32x4d", "resnext101_32x4d", "ghm", "ghm", 30),
    ("ghm-x101-32x8d", "resnext101_32x8d", "ghm", "ghm", 30),
    ("ghm-x101-64x4d", "resnext101_64x4d", "ghm", "ghm", 30),
    ("ghmc-asl1-r50", "resnet50", "ghm", "asl1", 30),
    ("ghmc-exact-r50", "resnet50", "ghm_exact", "smooth_l1", 30),
    ("ghmc-m10-r50", "resnet50", "ghm", "smooth_l1", 10),
    ("ghmc-m20-r50", "resnet50", "ghm", "smooth_l1", 20),
    ("ghmc-m30-r50", "resnet50", "ghm", "smooth_l1", 30),
    ("ghmc-m40-r50", "resnet50", "ghm", "smooth_l1", 40),
    ("ghmc-m5-r50", "resnet50", "ghm", "smooth_l1", 5),
    ("ohem-r50", "resnet50", "ohem", "smooth_l1", 30),
];

fn recipes() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes")
}

#[test]
fn a_dry_run_says_what_the_run_would_be_and_trains_nothing() {
    let place = Workplace::new();
    let before = contents(&place.path("data"));
    let said = place.done(&["train", "--dry-run", "recipe.toml", "model.base_channels=64", "--out", "dry"]);
    // A ResNet-18 has 11,176,512 parameters (torchvision); the whole run is two epochs of six updates.
    let all = said.lines().find(|line| line.starts_with("all ")).unwrap();
    let counts: Vec<&str> = all.split_whitespace().collect();
    let of_backbone: usize = ["stem ", "stage 1", "stage 2", "stage 3", "stage 4"]
        .iter()
        .map(|part| said.lines().find(|line| line.starts_with(part)).unwrap())
        .map(|line| line[8..].split_whitespace().next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(of_backbone, 11_176_512, "{said}");
    assert_eq!(counts[1], counts[2], "nothing is frozen: {said}");
    assert!(said.contains("12 updates of 2 pictures, 6 an epoch"), "{said}");
    assert!(said.contains("anchors answer for"), "{said}");
    let left: Vec<_> = contents(&place.path("dry")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|path| path.extension().unwrap() == "png"), "{left:?}");
    assert_eq!(contents(&place.path("data")), before, "the data were changed");

    let again = place.ghm(&["train", "--dry-run", "recipe.toml", "--out", "dry"]);
    assert!(!again.status.success() && text(&again.stderr).contains("dry"), "an existing folder was written to");
    place.done(&["train", "--dry-run", "recipe.toml"]);
    assert!(place.path("runs/recipe-dry-run").is_dir());
}

#[test]
fn what_a_dry_run_finds_wrong_is_what_the_run_would() {
    let place = Workplace::new();
    for wrong in ["schedule.batch=100", "model.weights=none.pth", "schedule.epochs=0"] {
        let dry = place.ghm(&["train", "--dry-run", "recipe.toml", wrong]);
        let run = place.ghm(&["train", "recipe.toml", wrong]);
        assert_eq!((dry.status.code(), text(&dry.stderr)), (Some(2), text(&run.stderr)), "{wrong}");
        assert!(!place.path("runs").exists() || contents(&place.path("runs")).is_empty());
    }
}

#[test]
fn every_recipe_of_a_published_row_can_start() {
    let place = Workplace::new();
    let mut names: Vec<String> = std::fs::read_dir(recipes().join("coco"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, PUBLISHED.map(|row| row.0));
    for (name, backbone, classification, regression, bins) in PUBLISHED {
        let path = recipes().join(format!("coco/{name}.toml"));
        let header = std::fs::read_to_string(&path).unwrap();
        assert!(header.contains("# Published: AP ") && header.contains(&format!("recipes/coco/{name}.toml")), "{name}");
        let recipe: toml::Table = header.parse().unwrap();
        let of = |table: &str, key: &str| recipe[table][key].clone();
        assert_eq!(of("model", "backbone").as_str(), Some(backbone), "{name}");
        let losses = &recipe["loss"];
        assert_eq!(losses["classification"]["kind"].as_str(), Some(classification), "{name}");
        assert_eq!(losses["regression"]["kind"].as_str(), Some(regression), "{name}");
        let given = losses["classification"].get("bins").map_or(30, |bins| bins.as_integer().unwrap());
        assert_eq!(given, bins as i64, "{name}");

        let arguments = ["train", "--dry-run", path.to_str().unwrap(), "--out", name];
        let said = place.done(&[&arguments[..], &SMALL].concat());
        // 2 of the 16 pictures that 0.01 is meant for, and the warm-up begins at a third; 12 pictures are 6 updates.
        assert!(said.contains("the rate of 0.01 is meant for 16 pictures"), "{name}: {said}");
        assert!(said.lines().any(|line| line.split_whitespace().eq(["1", "1", "0.000417"])), "{name}: {said}");
        assert!(said.contains("72 updates of 2 pictures"), "{name}: {said}");
    }
}
