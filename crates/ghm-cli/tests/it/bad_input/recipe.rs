//! Recipes, their overrides, and verbs and flags.

use std::fs;

use super::{refused, training_refused};
use crate::support::Workplace;

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
fn an_unknown_verb_and_an_unknown_flag_are_refused() {
    refused(&Workplace::new(), &["trian"], &["trian"]);
    refused(&Workplace::new(), &["train", "recipe.toml", "--epochs", "3"], &["--epochs"]);
}
