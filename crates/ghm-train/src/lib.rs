//! From a recipe to a trained detector: recipe -> plan -> run.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`recipe`] | what a user writes; unknown keys refused with the nearest known one |
//! | [`plan`] | the recipe checked against the data: what will be trained on what |
//! | [`device`] | `cpu`, `cuda:0`, `wgpu` |
//! | [`input`] | the way of a batch's pixels to a device |
//! | [`folds`] | training pictures in parts, each of which one network never sees |
//! | [`schedule`] | the learning rate of every step |
//! | [`adamw`], [`sgd`] | AdamW and SGD with momentum, each in one pass |
//! | [`gradient_norm`] | the norm of all gradients together, and its limit |
//! | [`optimise`] | one update: accumulated, clipped by the global norm, applied |
//! | `host` | tensors of the CPU as vectors |
//! | [`learner`] | a network that is being trained, and what one batch does to it |
//! | [`session`] | the loop |
//! | [`evidence`] | what the network said of each label, in the pixels of its picture |
//! | [`pending`] | updates whose numbers have not been read from their device yet |
//! | [`step_record`] | what a step and an epoch leave behind |
//! | [`observe`] | who is told |
//! | [`predictor`] | a network on pictures: boxes in their own pixels |
//! | [`checkpoint`] | everything a run needs to go on, written so that no crash loses it |
//! | [`description`] | what a file of weights says beside its tensors |
//! | [`run_directory`] | what a run leaves on disk |
//!
//! ```
//! use ghm_train::Recipe;
//!
//! let recipe = Recipe::parse("[data]\nroot = 'photos'", &["schedule.epochs=3".into()])?;
//! assert_eq!(recipe.schedule.epochs, 3);
//! let error = Recipe::parse("[data]\nroot = 'photos'", &["schedule.epoch=3".into()]).unwrap_err();
//! assert!(error.to_string().contains("did you mean `epochs`"));
//! # Ok::<(), ghm_train::TrainError>(())
//! ```

pub mod adamw;
pub mod checkpoint;
pub mod description;
pub mod device;
pub mod error;
pub mod evidence;
pub mod folds;
pub mod gradient_norm;
mod host;
pub mod input;
pub mod learner;
pub mod observe;
pub mod optimise;
pub mod pending;
pub mod plan;
pub mod predictor;
pub mod recipe;
pub mod run_directory;
pub mod schedule;
pub mod session;
pub mod sgd;
pub mod step_record;

pub use checkpoint::{Checkpoint, CheckpointState};
pub use description::Description;
pub use device::open_device;
pub use error::TrainError;
pub use folds::Fold;
pub use input::Input;
pub use learner::{Learned, Learner, Stage};
pub use observe::Observer;
pub use plan::Plan;
pub use predictor::{BatchExamples, Predictor};
pub use recipe::Recipe;
pub use run_directory::{RunDirectory, replace_file};
pub use session::{Ended, Session};
pub use step_record::{DensityRecord, EpochRecord, StepRecord, StepTime};
