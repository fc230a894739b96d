//! The number types of logits, predictions and gradients.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// What logits and gradients may be made of: f32, f16 or bf16. All arithmetic is f32 and sums are f64, whatever goes in.
///
/// A gradient beyond the range of the type is its largest number, of the right sign. What is below its smallest becomes
/// 0: in f16 that is 6e-8, which the factors of a large call are beyond, so give [`Output::scaled`](crate::Output::scaled)
/// the factor of mixed precision (loss scaling).
pub trait Real: sealed::Sealed + Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static {}

impl Real for f32 {}
impl Real for f16 {}
impl Real for bf16 {}

pub(crate) mod sealed {
    /// Conversion a block at a time; nobody else implements it.
    pub trait Sealed: Sized {
        /// `values` as f32, in `room` (as long) unless they are.
        fn widened<'b>(values: &'b [Self], room: &'b mut [f32]) -> &'b [f32];

        /// `values` times `factors` times `scale`, rounded to the nearest, into `result`, as long; what is too large becomes
        /// the largest there is. The values are of no use afterwards.
        fn write_products(values: &mut [f32], factors: &[f32], scale: f32, result: &mut [Self]);

        /// Has `write` write numbers, and rounds them to the nearest into `result`. They go to `room`, as long, first, unless
        /// they are f32, where none may be beyond the range. Returns what `write` does.
        fn through<R>(result: &mut [Self], room: &mut [f32], write: impl FnOnce(&mut [f32]) -> R) -> R;

        /// `values` rounded to the nearest into `result`, as long; too large ones to the largest there is.
        fn narrow(values: &mut [f32], result: &mut [Self]);
    }
}

impl sealed::Sealed for f32 {
    #[inline(always)]
    fn widened<'b>(values: &'b [Self], _: &'b mut [f32]) -> &'b [f32] {
        values
    }

    #[inline(always)]
    fn write_products(values: &mut [f32], factors: &[f32], scale: f32, result: &mut [Self]) {
        for (result, (&value, &factor)) in result.iter_mut().zip(values.iter().zip(factors)) {
            *result = held(value * (factor * scale), f32::MAX);
        }
    }

    #[inline(always)]
    fn through<R>(result: &mut [Self], _: &mut [f32], write: impl FnOnce(&mut [f32]) -> R) -> R {
        write(result)
    }

    #[inline(always)]
    fn narrow(values: &mut [f32], result: &mut [Self]) {
        for (result, &value) in result.iter_mut().zip(&*values) {
            *result = held(value, f32::MAX);
        }
    }
}

macro_rules! half_as_real {
    ($half:ty) => {
        impl sealed::Sealed for $half {
            fn widened<'b>(values: &'b [Self], room: &'b mut [f32]) -> &'b [f32] {
                values.convert_to_f32_slice(room);
                room
            }

            #[inline(always)]
            fn write_products(values: &mut [f32], factors: &[f32], scale: f32, result: &mut [Self]) {
                for (value, &factor) in values.iter_mut().zip(factors) {
                    *value *= factor * scale;
                }
                Self::narrow(values, result);
            }

            #[inline(always)]
            fn through<R>(result: &mut [Self], room: &mut [f32], write: impl FnOnce(&mut [f32]) -> R) -> R {
                let outcome = write(room);
                Self::narrow(room, result);
                outcome
            }

            fn narrow(values: &mut [f32], result: &mut [Self]) {
                values.iter_mut().for_each(|value| *value = held(*value, <$half>::MAX.to_f32()));
                result.convert_from_f32_slice(values);
            }
        }
    };
}

half_as_real!(f16);
half_as_real!(bf16);

/// `value`, or `most` of its sign where it is larger; NaN for NaN.
#[inline(always)]
pub(crate) fn held(value: f32, most: f32) -> f32 {
    // Comparisons and not `min` and `max`, which would drop a NaN.
    let value = if value > most { most } else { value };
    if value < -most { -most } else { value }
}

/// `prediction - target`, finite where both are: f32's largest number stands for what is larger.
#[inline(always)]
pub(crate) fn difference(prediction: f32, target: f32) -> f32 {
    let finite = prediction.is_finite() & target.is_finite();
    held(prediction - target, if finite { f32::MAX } else { f32::INFINITY })
}

#[cfg(test)]
mod tests {
    use super::sealed::Sealed;
    use super::*;

    fn narrowed<T: Real>(value: f32) -> T {
        let mut result = [T::default()];
        T::narrow(&mut [value], &mut result);
        result[0]
    }

    #[test]
    fn what_is_beyond_the_range_becomes_the_largest_number_and_nan_stays() {
        assert_eq!([1e30, -1e30].map(narrowed::<f16>), [f16::MAX, f16::MIN]);
        assert_eq!([f32::MAX, f32::MIN].map(narrowed::<bf16>), [bf16::MAX, bf16::MIN]);
        assert_eq!([f32::INFINITY, -1.5].map(narrowed::<f32>), [f32::MAX, -1.5]);
        assert!(narrowed::<f16>(f32::NAN).is_nan() && narrowed::<bf16>(f32::NAN).is_nan());
        assert!(narrowed::<f32>(f32::NAN).is_nan());
    }

    #[test]
    fn differences_of_finite_numbers_are_finite_and_others_are_not() {
        assert_eq!(
            [difference(1.5, -2.0), difference(3e38, -3e38), difference(-3e38, 3e38)],
            [3.5, f32::MAX, f32::MIN]
        );
        for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!difference(strange, 1.0).is_finite() && !difference(1.0, strange).is_finite());
        }
    }

    #[test]
    fn numbers_go_there_and_back_rounded_to_the_nearest() {
        assert_eq!(narrowed::<f16>(0.1).to_f32(), 0.099_975_586);
        assert_eq!(narrowed::<bf16>(0.1).to_f32(), 0.100_097_656);
        let (values, mut room) = ([f16::from_f32(1.5), f16::from_f32(-2.0)], [0.0; 2]);
        assert_eq!(f16::widened(&values, &mut room), [1.5, -2.0]);
    }
}
