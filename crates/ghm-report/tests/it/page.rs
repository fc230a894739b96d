//! Pages.

use ghm_report::{Figure, page};

#[test]
fn a_page_holds_tables_and_charts_and_nothing_from_elsewhere() {
    let figure = Figure { title: "AP \"clean\"".into(), svg: "<svg viewBox=\"0 0 1 1\"></svg>".into() };
    let html = page("noise & loss", "Text:\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n", &[figure]);
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
    let html = page("x", "- <script>alert(1)</script> and <b>bold</b>: failed\n\n<img src=a>\n", &[]);
    assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
}
