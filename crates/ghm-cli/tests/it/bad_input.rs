//! Bad input ends with a clear message, exit code 2, no panic and nothing overwritten.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::formats::Scenes;
use crate::support::{RECIPE, Workplace, contents, text};

const TRAIN: &str = "data/annotations/train.json";

/// Runs the binary on something bad and expects every part of the message.
fn refused(place: &Workplace, arguments: &[&str], parts: &[&str]) {
    let before = contents(&place.path("data"));
    let output = place.ghm(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(!message.contains("internal failure") && !message.contains("panicked"), "{message}");
    for part in parts {
        assert!(message.contains(part), "{arguments:?}: no `{part}` in: {message}");
    }
    assert!(!place.path("out").exists(), "a run directory was left behind");
    assert_eq!(contents(&place.path("data")), before, "the data were changed");
}

fn training_refused(place: &Workplace, overrides: &[&str], parts: &[&str]) {
    let mut arguments = vec!["train", "recipe.toml", "--out", "out"];
    arguments.splice(2..2, overrides.iter().copied());
    refused(place, &arguments, parts);
}

/// A workplace whose training annotations went through `change`.
fn with_annotations(change: impl FnOnce(String) -> String) -> Workplace {
    let place = Workplace::new();
    rewrite(&place.path(TRAIN), change);
    place
}

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let changed = change(fs::read_to_string(path).unwrap());
    fs::write(path, changed).unwrap();
}

/// A workplace whose recipe reads its scenes from `other`, where `write` puts them in a format of its own.
fn with_scenes(write: impl FnOnce(&Scenes, &Path)) -> Workplace {
    let place = Workplace::new();
    write(&Scenes::of(&place), &place.path("other"));
    fs::write(place.path("recipe.toml"), RECIPE.replace("root = \"data\"", "root = \"other\"")).unwrap();
    place
}

fn with_json(change: impl FnOnce(&mut serde_json::Value)) -> Workplace {
    with_annotations(|text| {
        let mut json = serde_json::from_str(&text).unwrap();
        change(&mut json);
        json.to_string()
    })
}

fn first_picture(place: &Workplace) -> PathBuf {
    let mut all: Vec<_> = fs::read_dir(place.path("data/images/train")).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all.remove(0)
}

