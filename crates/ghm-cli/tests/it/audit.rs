//! `ghm audit`.

use ghm_audit::{Shown, from_networks, rank, suspicions};
use ghm_train::{Plan, Predictor, RunDirectory, open_device};
use serde_json::{Value, json};

use crate::support::{Workplace, contents, text};

/// A workplace with a run of a few updates.
fn trained() -> Workplace {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "--out", "run"]);
    place
}

#[test]
fn a_run_is_audited_into_a_list_that_no_second_audit_overwrites() {
    let place = trained();
    let before = contents(&place.path("data"));
    let said = place.done(&["audit", "run", "--least", "0"]);
    assert!(said.contains("run/audit: ") && said.contains("39 of 39 labels judged"), "{said}");
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    let list: Value = serde_json::from_str(&read("run/audit/audit.json")).unwrap();
    let suspects = list["suspects"].as_array().unwrap();
    assert!(!suspects.is_empty());
    for (rank, suspect) in (1..).zip(suspects) {
        assert_eq!(suspect["rank"], json!(rank));
        assert!(suspect["bbox"].as_array().unwrap().len() == 4 && suspect["reason"].is_string(), "{suspect}");
    }
    let csv = read("run/audit/audit.csv");
    assert_eq!(csv.lines().count(), suspects.len() + 1);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert_eq!((columns, csv.lines().nth(1).unwrap().split(',').next()), (19, Some("1")));
    let page = read("run/audit/audit.html");
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), suspects.len());
    place.done(&["audit", "run", "--page", "3"]);
    assert_eq!(read("run/audit-2/audit.html").matches("data:image/jpeg;base64,").count(), 3);
    assert!(place.path("run/audit-2/audit.csv").is_file());
    assert_eq!(read("run/audit/audit.csv"), csv);
    let json: Value = serde_json::from_str(&place.done(&["audit", "run", "--out", "list", "--json"])).unwrap();
    assert_eq!((&json["labels"], place.path("list/audit.json").is_file()), (&json!(39), true));
    assert_eq!(contents(&place.path("data")), before);
}

#[test]
fn the_trained_network_is_asked_unless_it_is_not_there_or_not_to_be() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "model.predict.score=0.005", "--out", "run"]);
    let audit = |out: &str, more: &[&str]| {
        let said = place.ghm(&[&["audit", "run", "--least", "0", "--json", "--out", out], more].concat());
        let list: Value = serde_json::from_str(&text(&said.stdout)).unwrap();
        (list["list"].clone(), text(&said.stderr))
    };
    let (asked, said) = audit("asked", &[]);
    assert!(!said.contains("not asked"), "{said}");
    let (alone, said) = audit("alone", &["--evidence-only"]);
    assert!(asked != alone && !said.contains("not asked"), "{said}");
    std::fs::rename(place.path("run/checkpoints"), place.path("elsewhere")).unwrap();
    let (gone, said) = audit("gone", &[]);
    assert!(gone == alone && said.contains("warning: the trained network is not asked"), "{said}");
    // What cannot be written to is said before anything is asked.
    place.refused(&["audit", "none", "--out", "gone"], &["gone: exists"]);
}

