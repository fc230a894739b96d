//! Parameters by name: the network's own names, and torchvision's for its backbone.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::part::{Parameters, Part};

/// A parameter of the network as it lies in a file.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// The place in the network, as `backbone.stages.0.1.conv2.norm.running_mean`.
    pub name: String,
    /// Sizes.
    pub shape: Vec<usize>,
    /// Row by row, in single precision.
    pub values: Vec<f32>,
}

/// All parameters and running statistics, in the network's order.
pub fn named_tensors<M: Module>(module: &M) -> Vec<NamedTensor> {
    let mut visitor = Collect { path: Vec::new(), tensors: Vec::new() };
    module.visit(&mut visitor);
    visitor.tensors
}

struct Collect {
    path: Vec<String>,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data().convert::<f32>();
        let shape = data.shape().to_vec();
        let values = data.try_into_vec().unwrap_or_default();
        self.tensors.push(NamedTensor { name: self.path.join("."), shape, values });
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

/// How many parameters there are, part by part.
pub fn count_parameters<M: Module>(module: &M) -> BTreeMap<Part, Parameters> {
    let mut visitor = Count { path: Vec::new(), parts: BTreeMap::new() };
    module.visit(&mut visitor);
    visitor.parts
}

struct Count {
    path: Vec<String>,
    parts: BTreeMap<Part, Parameters>,
}

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.last().is_some_and(|name| name.starts_with("running_")) {
            return;
        }
        let value = param.val();
        let all = value.shape().num_elements();
        let trained = if value.is_require_grad() { all } else { 0 };
        *self.parts.entry(Part::of(&self.path.join("."))).or_default() += Parameters { all, trained };
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

/// Puts values into parameters by name: `find` gives a parameter's new values, or `None` to leave it as it is.
///
/// The values must have the parameter's size; what a parameter says about gradients stays.
pub fn replace_tensors<M: Module>(module: M, find: impl FnMut(&str) -> Option<Vec<f32>>) -> M {
    module.map(&mut Replace { path: Vec::new(), find })
}

struct Replace<F> {
    path: Vec<String>,
    find: F,
}

impl<F: FnMut(&str) -> Option<Vec<f32>>> ModuleMapper for Replace<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = (self.find)(&self.path.join(".")) else { return param };
        param.map(|old| {
            let new = Tensor::from_data(TensorData::new(values, old.shape()), &old.device());
            new.set_require_grad(old.is_require_grad())
        })
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

/// torchvision's name of a backbone tensor, as `layer1.1.bn2.running_mean`; `None` for tensors outside the backbone.
pub fn torchvision_name(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.strip_prefix("backbone.")?.split('.').collect();
    let (place, conv, rest) = match parts.as_slice() {
        ["stem", rest @ ..] => (String::new(), "conv1", rest),
        ["stages", stage, block, conv, rest @ ..] => {
            (format!("layer{}.{block}.", stage.parse::<usize>().ok()? + 1), *conv, rest)
        }
        _ => return None,
    };
    let (layer, field) = match (conv, rest) {
        ("downsample", ["weight"]) => ("downsample.0".to_owned(), "weight"),
        ("downsample", ["norm", field]) => ("downsample.1".to_owned(), *field),
        (conv, ["weight"]) => (conv.to_owned(), "weight"),
        (conv, ["norm", field]) => (conv.replace("conv", "bn"), *field),
        _ => return None,
    };
    Some(format!("{place}{layer}.{field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backbone_names_are_torchvisions() {
        let cases = [
            ("backbone.stem.weight", "conv1.weight"),
            ("backbone.stem.norm.running_var", "bn1.running_var"),
            ("backbone.stages.2.5.conv3.weight", "layer3.5.conv3.weight"),
            ("backbone.stages.0.0.conv2.norm.bias", "layer1.0.bn2.bias"),
            ("backbone.stages.3.0.downsample.weight", "layer4.0.downsample.0.weight"),
            ("backbone.stages.3.0.downsample.norm.weight", "layer4.0.downsample.1.weight"),
        ];
        for (ours, theirs) in cases {
            assert_eq!(torchvision_name(ours).as_deref(), Some(theirs));
        }
        assert_eq!(torchvision_name("fpn.p6.weight"), None);
    }
}
