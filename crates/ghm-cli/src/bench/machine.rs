//! What the machine can do, and what it was asked for.

use std::hint::black_box;
use std::time::Instant;

use ghm_conv::gemm::{Into, Matrix, Workers, multiply};

/// Side of the matrices.
const SIDE: usize = 1536;

/// The most of so many products counts.
const PRODUCTS: usize = 5;

/// Floating-point operations a second of a large product of matrices on all threads of the pool, single precision.
pub fn matmul_flops() -> f64 {
    let (left, right) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE]);
    let mut product = vec![0.0f32; SIDE * SIDE];
    let mut best = f64::INFINITY;
    for _ in 0..PRODUCTS {
        let start = Instant::now();
        let (left, right) = (Matrix::new(black_box(&left), SIDE, SIDE), Matrix::new(&right, SIDE, SIDE));
        multiply(left, right, &mut product, Into::Replace, Workers::All);
        best = best.min(start.elapsed().as_secs_f64());
        black_box(&product);
    }
    2.0 * (SIDE as f64).powi(3) / best
}

/// The most memory that this process has held at a time, in bytes; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
