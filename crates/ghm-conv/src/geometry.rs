//! Sizes, stride and padding of one convolution.

/// What follows the convolution in the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
}

/// The free choices of a convolution with square stride and padding, no dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Step in pixels in both directions, at least 1.
    pub stride: usize,
    /// Zeros added on each of the four sides.
    pub padding: usize,
    /// Groups of channels, each of which sees its own input channels alone; at least 1.
    pub groups: usize,
}

/// All sizes of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Pictures `N`.
    pub batch: usize,
    /// Input channels.
    pub channels_in: usize,
    /// Input rows and columns.
    pub input: [usize; 2],
    /// Output channels.
    pub channels_out: usize,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// Step in pixels.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Output rows and columns.
    pub output: [usize; 2],
}

impl Geometry {
    /// Sizes from `x [N, I, H, W]` and `weight [O, I / groups, KH, KW]`.
    ///
    /// # Panics
    /// When the channels differ or the padded picture is smaller than the kernel: a mistake of the caller's network,
    /// not of its data.
    pub fn new(x: [usize; 4], weight: [usize; 4], spec: ConvSpec) -> Self {
        assert_eq!(x[1], weight[1] * spec.groups, "convolution of {x:?} by {weight:?}: the input channels differ");
        assert_eq!(weight[0] % spec.groups, 0, "convolution by {weight:?}: the groups do not divide the outputs");
        let size = |i: usize| {
            let padded = x[2 + i] + 2 * spec.padding;
            assert!(
                padded >= weight[2 + i],
                "convolution of {x:?} by {weight:?}: the picture is smaller than the kernel"
            );
            (padded - weight[2 + i]) / spec.stride + 1
        };
        Self {
            batch: x[0],
            channels_in: x[1],
            input: [x[2], x[3]],
            channels_out: weight[0],
            kernel: [weight[2], weight[3]],
            stride: spec.stride,
            padding: spec.padding,
            groups: spec.groups,
            output: [size(0), size(1)],
        }
    }

    /// Rows of the column matrix where there is one group: `I * KH * KW`.
    pub fn depth(&self) -> usize {
        self.channels_in * self.kernel[0] * self.kernel[1]
    }

    /// Elements of one picture's input.
    pub fn input_len(&self) -> usize {
        self.channels_in * self.input[0] * self.input[1]
    }

    /// Elements of one channel of one picture's input.
    pub fn input_area(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Elements of one picture's output channel.
    pub fn output_area(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Elements of one picture's output.
    pub fn output_len(&self) -> usize {
        self.channels_out * self.output_area()
    }
}
