//! Integration tests of the data crate.

mod folder;
mod formats;
mod noise;
mod pixels;
mod scenes;
mod survey;
