//! A page on which somebody goes through findings about labels: one file, no network, accept or reject by key.
//!
//! The findings lie in the page as JSON, pictures as data URIs; the page makes the elements of those that are near the visible part, so
//! that thousands of findings show at once. What was decided can be downloaded as JSON and is kept by the browser meanwhile.

use serde_json::{Value, json};

use crate::crop::Crop;
use crate::markup::escaped;

const PAGE: &str = include_str!("findings_page/page.html");
const STYLE: &str = include_str!("findings_page/page.css");
const SCRIPT: &str = include_str!("findings_page/page.js");

/// A finding as the page shows it.
#[derive(Clone, Debug)]
pub struct PageFinding {
    /// What is written to the decisions, and must be an object; the page adds `decision`. Its `kind` sorts findings, its `rank`
    /// and `suspicion` are shown.
    pub record: Value,
    /// What is wrong, in words.
    pub reason: String,
    /// The picture's name.
    pub picture: String,
    /// The part of the picture with the boxes; `None` where it could not be read.
    pub crop: Option<Crop>,
}

/// The page. `document` is what the decisions are headed by, an object; `title` heads the page.
pub fn findings_page(title: &str, document: &Value, findings: &[PageFinding]) -> String {
    let finding = |finding: &PageFinding| {
        json!({
            "record": finding.record,
            "reason": finding.reason,
            "picture": finding.picture,
            "crop": finding.crop.as_ref().map(Crop::json),
        })
    };
    let findings: Vec<Value> = findings.iter().map(finding).collect();
    PAGE.replace("{{title}}", &escaped(title))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{document}}", &script_safe(document))
        .replace("{{findings}}", &script_safe(&Value::Array(findings)))
}

/// JSON that no `</script>` in a name can end.
fn script_safe(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_gets_out_of_its_place_in_the_page() {
        let finding = PageFinding {
            record: json!({"rank": 1, "kind": "spurious-box", "suspicion": 0.5, "class": "</script><b>"}),
            reason: "a < b".to_owned(),
            picture: "<img>.jpg".to_owned(),
            crop: None,
        };
        let page = findings_page("<title> & co", &json!({"data": "</script>"}), &[finding]);
        assert!(page.contains("<h1>&lt;title&gt; &amp; co</h1>"));
        assert_eq!(page.matches("</script>").count(), 3);
        assert!(!page.contains("<img>") && !page.contains("{{"));
        assert!(
            !page.contains("http://")
                || page.matches("http").count() == page.matches("http://www.w3.org/2000/svg").count()
        );
        let from = page.find("id=\"findings\">").unwrap() + "id=\"findings\">".len();
        let data: Value = serde_json::from_str(&page[from..from + page[from..].find("</script>").unwrap()]).unwrap();
        assert_eq!(data[0]["record"]["class"], "</script><b>");
    }
}