/// Trains and expects a warning, not a failure.
fn trained_with_warning(place: &Workplace, parts: &[&str]) {
    let output = place.ghm(&["train", "recipe.toml", "schedule.epochs=1", "--out", "out"]);
    let message = text(&output.stderr);
    assert!(output.status.success(), "{message}");
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

#[test]
fn a_missing_recipe_is_refused() {
    refused(&Workplace::new(), &["train", "none.toml", "--out", "out"], &["none.toml", "cannot be read"]);
}

#[test]
fn a_binary_recipe_is_refused() {
    let place = Workplace::new();
    fs::write(place.path("binary.toml"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    refused(&place, &["train", "binary.toml", "--out", "out"], &["binary.toml", "not a text file"]);
}

#[test]
fn a_recipe_with_broken_syntax_is_refused_with_its_line() {
    let place = Workplace::new();
    fs::write(place.path("broken.toml"), "[data\nroot = 'data'").unwrap();
    refused(&place, &["train", "broken.toml", "--out", "out"], &["broken.toml", "line 1"]);
}

#[test]
fn a_misspelt_key_is_refused_with_the_nearest_known_one() {
    training_refused(
        &Workplace::new(),
        &["optimiser.learning_rat=1"],
        &["learning_rat", "did you mean `learning_rate`"],
    );
}

#[test]
fn a_misspelt_choice_is_refused_with_the_nearest_known_one() {
    training_refused(&Workplace::new(), &["model.backbone=resnet51"], &["resnet51", "did you mean `resnet50`"]);
}

#[test]
fn an_override_of_an_unknown_section_is_refused_with_the_nearest_known_one() {
    training_refused(
        &Workplace::new(),
        &["optimizer.learning_rate=1"],
        &["optimizer.learning_rate=1", "did you mean `optimiser`"],
    );
}

#[test]
fn an_override_without_an_equals_sign_is_refused() {
    training_refused(&Workplace::new(), &["schedule.epochs"], &["schedule.epochs: ", "key=value"]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    training_refused(&Workplace::new(), &["schedule.epochs=many"], &["schedule.epochs=many", "expected"]);
}

#[test]
fn a_number_out_of_range_is_refused_by_its_key() {
    training_refused(&Workplace::new(), &["schedule.batch=0"], &["schedule.batch = 0", "at least 1"]);
}

#[test]
fn bins_out_of_range_are_refused() {
    training_refused(
        &Workplace::new(),
        &["loss.classification.bins=0"],
        &["loss.classification.bins = 0", "1 to 10000"],
    );
}

#[test]
fn a_missing_data_folder_is_refused() {
    training_refused(&Workplace::new(), &["data.root=nowhere"], &["nowhere"]);
}

#[test]
fn an_empty_data_folder_is_refused() {
    let place = Workplace::new();
    fs::create_dir(place.path("hollow")).unwrap();
    training_refused(&place, &["data.root=hollow"], &["hollow", "no data set found"]);
}

#[test]
fn empty_annotations_are_refused() {
    training_refused(&with_annotations(|_| String::new()), &[], &["train.json", "empty"]);
}

#[test]
fn binary_annotations_are_refused() {
    let place = Workplace::new();
    fs::write(place.path(TRAIN), [0x89, 0x50, 0x4e, 0x47, 0xff, 0x00]).unwrap();
    training_refused(&place, &[], &["train.json"]);
}

#[test]
fn truncated_annotations_are_refused() {
    training_refused(&with_annotations(|text| text[..text.len() / 2].to_owned()), &[], &["train.json"]);
}

#[test]
fn annotations_with_wrong_types_are_refused_by_their_record() {
    let place = with_json(|json| json["images"][3]["width"] = "wide".into());
    training_refused(&place, &[], &["train.json", "images[3].width", "wide"]);
}

#[test]
fn duplicate_image_ids_are_refused() {
    let place = with_json(|json| json["images"][1]["id"] = json["images"][0]["id"].clone());
    training_refused(&place, &[], &["train.json", "images[1]"]);
}

#[test]
fn annotations_without_categories_are_refused() {
    let place = with_json(|json| json["categories"] = serde_json::json!([]));
    training_refused(&place, &[], &["train.json", "categor"]);
}

#[test]
fn an_unknown_split_is_refused_with_the_known_ones() {
    training_refused(&Workplace::new(), &["data.train=trian"], &["trian", "train, val"]);
}

#[test]
fn a_split_without_a_box_is_refused() {
    let place = with_json(|json| json["annotations"] = serde_json::json!([]));
    training_refused(&place, &[], &["no usable box", "train"]);
}

#[test]
fn fewer_pictures_than_a_batch_are_refused() {
    training_refused(&Workplace::new(), &["schedule.batch=100"], &["12 pictures", "schedule.batch"]);
}

#[test]
fn classes_that_differ_between_splits_are_refused() {
    let place = with_json(|json| json["categories"][0]["name"] = "other".into());
    training_refused(&place, &[], &["differ", "other"]);
}

#[test]
fn defects_are_refused_when_the_recipe_says_stop() {
    let place = with_json(|json| json["annotations"][0]["bbox"][2] = (-5).into());
    training_refused(&place, &["data.on_bad=stop"], &["train.json", "annotation"]);
}

#[test]
fn a_box_of_nan_is_left_out_with_a_warning() {
    let place = with_annotations(|text| text.replacen("\"bbox\":[", "\"bbox\":[NaN,1,2,3],\"old\":[", 1));
    trained_with_warning(&place, &["train.json", "annotation"]);
}

#[test]
fn a_category_without_boxes_is_no_obstacle() {
    let place = Workplace::new();
    for split in ["train", "val"] {
        let path = place.path(&format!("data/annotations/{split}.json"));
        let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        json["categories"].as_array_mut().unwrap().push(serde_json::json!({"id": 99, "name": "unseen"}));
        fs::write(path, json.to_string()).unwrap();
    }
    trained_with_warning(&place, &["epoch   1"]);
}

#[test]
fn an_unknown_class_is_left_out_with_a_warning() {
    let place = with_json(|json| json["annotations"][0]["category_id"] = 4711.into());
    trained_with_warning(&place, &["train.json", "4711"]);
}

#[test]
fn a_missing_picture_is_left_out_with_a_warning() {
    let place = Workplace::new();
    let path = first_picture(&place);
    fs::remove_file(&path).unwrap();
    trained_with_warning(&place, &[path.file_name().unwrap().to_str().unwrap()]);
}

#[test]
fn a_truncated_picture_is_left_out_and_counted() {
    let place = Workplace::new();
    let path = first_picture(&place);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    trained_with_warning(&place, &[path.file_name().unwrap().to_str().unwrap(), "1 pictures left out"]);
}

#[test]
fn an_empty_picture_is_left_out_and_counted() {
    let place = Workplace::new();
    fs::write(first_picture(&place), b"").unwrap();
    trained_with_warning(&place, &["empty", "1 pictures left out"]);
}

#[test]
fn text_named_jpg_is_left_out_and_counted() {
    let place = Workplace::new();
    fs::write(first_picture(&place), b"this is a note, not a photo").unwrap();
    trained_with_warning(&place, &["not a JPEG or PNG", "1 pictures left out"]);
}

#[test]
fn a_yolo_class_out_of_range_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_yolo);
    rewrite(&place.path("other/labels/train/000001.txt"), |text| format!("9 0.5 0.5 0.2 0.2\n{text}"));
    trained_with_warning(&place, &["labels/train/000001.txt: line 1: class 9 is not in names (left out"]);
}

#[test]
fn a_yolo_line_with_a_word_for_a_number_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_yolo);
    rewrite(&place.path("other/labels/train/000001.txt"), |text| format!("disc 0.5 0.5 0.2 0.2\n{text}"));
    trained_with_warning(&place, &["labels/train/000001.txt: line 1: `disc` is not a number (left out"]);
}

