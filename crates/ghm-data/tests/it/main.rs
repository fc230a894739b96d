//! Integration tests of the data crate.

mod formats;
mod pixels;
mod scenes;
