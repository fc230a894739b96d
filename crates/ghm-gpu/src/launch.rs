//! The kernels on burn's GPU tensors, one after the other, and nothing read back.

use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;

use crate::apply::{UNITS, apply_kernel, finish_kernel};
use crate::backend::{Factors, Goal};
use crate::count::count_kernel;
use crate::plan::{Intake, Terms};
use crate::planes::{PIXELS, planes_kernel};
use crate::update::{self, update_kernel};

/// The most cubes of a pass over the values: eight of 256 units for each of the 132 multiprocessors of the largest
/// GPUs, and so few that their partial sums and histograms cost nothing. The same on every device, so that the order of
/// the sum depends on the number of elements alone.
const MOST_CUBES: usize = 1024;

/// The most cubes of a pass over pictures: what every device can do in one direction.
const MOST_PICTURE_CUBES: usize = 65_535;

/// The most bins whose histogram is kept by each cube in its shared memory, 8 KiB: half of what WebGPU promises, with
/// room for the 2 KiB of sums beside the factors. With more bins the global histogram is added to at once.
const MOST_SHARED_BINS: usize = 2048;

/// The examples of a call, each tensor without gaps between its elements.
pub(crate) struct Examples {
    values: CubeTensor,
    rows: Option<CubeTensor>,
    targets: Option<CubeTensor>,
    gates: Option<CubeTensor>,
}

impl Examples {
    pub(crate) fn new(values: CubeTensor, goal: Goal<CubeBackend>) -> Self {
        let (rows, targets, gates) = match goal {
            Goal::Rows(rows) => (Some(rows), None, None),
            Goal::Dense(targets) => (None, Some(targets), None),
            Goal::Gated(targets, gates) => (None, Some(targets), Some(gates)),
        };
        let [rows, targets, gates] = [rows, targets, gates].map(|tensor| tensor.map(into_contiguous));
        Self { values: into_contiguous(values), rows, targets, gates }
    }

    /// How many examples fall between each two of `edges [M + 1]`.
    pub(crate) fn count(&self, edges: CubeTensor, terms: Terms) -> CubeTensor {
        let edges = into_contiguous(edges);
        let bins = length(&edges) - 1;
        let CubeTensor { client, device, .. } = self.values.clone();
        let histogram = zeros_client(client, device, [bins].into(), DType::U32);
        let grid = Grid::of(self);
        if grid.vectors > 0 {
            count_kernel::launch(
                &self.values.client,
                grid.cubes(),
                CubeDim::new_1d(UNITS),
                grid.width,
                self.values.clone().into_buffer_arg(),
                argument(&self.rows),
                argument(&self.targets),
                argument(&self.gates),
                edges.into_buffer_arg(),
                histogram.clone().into_buffer_arg(),
                grid.vectors,
                grid.classes,
                terms.first,
                terms.second,
                terms.loss,
                bins,
                bins <= MOST_SHARED_BINS,
                self.element(),
            );
        }
        histogram
    }

    /// The value of the call, `[1]`, and its gradient, of shape and type of the values.
    pub(crate) fn apply(self, factors: Factors<CubeBackend>, terms: Terms, scale: f32) -> (CubeTensor, CubeTensor) {
        let grid = Grid::of(&self);
        if grid.vectors == 0 {
            let CubeTensor { client, device, .. } = self.values.clone();
            return (zeros_client(client, device, [1].into(), DType::F32), self.values);
        }
        let (edges, factors) = match factors {
            Factors::None => (None, None),
            Factors::Bins(edges, factors) => (Some(into_contiguous(edges)), Some(into_contiguous(factors))),
        };
        let bins = factors.as_ref().map_or(0, length);
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
            argument(&edges),
            argument(&factors),
            gradient.clone().into_buffer_arg(),
            partials.clone().into_buffer_arg(),
            grid.vectors,
            grid.classes,
            terms.first,
            terms.second,
            scale,
            terms.loss,
            bins,
            (1..=MOST_SHARED_BINS).contains(&bins),
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
}

/// The moving average after a histogram, and the factors of its bins; `before` is the average until now.
pub(crate) fn take_in(histogram: CubeTensor, before: CubeTensor, intake: Intake) -> (CubeTensor, CubeTensor) {
    let (histogram, before) = (into_contiguous(histogram), into_contiguous(before));
    let bins = length(&before);
    let empty =
        || empty_device_contiguous_dtype(before.client.clone(), before.device.clone(), [bins].into(), DType::F32);
    let (after, factors) = (empty(), empty());
    update_kernel::launch(
        &histogram.client,
        CubeCount::Static(1, 1, 1),
        CubeDim::new_1d(update::UNITS),
        histogram.clone().into_buffer_arg(),
        before.clone().into_buffer_arg(),
        after.clone().into_buffer_arg(),
        factors.clone().into_buffer_arg(),
        intake.arriving,
        intake.share,
        intake.cap,
        bins,
        intake.rule,
    );
    (after, factors)
}

/// `[N, 3, H, W]`: the pictures of `words [N, H, W * 3 / 4]`, whose contents have `sizes [N, 2]`, each byte times the
/// factor of its plane plus the offset.
pub(crate) fn planes(words: CubeTensor, sizes: CubeTensor, affine: [CubeTensor; 2], bgr: bool) -> CubeTensor {
    let (words, sizes) = (into_contiguous(words), into_contiguous(sizes));
    let [factors, offsets] = affine.map(into_contiguous);
    let shape = words.meta.shape();
    let (pictures, height, width) = (shape[0], shape[1], shape[2] * 4 / 3);
    let (client, device) = (words.client.clone(), words.device.clone());
    let out = empty_device_contiguous_dtype(client, device, [pictures, 3, height, width].into(), DType::F32);
    let groups = pictures * height * width / PIXELS;
    if groups > 0 {
        planes_kernel::launch(
            &out.client,
            CubeCount::Static(groups.div_ceil(UNITS as usize).min(MOST_PICTURE_CUBES) as u32, 1, 1),
            CubeDim::new_1d(UNITS),
            PIXELS,
            words.clone().into_buffer_arg(),
            sizes.into_buffer_arg(),
            factors.into_buffer_arg(),
            offsets.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            groups,
            width,
            height,
            bgr,
            burn::backend::cubecl::dtype_to_storage_type(DType::F32),
        );
    }
    out
}

fn length(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().iter().product()
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
