//! Decoded pictures, kept by what their files hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::reduced::{Decoded, Halvings};

/// What names a picture: the SHA-256 of its file, and how small it was decoded.
pub(super) type Content = ([u8; 32], Halvings);

/// Decoded pictures up to a limit of memory; what does not fit is decoded anew each time. A file that changes is another
/// one, whatever its name and size, and two equal files are one.
#[derive(Debug)]
pub(super) struct PictureCache {
    /// Bytes of pixels.
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    pictures: HashMap<Content, Arc<Decoded>>,
}

impl PictureCache {
    /// An empty one; with a limit of 0 it stays so.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// Whether anything can be kept.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0
    }

    /// The name of these bytes of a file, decoded so.
    pub(super) fn content(bytes: &[u8], halvings: Halvings) -> Content {
        (Sha256::digest(bytes).into(), halvings)
    }

    /// The picture, if it is kept.
    pub(super) fn get(&self, content: &Content) -> Option<Arc<Decoded>> {
        self.kept().pictures.get(content).cloned()
    }

    /// Keeps a picture if there is room for it.
    pub(super) fn keep(&self, content: Content, picture: Decoded) -> Arc<Decoded> {
        let (bytes, picture) = (picture.picture.pixels.len(), Arc::new(picture));
        let mut kept = self.kept();
        if bytes <= self.limit - kept.bytes && !kept.pictures.contains_key(&content) {
            kept.bytes += bytes;
            kept.pictures.insert(content, Arc::clone(&picture));
        }
        picture
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;

    fn picture(grey: u8) -> Decoded {
        Picture { width: 2, height: 1, pixels: vec![grey; 6] }.into()
    }

    #[test]
    fn what_fits_is_kept_by_its_content_and_no_more() {
        let cache = PictureCache::new(13);
        let names = [1u8, 2, 3].map(|byte| PictureCache::content(&[byte], Halvings::default()));
        for (name, grey) in names.into_iter().zip(1..) {
            assert_eq!(*cache.keep(name, picture(grey)), picture(grey));
            cache.keep(name, picture(grey)); // counts once
        }
        assert_eq!(cache.get(&names[0]).as_deref(), Some(&picture(1)));
        assert_eq!(cache.get(&names[1]).as_deref(), Some(&picture(2)));
        assert_eq!(cache.get(&names[2]), None, "there is no room for a third");
        assert!(!PictureCache::new(0).is_on());
    }
}
