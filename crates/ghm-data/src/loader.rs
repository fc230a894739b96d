//! Batches for an epoch, decoded and prepared ahead on worker threads, the same for any number of them.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};

use crate::{
    dataset::Dataset,
    order::Order,
    pipeline::{Normaliser, Pipeline},
    pixel_error::PixelError,
};

pub use batch::{Batch, Skipped};
use batch::{Builder, all_skipped};
use cache::PictureCache;
use ordered::{Ordered, Schedule};
pub use pixels::{PixelForm, Pixels};

mod batch;
mod cache;
mod ordered;
mod pixels;

/// How many threads read ahead, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderConfig {
    /// Worker threads; with 0 each batch is made when it is asked for, on the asking thread.
    pub threads: usize,
    /// Batches being made or waiting, at least 1; fewer than `threads` leaves threads idle. It bounds the memory: each
    /// takes `N * 3 * H * W` f32, or bytes.
    pub queue: usize,
    /// Bytes of decoded pixels that are kept for later epochs, by the content of their files; 0 for none.
    pub cache: usize,
    /// How pixels are handed over.
    #[serde(default)]
    pub form: PixelForm,
}

/// Reads a split in epochs of batches.
///
/// A batch depends on the data set, the pipeline, the order, the epoch and the step only: random numbers belong to a
/// picture's position in its epoch, never to a thread.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    config: LoaderConfig,
}

/// What the worker threads of all epochs share.
#[derive(Debug)]
struct Shared {
    dataset: Arc<Dataset>,
    pipeline: Pipeline,
    normaliser: Normaliser,
    order: Order,
    cache: PictureCache,
    form: PixelForm,
    spare_in: Sender<Pixels>,
    spare_out: Receiver<Pixels>,
}

impl Loader {
    /// A loader; nothing is read before [`Loader::epoch`].
    ///
    /// # Errors
    ///
    /// [`PixelError::Setting`] when a setting of the pipeline is out of its range, the batch size or the queue is 0, or
    /// the order counts more pictures than the data set has.
    pub fn new(
        dataset: Arc<Dataset>,
        pipeline: Pipeline,
        order: Order,
        config: LoaderConfig,
    ) -> Result<Self, PixelError> {
        pipeline.check()?;
        if order.batch_size == 0 {
            return Err(PixelError::setting("batch_size", 0, "must be at least 1"));
        }
        if config.queue == 0 {
            return Err(PixelError::setting("loader.queue", 0, "must be at least 1"));
        }
        if order.images > dataset.images.len() {
            return Err(PixelError::setting("order.images", order.images, "is more than the data set has"));
        }
        // One for each batch in flight, one with the consumer, one on its way back.
        let (spare_in, spare_out) = bounded(config.queue.saturating_add(2).min(1024));
        let normaliser = Normaliser::new(&pipeline.normalise);
        let cache = PictureCache::new(config.cache);
        let form = config.form;
        let shared = Shared { dataset, pipeline, normaliser, order, cache, form, spare_in, spare_out };
        Ok(Self { shared: Arc::new(shared), config })
    }

    /// The batches of an epoch from step `first_step` on, in order; from 0 the whole epoch.
    pub fn epoch(&self, epoch: usize, first_step: usize) -> EpochBatches {
        let batches = Arc::new(self.shared.order.batches(epoch));
        let (shared, steps) = (Arc::clone(&self.shared), Arc::clone(&batches));
        let work = move || {
            let mut builder = Builder::new(Arc::clone(&shared), epoch);
            let steps = Arc::clone(&steps);
            move |step: usize, stop: &_| builder.build(step, steps.get(step)?, stop)
        };
        let schedule =
            Schedule { steps: first_step..batches.len(), threads: self.config.threads, queue: self.config.queue };
        EpochBatches { ordered: Ordered::start(schedule, work), shared: Arc::clone(&self.shared), batches, epoch }
    }

    /// Gives a batch's pixel buffer back, for another batch to fill.
    pub fn recycle(&self, batch: Batch) {
        if batch.pixels.form() == self.shared.form {
            // A full pool lets the buffer go.
            let _ = self.shared.spare_in.try_send(batch.pixels);
        }
    }
}

/// The batches of one epoch, in order. Dropping it stops the worker threads and waits for them.
#[derive(Debug)]
pub struct EpochBatches {
    ordered: Ordered<Batch>,
    shared: Arc<Shared>,
    batches: Arc<Vec<Vec<usize>>>,
    epoch: usize,
}

impl Iterator for EpochBatches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let (step, built) = self.ordered.next()?;
        Some(built.unwrap_or_else(|reason| {
            let indices = self.batches.get(step).map_or(&[][..], Vec::as_slice);
            all_skipped(&self.shared, (self.epoch, step), indices, &reason)
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.ordered.left();
        (left, Some(left))
    }
}

impl ExactSizeIterator for EpochBatches {}
