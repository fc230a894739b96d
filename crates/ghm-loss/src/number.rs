//! A number, or the sixteen of a register: arithmetic that is written once for both.

use std::ops::{Add, Div, Mul, Sub};

/// An f32, or as many as a register holds, each lane by itself. Every operation is rounded once, so that results are the
/// same bits in either.
pub(crate) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A constant, in every lane of a number like this one.
    fn of(self, constant: f32) -> Self;

    /// `self * factor + summand`, rounded once.
    fn fused(self, factor: Self, summand: Self) -> Self;

    /// Without the sign.
    fn size(self) -> Self;

    /// `most` where it is larger; NaN stays.
    fn at_most(self, most: f32) -> Self;

    /// 1 in the lanes where `sign` is 0 or more; NaN is not.
    fn one_where_positive(self, sign: Self) -> Self;

    /// Times `2^n`, for a whole number `n` from -126 to 127, which stands in the lowest bits of `with_n` as well.
    fn times_power(self, n: Self, with_n: Self) -> Self;
}

impl Number for f32 {
    #[inline(always)]
    fn of(self, constant: f32) -> Self {
        constant
    }

    #[inline(always)]
    fn fused(self, factor: Self, summand: Self) -> Self {
        self.mul_add(factor, summand)
    }

    #[inline(always)]
    fn size(self) -> Self {
        self.abs()
    }

    #[inline(always)]
    fn at_most(self, most: f32) -> Self {
        // A comparison and not `min`, which would drop a NaN.
        if self > most { most } else { self }
    }

    #[inline(always)]
    fn one_where_positive(self, sign: Self) -> Self {
        if sign >= 0.0 { 1.0 } else { self }
    }

    #[inline(always)]
    fn times_power(self, _: Self, with_n: Self) -> Self {
        self * f32::from_bits(1.0f32.to_bits().wrapping_add(with_n.to_bits() << 23))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use sixteen::Sixteen;

#[cfg(target_arch = "x86_64")]
mod sixteen {
    use std::arch::x86_64::__m512;

    use pulp::cast;
    use pulp::x86::V4;

    use super::{Add, Div, Mul, Number, Sub};

    /// For each class of floats, from the lowest digit on, what becomes of a lane: 0 leaves it, a makes it 1. The classes are
    /// quiet and signalling NaN, 0, 1, the infinities from below, and other numbers from below.
    const ONE_WHERE_POSITIVE: u32 = 0xa0a0_aa00;

    /// Sixteen f32 in a register of AVX-512.
    #[derive(Clone, Copy)]
    pub(crate) struct Sixteen {
        pub avx512: V4,
        pub lanes: __m512,
    }

    impl Sixteen {
        #[inline(always)]
        pub fn new(avx512: V4, lanes: [f32; 16]) -> Self {
            Self { avx512, lanes: cast(lanes) }
        }

        #[inline(always)]
        pub fn to_array(self) -> [f32; 16] {
            cast(self.lanes)
        }

        #[inline(always)]
        pub fn with(self, lanes: __m512) -> Self {
            Self { lanes, ..self }
        }
    }

    impl Add for Sixteen {
        type Output = Self;

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            self.with(self.avx512.avx512f._mm512_add_ps(self.lanes, other.lanes))
        }
    }

    impl Sub for Sixteen {
        type Output = Self;

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            self.with(self.avx512.avx512f._mm512_sub_ps(self.lanes, other.lanes))
        }
    }

    impl Mul for Sixteen {
        type Output = Self;

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            self.with(self.avx512.avx512f._mm512_mul_ps(self.lanes, other.lanes))
        }
    }

    impl Div for Sixteen {
        type Output = Self;

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            self.with(self.avx512.avx512f._mm512_div_ps(self.lanes, other.lanes))
        }
    }

    impl Number for Sixteen {
        #[inline(always)]
        fn of(self, constant: f32) -> Self {
            self.with(cast([constant; 16]))
        }

        #[inline(always)]
        fn fused(self, factor: Self, summand: Self) -> Self {
            self.with(self.avx512.avx512f._mm512_fmadd_ps(self.lanes, factor.lanes, summand.lanes))
        }

        #[inline(always)]
        fn size(self) -> Self {
            self.with(self.avx512.avx512f._mm512_abs_ps(self.lanes))
        }

        #[inline(always)]
        fn at_most(self, most: f32) -> Self {
            // The second operand is the result where either is NaN.
            self.with(self.avx512.avx512f._mm512_min_ps(cast([most; 16]), self.lanes))
        }

        #[inline(always)]
        fn one_where_positive(self, sign: Self) -> Self {
            let f = self.avx512.avx512f;
            self.with(f._mm512_fixupimm_ps::<0>(self.lanes, sign.lanes, cast([ONE_WHERE_POSITIVE; 16])))
        }

        #[inline(always)]
        fn times_power(self, n: Self, _: Self) -> Self {
            self.with(self.avx512.avx512f._mm512_scalef_ps(self.lanes, n.lanes))
        }
    }
}
