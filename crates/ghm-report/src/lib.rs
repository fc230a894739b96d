//! What people look at: pictures with boxes drawn on them, charts, and pages of one file.
//!
//! | module | what it holds |
//! |---|---|
//! | [`colour`] | one colour a class, and the text colour that can be read on it |
//! | [`boxes`] | boxes and their labels drawn on a picture |
//! | [`text`] | the bitmap font |
//! | [`compose`] | pictures side by side and enlarged |
//! | [`chart`] | charts as SVG and as pixels |
//! | [`crop`] | a part of a picture with a label and what a network sees there |
//! | [`mod@findings_page`] | a page on which findings about labels are accepted or rejected |
//! | [`mod@page`] | a page of text, tables, charts and parts of pictures in one file |
//! | [`matrix`] | counts in rows and columns |
//! | [`mod@file`] | writing a picture, whole or not at all |
//!
//! ```
//! use ghm_boxes::Bbox;
//! use ghm_report::{DrawnBox, class_colour, draw_boxes};
//! use image::RgbImage;
//!
//! let mut picture = RgbImage::new(64, 48);
//! let bbox_in_image = Bbox::new(10.0, 20.0, 40.0, 40.0);
//! draw_boxes(&mut picture, &[DrawnBox { bbox_in_image, label: "ring".into(), colour: class_colour(0) }]);
//! assert_eq!(picture.get_pixel(10, 30).0, class_colour(0).to_array());
//! ```

pub mod boxes;
pub mod chart;
pub mod colour;
pub mod compose;
pub mod crop;
pub mod file;
pub mod findings_page;
mod layout;
mod markup;
pub mod matrix;
pub mod page;
pub mod text;

pub use boxes::{DrawnBox, draw_boxes};
pub use chart::{Chart, ChartAxis, Mark, Point, Series};
pub use colour::{Colour, class_colour};
pub use compose::{enlarge, side_by_side};
pub use crop::Crop;
pub use file::{ReportError, write_png};
pub use findings_page::{PageFinding, findings_page};
pub use matrix::Matrix;
pub use page::{Block, Figure, Shown, page};
