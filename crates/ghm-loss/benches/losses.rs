//! Classification losses over the logits of one training step: 3.0 M elements, 80 classes, one row in 200 a positive.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ghm_loss::{
    BACKGROUND, DensityConfig, ExactDensity, Examples, FocalConfig, GradientDensity, IGNORED, Targets, cross_entropy,
    focal, ghm_c,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

const CLASSES: usize = 80;
const ROWS: usize = 37_500;

fn classification(criterion: &mut Criterion) {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let logits: Vec<f32> = (0..ROWS * CLASSES).map(|_| random.random_range(-9.0..-1.0)).collect();
    let entry = |row: usize| match row % 200 {
        0 => (row % CLASSES) as i32,
        1 => IGNORED,
        _ => BACKGROUND,
    };
    let rows: Vec<i32> = (0..ROWS).map(entry).collect();
    let targets = Targets::ClassIndex { rows: &rows, classes: CLASSES };
    let mut gradient = vec![0.0; logits.len()];
    let examples = Examples::new(&logits, targets);
    let mut density = GradientDensity::new(DensityConfig::default()).expect("the settings are in range");

    let mut group = criterion.benchmark_group("classification");
    group.throughput(Throughput::Elements(logits.len() as u64));
    group.sample_size(20);
    group.bench_function("copy", |bencher| {
        bencher.iter(|| {
            gradient
                .par_chunks_mut(1 << 14)
                .zip(logits.par_chunks(1 << 14))
                .for_each(|(to, from)| to.copy_from_slice(from))
        });
    });
    group.bench_function("ghm_c", |bencher| {
        bencher.iter(|| ghm_c(black_box(&examples), &mut density, &mut gradient));
    });
    let exact = ExactDensity { bins: 30, cap: None };
    group.bench_function("ghm_c_exact", |bencher| {
        bencher.iter(|| ghm_c(black_box(&examples), exact, &mut gradient));
    });
    group.bench_function("focal", |bencher| {
        bencher.iter(|| focal(black_box(&examples), FocalConfig::default(), &mut gradient));
    });
    group.bench_function("cross_entropy", |bencher| {
        bencher.iter(|| cross_entropy(black_box(&examples), &mut gradient));
    });
    group.finish();
}

criterion_group!(benches, classification);
criterion_main!(benches);
