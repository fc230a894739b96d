//! Loops compiled for the widest vectors of the machine they run on.

use pulp::Arch;

/// Runs `body` compiled for the widest vectors that this machine has: AVX-512, AVX2, NEON, or what every machine has.
///
/// The compiler never fuses a product and a sum of its own accord, so the results are the same bits for every width.
/// What `body` calls has to be inlined into it to gain anything.
#[inline(always)]
pub(crate) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    struct Body<F>(F);

    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Body<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }

    Arch::new().dispatch(Body(body))
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use pulp::x86::{V3, V4};

    use super::*;
    use crate::edges::bin_of;
    use crate::logistic::Logistic;

    /// The bits of every term of many logits, in a loop that becomes vector code where optimisation is on.
    struct Terms<'a> {
        logits: &'a [f32],
        bits: &'a mut [[u32; 5]],
    }

    impl pulp::NullaryFnOnce for Terms<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            for (bits, &x) in self.bits.iter_mut().zip(self.logits) {
                let terms = Logistic::new(x, 0.25);
                let bin = bin_of(terms.slope.abs(), 30.0);
                *bits = [terms.p, terms.q, terms.slope, terms.cross_entropy, f32::from_bits(bin)].map(f32::to_bits);
            }
        }
    }

    #[test]
    fn every_width_of_vectors_gives_the_same_bits() {
        let logits: Vec<f32> = (0..300_000).map(|step| (step - 150_000) as f32 / 1_500.0).collect();
        let bits_by = |run: &dyn Fn(Terms)| {
            let mut bits = vec![[0; 5]; logits.len()];
            run(Terms { logits: &logits, bits: &mut bits });
            bits
        };
        let narrow = bits_by(&|terms| pulp::NullaryFnOnce::call(terms));
        assert!(narrow[150_000][2] == 0.25f32.to_bits());
        assert!(bits_by(&|terms| vectorised(|| pulp::NullaryFnOnce::call(terms))) == narrow);
        if let Some(avx2) = V3::try_new() {
            assert!(bits_by(&|terms| avx2.vectorize(terms)) == narrow);
        }
        if let Some(avx512) = V4::try_new() {
            assert!(bits_by(&|terms| avx512.vectorize(terms)) == narrow);
        }
    }
}
