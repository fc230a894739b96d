//! What a file of weights says beside its tensors: the network, its pictures and its classes.

use std::collections::HashMap;

use ghm_data::{Category, NormaliseConfig, ResizeConfig};
use ghm_detector::{DESCRIPTION, INPUT_MULTIPLE, ModelConfig, Style};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Recipe;

/// Everything that predicting with a network takes beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The network.
    pub model: ModelConfig,
    /// The size of its pictures.
    pub input: ResizeConfig,
    /// Its classes, in the order of its outputs.
    pub classes: Vec<Category>,
}

impl Description {
    /// That of a network that was trained by a recipe.
    pub fn new(recipe: &Recipe, categories: &[Category]) -> Self {
        let model = ModelConfig { weights: None, ..recipe.model.clone() };
        Self { model, input: recipe.input, classes: categories.to_vec() }
    }

    /// The pixels that the network expects.
    pub fn pixels(&self) -> NormaliseConfig {
        pixels_of(self.model.style)
    }

    /// JSON with `model`, `input`, `classes` and `pixels`, whose `multiple` is what the sides of an input are padded to.
    pub fn to_json(&self) -> Value {
        let mut pixels = json!(self.pixels());
        pixels["multiple"] = json!(INPUT_MULTIPLE);
        json!({"model": self.model, "input": self.input, "classes": self.classes, "pixels": pixels})
    }

    /// The same under one key, for the header of a safetensors file: of several the order would be another every time.
    pub fn to_metadata(&self) -> HashMap<String, String> {
        HashMap::from([(DESCRIPTION.to_owned(), self.to_json().to_string())])
    }

    /// What a file's header says; `None` where it does not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_metadata(metadata: &HashMap<String, String>) -> Result<Option<Self>, String> {
        let Some(text) = metadata.get(DESCRIPTION) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| format!("`{DESCRIPTION}` of its header: {error}"))
    }
}

/// The pixels that weights of a style expect.
pub(crate) fn pixels_of(style: Style) -> NormaliseConfig {
    match style {
        Style::Pytorch => NormaliseConfig::pytorch(),
        Style::Caffe => NormaliseConfig::caffe(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Description {
        let overrides = ["model.style=caffe", "model.prior=0.05", "model.weights=x.pth", "model.anchors.base_size=24"];
        let recipe = Recipe::parse("[data]\nroot = 'x'", &overrides.map(str::to_owned)).unwrap();
        let classes = [Category { id: 3, name: "cat \"tom\"".into() }, Category { id: 7, name: "dog".into() }];
        Description::new(&recipe, &classes)
    }

    #[test]
    fn a_description_comes_back_from_a_header() {
        let described = described();
        assert_eq!(described.model.weights, None, "where weights came from is nobody's business");
        let metadata = described.to_metadata();
        assert_eq!(Description::from_metadata(&metadata).unwrap(), Some(described.clone()));
        let pixels = &described.to_json()["pixels"];
        assert_eq!((pixels["order"].as_str(), pixels["multiple"].as_u64()), (Some("bgr"), Some(32)));
    }

    #[test]
    fn a_header_without_one_has_none_and_a_damaged_one_is_an_error() {
        assert_eq!(Description::from_metadata(&HashMap::new()).unwrap(), None);
        for text in ["{", "[7]", "{\"model\": {}}"] {
            let metadata = HashMap::from([(DESCRIPTION.to_owned(), text.to_owned())]);
            assert!(Description::from_metadata(&metadata).unwrap_err().contains("header"), "{text}");
        }
    }
}