#[test]
fn the_picture_of_a_broken_voc_file_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_voc);
    rewrite(&place.path("other/Annotations/train_000001.xml"), |text| text[..text.len() / 2].to_owned());
    let parts = ["Annotations/train_000001.xml: file: not well-formed XML", "the picture is left out"];
    trained_with_warning(&place, &parts);
}

#[test]
fn a_voc_box_without_a_name_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_voc);
    let rename = |text: String| text.replacen("<name>", "<title>", 1).replacen("</name>", "</title>", 1);
    rewrite(&place.path("other/Annotations/train_000001.xml"), rename);
    trained_with_warning(&place, &["Annotations/train_000001.xml: object 1: <name> is missing or empty (left out"]);
}

#[test]
fn a_picture_folder_that_cannot_be_read_is_refused_in_every_format() {
    let cases: [(Workplace, &str, &[&str]); 3] = [
        (with_scenes(Scenes::write_coco), "train", &["train.json: split `train` has no usable picture", "000001.jpg"]),
        (with_scenes(Scenes::write_voc), "JPEGImages", &["other/JPEGImages: cannot list the folder", "this is a file"]),
        (with_scenes(Scenes::write_yolo), "images/train", &["data.yaml: train: `images/train` is neither a folder"]),
    ];
    for (place, folder, parts) in cases {
        // A file in the folder's place stops the superuser too.
        let path = place.path("other").join(folder);
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "").unwrap();
        training_refused(&place, &[], parts);
    }
}

#[test]
fn an_unknown_device_is_refused_with_the_known_ones() {
    refused(&Workplace::new(), &["train", "recipe.toml", "--device", "tpu", "--out", "out"], &["tpu", "cpu, cuda"]);
}

#[test]
fn an_occupied_run_directory_is_refused_and_kept() {
    let place = Workplace::new();
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/notes.txt"), "dear diary").unwrap();
    refused(&place, &["train", "recipe.toml", "--out", "mine"], &["mine", "never overwritten"]);
    assert_eq!(fs::read_to_string(place.path("mine/notes.txt")).unwrap(), "dear diary");
}

#[test]
fn a_folder_that_is_no_run_directory_is_refused() {
    let place = Workplace::new();
    refused(&place, &["train", "--resume", "data"], &["data", "not a run directory"]);
    refused(&place, &["eval", "nowhere"], &["nowhere", "no such run"]);
    refused(&place, &["predict", "data", "data/images/val"], &["data", "not a run directory"]);
}

#[test]
fn weights_that_are_missing_or_no_weights_are_refused() {
    let place = Workplace::new();
    training_refused(&place, &["model.weights=none.safetensors"], &["none.safetensors"]);
    fs::write(place.path("note.safetensors"), "hello").unwrap();
    training_refused(&place, &["model.weights=note.safetensors"], &["note.safetensors", "not a safetensors file"]);
}

#[test]
fn a_checkpoint_of_another_architecture_is_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    let weights = "model.weights=run/checkpoints/last/model.safetensors";
    training_refused(&place, &[weights], &["does not fit", "conv1.weight: missing"]);
    let recipe = place.path("run/recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap().replace("channels = 8", "channels = 16");
    fs::write(&recipe, text).unwrap();
    refused(&place, &["eval", "run"], &["model.safetensors", "does not fit", "fpn."]);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    for name in ["last", "best"] {
        let path = place.path("run/checkpoints").join(name).join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    }
    refused(&place, &["train", "--resume", "run"], &["model.safetensors", "damaged"]);
    refused(&place, &["eval", "run"], &["model.safetensors", "damaged"]);
}

