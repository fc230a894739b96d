//! One annotation file of Pascal VOC.

use std::path::Path;

use roxmltree::{Document, Node};

use crate::error::DataError;
use crate::finding::{Defect, FindingKind};
use crate::source::text;

/// What an annotation file says.
#[derive(Debug)]
pub(super) struct Labels {
    pub filename: Option<String>,
    /// Width and height where stated and positive.
    pub size: Option<(u32, u32)>,
    /// The objects in order, the ones that cannot be read as their defects.
    pub objects: Vec<Result<RawObject, Defect>>,
}

/// One `<object>`.
#[derive(Debug)]
pub(super) struct RawObject {
    pub name: String,
    /// `[xmin, ymin, xmax, ymax]` as written.
    pub corners: [f64; 4],
    pub difficult: bool,
}

/// Reads an annotation file; the defect returned makes all of it unusable.
pub(super) fn read(path: &Path) -> Result<Labels, Defect> {
    let content = text::read(path).map_err(|error| match error {
        DataError::Malformed { record, reason, remedy, .. } => unreadable(format!("{record}: {reason}"), remedy),
        DataError::Io { source, .. } => unreadable(source.to_string(), "check the file and its permissions"),
        other => unreadable(other.to_string(), "mend the file"),
    })?;
    parse(&content)
}

fn parse(content: &str) -> Result<Labels, Defect> {
    let document = Document::parse(content)
        .map_err(|error| unreadable(format!("not well-formed XML: {error}"), "mend or copy the file again"))?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        let reason = format!("its root is <{}>, not <annotation>", root.tag_name().name());
        return Err(unreadable(reason, "give a Pascal VOC annotation file"));
    }
    let size = child(root, "size").and_then(|size| Some((side(size, "width")?, side(size, "height")?)));
    let objects = root.children().filter(|node| node.has_tag_name("object")).map(object).collect();
    Ok(Labels { filename: content_of(root, "filename").map(str::to_owned), size, objects })
}

fn unreadable(reason: impl Into<String>, remedy: impl Into<String>) -> Defect {
    let remedy: String = remedy.into();
    Defect::new(FindingKind::UnreadableLabels, reason, format!("the picture is left out; {remedy}"))
}

fn object(node: Node) -> Result<RawObject, Defect> {
    let name = content_of(node, "name").ok_or_else(|| malformed("<name> is missing or empty"))?;
    let bndbox = child(node, "bndbox").ok_or_else(|| malformed(&format!("<bndbox> of `{name}` is missing")))?;
    let mut corners = [0.0; 4];
    for (corner, key) in corners.iter_mut().zip(["xmin", "ymin", "xmax", "ymax"]) {
        let text =
            content_of(bndbox, key).ok_or_else(|| malformed(&format!("<{key}> of `{name}` is missing or empty")))?;
        *corner = text.parse().map_err(|_| malformed(&format!("<{key}> of `{name}` is not a number: `{text}`")))?;
    }
    let difficult = content_of(node, "difficult").is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"));
    Ok(RawObject { name: name.to_owned(), corners, difficult })
}

fn malformed(reason: &str) -> Defect {
    Defect::new(FindingKind::Malformed, reason, "left out; complete or delete the object")
}

/// The direct child of this name: a `<part>` of an object has a `<name>` and a `<bndbox>` of its own.
fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn content_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number in the range of u32")]
fn side(size: Node, name: &str) -> Option<u32> {
    let side: f64 = content_of(size, name)?.parse().ok()?;
    (side.fract() == 0.0 && side >= 1.0 && side <= f64::from(u32::MAX)).then_some(side as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_object_do_not_replace_its_name_and_box() {
        let labels = parse(
            "<annotation><object><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part><name>person</name>\
             <difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30.5</xmax><ymax>40</ymax></bndbox>\
             </object></annotation>",
        )
        .expect("parsed");
        let object = labels.objects[0].as_ref().expect("object");
        assert_eq!((object.name.as_str(), object.corners), ("person", [1.0, 2.0, 30.5, 40.0]));
        assert!(object.difficult);
        assert_eq!(labels.size, None);
    }

    #[test]
    fn deep_and_hostile_xml_is_refused_without_a_crash() {
        let deep = format!("<annotation>{}", "<a>".repeat(200_000));
        assert!(parse(&deep).is_err());
        let closed = format!("<annotation>{}{}</annotation>", "<a>".repeat(200_000), "</a>".repeat(200_000));
        let _ = parse(&closed);
        assert!(parse("<!DOCTYPE a [<!ENTITY b \"c\">]><annotation>&b;</annotation>").is_err());
    }
}