#[test]
fn detections_are_audited_without_a_run() {
    let place = Workplace::new();
    let path = place.path("data/annotations/val.json");
    let mut truth: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let found: Vec<Value> = truth["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| json!({"image_id": label["image_id"], "category_id": label["category_id"], "bbox": label["bbox"], "score": 0.9}))
        .collect();
    std::fs::write(place.path("dt.json"), json!(found).to_string()).unwrap();
    let arguments = ["audit", "--annotations", "data/annotations/val.json", "--detections", "dt.json", "--json"];
    let clean: Value = serde_json::from_str(&place.done(&arguments)).unwrap();
    assert_eq!(clean["suspects"], json!([]));
    // The first label loses its object's detection, the last its class.
    let wrong = truth["annotations"][0]["category_id"].as_u64().unwrap() % 6 + 1;
    truth["annotations"][0]["category_id"] = wrong.into();
    std::fs::write(&path, truth.to_string()).unwrap();
    let list: Value = serde_json::from_str(&place.done(&arguments)).unwrap();
    let suspects = list["suspects"].as_array().unwrap();
    assert_eq!(suspects.len(), 1, "{list}");
    assert_eq!(
        (&suspects[0]["kind"], &suspects[0]["annotation_id"]),
        (&json!("wrong-class"), &truth["annotations"][0]["id"])
    );
}

#[test]
fn detections_of_other_pictures_are_refused_or_told_of() {
    let place = Workplace::new();
    let detection =
        |image_id: u64| json!({"image_id": image_id, "category_id": 1, "bbox": [1.0, 1.0, 9.0, 9.0], "score": 0.5});
    let arguments = ["audit", "--annotations", "data/annotations/val.json", "--detections", "dt.json"];
    std::fs::write(place.path("dt.json"), json!([detection(9999), detection(9998)]).to_string()).unwrap();
    place.refused(&arguments, &["dt.json", "another split"]);
    std::fs::write(place.path("dt.json"), json!([detection(9999), detection(1)]).to_string()).unwrap();
    let warnings = text(&place.ghm(&arguments).stderr);
    assert!(warnings.contains("1 of 2 detections") && warnings.contains("no detection about them"), "{warnings}");
}

#[test]
fn folds_judge_labels_by_networks_that_never_saw_them_and_are_trained_once() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "audit.evidence=false", "model.predict.score=0.005", "--out", "run"]);
    let arguments = ["audit", "run", "--folds", "3", "--least", "0", "--json", "--out"];
    let list = |out: &str| -> Value {
        let mut list: Value = serde_json::from_str(&place.done(&[&arguments[..], &[out]].concat())).unwrap();
        list["list"].take();
        list
    };
    let first = list("first");
    assert_eq!(first["labels"], json!(39));
    assert!(!first["suspects"].as_array().unwrap().is_empty());
    let log = |fold: usize| std::fs::read(place.path(&format!("run/folds-3/{fold}/metrics.jsonl"))).unwrap();
    let folds = [log(1), log(2), log(3)];
    // 8 of 12 pictures in twos, two epochs.
    assert_eq!(folds.each_ref().map(|log| text(log).lines().count()), [8, 8, 8]);
    assert_eq!(first["suspects"], by_folds(&place));
    // One was killed before its first checkpoint, the others are used as they are.
    std::fs::remove_dir_all(place.path("run/folds-3/2/checkpoints")).unwrap();
    assert_eq!(list("second"), first);
    assert!(log(1) == folds[0] && log(3) == folds[2]);
    place.refused(&["audit", "run", "--folds", "13"], &["12 pictures", "not 13"]);
    place.refused(&["audit", "--annotations", "a", "--detections", "b", "--folds", "2"], &["--folds", "--annotations"]);
}

/// The list that the trained folds of a run give, each asked about its own part.
fn by_folds(place: &Workplace) -> Value {
    let run = RunDirectory::open(&place.path("run")).unwrap();
    let plan = Plan::new(run.read_recipe().unwrap()).unwrap();
    let shown = (1..).zip(plan.folds(3).unwrap()).map(|(number, fold)| {
        let directory = RunDirectory::open(&place.path(&format!("run/folds-3/{number}"))).unwrap();
        let predictor = Predictor::open(&directory, &open_device("cpu").unwrap().0).unwrap();
        let detections = predictor.run(&fold.held_out, |_, _| {}).unwrap().detections;
        let image_ids: Vec<u64> = fold.held_out.images.iter().map(|image| image.id).collect();
        assert!(!detections.is_empty() && detections.iter().all(|found| image_ids.contains(&found.image_id)));
        Shown { image_ids, detections: detections.into() }
    });
    let dataset = &plan.train.dataset;
    let summary = from_networks(&shown.collect::<Vec<_>>(), dataset);
    serde_json::to_value(rank(&summary, &suspicions(&summary, dataset), dataset, 0.0)).unwrap()
}

