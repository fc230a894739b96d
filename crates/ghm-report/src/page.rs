//! A page of text, tables, charts and parts of pictures: one file, no network; light and dark, on paper and on a phone.

use pulldown_cmark::{Event, Options, Parser, html};

use crate::crop::Crop;
use crate::markup::escaped;
use crate::matrix::Matrix;

const STYLE: &str = include_str!("page/style.css");

/// A part of a page.
#[derive(Clone, Debug)]
pub enum Block {
    /// Markdown with tables; HTML in it is shown as it is written.
    Text(String),
    /// Cells as they are written: a head, and rows of as many.
    Table(Vec<String>, Vec<Vec<String>>),
    /// Charts, side by side where there is room.
    Figures(Vec<Figure>),
    /// Parts of pictures, side by side.
    Gallery(Vec<Shown>),
    /// Which is taken for which.
    Matrix(Matrix),
}

/// A chart on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// The chart as an SVG file.
    pub svg: String,
}

/// A part of a picture on a page.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is to be seen.
    pub caption: String,
    /// The part.
    pub crop: Crop,
}

/// A page with a title.
pub fn page(title: &str, blocks: &[Block]) -> String {
    let body: String = blocks.iter().map(Block::html).collect();
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

impl Block {
    fn html(&self) -> String {
        match self {
            Self::Text(markdown) => text(markdown),
            Self::Table(head, rows) => table(head, rows),
            Self::Figures(figures) => {
                let charts: String = figures.iter().map(Figure::html).collect();
                format!("<div class=\"charts\">\n{charts}</div>\n")
            }
            Self::Gallery(shown) => {
                let parts: String = shown.iter().map(Shown::html).collect();
                format!("<div class=\"gallery\">\n{parts}</div>\n")
            }
            Self::Matrix(matrix) => matrix.html(),
        }
    }
}

impl Figure {
    fn html(&self) -> String {
        format!("<figure class=\"chart\" role=\"img\" aria-label=\"{}\">{}</figure>\n", escaped(&self.title), self.svg)
    }
}

impl Shown {
    fn html(&self) -> String {
        let caption = escaped(&self.caption);
        format!("<figure class=\"crop\">{}<figcaption>{caption}</figcaption></figure>\n", self.crop.svg())
    }
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = rows.iter().map(|row| line("td", row)).collect();
    let head = line("th", head);
    format!("<div class=\"table\"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n")
}

fn text(markdown: &str) -> String {
    let mut text = String::new();
    // Names come from files: none of them becomes a tag.
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        other => other,
    });
    html::push_html(&mut text, events);
    // A table wider than a phone is scrolled by itself.
    text.replace("<table>", "<div class=\"table\"><table>").replace("</table>", "</table></div>")
}
