//! Names of classes, and which of them have objects where.

use super::Part;
use crate::dataset::Category;
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::Source;

/// Names that stand for "nothing", as some tools export them.
const NOTHING: [&str; 6] = ["background", "__background__", "_background_", "bg", "__ignore__", "ignore"];

/// Shortest name in which a letter too many is taken for a slip.
const LONG: usize = 4;

/// Every defect of the classes, told once for all splits.
pub(super) fn check(parts: &[Part], source: &Source) -> Vec<Finding> {
    let Some(first) = parts.first() else { return Vec::new() };
    let mut findings: Vec<Finding> = parts.iter().filter_map(|part| different(first, part)).collect();
    let mut categories = first.dataset.categories.clone();
    for category in parts.iter().flat_map(|part| &part.dataset.categories) {
        if !categories.iter().any(|known| known.name == category.name) {
            categories.push(category.clone());
        }
    }
    let categories = &categories;
    let mut tell = |category: &Category, defect: Defect| {
        findings.push(defect.at(source.root(), format!("category {}", category.id)));
    };
    for (index, category) in categories.iter().enumerate() {
        if let Some(defect) = stray(&category.name) {
            tell(category, defect);
        }
        if NOTHING.contains(&category.name.trim().to_lowercase().as_str()) {
            let reason = format!("`{}` is no class of objects", category.name);
            let remedy = "take it off: background is what no box covers, and needs no class";
            tell(category, Defect::new(FindingKind::BackgroundClass, reason, remedy));
        }
        if let Some(other) = categories[..index].iter().find(|other| are_similar(&other.name, &category.name)) {
            let reason = format!("`{}` and `{}` (category {}) may be one class", category.name, other.name, other.id);
            tell(category, Defect::new(FindingKind::SimilarName, reason, "both are kept apart; rename or merge them"));
        }
        if let Some(defect) = unused(category, parts) {
            tell(category, defect);
        }
    }
    findings
}

/// Whether a split has other classes than the first.
fn different(first: &Part, part: &Part) -> Option<Finding> {
    let of = |part: &Part| {
        let all = part.dataset.categories.iter().map(|category| format!("{} {}", category.id, category.name));
        all.collect::<Vec<_>>().join(", ")
    };
    (first.dataset.categories != part.dataset.categories).then(|| {
        let reason = format!("`{}` has the classes {}; `{}` has {}", part.name, of(part), first.name, of(first));
        let remedy = "training and evaluation refuse that; list the same names and numbers in the same order";
        let labels = part.dataset.images.first().map(|image| image.labels.clone()).unwrap_or_default();
        Defect::new(FindingKind::DifferentClasses, reason, remedy).at(&labels, format!("split {}", part.name))
    })
}

fn stray(name: &str) -> Option<Defect> {
    let stray = name.trim() != name || name.contains(|c: char| c.is_control() || c == '\u{200b}' || c == '\u{feff}');
    stray.then(|| {
        let reason = format!("the name {name:?} has spaces around it or signs that do not show");
        Defect::new(FindingKind::StrayName, reason, "write it without them")
    })
}

/// Whether two names, which are not the same, may be meant for one class.
fn are_similar(a: &str, b: &str) -> bool {
    let plain =
        |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let (plain_a, plain_b) = (plain(a), plain(b));
    if a == b || plain_a.is_empty() {
        return false;
    }
    if plain_a == plain_b {
        return true;
    }
    // A letter too many, or two that changed places; another letter makes another word, another digit another number.
    let (length_a, length_b) = (plain_a.chars().count(), plain_b.chars().count());
    let digits = |name: &str| -> String { name.chars().filter(char::is_ascii_digit).collect() };
    let swapped = length_a == length_b && {
        let mut letters = [&plain_a, &plain_b].map(|name| name.chars().collect::<Vec<_>>());
        letters.iter_mut().for_each(|letters| letters.sort_unstable());
        letters[0] == letters[1]
    };
    digits(&plain_a) == digits(&plain_b)
        && length_a.min(length_b) >= LONG
        && (swapped || length_a != length_b)
        && strsim::osa_distance(&plain_a, &plain_b) == 1
}

fn unused(category: &Category, parts: &[Part]) -> Option<Defect> {
    let has = |part: &Part| {
        let mut objects = part.dataset.images.iter().flat_map(|image| &image.objects);
        // Of two classes of one name each counts for itself.
        let index = part.dataset.categories.iter().position(|own| own == category);
        let index = index.or_else(|| part.dataset.categories.iter().position(|own| own.name == category.name));
        index.is_some_and(|index| objects.any(|object| object.class_index == index))
    };
    let holders: Vec<&str> = parts.iter().filter(|part| has(part)).map(|part| part.name.as_str()).collect();
    if holders.is_empty() {
        let reason = format!("`{}` has no object in any split", category.name);
        return Some(Defect::new(FindingKind::UnusedClass, reason, "label some, or take the class off the list"));
    }
    let training = parts.iter().find(|part| part.name.starts_with("train"))?;
    (!has(training)).then(|| {
        let reason = format!("`{}` has objects in {} and none in {}", category.name, holders.join(", "), training.name);
        Defect::new(FindingKind::UntrainedClass, reason, "it cannot be learned; split the pictures anew")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_one_class_are_similar_and_others_are_not() {
        for (a, b) in
            [("Dog", "dog"), ("traffic light", "traffic_light"), ("person", "persons"), ("recieve", "receive")]
        {
            assert!(are_similar(a, b), "{a}, {b}");
        }
        for (a, b) in [
            ("dog", "dog"),
            ("cat", "car"),
            ("grade_a", "grade_b"),
            ("size 1", "size 11"),
            ("plane", "plant"),
            ("nine", "ten"),
            ("-", "+"),
        ] {
            assert!(!are_similar(a, b), "{a}, {b}");
        }
    }
}
