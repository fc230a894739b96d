//! The network from outside: against torchvision's.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its fixture should stop")]

mod fixture;
mod golden;
mod onnx;
mod precision;
mod weights;
