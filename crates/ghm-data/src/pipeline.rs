//! From a decoded picture and its objects to network input: scale, mirror, crop, colour, normalise, boxes alongside.

use std::path::Path;

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use ghm_boxes::Bbox;
use rand_chacha::ChaCha8Rng;

use crate::{
    augment::{AugmentConfig, ColourMap, Draw, Flip},
    dataset::ImageRecord,
    picture::Picture,
    pixel_error::PixelError,
    reduced::{Decoded, Halvings},
    transform::Transform,
};

pub use fit::{ResizeConfig, ResizeMode};
pub use normalise::{ColourOrder, NormaliseConfig, Range};
pub(crate) use normalise::{Normaliser, Planes};

mod bytes;
mod fit;
mod normalise;

/// What is done to every picture of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// The size of the network's input.
    pub resize: ResizeConfig,
    /// The numbers that the network sees.
    pub normalise: NormaliseConfig,
    /// Random changes for training; none for evaluation.
    pub augment: Option<AugmentConfig>,
}

/// What is known about one picture of a batch, its boxes in input coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The data set's id of the picture.
    pub image_id: u64,
    /// Index into [`Dataset::images`](crate::Dataset::images).
    pub image_index: usize,
    /// `[G]` boxes to be found, clipped to the content.
    pub bboxes_in_input: Vec<Bbox>,
    /// `[G]` their classes, `0..C`.
    pub class_indices: Vec<usize>,
    /// `[G]` the data set's ids of their annotations.
    pub annotation_ids: Vec<u64>,
    /// Boxes that are neither object nor background: crowds, difficult objects, and those that a crop left too little of.
    pub ignored_in_input: Vec<Bbox>,
    /// The map from the upright original picture to the input; its inverse takes detections back.
    pub input_from_image: Transform,
    /// Width and height in pixels of the picture within the input; the rest, right and below, is padding.
    pub content_size: (usize, usize),
    /// Width and height in pixels of the upright original picture.
    pub image_size: (u32, u32),
}

/// A picture scaled, cropped and transposed, its mirroring and colours still to be done while it is normalised.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `[content_h, content_w, 3]`, RGB, not yet mirrored.
    pub(crate) pixels: Vec<u8>,
    /// Mirroring to do.
    pub(crate) flip: Flip,
    /// Change of colours to do.
    pub(crate) colour: Option<ColourMap>,
    /// What is known about it, mirroring included.
    pub(crate) sample: Sample,
}

impl Prepared {
    /// How its pixels go into planes.
    pub(crate) fn planes(&self) -> Planes<'_> {
        Planes { pixels: &self.pixels, size: self.sample.content_size, flip: self.flip, colour: self.colour }
    }
}

/// A labelled picture of a data set: its record and its place there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labelled<'a> {
    /// Index into the data set's images.
    pub(crate) image_index: usize,
    /// What the data set says.
    pub(crate) record: &'a ImageRecord,
}

impl Pipeline {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// [`PixelError::Setting`] with the key of the first setting out of its range.
    pub fn check(&self) -> Result<(), PixelError> {
        self.resize.check()?;
        self.normalise.check()?;
        self.augment.as_ref().map_or(Ok(()), AugmentConfig::check)
    }

    /// Makes one picture ready: `[3, content_h, content_w]` normalised planes without padding, and what is known about it.
    /// Without augmentation no number is drawn.
    ///
    /// # Errors
    ///
    /// [`PixelError::SizeMismatch`] when the picture has not the size that its record states.
    pub fn prepare(
        &self,
        picture: &Picture,
        image_index: usize,
        record: &ImageRecord,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<f32>, Sample), PixelError> {
        let labelled = Labelled { image_index, record };
        let draft = self.draft(record, rng);
        let decoded = Decoded::from(picture.clone());
        let prepared = self.scale(&decoded, labelled, &draft, &mut Scaler::default())?;
        let (width, height) = prepared.sample.content_size;
        let mut planes = vec![0.0; 3 * width * height];
        Normaliser::new(&self.normalise).write(&prepared.planes(), &mut planes, (width, height));
        Ok((planes, prepared.sample))
    }

    /// What will be done to a picture of the size that its record states.
    pub(crate) fn draft(&self, record: &ImageRecord, rng: &mut ChaCha8Rng) -> Draft {
        let draw = self.augment.as_ref().map_or(Draw::NONE, |augment| augment.draw(rng));
        let size = (record.width as usize, record.height as usize);
        let placement = self.resize.place(size, &draw);
        Draft { draw, placement, halvings: Halvings::for_placement(size, &placement) }
    }

    /// Everything but colours and normalising, which wait until the size of the batch is known.
    pub(crate) fn scale(
        &self,
        decoded: &Decoded,
        labelled: Labelled<'_>,
        draft: &Draft,
        scaler: &mut Scaler,
    ) -> Result<Prepared, PixelError> {
        let record = labelled.record;
        if decoded.full != (record.width as usize, record.height as usize) {
            let (path, expected) = (record.path.clone(), (record.width, record.height));
            return Err(PixelError::SizeMismatch { path, found: decoded.full, expected });
        }
        let Draft { draw, placement, .. } = draft;
        let pixels = scaler.scale(decoded, placement, &record.path)?;
        let min_visible = self.augment.as_ref().map_or(0.0, |augment| augment.min_visible);
        let colour = ColourMap::of(draw.jitter, &pixels);
        Ok(Prepared { pixels, flip: draw.flip, colour, sample: sample(labelled, placement, min_visible) })
    }
}

