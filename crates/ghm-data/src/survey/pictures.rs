//! Every picture decoded to its end, and what is kept of it to be compared with others.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::Part;
use super::objects::picture_record;
use crate::decode::{decode_bytes, read_file};
use crate::finding::{Defect, Finding, FindingKind};
use crate::header::PictureKind;
use crate::picture::Picture;
use crate::pixel_error::PixelError;
use crate::source::has_ending;

/// Side of the small grey picture by which pictures are compared.
pub(super) const SIDE: usize = 16;

/// What is kept of a picture.
pub(super) struct Look {
    /// SHA-256 of its file.
    pub digest: [u8; 32],
    /// `[SIDE, SIDE]` grey levels of the picture squeezed to a square; `None` of one that cannot be decoded.
    pub small: Option<[u8; SIDE * SIDE]>,
    /// What is wrong with it.
    defects: Vec<Defect>,
}

/// Looks at all pictures of all parts, in their order; `progress` hears how many of how many are done.
pub(super) fn look(parts: &[&Part], progress: &(dyn Fn(usize, usize) + Sync)) -> Vec<Vec<Look>> {
    let total = parts.iter().map(|part| part.dataset.images.len()).sum();
    let done = AtomicUsize::new(0);
    let one = |path: &Path| {
        let look = Look::of(path);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        look
    };
    parts.iter().map(|part| part.dataset.images.par_iter().map(|image| one(&image.path)).collect()).collect()
}

/// What is wrong with pictures by themselves.
pub(super) fn check(parts: &[&Part], looks: &[Vec<Look>]) -> Vec<Finding> {
    let images = parts.iter().zip(looks).flat_map(|(part, looks)| part.dataset.images.iter().zip(looks));
    images
        .flat_map(|(image, look)| {
            look.defects.iter().map(|defect| defect.clone().at(&image.path, picture_record(image)))
        })
        .collect()
}

impl Look {
    fn of(path: &Path) -> Self {
        let mut bytes = Vec::new();
        let picture = read_file(path, &mut bytes).and_then(|()| decode_bytes(&bytes, path));
        let mut defects = Vec::new();
        let small = match picture {
            Ok(picture) => Some(small(&picture)),
            Err(error) => {
                defects.extend(damage(error));
                None
            }
        };
        defects.extend(PictureKind::of(&bytes).and_then(|kind| wrong_ending(path, kind)));
        Self { digest: Sha256::digest(&bytes).into(), small, defects }
    }
}

/// `None` where the header alone tells it, which has been reported.
fn damage(error: PixelError) -> Option<Defect> {
    let remedy = "it is left out of every batch; copy or download it again";
    match error {
        PixelError::Empty { .. } | PixelError::UnknownFormat { .. } => None,
        other => Some(Defect::new(FindingKind::DamagedPixels, other.to_string(), remedy)),
    }
}

fn wrong_ending(path: &Path, kind: PictureKind) -> Option<Defect> {
    let (what, endings): (_, &[&str]) = match kind {
        PictureKind::Jpeg => ("JPEG", &["jpg", "jpeg", "jpe", "jfif"]),
        PictureKind::Png => ("PNG", &["png"]),
    };
    let ending = path.extension()?.to_string_lossy().into_owned();
    (!has_ending(path, endings)).then(|| {
        let reason = format!("it is a {what}, and its name ends in .{ending}");
        Defect::new(FindingKind::WrongEnding, reason, "it is read all the same, by others perhaps not: rename it")
    })
}

/// Grey levels of a picture squeezed to a square.
fn small(picture: &Picture) -> [u8; SIDE * SIDE] {
    let mut grey = [0; SIDE * SIDE];
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut squeezed = TypedImage::<U8x3>::new(SIDE as u32, SIDE as u32);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    // Neither can fail: the pixels are as many as the size says.
    let source = TypedImageRef::<U8x3>::from_buffer(width, height, &picture.pixels);
    let resized =
        source.is_ok_and(|source| Resizer::new().resize_typed(&source, &mut squeezed, Some(&options)).is_ok());
    if resized {
        for (grey, pixel) in grey.iter_mut().zip(squeezed.pixels()) {
            let [r, g, b] = pixel.0.map(u32::from);
            *grey = ((299 * r + 587 * g + 114 * b) / 1000) as u8;
        }
    }
    grey
}
