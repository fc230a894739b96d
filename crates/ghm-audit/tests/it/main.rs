//! From what was said of labels to a list of mistakes.

mod apply;
mod list;
mod made_up;
