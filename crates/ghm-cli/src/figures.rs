//! `ghm figures`: the paper's figures of a run: how its gradient norms are distributed, and what each loss makes of them.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ghm_report::write_png;
use ghm_train::{Predictor, RunDirectory, replace_file};

use crate::arguments::FiguresArguments;
use crate::eval::expect_classes;
use crate::output::{expect_free, free_path, print};
use crate::table::{aligned, counted};
use crate::train::device;

use half::Half;

mod half;
mod spectra;

/// Runs the verb.
pub fn run(arguments: &FiguresArguments) -> Result<ExitCode> {
    let root = &arguments.run;
    let directory = RunDirectory::open(root)?;
    let out = arguments.out.clone().unwrap_or_else(|| free_path(&root.join("figures")));
    expect_free(&out)?;
    let predictor = Predictor::open(&directory, &device(&arguments.device)?)?;
    let data = &predictor.recipe().data;
    let source = ghm_data::open(&data.root)?;
    let Some(split) = arguments.split.as_ref().or(data.train.as_ref()) else {
        bail!(
            "{}: its recipe names no data.train; give --split, one of: {}",
            root.display(),
            source.splits().join(", ")
        )
    };
    let mut dataset = source.load(split)?.dataset;
    expect_classes(&source, &dataset, &predictor)?;
    thin_out(&mut dataset.images, arguments.pictures.get());
    let pictures = dataset.images.len();
    let (halves, skipped) = spectra::halves(&predictor, &Arc::new(dataset))?;
    for picture in &skipped {
        eprintln!("warning: left out, picture {}: {}", picture.image_id, picture.reason);
    }
    let of = format!("{} of `{split}`", counted(pictures - skipped.len(), "picture"));
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    for half in &halves {
        half.write(&of, &out)?;
    }
    let tables: Vec<String> = halves.iter().map(|half| aligned(&half.table())).collect();
    print(tables.join("\n").trim_end())?;
    eprintln!("figures of {of}, as SVG and PNG, and their numbers: {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Keeps so many, spread evenly over all.
fn thin_out<T>(all: &mut Vec<T>, kept: usize) {
    let (count, mut place) = (all.len(), 0);
    if kept >= count {
        return;
    }
    all.retain(|_| {
        // The place is kept at which another of the `kept` begins.
        let begins = (place * kept).div_ceil(count) < ((place + 1) * kept).div_ceil(count);
        place += 1;
        begins
    });
}

impl Half<'_> {
    /// Its charts and its numbers.
    fn write(&self, of: &str, out: &Path) -> Result<()> {
        for (name, chart) in self.charts(of) {
            let path = |ending: &str| out.join(format!("{}-{name}.{ending}", self.name));
            replace_file(&path("svg"), chart.svg()?.as_bytes())?;
            write_png(&chart.picture()?, &path("png"))?;
        }
        Ok(replace_file(&out.join(format!("{}.csv", self.name)), &self.csv()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_spread_over_all() {
        let thinned = |count: usize, kept: usize| {
            let mut all: Vec<usize> = (0..count).collect();
            thin_out(&mut all, kept);
            all
        };
        assert_eq!(thinned(10, 4), [0, 2, 5, 7]);
        assert_eq!(thinned(4, 100), [0, 1, 2, 3]);
        assert_eq!((thinned(1000, 7).len(), thinned(7, 7).len(), thinned(0, 3).len()), (7, 7, 0));
    }
}
