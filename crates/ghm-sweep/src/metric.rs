//! What runs are compared by: their names.

/// The numbers of a run, as `evaluation.json` names them.
pub const NUMBERS: [&str; 12] = [
    "AP",
    "AP50",
    "AP75",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AR_1",
    "AR_10",
    "AR_100",
    "AR_small",
    "AR_medium",
    "AR_large",
];

/// Those that each class has too; a class's is named by [`of_class`].
pub const CLASS_NUMBERS: [&str; 3] = ["AP", "AP50", "AP75"];

/// What a run took: seconds, and the share of its updates' time that went into the losses.
pub const COSTS: [&str; 2] = ["seconds", "losses_percent"];

/// The name of a class's number.
///
/// ```
/// use ghm_sweep::metric::{class_of, of_class};
///
/// let metric = of_class("AP50", "white cell");
/// assert_eq!(metric, "AP50 of white cell");
/// assert_eq!(class_of(&metric), Some("white cell"));
/// assert_eq!(class_of("AP50"), None);
/// ```
pub fn of_class(number: &str, class: &str) -> String {
    format!("{number} of {class}")
}

/// The class whose number a metric is; `None` for one of all classes together, and for a cost.
pub fn class_of(metric: &str) -> Option<&str> {
    let (number, class) = metric.split_once(" of ")?;
    (CLASS_NUMBERS.contains(&number) && !class.is_empty()).then_some(class)
}

/// Whether a metric is what a run took, of which less is better.
pub fn is_cost(metric: &str) -> bool {
    COSTS.contains(&metric)
}

/// Whether there is such a metric.
///
/// # Errors
/// Those that there are.
pub fn known(metric: &str) -> Result<(), String> {
    if NUMBERS.contains(&metric) || is_cost(metric) || class_of(metric).is_some() {
        return Ok(());
    }
    let classes = CLASS_NUMBERS.map(|number| of_class(number, "CLASS"));
    Err(format!("`{metric}` is none of {}, {}, {}", NUMBERS.join(", "), classes.join(", "), COSTS.join(", ")))
}