/// What will be done to a picture.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Random changes.
    draw: Draw,
    /// Where it lands.
    placement: Placement,
    /// How much smaller it may be decoded.
    pub(crate) halvings: Halvings,
}

/// Where a picture lands in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// Part of the original picture that is kept, in its own pixels.
    pub(crate) source: SourceArea,
    /// Width and height of that part in the input.
    pub(crate) content_size: (usize, usize),
    /// Whether rows and columns change places on the way there.
    pub(crate) transposed: bool,
    /// The whole map, mirroring included.
    pub(crate) input_from_image: Transform,
}

impl Placement {
    /// Width and height to which the kept part is scaled, before rows and columns change places.
    pub(crate) fn scaled_size(&self) -> (usize, usize) {
        let (width, height) = self.content_size;
        if self.transposed { (height, width) } else { (width, height) }
    }
}

/// A rectangle by its corner and size, in f64 for a picture's full resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SourceArea {
    /// Left edge.
    pub(crate) left: f64,
    /// Top edge.
    pub(crate) top: f64,
    /// Width.
    pub(crate) width: f64,
    /// Height.
    pub(crate) height: f64,
}

impl SourceArea {
    /// The same rectangle when x and y change places.
    const fn transposed(self) -> Self {
        Self { left: self.top, top: self.left, width: self.height, height: self.width }
    }
}

fn sample(labelled: Labelled<'_>, placement: &Placement, min_visible: f32) -> Sample {
    let Labelled { image_index, record } = labelled;
    let mut sample = Sample {
        image_id: record.id,
        image_index,
        bboxes_in_input: Vec::with_capacity(record.objects.len()),
        class_indices: Vec::with_capacity(record.objects.len()),
        annotation_ids: Vec::with_capacity(record.objects.len()),
        ignored_in_input: Vec::new(),
        input_from_image: placement.input_from_image,
        content_size: placement.content_size,
        image_size: (record.width, record.height),
    };
    let (width, height) = placement.content_size;
    for object in &record.objects {
        let whole = placement.input_from_image.apply(object.bbox_in_image);
        let visible = whole.clip(width as f32, height as f32);
        if !visible.is_proper() {
            continue;
        }
        if object.ignored || visible.area() < min_visible * whole.area() {
            sample.ignored_in_input.push(visible);
        } else {
            sample.bboxes_in_input.push(visible);
            sample.class_indices.push(object.class_index);
            sample.annotation_ids.push(object.annotation_id);
        }
    }
    sample
}

/// Scales pictures with buffers that are used again; one a thread.
#[derive(Debug, Default)]
pub(crate) struct Scaler {
    resizer: Resizer,
    spare: Vec<Vec<u8>>,
}

impl Scaler {
    /// Gives the pixels of a finished picture back.
    pub(crate) fn recycle(&mut self, pixels: Vec<u8>) {
        self.spare.push(pixels);
    }

    /// `[content_h, content_w, 3]`: the kept part of the picture, by a bilinear filter that widens as the picture
    /// shrinks (so that nothing is skipped).
    fn scale(&mut self, decoded: &Decoded, placement: &Placement, path: &Path) -> Result<Vec<u8>, PixelError> {
        let Decoded { picture, halvings, .. } = decoded;
        let size = placement.scaled_size();
        let error = |reason: String| PixelError::Resize { path: path.to_path_buf(), size, reason };
        let mut pixels = self.spare.pop().unwrap_or_default();
        pixels.resize(size.0 * size.1 * 3, 0);
        let (width, height) = (picture.width as u32, picture.height as u32);
        // Of one type of pixel: where it is chosen at run time the code for every type is built into this crate.
        let source =
            TypedImageRef::<U8x3>::from_buffer(width, height, &picture.pixels).map_err(|e| error(e.to_string()))?;
        let mut target = TypedImage::<U8x3>::from_buffer(size.0 as u32, size.1 as u32, &mut pixels)
            .map_err(|e| error(e.to_string()))?;
        // A halved picture may end within its last pixel.
        let SourceArea { left, top, width, height } = placement.source;
        let [left, top, width, height] = [left, top, width, height].map(|length| halvings.shrink(length));
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(left, top, width, height);
        self.resizer.resize_typed(&source, &mut target, &options).map_err(|e| error(e.to_string()))?;
        Ok(if placement.transposed { self.transpose(pixels, size.0) } else { pixels })
    }

    /// Pixels in rows of `width` with rows and columns changed.
    fn transpose(&mut self, pixels: Vec<u8>, width: usize) -> Vec<u8> {
        let height = pixels.len() / 3 / width;
        let mut columns = self.spare.pop().unwrap_or_default();
        columns.resize(pixels.len(), 0);
        for (x, column) in columns.chunks_exact_mut(3 * height).enumerate() {
            for (y, pixel) in column.chunks_exact_mut(3).enumerate() {
                pixel.copy_from_slice(&pixels[3 * (y * width + x)..][..3]);
            }
        }
        self.recycle(pixels);
        columns
    }
}
