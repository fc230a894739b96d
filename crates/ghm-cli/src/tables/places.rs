//! The places of a document that are written anew, and what is to stand there.

use std::ops::Range;

use ghm_sweep::metric::known;

/// Begins a place; what follows says of what the tables are.
pub const BEGIN: &str = "<!-- ghm tables ";

/// Ends it.
pub const END: &str = "<!-- end of tables -->";

/// What can follow.
const FORMS: &str = "`<!-- ghm tables SWEEP.toml sweep.json -->`, two paths without spaces, or `<!-- ghm tables AXIS of NAME: \
                     SWEEP.toml sweep.json; NAME: ... -->`, each name once; behind a sweep.json can stand another metric than the sweep's";

/// A place in a document that is written anew.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// What is to stand there.
    pub asked: Asked,
    /// The line that begins it, from 1 on.
    pub line: usize,
    /// From behind the line that begins it to before the line that ends it.
    pub range: Range<usize>,
}

/// Of what tables are.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// A sweep: all tables and charts.
    Whole(Source),
    /// An axis of several sweeps, one table; each with the name that its columns have.
    Joined { axis: String, parts: Vec<(String, Source)> },
}

/// A sweep and what came out of it; paths as the document has them.
#[derive(Debug, PartialEq)]
pub struct Source {
    pub sweep: String,
    pub outcomes: String,
    /// What runs are compared by, if not by the sweep's own metric.
    pub metric: Option<String>,
}

/// The places of a document; or the line that is wrong, from 1 on, and why. What a fence holds is text, not a place.
pub fn places(text: &str) -> Result<Vec<Place>, (usize, String)> {
    let mut places = Vec::new();
    let mut open: Option<Place> = None;
    let (mut at, mut fenced) = (0, false);
    for (line, words) in (1..).zip(text.split_inclusive('\n')) {
        let next = at + words.len();
        let words = words.trim_end();
        if ["```", "~~~"].iter().any(|fence| words.trim_start().starts_with(fence)) {
            fenced = !fenced;
        } else if !fenced && words.starts_with(BEGIN) {
            if let Some(Place { line, .. }) = open {
                return Err((line, format!("the next begins before a line `{END}` has ended it")));
            }
            let asked = words.strip_prefix(BEGIN).and_then(|words| asked(words.strip_suffix("-->")?));
            let asked = asked.ok_or_else(|| (line, format!("write {FORMS}")))?;
            open = Some(Place { asked, line, range: next..next });
        } else if !fenced && words == END {
            let place = open.take().ok_or_else(|| (line, format!("no line `{BEGIN}...` has begun what this ends")))?;
            places.push(Place { range: place.range.start..at, ..place });
        }
        at = next;
    }
    match open {
        Some(Place { line, .. }) => Err((line, format!("no line is `{END}`, from its first letter on, which ends it"))),
        None => Ok(places),
    }
}

fn asked(words: &str) -> Option<Asked> {
    joined(words).or_else(|| source(words).map(Asked::Whole))
}

fn joined(words: &str) -> Option<Asked> {
    let (axis, parts) = words.split_once(" of ")?;
    let part = |words: &str| {
        let (name, words) = words.split_once(": ")?;
        Some((name.trim().to_owned(), source(words)?))
    };
    let parts: Vec<(String, Source)> = parts.split(';').map(part).collect::<Option<_>>()?;
    let named = |at: usize| !parts[at].0.is_empty() && parts[..at].iter().all(|(name, _)| *name != parts[at].0);
    (0..parts.len()).all(named).then(|| Asked::Joined { axis: axis.trim().into(), parts })
}

fn source(words: &str) -> Option<Source> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let [sweep, outcomes, metric @ ..] = &words[..] else { return None };
    let metric = Some(metric.join(" ")).filter(|metric| !metric.is_empty());
    if metric.as_deref().is_some_and(|metric| known(metric).is_err()) {
        return None;
    }
    Some(Source { sweep: (*sweep).into(), outcomes: (*outcomes).into(), metric })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_of(sweep: &str, outcomes: &str) -> Source {
        Source { sweep: sweep.into(), outcomes: outcomes.into(), metric: None }
    }

    #[test]
    fn places_lie_between_their_lines() {
        let text = "# A\n<!-- ghm tables a.toml b/sweep.json -->\nold\n<!-- end of tables -->\nrest\n";
        let begun = text.find("old").expect("it is there");
        let place = Place {
            asked: Asked::Whole(source_of("a.toml", "b/sweep.json")),
            line: 2,
            range: begun..begun + "old\n".len(),
        };
        assert_eq!(places(text), Ok(vec![place]));
        assert_eq!(places("# nothing\n"), Ok(Vec::new()));
        assert_eq!(places(&format!("```\n{text}```\n")), Ok(Vec::new()));
    }

    #[test]
    fn an_axis_of_several_sweeps_is_one_table() {
        let text = "<!-- ghm tables box losses of blood cells: a.toml a.json; cards: b.toml b.json -->\n<!-- end of tables -->\n";
        let parts = vec![
            ("blood cells".into(), source_of("a.toml", "a.json")),
            ("cards".into(), source_of("b.toml", "b.json")),
        ];
        let asked: Vec<Asked> = places(text).unwrap().into_iter().map(|place| place.asked).collect();
        assert_eq!(asked, [Asked::Joined { axis: "box losses".into(), parts }]);
    }

    #[test]
    fn behind_two_paths_can_stand_a_metric() {
        let asked = |words: &str| Some(places(&format!("{BEGIN}{words} -->\n{END}\n")).ok()?.remove(0).asked);
        let of = |sweep: &str, outcomes: &str, metric: &str| Source {
            metric: Some(metric.into()),
            ..source_of(sweep, outcomes)
        };
        assert_eq!(asked("a.toml a.json AP75"), Some(Asked::Whole(of("a.toml", "a.json", "AP75"))));
        let cells = "AP50 of white cells";
        assert_eq!(asked(&format!("a.toml a.json {cells}")), Some(Asked::Whole(of("a.toml", "a.json", cells))));
        let parts = vec![("all".into(), source_of("a", "b")), ("white".into(), of("a", "b", cells))];
        let joined = Asked::Joined { axis: "losses".into(), parts };
        assert_eq!(asked(&format!("losses of all: a b; white: a b {cells}")), Some(joined));
        assert_eq!(asked("a.toml a.json AP76"), None);
    }

    #[test]
    fn lines_that_do_not_pair_are_named() {
        let line = |text: &str| places(text).map_err(|(line, _)| line);
        assert_eq!(line("\n<!-- ghm tables a b -->\n"), Err(2));
        assert_eq!(line("<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("\n\n<!-- ghm tables a b\n<!-- end of tables -->\n"), Err(3));
        assert_eq!(line("<!-- ghm tables a -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a of b c d -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a of b: c d; e -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a of b: c d; b: e f -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a of : c d; b: e f -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a b -->\n\n<!-- ghm tables a b -->\n<!-- end of tables -->\n"), Err(1));
    }
}
