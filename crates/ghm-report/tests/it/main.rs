//! Integration tests of the crate, one binary.
mod drawing;
mod writing;
