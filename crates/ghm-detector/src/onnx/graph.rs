//! A graph of ONNX operators that grows operator by operator.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use ghm_conv::{Activation, ConvSpec};

use super::proto::{self, Attribute, Dimension, Node, Side, attribute_type, data_type};

/// The version of ONNX's operators.
pub const OPSET: i64 = 17;

/// An operator's output, an input or a constant of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

/// A graph; what it says is in the order in which it was added.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Node>,
    constants: Vec<proto::Tensor>,
    /// Places of constants by what they hold: heads stand at five levels and have their weights once.
    places: HashMap<(i32, Vec<i64>, u64), Vec<usize>>,
    inputs: Vec<proto::ValueInfo>,
    outputs: Vec<proto::ValueInfo>,
}

/// A side of an input or output.
pub fn side(length: usize) -> Side {
    Side::Fixed(length as i64)
}

/// A side of any length.
pub fn any(name: &str) -> Side {
    Side::Named(name.to_owned())
}

fn integer(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, r#type: attribute_type::INT, ..Attribute::default() }
}

fn integers(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.into(), ints: ints.into(), r#type: attribute_type::INTS, ..Attribute::default() }
}

fn float(name: &str, f: f32) -> Attribute {
    Attribute { name: name.into(), f, r#type: attribute_type::FLOAT, ..Attribute::default() }
}

fn text(name: &str, s: &str) -> Attribute {
    Attribute { name: name.into(), s: s.into(), r#type: attribute_type::STRING, ..Attribute::default() }
}

impl Graph {
    /// An input in single precision.
    pub fn input(&mut self, name: &str, sides: Vec<Side>) -> Value {
        self.inputs.push(described(name, data_type::FLOAT, sides));
        Value(name.to_owned())
    }

    /// Gives a value out under a name.
    pub fn output(&mut self, value: &Value, name: &str, sides: Vec<Side>) {
        self.give_out(value, name, data_type::FLOAT, sides);
    }

    /// The same, of whole numbers.
    pub fn output_integers(&mut self, value: &Value, name: &str, sides: Vec<Side>) {
        self.give_out(value, name, data_type::INT64, sides);
    }

    fn give_out(&mut self, value: &Value, name: &str, elements: i32, sides: Vec<Side>) {
        self.nodes.push(Node {
            op_type: "Identity".into(),
            name: format!("{name}_out"),
            input: vec![value.0.clone()],
            output: vec![name.into()],
            attribute: Vec::new(),
        });
        self.outputs.push(described(name, elements, sides));
    }

    /// A constant in single precision.
    pub fn floats(&mut self, values: &[f32], shape: &[usize]) -> Value {
        self.constant(data_type::FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect(), shape)
    }

    /// A constant of whole numbers.
    pub fn whole(&mut self, values: &[i64], shape: &[usize]) -> Value {
        self.constant(data_type::INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect(), shape)
    }

    fn constant(&mut self, data_type: i32, raw_data: Vec<u8>, shape: &[usize]) -> Value {
        let dims: Vec<i64> = shape.iter().map(|side| *side as i64).collect();
        let mut hasher = DefaultHasher::new();
        hasher.write(&raw_data);
        let places = self.places.entry((data_type, dims.clone(), hasher.finish())).or_default();
        if let Some(place) = places.iter().find(|place| self.constants[**place].raw_data == raw_data) {
            return Value(self.constants[*place].name.clone());
        }
        places.push(self.constants.len());
        let name = format!("c{}", self.constants.len());
        self.constants.push(proto::Tensor { dims, data_type, name: name.clone(), raw_data });
        Value(name)
    }

    /// An operator with one output.
    pub fn apply(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.add(operator, inputs, Vec::new())
    }

    fn add(&mut self, operator: &str, inputs: &[&Value], attribute: Vec<Attribute>) -> Value {
        let [value] = self.add_several(operator, inputs, attribute);
        value
    }

    fn add_several<const OUTPUTS: usize>(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attribute: Vec<Attribute>,
    ) -> [Value; OUTPUTS] {
        let name = format!("{operator}_{}", self.nodes.len());
        let outputs: [Value; OUTPUTS] = std::array::from_fn(|place| Value(format!("{name}_{place}")));
        self.nodes.push(Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: outputs.iter().map(|value| value.0.clone()).collect(),
            name,
            op_type: operator.to_owned(),
            attribute,
        });
        outputs
    }

    /// `x [N, I, H, W]` with `weight [O, I / groups, K, K]` and `bias [O]`.
    pub fn conv(&mut self, x: &Value, weight: (&[f32], [usize; 4]), bias: Option<&[f32]>, spec: ConvSpec) -> Value {
        let (values, shape) = weight;
        let weight = self.floats(values, &shape);
        let bias = bias.map(|bias| self.floats(bias, &[bias.len()]));
        let inputs: Vec<&Value> = [x, &weight].into_iter().chain(&bias).collect();
        let (pad, kernel) = (spec.padding as i64, shape[2] as i64);
        let attributes = vec![
            integers("kernel_shape", &[kernel; 2]),
            integers("strides", &[spec.stride as i64; 2]),
            integers("pads", &[pad; 4]),
            integer("group", spec.groups as i64),
        ];
        self.add("Conv", &inputs, attributes)
    }

    /// A value after its activation.
    pub fn activated(&mut self, x: Value, activation: Activation) -> Value {
        match activation {
            Activation::None => x,
            Activation::Relu => self.apply("Relu", &[&x]),
        }
    }

    /// The largest of 3x3 with a stride of 2 and a padding of 1.
    pub fn max_pool_stem(&mut self, x: &Value) -> Value {
        let attributes =
            vec![integers("kernel_shape", &[3; 2]), integers("strides", &[2; 2]), integers("pads", &[1; 4])];
        self.add("MaxPool", &[x], attributes)
    }

    /// `x [N, C, H, W]` with both sides doubled by repeating pixels.
    pub fn doubled(&mut self, x: &Value) -> Value {
        let (region, factors) = (Value(String::new()), self.floats(&[1.0, 1.0, 2.0, 2.0], &[4]));
        let attributes = vec![
            text("mode", "nearest"),
            text("coordinate_transformation_mode", "asymmetric"),
            text("nearest_mode", "floor"),
        ];
        self.add("Resize", &[x, &region, &factors], attributes)
    }

    /// A norm over groups of channels of `x [N, C, H, W]`, `C = weight.len()`.
    pub fn group_norm(&mut self, x: &Value, groups: usize, (weight, bias): (&[f32], &[f32]), epsilon: f32) -> Value {
        let shape = self.apply("Shape", &[x]);
        let rows = self.reshape(x, &[0, groups as i64, -1]);
        let (ones, zeros) = (self.floats(&vec![1.0; groups], &[groups]), self.floats(&vec![0.0; groups], &[groups]));
        let rows = self.add("InstanceNormalization", &[&rows, &ones, &zeros], vec![float("epsilon", epsilon)]);
        let x = self.apply("Reshape", &[&rows, &shape]);
        let channels = [1, weight.len(), 1, 1];
        let (weight, bias) = (self.floats(weight, &channels), self.floats(bias, &channels));
        let x = self.apply("Mul", &[&x, &weight]);
        self.apply("Add", &[&x, &bias])
    }

    /// A side of 0 stays as it is, one of -1 is what is left.
    pub fn reshape(&mut self, x: &Value, sides: &[i64]) -> Value {
        let sides = self.whole(sides, &[sides.len()]);
        self.apply("Reshape", &[x, &sides])
    }

    pub fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.add("Transpose", &[x], vec![integers("perm", order)])
    }

    pub fn concat(&mut self, parts: &[Value], axis: i64) -> Value {
        self.add("Concat", &parts.iter().collect::<Vec<_>>(), vec![integer("axis", axis)])
    }

    /// The largest `count` along the last axis, best first, and their places.
    pub fn largest(&mut self, x: &Value, count: usize) -> [Value; 2] {
        let count = self.whole(&[count as i64], &[1]);
        self.add_several("TopK", &[x, &count], Vec::new())
    }

    pub fn unsqueeze(&mut self, x: &Value, axis: i64) -> Value {
        let axis = self.whole(&[axis], &[1]);
        self.apply("Unsqueeze", &[x, &axis])
    }

    /// Rows of `table` (or columns, of axis 1) by their numbers.
    pub fn gather(&mut self, table: &Value, indices: &Value, axis: i64) -> Value {
        self.add("Gather", &[table, indices], vec![integer("axis", axis)])
    }

    /// Of `x [N, A]` or `[N, A, width]` the entries of each picture at `places [N, K]`.
    pub fn of_each_picture(&mut self, x: &Value, places: &Value, width: Option<usize>) -> Value {
        let places = match width {
            None => places.clone(),
            Some(width) => {
                let (column, sides) = (self.unsqueeze(places, 2), self.whole(&[1, 1, width as i64], &[3]));
                self.apply("Expand", &[&column, &sides])
            }
        };
        self.add("GatherElements", &[x, &places], vec![integer("axis", 1)])
    }

    /// The first or the last two of the last axis of `x [N, A, 4]`.
    pub fn pair(&mut self, x: &Value, first: i64) -> Value {
        let [start, end, axis] = [first, first + 2, 2].map(|number| self.whole(&[number], &[1]));
        self.apply("Slice", &[x, &start, &end, &axis])
    }

    /// As numbers of a kind of [`data_type`].
    pub fn cast(&mut self, x: &Value, to: i32) -> Value {
        self.add("Cast", &[x], vec![integer("to", i64::from(to))])
    }

    /// Sums along an axis, which goes.
    pub fn sum(&mut self, x: &Value, axis: i64) -> Value {
        let axis = self.whole(&[axis], &[1]);
        self.add("ReduceSum", &[x, &axis], vec![integer("keepdims", 0)])
    }

    /// The file of this graph, with `metadata` in its header.
    pub fn into_model(self, name: &str, metadata: impl IntoIterator<Item = (String, String)>) -> proto::Model {
        proto::Model {
            ir_version: 8,
            producer_name: "ghm".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(proto::Graph {
                node: self.nodes,
                name: name.to_owned(),
                initializer: self.constants,
                input: self.inputs,
                output: self.outputs,
            }),
            opset_import: vec![proto::OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props: metadata.into_iter().map(|(key, value)| proto::Entry { key, value }).collect(),
        }
    }
}

fn described(name: &str, elements: i32, sides: Vec<Side>) -> proto::ValueInfo {
    let dim = sides.into_iter().map(|side| Dimension { value: Some(side) }).collect();
    let tensor_type = proto::TensorType { elem_type: elements, shape: Some(proto::Shape { dim }) };
    proto::ValueInfo { name: name.to_owned(), r#type: Some(proto::Type { tensor_type: Some(tensor_type) }) }
}
