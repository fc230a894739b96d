//! Loops compiled for the widest vectors of the machine they run on.

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V4;

/// What the machine has beyond wider vectors.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// Nothing that is made use of.
    Plain,
    /// Permutations of two registers and masks.
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
}

/// Runs `body` compiled for the widest vectors that this machine has: AVX-512, AVX2, NEON, or what every machine has.
///
/// The compiler never fuses a product and a sum of its own accord, so the results are the same bits for every width.
/// What `body` calls has to be inlined into it to gain anything.
#[inline(always)]
pub(crate) fn vectorised<R>(body: impl FnOnce(Level) -> R) -> R {
    struct Body<F>(F);

    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Body<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }

    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(avx512) => avx512.vectorize(Body(
            #[inline(always)]
            || body(Level::Avx512(avx512)),
        )),
        other => other.dispatch(Body(
            #[inline(always)]
            || body(Level::Plain),
        )),
    }
}

#[cfg(not(test))]
#[inline(always)]
fn arch() -> Arch {
    Arch::new()
}

/// Whether to do without everything that not every machine has. One for all threads, which is well while results are the
/// same.
#[cfg(test)]
static ONLY_PLAIN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[cfg(test)]
fn arch() -> Arch {
    if ONLY_PLAIN.load(std::sync::atomic::Ordering::Relaxed) { Arch::Scalar } else { Arch::new() }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use pulp::x86::V3;

    use super::*;
    use crate::edges::bin_of;
    use crate::logistic::Logistic;
    use crate::{BACKGROUND, Between, DensityConfig, Examples, IGNORED, Kind, LossConfig, Targets};

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
        assert!(bits_by(&|terms| vectorised(|_| pulp::NullaryFnOnce::call(terms))) == narrow);
        if let Some(avx2) = V3::try_new() {
            assert!(bits_by(&|terms| avx2.vectorize(terms)) == narrow);
        }
        if let Some(avx512) = V4::try_new() {
            assert!(bits_by(&|terms| avx512.vectorize(terms)) == narrow);
        }
    }

    /// Bits of value and gradient of every loss by its name, of several kinds of targets and gates.
    fn outcomes() -> Vec<(String, Vec<u64>)> {
        const CLASSES: usize = 7;
        const ROWS: usize = 900;
        let mix = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0;
        let values: Vec<f32> = (0..ROWS * CLASSES).map(|at| 24.0 * mix(at) - 16.0).collect();
        let class = |row: usize| [row % CLASSES, row * row % CLASSES][row % 2] as i32;
        let rows: Vec<i32> = (0..ROWS).map(|row| if row % 5 == 0 { class(row) } else { BACKGROUND }).collect();
        let some_ignored: Vec<i32> =
            rows.iter().enumerate().map(|(at, &row)| if at % 9 == 1 { IGNORED } else { row }).collect();
        let hard: Vec<f32> =
            (0..values.len()).map(|at| f32::from(rows[at / CLASSES] == (at % CLASSES) as i32)).collect();
        let soft: Vec<f32> = (0..values.len()).map(|at| [mix(at + 7), 0.0, 0.0, 1.0][at % 4]).collect();
        let (gates, weights): (Vec<f32>, Vec<f32>) =
            (0..values.len()).map(|at| ((at % 3) as f32, 0.5 + mix(at + 3))).unzip();
        let (plain, ignoring) = (
            Targets::ClassIndex { rows: &rows, classes: CLASSES },
            Targets::ClassIndex { rows: &some_ignored, classes: CLASSES },
        );
        let dense = Examples::new(&values, Targets::Dense(&hard));
        let mut infinite = values.clone();
        (infinite[3], infinite[1_500]) = (f32::INFINITY, f32::NEG_INFINITY);
        let cases = [
            Examples::new(&infinite, plain),
            Examples::new(&values, plain),
            Examples::new(&values, ignoring),
            dense,
            dense.gated(&gates),
            dense.weighted(&weights).gated(&gates),
            Examples::new(&values, Targets::Dense(&soft)),
        ];
        let mut configs = LossConfig::defaults();
        configs.retain(|config| matches!(config.kind(), Kind::Elements | Kind::Differences));
        for bins in [1, 31, 32, 400] {
            configs.push(LossConfig::GhmC(DensityConfig { bins, ..DensityConfig::default() }));
        }
        for between in [Between::Step, Between::Blend] {
            let classes = Some(CLASSES);
            configs.push(LossConfig::GhmC(DensityConfig { between, classes, ..DensityConfig::default() }));
        }
        let mut outcomes = Vec::new();
        for config in &configs {
            for (case, examples) in cases.iter().enumerate() {
                if config.kind() == Kind::Differences && case < 3 {
                    continue;
                }
                let mut gradient = vec![f32::NAN; values.len()];
                let value = config.clone().init().and_then(|mut loss| loss.forward(examples, &mut gradient));
                let value = value.expect("settings and examples are in range");
                let bits = gradient.iter().map(|entry| u64::from(entry.to_bits())).chain([value.to_bits()]);
                outcomes.push((format!("{config:?}, case {case}"), bits.collect()));
            }
        }
        outcomes
    }

    #[test]
    fn every_loss_has_the_same_bits_with_and_without_what_only_some_machines_have() {
        let widest = outcomes();
        ONLY_PLAIN.store(true, std::sync::atomic::Ordering::Relaxed);
        let plain = outcomes();
        ONLY_PLAIN.store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(widest.len(), plain.len());
        for ((name, widest), (_, plain)) in widest.iter().zip(&plain) {
            let differ = widest.iter().zip(plain).filter(|(a, b)| a != b).count();
            assert_eq!(differ, 0, "{name}");
        }
    }
}
