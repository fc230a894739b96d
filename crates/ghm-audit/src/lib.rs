//! Which labels of a detection data set are probably wrong, and what would be right.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`summary`] | what is known of every label after all, and of objects without one |
//! | [`observed`] | a summary of what a network said while it learned |
//! | [`detected`] | a summary of detections, without a run |
//! | [`afterwards`] | what the trained network sees where its labels are, and where one is missing |
//! | `calls` | how much it says that a network takes something for a class |
//! | `usual` | what is usual among the labels of an epoch |
//! | [`suspicion`] | for every label how much it looks like each kind of mistake |
//! | [`ranking`] | one list over all kinds, the surest first |
//! | [`pictures`] | the pictures of the list, those first that have most to be mended |
//! | [`mod@apply`] | accepted suspicions brought into the labels |
//! | [`measure`] | how well scores find what is wrong, where that is known |
//! | [`truth`] | what is wrong in truth, where it was made wrong on purpose |
//! | [`rival`] | other ways to rank labels |
//! | [`error`] | what can go wrong |
//!
//! The norm of a label's gradient, `g = |p - p*|`, is what tells a wrong label: the network keeps contradicting it until it
//! has learned it by heart. So labels are judged by all epochs, early ones too, and never by the harmonised
//! weight `beta * g`, which levels out what is looked for.

pub mod afterwards;
pub mod apply;
mod calls;
pub mod detected;
pub mod error;
pub mod measure;
pub mod observed;
pub mod pictures;
pub mod ranking;
pub mod rival;
pub mod summary;
pub mod suspicion;
pub mod truth;
mod usual;

pub use apply::{Changes, Remedy, apply};
pub use detected::{Shown, from_detections, from_networks};
pub use error::AuditError;
pub use observed::read_evidence;
pub use pictures::{PictureTally, by_picture};
pub use ranking::{Suspect, rank};
pub use summary::{LabelSummary, Look, Origin, Seen, Sight, Summary};
pub use suspicion::{Kind, Suspicion, Suspicions, suspicions};
pub use truth::Truth;
