//! `ghm report` and `ghm figures`.

use crate::support::{Workplace, contents, text};

/// A run of a few epochs by GHM-C with a cap.
fn trained() -> Workplace {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "loss.classification.cap=2", "evaluation.every=1", "--out", "run"]);
    place
}

#[test]
fn a_run_becomes_one_page_with_everything_and_nothing_from_elsewhere() {
    let place = trained();
    place.done(&["audit", "run", "--least", "0.01"]);
    let before = (contents(&place.path("data")), contents(&place.path("run")));
    place.done(&["report", "run", "--out", "page.html"]);
    assert!(before == (contents(&place.path("data")), contents(&place.path("run"))), "something was changed");
    let page = std::fs::read_to_string(place.path("page.html")).unwrap();
    for part in [
        "<h1>Run run</h1>",
        "AP_small",
        "Losses, means of the epochs",
        "Learning rate",
        "labels trained on",
        "Precision over recall, mean over classes",
        "Calibration",
        "there \\ seen",
        "Missed ones",
        "GHM-C, before harmonising",
        "GHM-R, after harmonising",
        "epoch 2",
        "Labels that are probably wrong",
        "data:image/jpeg;base64,",
    ] {
        assert!(page.contains(part), "no `{part}`");
    }
    // Letters of pictures may be any.
    let texts = page.split("data:image/jpeg;base64,").map(|part| &part[part.find('"').unwrap()..]);
    let outside = texts.collect::<String>().replace("http://www.w3.org/", "");
    assert!(!outside.contains("http") && !outside.contains("src=") && !outside.contains("<script"));

    place.done(&["report", "run"]);
    assert!(std::fs::read_to_string(place.path("run/report.html")).unwrap() == page);
    // The page is made anew, also where the data are gone.
    std::fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    place.done(&["report", "run"]);
    let page = std::fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("cannot be read any more") && page.contains("Learning rate"), "{page}");
    place.refused(&["report", "run", "--out", "page.html"], &["page.html", "never overwritten"]);
    place.refused(&["report", "elsewhere"], &["elsewhere", "no recipe.toml"]);
}

#[test]
fn a_run_that_was_stopped_at_once_has_a_report() {
    let place = Workplace::new();
    // Cross entropy has no density.
    place.done(&[
        "train",
        "recipe.toml",
        "loss.classification.kind=cross_entropy",
        "loss.regression.kind=l1",
        "--out",
        "run",
    ]);
    assert!(!place.path("run/densities.jsonl").exists());
    for name in ["evaluation.json", "detections.json", "evidence.jsonl"] {
        std::fs::remove_file(place.path("run").join(name)).unwrap();
    }
    let head = std::fs::read_to_string(place.path("run/epochs.csv")).unwrap().lines().next().unwrap().to_owned();
    std::fs::write(place.path("run/epochs.csv"), head + "\n").unwrap();
    std::fs::write(place.path("run/metrics.jsonl"), "{\"step\": 1, \"ep").unwrap();
    std::fs::write(place.path("run/densities.jsonl"), "{\"epoch\": 1, \"st").unwrap();
    std::fs::remove_dir_all(place.path("run/checkpoints")).unwrap();
    place.done(&["report", "run"]);
    let page = std::fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("not been evaluated yet") && page.contains("no checkpoint yet"));
}

#[test]
fn figures_count_every_example_and_say_how_losses_share_their_gradient_out() {
    let place = trained();
    let table = place.done(&["figures", "run", "--out", "figures", "--pictures", "5"]);
    for part in
        ["gradient, cross entropy", "gradient, focal", "gradient, GHM-C", "gradient, GHM-C, cap 2", "gradient, GHM-R"]
    {
        assert!(table.contains(part), "no `{part}` in {table}");
    }
    for name in ["norms", "gradients", "shares"] {
        for half in ["classification", "boxes"] {
            let svg = std::fs::read_to_string(place.path("figures").join(format!("{half}-{name}.svg"))).unwrap();
            assert!(svg.contains("gradient norm g = |") && svg.contains("5 pictures of `train`"), "{svg}");
            let png = std::fs::read(place.path("figures").join(format!("{half}-{name}.png"))).unwrap();
            assert!(png.starts_with(b"\x89PNG"));
        }
    }
    let mut reader = csv::Reader::from_path(place.path("figures/classification.csv")).unwrap();
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(head[..4], ["from", "to", "objects", "background"]);
    assert_eq!(head[4..], ["cross entropy", "focal", "GHM-C", "GHM-C, cap 2"]);
    let records: Vec<Vec<f64>> =
        reader.records().map(|record| record.unwrap().iter().map(|cell| cell.parse().unwrap()).collect()).collect();
    assert_eq!(records.len(), 120);
    // 64 x 64: maps of 8, 4, 2, 1 and 1, nine anchors each, for each class.
    let classes = ghm_data::open(&place.path("data")).unwrap().load("train").unwrap().dataset.categories.len();
    let anchors = 9 * (64 + 16 + 4 + 1 + 1);
    let counted: f64 = records.iter().map(|record| record[2] + record[3]).sum();
    // Some anchors are neither: between the two IoUs of the matching.
    assert!(counted <= (5 * anchors * classes) as f64 && counted > (4 * anchors * classes) as f64, "{counted}");
    assert!(records.iter().any(|record| record[2] > 0.0));
    // A unit region's examples have the sum of their norms times one factor, which is greater where examples are few.
    let regions: Vec<[f64; 3]> = records
        .chunks(4)
        .map(|region| {
            let sum = |of: &dyn Fn(&Vec<f64>) -> f64| region.iter().map(of).sum::<f64>();
            [sum(&|record| record[2] + record[3]), sum(&|record| record[4]), sum(&|record| record[6])]
        })
        .filter(|[examples, ..]| *examples > 0.0)
        .collect();
    let beta = |[_, plain, harmonised]: &[f64; 3]| harmonised / plain;
    let (least, most) = (
        regions.iter().min_by(|a, b| a[0].total_cmp(&b[0])).unwrap(),
        regions.iter().max_by(|a, b| a[0].total_cmp(&b[0])).unwrap(),
    );
    assert!(regions.len() > 1 && (beta(least) / beta(most) - most[0] / least[0]).abs() < 1e-3 * most[0] / least[0]);

    place.refused(&["figures", "run", "--out", "figures"], &["figures", "never overwritten"]);
    place.refused(&["figures", "run", "--split", "nowhere"], &["nowhere"]);
    let other = place.ghm(&["figures", "run"]);
    assert!(other.status.success(), "{}", text(&other.stderr));
    assert!(place.path("run/figures/boxes-shares.svg").is_file());
}
