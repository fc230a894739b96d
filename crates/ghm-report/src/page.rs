//! A page of text, tables and charts: one file, no network; light and dark, on paper and on a phone.

use pulldown_cmark::{Event, Options, Parser, html};

use crate::markup::escaped;

const STYLE: &str = include_str!("page/style.css");

/// A chart on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// The chart as an SVG file.
    pub svg: String,
}

/// A page with a title, a text in Markdown (with tables; HTML in it is shown as it is written), and charts.
pub fn page(title: &str, markdown: &str, figures: &[Figure]) -> String {
    let mut text = String::new();
    // Names come from files: none of them becomes a tag.
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        other => other,
    });
    html::push_html(&mut text, events);
    // A table wider than a phone is scrolled by itself.
    let text = text.replace("<table>", "<div class=\"table\"><table>").replace("</table>", "</table></div>");
    let figure = |figure: &Figure| {
        format!("<figure role=\"img\" aria-label=\"{}\">{}</figure>\n", escaped(&figure.title), figure.svg)
    };
    let figures: String = figures.iter().map(figure).collect();
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{figures}{text}</main>\n</body>\n</html>\n"
    )
}
