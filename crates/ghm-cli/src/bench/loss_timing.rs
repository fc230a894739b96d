//! How long a loss takes for value and gradient, beside a plain copy of as many bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ghm_loss::{LossConfig, LossError};
use rayon::ThreadPool;
use rayon::prelude::*;

use super::loss_data::LossData;
use super::seconds::Seconds;

/// Bytes a task of the copy takes at a time.
const CHUNK: usize = 64 * 1024;

/// How long a loss is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// The calls to be timed take at least so long together,
    pub time: Duration,
    /// and are at least so many.
    pub repeats: usize,
}

/// Calls of one loss, and the copies made between them.
pub struct LossTiming {
    /// Bytes that a call moves: values and targets once a pass, the gradient once. What a loss writes down for itself
    /// between two passes does not count.
    pub bytes: usize,
    /// Of the calls.
    pub loss: Seconds,
    /// Of the copies: they read half as many bytes and write the other half.
    pub copy: Seconds,
}

/// Times a loss on `data`, in `pool`: a call, a copy, a call, a copy, after one of each that does not count.
///
/// # Errors
/// Those of the loss.
pub fn time_loss(
    config: &LossConfig,
    data: &LossData,
    pool: &ThreadPool,
    effort: Effort,
) -> Result<LossTiming, LossError> {
    let examples = data.examples();
    let mut loss = config.clone().init()?;
    let mut gradient = vec![0.0f32; data.elements()];
    let bytes = passes(config) * data.bytes() + size_of_val(&gradient[..]);
    let (from, mut to) = (vec![1u8; bytes / 2], vec![0u8; bytes / 2]);
    pool.install(|| {
        let (mut losses, mut copies) = (Vec::new(), Vec::new());
        let (mut warm, mut total) = (false, 0.0);
        while losses.len() < effort.repeats.max(1) || total < effort.time.as_secs_f64() {
            let start = Instant::now();
            black_box(loss.forward(black_box(&examples), &mut gradient)?);
            let seconds = start.elapsed().as_secs_f64();
            let start = Instant::now();
            copy(black_box(&from), &mut to);
            if warm {
                losses.push(seconds);
                copies.push(start.elapsed().as_secs_f64());
                total += seconds;
            }
            warm = true;
            black_box((&gradient, &to));
        }
        Ok(LossTiming { bytes, loss: Seconds::of(losses), copy: Seconds::of(copies) })
    })
}

fn copy(from: &[u8], to: &mut [u8]) {
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| to.copy_from_slice(from));
}

/// How often a call reads values and targets.
fn passes(config: &LossConfig) -> usize {
    match config {
        // First the counts, or the ranks; then losses and gradients.
        LossConfig::GhmC(_) | LossConfig::GhmCExact(_) | LossConfig::SoftmaxGhmC { .. } | LossConfig::Ohem(_) => 2,
        LossConfig::GhmR { .. } | LossConfig::GhmRExact { .. } => 2,
        _ => 1,
    }
}
