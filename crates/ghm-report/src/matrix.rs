//! Counts in rows and columns, darker where more of a row is.

use std::fmt::Write;

use crate::markup::escaped;

/// Counts in rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// What the rows are, above their names.
    pub corner: String,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// `[rows, columns]`, row by row.
    pub counts: Vec<u64>,
}

impl Matrix {
    /// A table; a cell is as dark as its share of its row.
    pub(crate) fn html(&self) -> String {
        let head: String = self.columns.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
        let corner = escaped(&self.corner);
        let mut table = format!(
            "<div class=\"table\"><table class=\"matrix\">\n<thead><tr><th>{corner}</th>{head}</tr></thead>\n<tbody>\n"
        );
        for (name, counts) in self.rows.iter().zip(self.counts.chunks(self.columns.len().max(1))) {
            let sum = counts.iter().sum::<u64>().max(1) as f64;
            let cells: String = counts.iter().map(|count| cell(*count, *count as f64 / sum)).collect();
            // Writing to a string does not fail.
            let _ = writeln!(table, "<tr><th>{}</th>{cells}</tr>", escaped(name));
        }
        table + "</tbody>\n</table></div>\n"
    }
}

fn cell(count: u64, share: f64) -> String {
    match count {
        0 => "<td></td>".to_owned(),
        _ => format!("<td style=\"--share:{share:.2}\">{count}</td>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_its_count_and_its_share_of_the_row() {
        let matrix = Matrix {
            corner: "there, seen".into(),
            rows: vec!["a<b".into(), "c".into()],
            columns: vec!["a<b".into(), "nothing".into()],
            counts: vec![3, 1, 0, 0],
        };
        let html = matrix.html();
        assert!(
            html.contains("<tr><th>a&lt;b</th><td style=\"--share:0.75\">3</td><td style=\"--share:0.25\">1</td></tr>")
        );
        assert!(html.contains("<tr><th>c</th><td></td><td></td></tr>"), "{html}");
    }
}
