//! Pages.

use ghm_boxes::Bbox;
use ghm_report::{Block, Crop, Figure, Shown, page};
use image::RgbImage;

#[test]
fn a_page_holds_tables_and_charts_and_nothing_from_elsewhere() {
    let figure = Figure { title: "AP \"clean\"".into(), svg: "<svg viewBox=\"0 0 1 1\"></svg>".into() };
    let text = Block::Text("Text:\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n".into());
    let html = page("noise & loss", &[text, Block::Figures(vec![figure])]);
    for part in [
        "<title>noise &amp; loss</title>",
        "<div class=\"table\"><table>",
        "<td>2</td>",
        "aria-label=\"AP &quot;clean&quot;\"",
        "<svg viewBox=\"0 0 1 1\"></svg>",
    ] {
        assert!(html.contains(part), "no `{part}` in {html}");
    }
    assert!(!html.contains("http") && !html.contains("src=") && !html.contains("<script"));
}

#[test]
fn names_from_files_never_become_tags() {
    let text = "- <script>alert(1)</script> and <b>bold</b>: failed\n\n<img src=a>\n";
    let html = page("x", &[Block::Text(text.into())]);
    assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
}

#[test]
fn a_gallery_shows_label_and_finding_with_what_they_are() {
    let (label, seen) = (Bbox::new(20.0, 20.0, 60.0, 60.0), Bbox::new(24.0, 20.0, 64.0, 60.0));
    let crop = Crop::new(&RgbImage::new(100, 80), Some(label), Some(seen)).unwrap();
    let html = page("x", &[Block::Gallery(vec![Shown { caption: "cat <0.9>".into(), crop }])]);
    assert!(html.contains("href=\"data:image/jpeg;base64,"), "{html}");
    assert!(html.contains("<rect class=\"now\"") && html.contains("<rect class=\"seen\""));
    assert!(html.contains("<figcaption>cat &lt;0.9&gt;</figcaption>"));
}
