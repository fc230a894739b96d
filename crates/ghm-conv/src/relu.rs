//! A ReLU in place, and its gradient from its output; NaN passes through both.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::primitive::{tensor, values};

/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 14;

/// The larger; NaN stays, so that a diverged network shows.
#[inline(always)]
pub(crate) fn at_least(least: f32, value: f32) -> f32 {
    if value < least { least } else { value }
}

/// `max(value, 0)`; NaN stays.
#[inline(always)]
pub(crate) fn relu(value: &mut f32) {
    *value = at_least(0.0, *value);
}

/// The gradient of what went into a ReLU whose output was `activated`, contiguous; `outgoing` itself where there was none.
pub(crate) fn before_activation(outgoing: FlexTensor, activated: Option<FlexTensor>) -> FlexTensor {
    let outgoing = outgoing.to_contiguous();
    match activated {
        Some(y) => tensor(masked(values(&outgoing), values(&y)), outgoing.shape().dims::<4>()),
        None => outgoing,
    }
}

/// `outgoing` where `activated` is above 0 or NaN, and 0 elsewhere.
fn masked(outgoing: &[f32], activated: &[f32]) -> Vec<f32> {
    let mut masked = vec![0.0; outgoing.len()];
    let inputs = outgoing.par_chunks(CHUNK).zip(activated.par_chunks(CHUNK));
    masked.par_chunks_mut(CHUNK).zip(inputs).for_each(|(masked, (outgoing, activated))| {
        pulp::Arch::new().dispatch(Mask { masked, outgoing, activated });
    });
    masked
}

struct Mask<'a> {
    masked: &'a mut [f32],
    outgoing: &'a [f32],
    activated: &'a [f32],
}

impl WithSimd for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pairs = self.outgoing.iter().zip(self.activated);
        for (masked, (outgoing, activated)) in self.masked.iter_mut().zip(pairs) {
            *masked = if *activated <= 0.0 { 0.0 } else { *outgoing };
        }
    }
}
