//! The kernels as operations of burn's backends, lazy ones and those with autodiff included.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, ExtensionType, TensorMetadata, backend_extension};
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;

use crate::launch::{Examples, Harmonised};
use crate::plan::Plan;

/// What values are compared with.
#[derive(ExtensionType)]
#[extension_type(fusion: cfg(feature = "fusion"))]
pub enum Goal<B: Backend> {
    /// A class index a row, `[rows]`.
    Rows(IntTensor<B>),
    /// A target an element, in the values' shape and type.
    Dense(FloatTensor<B>),
    /// The same, and above 0 for those that take part.
    Gated(FloatTensor<B>, FloatTensor<B>),
}

/// The harmonised losses.
#[backend_extension(Cube, Fusion: cfg(feature = "fusion"))]
pub trait HarmonisedOps: Backend {
    /// Value `[1]`, gradient (as the values) and the moving average `[M]` after a call.
    #[fusion(meta = outputs)]
    fn harmonised(
        values: FloatTensor<Self>,
        #[extension_type] goal: Goal<Self>,
        edges: FloatTensor<Self>,
        counts: FloatTensor<Self>,
        plan: Plan,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
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

impl HarmonisedOps for CubeBackend {
    fn harmonised(
        values: FloatTensor<Self>,
        goal: Goal<Self>,
        edges: FloatTensor<Self>,
        counts: FloatTensor<Self>,
        plan: Plan,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let examples = match goal {
            Goal::Rows(rows) => Examples::new(values, Some(rows), None, None),
            Goal::Dense(targets) => Examples::new(values, None, Some(targets), None),
            Goal::Gated(targets, gates) => Examples::new(values, None, Some(targets), Some(gates)),
        };
        let Harmonised { value, gradient, counts } = examples.harmonise(edges, counts, &plan);
        (value, gradient, counts)
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

    use super::GoalMetadata;
    use crate::plan::Plan;

    pub(super) fn outputs(
        values: &TensorSpec,
        _goal: &GoalMetadata,
        _edges: &TensorSpec,
        counts: &TensorSpec,
        _plan: &Plan,
    ) -> (TensorSpec, TensorSpec, TensorSpec) {
        (TensorSpec::new([1].into(), DType::F32), values.clone(), counts.clone())
    }
}
#[cfg(feature = "fusion")]
use metadata::outputs;
