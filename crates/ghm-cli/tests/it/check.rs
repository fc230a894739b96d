//! `ghm check`.

use serde_json::Value;

use crate::support::{Workplace, contents, text};

fn coco_file(place: &Workplace) -> (std::path::PathBuf, Value) {
    let path = place.path("data/annotations/train.json");
    let value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    (path, value)
}

#[test]
fn a_clean_data_set_is_told_of_in_numbers_and_exits_with_0() {
    let place = Workplace::new();
    let before = contents(&place.path("data"));
    let large = ["input.width=128", "input.height=128"];
    let said = place.done(&[&["check", "data", "--recipe", "recipe.toml"][..], &large].concat());
    assert!(said.starts_with("data: COCO, 2 splits, 14 pictures"), "{said}");
    assert!(said.ends_with("nothing found\n"), "{said}");
    assert_eq!(contents(&place.path("data")), before);
    let small = place.ghm(&["check", "data", "--recipe", "recipe.toml"]);
    assert_eq!(small.status.code(), Some(1));
    assert!(text(&small.stdout).contains("at 64x64 pixels"), "{}", text(&small.stdout));
    let json: Value = serde_json::from_str(&place.done(&["check", "data", "--json"])).unwrap();
    assert_eq!((&json["format"], &json["splits"][0]["pictures"]), (&"coco".into(), &12.into()));
    assert_eq!(json["findings"], Value::Array(Vec::new()));
}

#[test]
fn findings_are_grouped_by_kind_and_exit_with_1_until_they_are_allowed() {
    let place = Workplace::new();
    let (path, mut file) = coco_file(&place);
    let mut copy = file["annotations"][0].clone();
    for id in 0..12 {
        copy["id"] = (9000 + id).into();
        file["annotations"].as_array_mut().unwrap().push(copy.clone());
    }
    copy["id"] = 9100.into();
    copy["category_id"] = 77.into();
    file["annotations"].as_array_mut().unwrap().push(copy);
    std::fs::write(path, file.to_string()).unwrap();
    let output = place.ghm(&["check", "data"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    for part in [
        "unknown class: 1 (left out; list the class or delete it)",
        "annotation 9100: category_id 77 is not in categories",
        "duplicate box: 78",
        "and 68 more; --all shows them",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(text(&place.ghm(&["check", "data", "--all"]).stdout).lines().count() > 78);
    let json: Value = serde_json::from_slice(&place.ghm(&["check", "data", "--json"]).stdout).unwrap();
    let first = &json["findings"][0];
    assert_eq!((&first["kind"], &first["record"]), (&"unknown-class".into(), &"annotation 9100".into()));
    for finding in json["findings"].as_array().unwrap() {
        for key in ["file", "record", "reason", "remedy"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
        }
    }
    assert!(json["findings"][1]["bbox"].is_array(), "{json}");
    place.done(&["check", "data", "--allow", "unknown class,duplicate-box"]);
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let place = Workplace::new();
    place.refused(&["check", "nowhere"], &["nowhere", "check the path"]);
    place
        .refused(&["check", "data", "--allow", "dirt"], &["'dirt' for '--allow", "unknown kind", "near-duplicate-box"]);
    place.refused(&["check", "data", "--duplicate-iou", "2"], &["--duplicate-iou 2", "between 0 and 1"]);
    place.refused(&["check", "data", "input.width=0"], &["width"]);
}
