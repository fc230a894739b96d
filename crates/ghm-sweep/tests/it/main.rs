//! Tests of the crate as its users see it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod markdown;
mod plan;
mod results;
mod table;

use ghm_sweep::Sweep;

/// Two losses at two rates of noise, for three learning rates, of which the best is taken.
const FULL: &str = r#"
recipe = "recipes/base.toml"
seeds = [3, 5]
set = ["schedule.epochs=6"]
compare = { axis = "loss", with = "focal" }
scenes = { train = 30, validation = 10, side = 64 }

[[axes]]
name = "rate"
key = "optimiser.learning_rate"
choose = true
values = [5e-4, 1e-3]

[[axes]]
name = "noise"
values = [{ name = "clean" }, { name = "flips 20%", noise = { flip = 0.2 } }]

[[axes]]
name = "loss"
values = [
    { name = "focal", set = ["loss.classification.kind=focal"] },
    { name = "GHM-C", set = ["loss.classification.kind=ghm", "loss.classification.weight=10"] },
]
"#;

fn parse(text: &str) -> Result<Sweep, String> {
    Sweep::parse(text, "sweeps/noise.toml".as_ref()).map_err(|error| error.to_string())
}
