//! The figures of one kind of loss: distribution, size of gradients, share of the whole.

use anyhow::Result;
use ghm_loss::{DensityConfig, Spectrum};
use ghm_report::{Chart, ChartAxis, Mark, Point, Series};

/// Where the easy examples end and the hardest begin in the table.
const EASY: f64 = 0.1;
const HARD: f64 = 0.9;

/// Of logits or of offsets, what every loss makes of them.
pub struct Half<'a> {
    /// Name in files.
    pub name: &'a str,
    /// The horizontal axis.
    pub norm: &'a str,
    /// The loss whose gradient is the norm.
    pub plain: &'a str,
    /// The losses beside it, in the spectrum's order.
    pub others: &'a [&'a str],
    /// Names of what is counted: objects, and background where there is any.
    pub sides: &'a [&'a str],
    /// The harmonised ones.
    pub harmonised: Vec<Harmonised>,
    /// What was counted.
    pub spectrum: Spectrum,
}

/// A harmonised loss.
pub struct Harmonised {
    name: String,
    sums: Vec<f64>,
}

impl Harmonised {
    /// By these settings, and where they cap `beta` without a cap too, as published.
    pub fn of(name: &str, spectrum: &Spectrum, density: DensityConfig) -> Result<Vec<Self>> {
        let one =
            |name: String, density: &DensityConfig| anyhow::Ok(Self { name, sums: spectrum.harmonised(density)? });
        let mut all = vec![one(name.to_owned(), &DensityConfig { cap: None, ..density })?];
        if let Some(cap) = density.cap {
            all.push(one(format!("{name}, cap {cap}"), &density)?);
        }
        Ok(all)
    }
}

impl Half<'_> {
    /// Every loss's name and the sums of its gradients in each region.
    fn losses(&self) -> Vec<(&str, &[f64])> {
        let others = self.others.iter().zip(self.spectrum.others()).map(|(name, (_, sums))| (*name, sums));
        let harmonised = self.harmonised.iter().map(|loss| (loss.name.as_str(), loss.sums.as_slice()));
        std::iter::once((self.plain, self.spectrum.norms())).chain(others).chain(harmonised).collect()
    }

    /// What is counted, with names.
    fn sides(&self) -> Vec<(&str, &[u64])> {
        let counts = [self.spectrum.objects(), self.spectrum.background()];
        self.sides.iter().copied().zip(counts).collect()
    }

    /// The three charts with names for their files; none where nothing was counted.
    pub fn charts(&self, of: &str) -> Vec<(&'static str, Chart)> {
        let (examples, middles) = (self.spectrum.examples(), self.spectrum.middles());
        if examples.iter().all(|count| *count == 0) {
            return Vec::new();
        }
        let line = |name: &str, heights: Vec<f64>| Series {
            name: name.to_owned(),
            mark: Mark::Line,
            points: middles.iter().zip(heights).map(|(x, y)| Point::new(*x, y)).collect(),
        };
        let counts =
            self.sides().into_iter().map(|(name, counts)| line(name, counts.iter().map(|n| *n as f64).collect()));
        let mean = |sums: &[f64]| sums.iter().zip(&examples).map(|(sum, count)| sum / *count as f64).collect();
        let means = self.losses().into_iter().map(|(name, sums)| line(name, mean(sums)));
        let share = |sums: &[f64]| sums.iter().map(|sum| sum / sums.iter().sum::<f64>()).collect();
        let shares = self.losses().into_iter().map(|(name, sums)| line(name, share(sums)));
        let region = format!("in each region of 1/{}", middles.len());
        let chart = |title: &str, y: &str, series: Vec<Series>| Chart {
            title: format!("{title}, {}, {of}", self.name),
            x: ChartAxis::of(self.norm).from_to(0.0, 1.0),
            y: ChartAxis::of(y).logarithmic(),
            series,
        };
        vec![
            ("norms", chart("Gradient norms", &format!("examples {region}"), counts.collect())),
            ("gradients", chart("Reformulated gradient norm", "size of an example's gradient, mean", means.collect())),
            ("shares", chart("Share of the gradient", &format!("share of the whole {region}"), shares.collect())),
        ]
    }

    /// How much of the examples and of each loss's gradient is easy, hard or between.
    pub fn table(&self) -> Vec<[String; 4]> {
        let middles = self.spectrum.middles();
        let place = |g: f64| {
            if g < EASY {
                0
            } else if g < HARD {
                1
            } else {
                2
            }
        };
        let line = |name: &str, amounts: &[f64]| {
            let mut thirds = [0.0; 3];
            middles.iter().zip(amounts).for_each(|(g, amount)| thirds[place(*g)] += amount);
            let sum: f64 = thirds.iter().sum();
            let [easy, between, hard] = thirds.map(|part| format!("{:.2}%", 100.0 * part / sum.max(f64::MIN_POSITIVE)));
            [name.to_owned(), easy, between, hard]
        };
        let head = [self.name.to_owned(), format!("g < {EASY}"), "between".to_owned(), format!("g ≥ {HARD}")];
        let examples: Vec<f64> = self.spectrum.examples().iter().map(|count| *count as f64).collect();
        let losses = self.losses().into_iter().map(|(name, sums)| line(&format!("gradient, {name}"), sums));
        [head, line("examples", &examples)].into_iter().chain(losses).collect()
    }

    /// A line a region.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let regions = self.spectrum.middles().len();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let (sides, losses) = (self.sides(), self.losses());
        let names = sides.iter().map(|(name, _)| *name).chain(losses.iter().map(|(name, _)| *name));
        writer.write_record(["from", "to"].into_iter().chain(names))?;
        for region in 0..regions {
            let edge = |place: usize| (place as f64 / regions as f64).to_string();
            let counts = sides.iter().map(|(_, counts)| counts[region].to_string());
            let sums = losses.iter().map(|(_, sums)| sums[region].to_string());
            writer.write_record([edge(region), edge(region + 1)].into_iter().chain(counts).chain(sums))?;
        }
        Ok(writer.into_inner()?)
    }
}
