//! What a terminal shows of a run: a bar with losses, speed and time left, and a line an epoch; a log gets plain lines.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use ghm_data::Skipped;
use ghm_train::{EpochRecord, Observer, Plan, StepRecord, StepTime};
use indicatif::{ProgressBar, ProgressStyle};

/// Seconds between two lines of a log that is not a terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(15);

/// Weight of the newest step in the smoothed numbers.
const SMOOTHING: f64 = 0.1;

/// Shows a run on stderr.
pub struct Progress {
    bar: Option<ProgressBar>,
    last_line: Instant,
    total: u64,
    smooth: Option<Smooth>,
}

#[derive(Clone, Copy)]
struct Smooth {
    classification: f64,
    regression: f64,
    seconds: f64,
    waiting: f64,
    pictures: f64,
}

impl Progress {
    /// A bar on a terminal, lines elsewhere.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
        Self { bar, last_line: Instant::now(), total: 0, smooth: None }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn smoothed(&mut self, record: &StepRecord) -> Smooth {
        let time: &StepTime = &record.time;
        let new = Smooth {
            classification: record.classification,
            regression: record.regression,
            seconds: time.total(),
            waiting: time.data,
            pictures: record.pictures as f64,
        };
        let blend = |old: f64, new: f64| old + SMOOTHING * (new - old);
        let smooth = self.smooth.map_or(new, |old| Smooth {
            classification: blend(old.classification, new.classification),
            regression: blend(old.regression, new.regression),
            seconds: blend(old.seconds, new.seconds),
            waiting: blend(old.waiting, new.waiting),
            pictures: blend(old.pictures, new.pictures),
        });
        self.smooth = Some(smooth);
        smooth
    }
}

impl Observer for Progress {
    fn started(&mut self, plan: &Plan, first_step: usize) {
        let (train, recipe) = (&plan.train, &plan.recipe);
        self.total = plan.schedule().total() as u64;
        let classes = plan.categories().len();
        self.line(&format!(
            "training on {} pictures of `{}`, {classes} classes, {} updates of {} pictures, from update {first_step}",
            train.dataset.images.len(),
            train.name,
            self.total,
            recipe.schedule.batch * recipe.optimiser.accumulate
        ));
        self.line(&match &plan.validation {
            Some(split) => format!("evaluating on {} pictures of `{}`", split.dataset.images.len(), split.name),
            None => "no validation split, so nothing is evaluated: name one with data.validation".to_owned(),
        });
        if let Some(bar) = &self.bar {
            let template = "{bar:24} {pos}/{len} eta {eta} {msg}";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_length(self.total);
            bar.set_position(first_step as u64);
            bar.reset_eta();
        }
    }

    fn step(&mut self, record: &StepRecord) {
        let smooth = self.smoothed(record);
        let seconds = smooth.seconds.max(1e-9);
        let message = format!(
            "epoch {} cls {:.4} box {:.4} {:.1} img/s waiting for data {:.0}%",
            record.epoch,
            smooth.classification,
            smooth.regression,
            smooth.pictures / seconds,
            100.0 * smooth.waiting / seconds
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(record.step as u64);
                bar.set_message(message);
            }
            None if self.last_line.elapsed() >= LOG_INTERVAL => {
                self.last_line = Instant::now();
                let left = (self.total.saturating_sub(record.step as u64)) as f64 * seconds;
                eprintln!("update {}/{} eta {:.0}s {message}", record.step, self.total, left);
            }
            None => {}
        }
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.line(&format!("warning: left out, picture {}: {}", picture.image_id, picture.reason));
    }

    fn evaluating(&mut self, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("evaluating {done}/{total}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord, best: bool) {
        let numbers = record.evaluation.as_ref().map_or(String::new(), |e| {
            let number = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.3}"));
            format!(
                "  AP {} AP50 {} AP75 {}{}",
                number(e.ap),
                number(e.ap50),
                number(e.ap75),
                if best { " (best so far)" } else { "" }
            )
        });
        let skipped =
            if record.skipped > 0 { format!("  {} pictures left out", record.skipped) } else { String::new() };
        self.line(&format!(
            "epoch {:>3}  cls {:.4}  box {:.4}{numbers}{skipped}  {:.0}s",
            record.epoch, record.classification, record.regression, record.seconds
        ));
    }
}
