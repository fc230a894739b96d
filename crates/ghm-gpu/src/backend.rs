//! The kernels as operations of burn's backends, lazy ones and those with autodiff included.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, ExtensionType, TensorMetadata, backend_extension};
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;

use crate::launch::{self, Examples};
use crate::plan::{Intake, Terms};

/// What values are compared with.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum Goal<B: Backend> {
    /// A class index a row, `[rows]`.
    Rows(IntTensor<B>),
    /// A target an element, in the values' shape and type.
    Dense(FloatTensor<B>),
    /// The same, and above 0 for those that take part.
    Gated(FloatTensor<B>, FloatTensor<B>),
}

/// What the loss of an example is multiplied by.
#[derive(ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum Factors<B: Backend> {
    /// Nothing.
    None,
    /// The factor of its bin: edges `[M + 1]` and factors `[M]`.
    Bins(FloatTensor<B>, FloatTensor<B>),
}

/// The passes of a loss, and the numbers of a picture.
#[backend_extension(Cube, Fusion: cfg(feature = "fusion"))]
pub trait KernelOps: Backend {
    /// How many examples fall between each two of `edges [M + 1]`: u32 `[M]`.
    #[fusion(meta = counts)]
    fn count_bins(
        values: FloatTensor<Self>,
        #[extension_type] goal: Goal<Self>,
        edges: FloatTensor<Self>,
        terms: Terms,
    ) -> IntTensor<Self>;

    /// The moving average `[M]` after these counts, and the factor of each bin, `[M]`.
    #[fusion(meta = average_and_factors)]
    fn take_in(
        histogram: IntTensor<Self>,
        before: FloatTensor<Self>,
        intake: Intake,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Value `[1]` and gradient (as the values) of the loss times `scale` and the factors.
    #[fusion(meta = value_and_gradient)]
    fn apply(
        values: FloatTensor<Self>,
        #[extension_type] goal: Goal<Self>,
        #[extension_type] factors: Factors<Self>,
        terms: Terms,
        scale: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `[N, 3, H, W]` of `words [N, H, W * 3 / 4]` and `sizes [N, 2]`, both u32.
    #[fusion(meta = planes)]
    fn planes(
        words: IntTensor<Self>,
        sizes: IntTensor<Self>,
        factors: FloatTensor<Self>,
        offsets: FloatTensor<Self>,
        bgr: bool,
    ) -> FloatTensor<Self>;
}

/// A value with its gradient, both computed elsewhere, as a node of the graph.
#[backend_extension(Cube, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait AttachOps: Backend {
    /// `value`, whose gradient in `x` is `gradient`.
    #[fusion(default)]
    fn attach(x: FloatTensor<Self>, value: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let _ = (x, gradient);
        value
    }
}

impl KernelOps for CubeBackend {
    fn count_bins(
        values: FloatTensor<Self>,
        goal: Goal<Self>,
        edges: FloatTensor<Self>,
        terms: Terms,
    ) -> IntTensor<Self> {
        Examples::new(values, goal).count(edges, terms)
    }

    fn take_in(
        histogram: IntTensor<Self>,
        before: FloatTensor<Self>,
        intake: Intake,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        launch::take_in(histogram, before, intake)
    }

    fn apply(
        values: FloatTensor<Self>,
        goal: Goal<Self>,
        factors: Factors<Self>,
        terms: Terms,
        scale: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        Examples::new(values, goal).apply(factors, terms, scale)
    }

    fn planes(
        words: IntTensor<Self>,
        sizes: IntTensor<Self>,
        factors: FloatTensor<Self>,
        offsets: FloatTensor<Self>,
        bgr: bool,
    ) -> FloatTensor<Self> {
        launch::planes(words, sizes, [factors, offsets], bgr)
    }
}

impl AttachOps for CubeBackend {}

impl<B: AttachOps, C: CheckpointStrategy> AttachOps for Autodiff<B, C> {
    fn attach(x: FloatTensor<Self>, value: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let value = value.into_primitive();
        match Attached.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(gradient.into_primitive(), value),
            OpsKind::UnTracked(prep) => prep.finish(value),
        }
    }
}

#[derive(Debug)]
struct Attached;

impl<B: Backend> Backward<B, 1> for Attached {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = grads.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let gradient = ops.state;
            let upstream = B::float_reshape(upstream, Shape::from(vec![1; gradient.shape().num_dims()]));
            let upstream = match gradient.dtype() == upstream.dtype() {
                true => upstream,
                false => B::float_cast(upstream, gradient.dtype().into()),
            };
            grads.register::<B>(node.id, B::float_mul(gradient, upstream));
        }
    }
}

#[cfg(feature = "fusion")]
mod metadata {
    //! Shapes and types of what a call leaves, known before it runs.

    use burn::backend::fusion::custom::TensorSpec;
    use burn::tensor::DType;

    use super::{FactorsMetadata, GoalMetadata};
    use crate::plan::{Intake, Terms};

    pub(super) fn counts(_: &TensorSpec, _: &GoalMetadata, edges: &TensorSpec, _: &Terms) -> TensorSpec {
        TensorSpec::new([edges.shape[0] - 1].into(), DType::U32)
    }

    pub(super) fn average_and_factors(_: &TensorSpec, before: &TensorSpec, _: &Intake) -> (TensorSpec, TensorSpec) {
        (before.clone(), before.clone())
    }

    pub(super) fn value_and_gradient(
        values: &TensorSpec,
        _: &GoalMetadata,
        _: &FactorsMetadata,
        _: &Terms,
        _: &f32,
    ) -> (TensorSpec, TensorSpec) {
        (TensorSpec::new([1].into(), DType::F32), values.clone())
    }

    pub(super) fn planes(words: &TensorSpec, _: &TensorSpec, _: &TensorSpec, _: &TensorSpec, _: &bool) -> TensorSpec {
        let [n, h, w] = [0, 1, 2].map(|axis| words.shape[axis]);
        TensorSpec::new([n, 3, h, w * 4 / 3].into(), DType::F32)
    }
}
#[cfg(feature = "fusion")]
use metadata::{average_and_factors, counts, planes, value_and_gradient};
