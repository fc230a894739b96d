//! Which crate may know which.

use std::collections::BTreeMap;

use cargo_metadata::MetadataCommand;

const ARROWS: [(&str, &[&str]); 13] = [
    ("ghm-audit", &["ghm-boxes", "ghm-data", "ghm-eval"]),
    ("ghm-boxes", &[]),
    ("ghm-loss", &[]),
    ("ghm-conv", &[]),
    ("ghm-burn", &["ghm-boxes", "ghm-gpu", "ghm-loss"]),
    ("ghm-data", &["ghm-boxes"]),
    ("ghm-detector", &["ghm-boxes", "ghm-conv", "ghm-loss"]),
    ("ghm-eval", &[]),
    ("ghm-gpu", &["ghm-loss"]),
    ("ghm-report", &["ghm-boxes"]),
    ("ghm-sweep", &["ghm-data"]),
    ("ghm-train", &["ghm-boxes", "ghm-burn", "ghm-data", "ghm-detector", "ghm-eval", "ghm-gpu"]),
    (
        "ghm-cli",
        &[
            "ghm-audit",
            "ghm-boxes",
            "ghm-conv",
            "ghm-data",
            "ghm-detector",
            "ghm-eval",
            "ghm-loss",
            "ghm-report",
            "ghm-sweep",
            "ghm-train",
        ],
    ),
];

/// Crates that must not need the tensor library.
const WITHOUT_BURN: [&str; 7] =
    ["ghm-audit", "ghm-boxes", "ghm-loss", "ghm-data", "ghm-eval", "ghm-report", "ghm-sweep"];

#[test]
fn crates_know_only_those_that_the_architecture_lists() {
    let metadata = MetadataCommand::new().manifest_path("../../Cargo.toml").no_deps().exec().unwrap();
    let mut found = BTreeMap::new();
    for package in &metadata.packages {
        let normal = package.dependencies.iter().filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        let mut names: Vec<String> = normal.map(|d| d.name.clone()).collect();
        names.sort();
        if WITHOUT_BURN.contains(&package.name.as_str()) {
            assert!(!names.iter().any(|n| n.starts_with("burn")), "{} needs burn", package.name);
        }
        names.retain(|n| n.starts_with("ghm-"));
        found.insert(package.name.to_string(), names);
    }
    let listed: BTreeMap<String, Vec<String>> =
        ARROWS.iter().map(|(from, to)| ((*from).into(), to.iter().map(|t| (*t).into()).collect())).collect();
    assert_eq!(found, listed);
}