#[test]
fn folds_of_another_recipe_or_other_labels_are_refused_by_name() {
    let place = trained();
    let refused = |parts: &[&str]| place.refused(&["audit", "run", "--folds", "2"], parts);
    place.done(&["audit", "run", "--folds", "2"]);
    let recipe = place.path("run/recipe.toml");
    let before = std::fs::read_to_string(&recipe).unwrap();
    let after = before.replace("flip_horizontal = 0.5", "flip_horizontal = 0.25");
    assert_ne!(after, before);
    std::fs::write(&recipe, after).unwrap();
    refused(&["run/folds-2/1", "another recipe", "remove it"]);
    std::fs::write(&recipe, before).unwrap();
    let labels = place.path("data/annotations/train.json");
    let right = std::fs::read_to_string(&labels).unwrap();
    let mut moved: Value = serde_json::from_str(&right).unwrap();
    moved["annotations"][0]["bbox"][2] = json!(7.0);
    std::fs::write(&labels, moved.to_string()).unwrap();
    refused(&["run/folds-2/", "remove it"]);
    std::fs::write(&labels, right).unwrap();
    // A folder that is no run is not taken for a new one.
    std::fs::remove_file(place.path("run/folds-2/1/recipe.toml")).unwrap();
    refused(&["run/folds-2/1", "remove it"]);
}

