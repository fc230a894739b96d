//! One batch: its pictures decoded, prepared, padded to one size and normalised into one buffer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Pixels, Shared, cache::PictureCache, ordered::shielded};
use crate::{
    dataset::ImageRecord,
    decode::read_file,
    order::Stream,
    pipeline::{Labelled, Prepared, Sample, Scaler},
    pixel_error::PixelError,
    reduced::{Decoded, Halvings, decode_halved},
};

/// Sides of a batch are multiples of this: the coarsest step of the feature pyramid's backbone.
const SIDE_STEP: usize = 32;

/// Pictures of one step, ready for the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Step within the epoch, from 0.
    pub step: usize,
    /// Of all pictures.
    pub pixels: Pixels,
    /// `[N, 3, H, W]`, whatever form the pixels have; `H` and `W` are multiples of 32, and 0 when every picture was skipped.
    pub shape: [usize; 4],
    /// `[N]` what is known about each picture.
    pub samples: Vec<Sample>,
    /// Pictures that belong to this step but could not be read.
    pub skipped: Vec<Skipped>,
}

/// A picture that was left out of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The data set's id of the picture.
    pub image_id: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// The whole message: path, reason and remedy.
    pub reason: String,
}

impl Skipped {
    fn new(record: &ImageRecord, reason: impl Into<String>) -> Self {
        Self { image_id: record.id, path: record.path.clone(), reason: reason.into() }
    }
}

/// A batch of which nothing is left, each of its pictures skipped for the same reason.
pub(super) fn all_skipped(shared: &Shared, (epoch, step): (usize, usize), indices: &[usize], reason: &str) -> Batch {
    let records = indices.iter().filter_map(|&index| shared.dataset.images.get(index));
    let skipped = records.map(|record| Skipped::new(record, format!("{}: {reason}", record.path.display()))).collect();
    Batch { epoch, step, pixels: Pixels::none(shared.form), shape: [0, 3, 0, 0], samples: Vec::new(), skipped }
}

/// Builds batches of one epoch on one thread; its buffers are used again from picture to picture.
#[derive(Debug)]
pub(super) struct Builder {
    shared: Arc<Shared>,
    epoch: usize,
    scaler: Scaler,
    bytes: Vec<u8>,
    decoded: Vec<u8>,
}

impl Builder {
    pub(super) fn new(shared: Arc<Shared>, epoch: usize) -> Self {
        Self { shared, epoch, scaler: Scaler::default(), bytes: Vec::new(), decoded: Vec::new() }
    }

    /// The batch of a step from its indices; none when `stop` was raised meanwhile.
    pub(super) fn build(&mut self, step: usize, indices: &[usize], stop: &AtomicBool) -> Option<Batch> {
        let (mut prepared, mut skipped) = (Vec::with_capacity(indices.len()), Vec::new());
        let shared = Arc::clone(&self.shared);
        for (place, &image_index) in indices.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let Some(record) = shared.dataset.images.get(image_index) else { continue };
            let position = step * shared.order.batch_size + place;
            match shielded(|| self.prepare(position, Labelled { image_index, record })) {
                Ok(Ok(picture)) => prepared.push(picture),
                Ok(Err(error)) => skipped.push(Skipped::new(record, error.to_string())),
                Err(reason) => skipped.push(Skipped::new(record, format!("{}: {reason}", record.path.display()))),
            }
        }
        Some(self.assemble(step, prepared, skipped))
    }

    fn prepare(&mut self, position: usize, labelled: Labelled<'_>) -> Result<Prepared, PixelError> {
        let mut rng = self.shared.order.rng(Stream::Augment, self.epoch, position);
        let path = &labelled.record.path;
        read_file(path, &mut self.bytes)?;
        let draft = self.shared.pipeline.draft(labelled.record, &mut rng);
        if self.shared.cache.is_on() {
            let decoded = self.kept(path, draft.halvings)?;
            return self.shared.pipeline.scale(&decoded, labelled, &draft, &mut self.scaler);
        }
        let decoded = decode_halved(&self.bytes, path, std::mem::take(&mut self.decoded), draft.halvings)?;
        let prepared = self.shared.pipeline.scale(&decoded, labelled, &draft, &mut self.scaler);
        self.decoded = decoded.picture.pixels;
        prepared
    }

    /// The picture of the file that was read last, decoded now or earlier.
    fn kept(&self, path: &Path, halvings: Halvings) -> Result<Arc<Decoded>, PixelError> {
        let content = PictureCache::content(&self.bytes, halvings);
        match self.shared.cache.get(&content) {
            Some(decoded) => Ok(decoded),
            None => Ok(self.shared.cache.keep(content, decode_halved(&self.bytes, path, Vec::new(), halvings)?)),
        }
    }

    fn assemble(&mut self, step: usize, prepared: Vec<Prepared>, skipped: Vec<Skipped>) -> Batch {
        let side = |of: fn(&Prepared) -> usize| prepared.iter().map(of).max().unwrap_or(0).next_multiple_of(SIDE_STEP);
        let width = side(|picture| picture.sample.content_size.0);
        let height = side(|picture| picture.sample.content_size.1);
        let mut pixels = self.shared.spare_out.try_recv().unwrap_or(Pixels::none(self.shared.form));
        pixels.resize(prepared.len(), 3 * height * width);
        let mut samples = Vec::with_capacity(prepared.len());
        let shape = [prepared.len(), 3, height, width];
        for (index, picture) in prepared.into_iter().enumerate() {
            pixels.write(index, &picture.planes(), &self.shared.normaliser, (width, height));
            self.scaler.recycle(picture.pixels);
            samples.push(picture.sample);
        }
        Batch { epoch: self.epoch, step, pixels, shape, samples, skipped }
    }
}
