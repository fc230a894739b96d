//! One call on burn's GPU tensors: five kernels, one after the other, and nothing read back.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;

use crate::apply::{UNITS, apply_kernel, finish_kernel};
use crate::count::count_kernel;
use crate::plan::Plan;
use crate::update::{self, update_kernel};

/// The most cubes of a pass over the values: eight of 256 units for each of the 132 multiprocessors of the largest
/// GPUs, and so few that their partial sums and histograms cost nothing. The same on every device, so that the order of
/// the sum depends on the number of elements alone.
const MOST_CUBES: usize = 1024;

/// The most bins whose histogram is kept by each cube in its shared memory, 8 KiB: half of what WebGPU promises, with
/// room for the 2 KiB of sums beside the factors. With more bins the global histogram is added to at once.
const MOST_SHARED_BINS: usize = 2048;

/// The examples of a call, each tensor without gaps between its elements.
pub(crate) struct Examples {
    pub values: CubeTensor,
    pub rows: Option<CubeTensor>,
    pub targets: Option<CubeTensor>,
    pub gates: Option<CubeTensor>,
}

/// What a call leaves on the device.
pub(crate) struct Harmonised {
    /// `[1]`.
    pub value: CubeTensor,
    /// Shape and type of the values.
    pub gradient: CubeTensor,
    /// `[M]`: the moving average after the call.
    pub counts: CubeTensor,
}

impl Examples {
    pub(crate) fn new(
        values: CubeTensor,
        rows: Option<CubeTensor>,
        targets: Option<CubeTensor>,
        gates: Option<CubeTensor>,
    ) -> Self {
        let [rows, targets, gates] = [rows, targets, gates].map(|tensor| tensor.map(into_contiguous));
        Self { values: into_contiguous(values), rows, targets, gates }
    }

    /// The loss of the call, with the edges `[M + 1]` of the bins and the average `[M]` before it.
    pub(crate) fn harmonise(&self, edges: CubeTensor, counts: CubeTensor, plan: &Plan) -> Harmonised {
        let (edges, before) = (into_contiguous(edges), into_contiguous(counts));
        let histogram = self.filled(plan.bins);
        let grid = Grid::of(self);
        if grid.vectors > 0 {
            self.count(&grid, &edges, &histogram, plan);
        }
        let (counts, factors) = (self.empty([plan.bins], DType::F32), self.empty([plan.bins], DType::F32));
        update_kernel::launch(
            &self.values.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(update::UNITS),
            histogram.into_buffer_arg(),
            before.into_buffer_arg(),
            counts.clone().into_buffer_arg(),
            factors.clone().into_buffer_arg(),
            plan.arriving,
            plan.share,
            plan.cap,
            plan.scale,
            plan.bins,
            plan.rule,
        );
        if grid.vectors == 0 {
            let value = zeros_client(self.values.client.clone(), self.values.device.clone(), [1].into(), DType::F32);
            return Harmonised { value, gradient: self.values.clone(), counts };
        }
        let (value, gradient) = self.apply(&grid, edges, factors, plan);
        Harmonised { value, gradient, counts }
    }

    fn count(&self, grid: &Grid, edges: &CubeTensor, histogram: &CubeTensor, plan: &Plan) {
        count_kernel::launch(
            &self.values.client,
            grid.cubes(),
            CubeDim::new_1d(UNITS),
            grid.width,
            self.values.clone().into_buffer_arg(),
            argument(&self.rows),
            argument(&self.targets),
            argument(&self.gates),
            edges.clone().into_buffer_arg(),
            histogram.clone().into_buffer_arg(),
            grid.vectors,
            grid.classes,
            plan.mu,
            plan.loss,
            plan.bins,
            plan.bins <= MOST_SHARED_BINS,
            self.element(),
        );
    }

    fn apply(&self, grid: &Grid, edges: CubeTensor, factors: CubeTensor, plan: &Plan) -> (CubeTensor, CubeTensor) {
        let gradient = self.empty(self.values.meta.shape().clone(), self.values.dtype);
        let partials = self.empty([grid.count], DType::U32);
        apply_kernel::launch(
            &self.values.client,
            grid.cubes(),
            CubeDim::new_1d(UNITS),
            grid.width,
            self.values.clone().into_buffer_arg(),
            argument(&self.rows),
            argument(&self.targets),
            argument(&self.gates),
            edges.into_buffer_arg(),
            factors.into_buffer_arg(),
            gradient.clone().into_buffer_arg(),
            partials.clone().into_buffer_arg(),
            grid.vectors,
            grid.classes,
            plan.mu,
            plan.loss,
            plan.bins,
            plan.bins <= MOST_SHARED_BINS,
            self.element(),
        );
        let value = self.empty([1], DType::F32);
        finish_kernel::launch(
            &self.values.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(UNITS),
            partials.into_buffer_arg(),
            value.clone().into_buffer_arg(),
            grid.count,
        );
        (value, gradient)
    }

    fn element(&self) -> ElemType {
        burn::backend::cubecl::dtype_to_storage_type(self.values.dtype)
    }

    fn empty(&self, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
        let CubeTensor { client, device, .. } = self.values.clone();
        empty_device_contiguous_dtype(client, device, shape.into(), dtype)
    }

    /// The histogram of nothing.
    fn filled(&self, bins: usize) -> CubeTensor {
        zeros_client(self.values.client.clone(), self.values.device.clone(), [bins].into(), DType::U32)
    }
}

fn argument<T>(tensor: &Option<CubeTensor>) -> ComptimeOptionArgs<T>
where
    T: LaunchArg<RuntimeArg = BufferArg>,
{
    tensor.clone().map(CubeTensor::into_buffer_arg).into()
}

/// How the values are shared out.
struct Grid {
    /// Values read at once: 16 bytes where rows, or the whole, are so many.
    width: usize,
    vectors: usize,
    /// Values a row.
    classes: usize,
    /// Number of cubes.
    count: usize,
}

impl Grid {
    fn of(examples: &Examples) -> Self {
        let shape = examples.values.meta.shape();
        let elements: usize = shape.iter().product();
        let classes = shape.iter().last().copied().unwrap_or(1);
        let whole = if examples.rows.is_some() { classes } else { elements };
        let widest = 16 / examples.values.dtype.size();
        let width = [8, 4, 2].into_iter().find(|&width| width <= widest && whole.is_multiple_of(width)).unwrap_or(1);
        let vectors = elements / width;
        Self { width, vectors, classes, count: vectors.div_ceil(UNITS as usize).clamp(1, MOST_CUBES) }
    }

    fn cubes(&self) -> CubeCount {
        CubeCount::Static(self.count as u32, 1, 1)
    }
}