#[test]
fn a_picture_that_cannot_be_read_has_no_spurious_labels() {
    let place = trained();
    let path = place.path("data/annotations/train.json");
    let labels: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let image = &labels["images"][0];
    let file = place.path("data/images/train").join(image["file_name"].as_str().unwrap());
    std::fs::write(file, b"no picture").unwrap();
    let output = place.ghm(&["audit", "run", "--folds", "2", "--least", "0", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("left out, picture"), "{}", text(&output.stderr));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let about = list["suspects"].as_array().unwrap().iter().filter(|one| one["image_id"] == image["id"]);
    assert!(about.clone().all(|one| one["kind"] == "duplicate"), "{:?}", about.collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_audited_is_refused_with_the_way_out() {
    let place = trained();
    place.refused(&["audit", "nowhere"], &["nowhere", "no such run"]);
    place.refused(&["audit", "run", "--least", "2"], &["--least 2", "below 1"]);
    place.refused(&["audit", "run", "--out", "data"], &["data", "never overwritten"]);
    // A line that was being written when the run was killed is no harm, classes that are others now are.
    let evidence = std::fs::read_to_string(place.path("run/evidence.jsonl")).unwrap();
    std::fs::write(place.path("run/evidence.jsonl"), &evidence[..evidence.len() - 20]).unwrap();
    place.done(&["audit", "run", "--out", "torn"]);
    let labels = place.path("data/annotations/train.json");
    let text_of_labels = std::fs::read_to_string(&labels).unwrap();
    std::fs::write(&labels, text_of_labels.replacen("\"disc\"", "\"dish\"", 1)).unwrap();
    place.refused(&["audit", "run", "--out", "new"], &["no longer those of the run"]);
    std::fs::write(&labels, &text_of_labels).unwrap();
    std::fs::write(place.path("run/evidence.jsonl"), "nonsense\n").unwrap();
    place.refused(&["audit", "run"], &["evidence.jsonl: line 1", "audit.evidence=true"]);
    std::fs::remove_file(place.path("run/evidence.jsonl")).unwrap();
    place.refused(&["audit", "run"], &["evidence.jsonl", "audit.evidence=true"]);
    let output = place.ghm(&["audit"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn accepted_suspects_are_mended_in_a_data_set_beside_the_old_one() {
    let place = trained();
    let before = contents(&place.path("data"));
    place.done(&["audit", "run", "--least", "0", "--out", "list"]);
    let path = place.path("list/audit.json");
    let mut list: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let all = list["suspects"].as_array().unwrap().clone();
    let mut spurious = all.iter().find(|one| one["annotation_id"].is_u64()).unwrap().clone();
    spurious["kind"] = "spurious-box".into();
    // As the page writes them.
    spurious["image_id"] = spurious["image_id"].to_string().into();
    let id = spurious["annotation_id"].as_u64().unwrap();
    spurious["annotation_id"] = id.to_string().into();
    // As the page has it, here one accepted and one rejected.
    let mut accepted = spurious.clone();
    accepted["decision"] = "accept".into();
    let mut rejected = all.iter().find(|one| one["rank"] != spurious["rank"]).unwrap().clone();
    rejected["decision"] = "reject".into();
    list["suspects"] = json!([accepted, rejected.clone()]);
    std::fs::write(place.path("decisions.json"), list.to_string()).unwrap();
    let said = place.done(&["audit", "apply", "decisions.json", "--out", "mended"]);
    assert!(said.contains("split `train`; mended: spurious box 1"), "{said}");
    let labels = |root: &str| -> Vec<u64> {
        let train = ghm_data::open(&place.path(root)).unwrap().load("train").unwrap().dataset;
        train.images.iter().flat_map(|image| &image.objects).map(|object| object.annotation_id).collect()
    };
    let expected: Vec<u64> = labels("data").into_iter().filter(|label| *label != id).collect();
    assert_eq!(labels("mended"), expected);
    assert_eq!(contents(&place.path("data")), before);

    place.done(&["audit", "apply", "list/audit.json", "--above", "0.5", "--out", "automatic", "--link"]);
    assert!(place.path("automatic/annotations/train.json").is_file());
    place.refused(&["audit", "apply", "decisions.json", "--out", "mended"], &["mended", "exists"]);
    place.refused(&["audit", "apply", "list/audit.json", "--out", "new"], &["nothing is accepted", "--above"]);
    place.refused(&["audit", "apply", "list/audit.csv", "--out", "new"], &["audit.csv", "no decisions"]);
    place.refused(&["audit", "apply", "none.json", "--out", "new"], &["none.json"]);
    place.refused(&["audit", "apply", "list/audit.json", "--above", "2", "--out", "new"], &["--above 2", "0 to 1"]);
    // By itself it sets no class that is not certain.
    let mut unsure = spurious.clone();
    (unsure["kind"], unsure["suspicion"], unsure["class_certainty"]) = ("wrong-class".into(), 0.9.into(), 0.2.into());
    unsure["suggested_class"] = if unsure["class"] == "disc" { "cross" } else { "disc" }.into();
    let mut one = list.clone();
    one["suspects"] = json!([unsure]);
    std::fs::write(place.path("unsure.json"), one.to_string()).unwrap();
    let by_itself = ["audit", "apply", "unsure.json", "--above", "0.5"];
    let said = place.done(&[&by_itself[..], &["--out", "ignoring"]].concat());
    assert!(said.contains("ignored for want of a certain class: wrong class 1"), "{said}");
    let said = place.done(&[&by_itself[..], &["--class-certainty", "0", "--out", "setting"]].concat());
    assert!(said.contains("split `train`; mended: wrong class 1"), "{said}");
    let kinds = |kinds: &'static str, out: &'static str| [&by_itself[..], &["--kinds", kinds, "--out", out]].concat();
    assert!(place.done(&kinds("loose-box, wrong class", "two-kinds")).contains("wrong class 1"));
    place.refused(&kinds("loose-box,missing-box", "new"), &["nothing is accepted", "--kinds"]);
    place.refused(&kinds("loose", "new"), &["unknown kind `loose`", "loose-box", "--kinds"]);
    place.refused(
        &[&by_itself[..], &["--class-certainty", "2", "--out", "new"]].concat(),
        &["--class-certainty 2", "0 to 1"],
    );
    list["suspects"].as_array_mut().unwrap().push(rejected);
    std::fs::write(place.path("twice.json"), list.to_string()).unwrap();
    place.refused(&["audit", "apply", "twice.json", "--out", "new"], &["twice.json", "is in it twice"]);
    assert!(!place.path("new").exists());
}

#[test]
fn rankings_are_measured_against_the_truth_of_known_noise() {
    let place = Workplace::new();
    place.done(&["corrupt", "data", "--mix", "0.2", "--out", "noisy"]);
    place.done(&["train", "recipe.toml", "data.root=noisy", "schedule.epochs=1", "--out", "run"]);
    let arguments = ["bench", "audit", "run", "--folds", "2", "--json"];
    let json: Value = serde_json::from_str(&place.done(&arguments)).unwrap();
    let rankings = json["rankings"].as_array().unwrap();
    assert_eq!((rankings.len(), &rankings[8]["ranking"]), (9, &json!("ghm, folds")));
    for ranking in rankings {
        assert_eq!(ranking["kinds"].as_array().unwrap().len(), 4, "{ranking}");
        assert!(ranking["mean_average_precision"].as_f64().is_some_and(|ap| (0.0..=1.0).contains(&ap)), "{ranking}");
    }
    let said = place.done(&["bench", "audit", "run"]);
    assert!(said.contains("ObjectLab, thresholds freed") && said.contains("P@100"), "{said}");

    // Of two runs their mean, and how far they are from it.
    place.done(&["train", "recipe.toml", "data.root=noisy", "schedule.epochs=1", "seed=3", "--out", "second"]);
    let json: Value = serde_json::from_str(&place.done(&["bench", "audit", "run", "second", "--json"])).unwrap();
    assert_eq!(json["labels"].as_array().unwrap().len(), 2);
    let of = |judged: &Value| judged["rankings"][0]["mean_average_precision"].clone();
    let [a, b] = [0, 1].map(|run| of(&json["runs"][run]["judged"]).as_f64().unwrap());
    let spread = of(&json);
    // Written with all digits, computed in another order.
    assert!((spread["mean"].as_f64().unwrap() - (a + b) / 2.0).abs() < 1e-12, "{spread} {a} {b}");
    assert!(
        (spread["standard_deviation"].as_f64().unwrap() - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12,
        "{spread} {a} {b}"
    );
    assert!(place.done(&["bench", "audit", "run", "second"]).contains(" ± "));
    // What was done to other labels is another line of one table.
    place.done(&["corrupt", "data", "--drop", "0.3", "--out", "dropped"]);
    place.done(&["train", "recipe.toml", "data.root=dropped", "schedule.epochs=1", "--out", "third"]);
    let said = place.done(&["bench", "audit", "run", "second", "third"]);
    let lines = |name: &str| said.lines().filter(|line| line.starts_with(&format!("| data, {name} | "))).count();
    // Four kinds and their mean, or the one kind; and the list.
    assert_eq!((lines("mix 20%"), lines("drop 30%")), (6, 2), "{said}");
    let json: Value =
        serde_json::from_str(&place.done(&["bench", "audit", "run", "second", "third", "--json"])).unwrap();
    assert_eq!(json["groups"][1]["made"], "data, drop 30%");
    assert_eq!(of(&json["groups"][0]), spread);
    // The truth of the same noise with another seed.
    place.done(&["corrupt", "data", "--mix", "0.2", "--seed", "1", "--out", "other"]);
    place.refused(&["bench", "audit", "run", "--truth", "other/truth.json"], &["other/truth.json", "of other labels"]);
    place.refused(&["bench", "audit", "run", "./run"], &["./run", "twice"]);
    place.refused(&["bench", "audit", "run", "--truth", "none.json"], &["none.json", "ghm corrupt"]);
    place.refused(&["bench", "audit", "run", "--truth", "recipe.toml"], &["recipe.toml", "ghm corrupt"]);
}
