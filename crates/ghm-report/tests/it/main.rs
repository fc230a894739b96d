//! Integration tests of the crate, one binary.
mod chart;
mod drawing;
mod page;
mod writing;
