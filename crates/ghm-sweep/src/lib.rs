//! Grids of training runs: what is to be run, and what came out.
//!
//! | module | what |
//! |---|---|
//! | [`mod@file`] | a sweep as its file has it |
//! | [`plan`] | the sweep checked: axes, cells, runs |
//! | [`metric`] | what runs are compared by |
//! | [`outcome`] | what came out of a run |
//! | [`statistics`] | means, standard deviations, paired differences and their intervals |
//! | [`results`] | outcomes by cell, the chosen ones, and how they differ |
//! | [`pairs`] | every two values of an axis, over several rows together |
//! | [`sensitivity`] | how much a grid of settings matters, and what its default costs |
//! | [`markdown`] | results as Markdown |
//! | [`joined()`] | one axis of several sweeps in one table |
//! | [`table`] | results as CSV and JSON |
//!
//! ```
//! let sweep = ghm_sweep::Sweep::parse(
//!     r#"
//!     recipe = "demo.toml"
//!     seeds = [0, 1, 2]
//!
//!     [[axes]]
//!     name = "learning rate"
//!     key = "optimiser.learning_rate"
//!     values = [5e-4, 1e-3]
//!     "#,
//!     "sweep.toml".as_ref(),
//! )?;
//! assert_eq!(sweep.runs().len(), 6);
//! assert_eq!(sweep.runs()[5].overrides, ["optimiser.learning_rate=0.001", "seed=2"]);
//! # Ok::<(), ghm_sweep::SweepError>(())
//! ```

mod error;
pub mod file;
mod joined;
pub mod markdown;
pub mod metric;
pub mod outcome;
pub mod pairs;
pub mod plan;
pub mod results;
pub mod sensitivity;
pub mod statistics;
pub mod table;

pub use error::SweepError;
pub use joined::{Part, joined};
pub use outcome::Outcome;
pub use pairs::Pair;
pub use plan::{Axis, Cell, Choice, Over, Pairs, Run, Sweep};
pub use results::{Difference, Results, Row};
pub use sensitivity::Sensitivity;
pub use statistics::{Interval, Paired, Spread};