#[test]
fn data_that_changed_between_stop_and_resume_are_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path(TRAIN)).unwrap()).unwrap();
    json["annotations"].as_array_mut().unwrap().pop();
    fs::write(place.path(TRAIN), json.to_string()).unwrap();
    refused(&place, &["train", "--resume", "run"], &["not the one this run was started on"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_with_step_pictures_and_checkpoint() {
    let place = Workplace::new();
    let diverging = [
        "optimiser.learning_rate=1e30",
        "optimiser.kind=sgd",
        "optimiser.clip_norm=0",
        "schedule.warmup_steps=0",
        "checkpoint.every_steps=1",
    ];
    let mut arguments = vec!["train", "recipe.toml", "--out", "run"];
    arguments.splice(2..2, diverging);
    refused(&place, &arguments, &["step ", "pictures [", "checkpoints/last", "learning_rate"]);
}

#[test]
fn annotations_without_detections_are_refused() {
    refused(&Workplace::new(), &["eval", "--annotations", "data/annotations/val.json"], &["--detections"]);
}

/// Evaluates detections given as text and expects every part of the message.
fn detections_refused(detections: &str, parts: &[&str]) {
    let place = Workplace::new();
    fs::write(place.path("dt.json"), detections).unwrap();
    let arguments = ["eval", "--annotations", "data/annotations/val.json", "--detections", "dt.json"];
    refused(&place, &arguments, &[&["dt.json"], parts].concat());
}

#[test]
fn detections_of_an_unknown_picture_are_refused() {
    let bad = r#"[{"image_id": 9999, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]"#;
    detections_refused(bad, &["detections[0]", "9999"]);
}

#[test]
fn detections_with_a_score_above_one_are_refused() {
    let bad = r#"[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1.5}]"#;
    detections_refused(bad, &["detections[0]", "image 1", "1.5"]);
}

#[test]
fn detections_without_a_box_are_refused() {
    detections_refused(r#"[{"image_id": 1, "category_id": 1, "score": 0.5}]"#, &["detections[0]", "bbox"]);
}

#[test]
fn empty_detections_are_refused() {
    detections_refused("", &["empty"]);
}

#[test]
fn truncated_detections_are_refused() {
    detections_refused(r#"[{"image_id": 1, "categ"#, &["truncated"]);
}

#[test]
fn pictures_that_do_not_exist_are_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    refused(&place, &["predict", "run", "photos/*.jpg"], &["photos/*.jpg", "matches nothing"]);
    refused(&place, &["predict", "run", "data/images/val", "--score", "7"], &["--score 7", "0 to 1"]);
}

#[test]
fn an_unknown_verb_and_an_unknown_flag_are_refused() {
    refused(&Workplace::new(), &["trian"], &["trian"]);
    refused(&Workplace::new(), &["train", "recipe.toml", "--epochs", "3"], &["--epochs"]);
}

const MEBIBYTE: u64 = 1 << 20;

/// A file system of its own, where the machine lets one be mounted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mebibytes: u64) -> Option<Self> {
        fs::create_dir(at).unwrap();
        mount(at, &format!("size={mebibytes}m")).then(|| Self(at.to_owned()))
    }

    /// Gives it another size, which must hold what is on it.
    fn resize(&self, mebibytes: u64) {
        assert!(mount(&self.0, &format!("remount,size={mebibytes}m")), "it cannot have {mebibytes} MiB");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_while_saving_spares_the_earlier_checkpoints() {
    let place = Workplace::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), 1024) else {
        eprintln!("skipped: no small file system can be mounted here");
        return;
    };
    // The optimiser with the smaller history.
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "optimiser.kind=sgd", "--out", "disk/run"]);
    rewrite(&place.path("disk/run/recipe.toml"), |text| text.replace("epochs = 1\n", "epochs = 2\n"));
    let saved = contents(&place.path("disk/run/checkpoints"));
    // A checkpoint takes ten times what is left, the logs and sample pictures a tenth of it.
    let used: u64 = saved.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    disk.resize(used / MEBIBYTE + 8);
    let output = place.ghm(&["train", "--resume", "disk/run"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("checkpoints/last.new") && message.contains("free some space"), "{message}");
    assert!(contents(&place.path("disk/run/checkpoints")) == saved, "the earlier checkpoints were changed");
    place.done(&["eval", "disk/run"]);

    // With room again it goes on from the last of them.
    disk.resize(1024);
    place.done(&["train", "--resume", "disk/run"]);
    let steps = fs::read_to_string(place.path("disk/run/metrics.jsonl")).unwrap();
    assert_eq!(steps.lines().count(), 12);
}

#[test]
fn a_directory_without_rights_is_refused() {
    let place = Workplace::new();
    let locked = place.path("locked");
    fs::create_dir(&locked).unwrap();
    let mut rights = fs::metadata(&locked).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&locked, rights).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        // The superuser may write anywhere; a file in the folder's place refuses even him.
        fs::remove_dir_all(&locked).unwrap();
        fs::write(&locked, "").unwrap();
    }
    refused(&place, &["train", "recipe.toml", "--out", "locked/run"], &["locked/run"]);
}
