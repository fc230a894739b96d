//! Settings of a network as a recipe has them.

use serde_json::{Value, json};

use crate::config::ModelConfig;

/// What decides which tensors a detector has and what they mean.
const OF_A_DETECTOR: [&str; 7] =
    ["channels", "extra_levels", "extra_relu", "head_depth", "head_norm", "anchors.rounding", "style"];

/// A network's settings that are not the defaults, the backbone always, as `model.key=value`; of a whole detector also those that
/// decide what its tensors are, since a recipe may have others than the defaults.
pub(super) fn settings(config: &ModelConfig, is_detector: bool) -> Vec<String> {
    let mut default = json!(ModelConfig::default());
    let always = ["backbone"].into_iter().chain(OF_A_DETECTOR.into_iter().filter(|_| is_detector));
    for key in always {
        if let Some(value) = default.pointer_mut(&format!("/{}", key.replace('.', "/"))) {
            *value = Value::Null;
        }
    }
    let mut settings = Vec::new();
    differences("model", &default, &json!(config), &mut settings);
    settings
}

/// What has to be set to come from one network to another.
pub(super) fn between(from: &ModelConfig, to: &ModelConfig) -> Vec<String> {
    let mut settings = Vec::new();
    differences("model", &json!(from), &json!(to), &mut settings);
    settings
}

fn differences(key: &str, from: &Value, to: &Value, settings: &mut Vec<String>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            for (name, to) in to {
                differences(&format!("{key}.{name}"), from.get(name).unwrap_or(&Value::Null), to, settings);
            }
        }
        (from, Value::String(to)) if from != to => settings.push(format!("{key}={to}")),
        (from, to) if from != to => settings.push(format!("{key}={to}")),
        _ => {}
    }
}
