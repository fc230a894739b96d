//! The pixels of a batch, as numbers or as bytes.

use serde::{Deserialize, Serialize};

use crate::augment::Flip;
use crate::pipeline::{NormaliseConfig, Normaliser, Planes};

/// How a loader hands pixels over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelForm {
    /// Normalised, as the network sees them.
    #[default]
    Planes,
    /// As bytes, a quarter of it, for a device that normalises them.
    Bytes,
}

/// The pixels of a batch of `N` pictures, padded to `H` and `W`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// `[N, 3, H, W]` normalised; 0 outside each picture's content.
    Planes(Vec<f32>),
    /// `[N, H, W, 3]` red, green, blue, mirrored and recoloured, not normalised; 0 outside.
    Bytes(Vec<u8>),
}

impl Pixels {
    /// None, in a form.
    pub(super) fn none(form: PixelForm) -> Self {
        match form {
            PixelForm::Planes => Self::Planes(Vec::new()),
            PixelForm::Bytes => Self::Bytes(Vec::new()),
        }
    }

    /// How they are.
    pub fn form(&self) -> PixelForm {
        match self {
            Self::Planes(_) => PixelForm::Planes,
            Self::Bytes(_) => PixelForm::Bytes,
        }
    }

    /// Number of numbers, or of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Planes(planes) => planes.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for `pictures` of `each` values.
    pub(super) fn resize(&mut self, pictures: usize, each: usize) {
        match self {
            Self::Planes(planes) => planes.resize(pictures * each, 0.0),
            Self::Bytes(bytes) => bytes.resize(pictures * each, 0),
        }
    }

    /// Writes picture `index` of `each` values, padded to a width and height.
    pub(super) fn write(
        &mut self,
        index: usize,
        picture: &Planes<'_>,
        normaliser: &Normaliser,
        (width, height): (usize, usize),
    ) {
        let each = 3 * width * height;
        let place = index * each..(index + 1) * each;
        match self {
            Self::Planes(planes) => normaliser.write(picture, &mut planes[place], (width, height)),
            Self::Bytes(bytes) => picture.write_bytes(&mut bytes[place], (width, height)),
        }
    }

    /// The planes, made here where they are bytes; `shape` is the batch's and `sizes` are those of the contents.
    pub fn planes(&self, shape: [usize; 4], sizes: &[(usize, usize)], normalise: &NormaliseConfig) -> Vec<f32> {
        let bytes = match self {
            Self::Planes(planes) => return planes.clone(),
            Self::Bytes(bytes) => bytes,
        };
        let [n, _, height, width] = shape;
        let (normaliser, each) = (Normaliser::new(normalise), 3 * width * height);
        let mut planes = vec![0.0; n * each];
        for ((bytes, planes), (content_width, content_height)) in
            bytes.chunks_exact(each.max(1)).zip(planes.chunks_exact_mut(each.max(1))).zip(sizes)
        {
            let rows = bytes.chunks_exact(3 * width).take(*content_height);
            let pixels: Vec<u8> = rows.flat_map(|row| &row[..3 * content_width]).copied().collect();
            let size = (*content_width, *content_height);
            let picture = Planes { pixels: &pixels, size, flip: Flip::default(), colour: None };
            normaliser.write(&picture, planes, (width, height));
        }
        planes
    }
}
