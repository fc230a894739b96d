//! Random changes to a training picture: what may be drawn, how strongly, and the draw for one picture.

use rand_chacha::{ChaCha8Rng, rand_core::RngCore};
use serde::{Deserialize, Serialize};

use crate::pixel_error::PixelError;

pub(crate) use colour::{ColourMap, Jitter};

mod colour;

/// How training pictures are changed at random; each picture has its own draw. The default only mirrors left to right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Probability of mirroring left to right, `0..=1`.
    pub flip_horizontal: f32,
    /// Probability of mirroring top to bottom, `0..=1`.
    pub flip_vertical: f32,
    /// Probability of turning by 90 degrees, to the right, `0..=1`; width and height change places.
    pub turn_quarter: f32,
    /// Probability of turning by 180 degrees, `0..=1`. It and [`turn_quarter`](Self::turn_quarter) at 0.5 give each of the
    /// four positions as often; no picture is mirrored by a turn.
    pub turn_half: f32,
    /// `b`: all channels are multiplied by a factor from `[1 - b, 1 + b]`; `0..=1`, 0 is off.
    pub brightness: f32,
    /// `c`: the distance from the picture's mean grey is multiplied by a factor from `[1 - c, 1 + c]`; `0..=1`, 0 is off.
    pub contrast: f32,
    /// `s`: the distance from each pixel's own grey is multiplied by a factor from `[1 - s, 1 + s]`; `0..=1`, 0 is off.
    pub saturation: f32,
    /// `h`: colours are turned by a part of the colour circle from `[-h, h]`, in turns; `0..=0.5`, 0 is off.
    pub hue: f32,
    /// Least and largest factor on the size that the picture would have without augmentation; `[1, 1]` is off. What is
    /// then larger than the input is cropped at random, what is smaller is padded.
    pub scale: [f32; 2],
    /// Share of a box's area that a crop must leave, `0..=1`; a box with less becomes ignored, one with nothing left goes.
    pub min_visible: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            flip_horizontal: 0.5,
            flip_vertical: 0.0,
            turn_quarter: 0.0,
            turn_half: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            scale: [1.0, 1.0],
            min_visible: 0.3,
        }
    }
}

impl AugmentConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`PixelError::Setting`] with the key of the first setting out of its range.
    pub fn check(&self) -> Result<(), PixelError> {
        let shares = [
            ("augment.flip_horizontal", self.flip_horizontal),
            ("augment.flip_vertical", self.flip_vertical),
            ("augment.turn_quarter", self.turn_quarter),
            ("augment.turn_half", self.turn_half),
            ("augment.brightness", self.brightness),
            ("augment.contrast", self.contrast),
            ("augment.saturation", self.saturation),
            ("augment.min_visible", self.min_visible),
        ];
        if let Some((key, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(PixelError::setting(key, value, "must lie between 0 and 1"));
        }
        if !(0.0..=0.5).contains(&self.hue) {
            return Err(PixelError::setting("augment.hue", self.hue, "must lie between 0 and 0.5 turns"));
        }
        let [least, largest] = self.scale;
        if !(0.05..=20.0).contains(&least) || !(0.05..=20.0).contains(&largest) || least > largest {
            let reason = "must be [least, largest], both between 0.05 and 20";
            return Err(PixelError::setting("augment.scale", self.scale, reason));
        }
        Ok(())
    }

    /// The draw for one picture. Every number is drawn whether its option is on or off, so that switching one option
    /// leaves the others' draws as they were; a new option draws after all others.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> Draw {
        let [least, largest] = self.scale;
        let flip = Flip { horizontal: unit(rng) < self.flip_horizontal, vertical: unit(rng) < self.flip_vertical };
        let scale = f64::from(least + (largest - least) * unit(rng));
        let crop_at = (f64::from(unit(rng)), f64::from(unit(rng)));
        let jitter = Jitter {
            brightness: 1.0 + self.brightness * signed_unit(rng),
            contrast: 1.0 + self.contrast * signed_unit(rng),
            saturation: 1.0 + self.saturation * signed_unit(rng),
            hue: self.hue * signed_unit(rng),
        };
        let (quarter, half) = (unit(rng) < self.turn_quarter, unit(rng) < self.turn_half);
        Draw { transposed: quarter, flip: flip.after_turn(quarter, half), scale, crop_at, jitter }
    }
}

/// Which axes are mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flip {
    /// Left to right.
    pub(crate) horizontal: bool,
    /// Top to bottom.
    pub(crate) vertical: bool,
}

impl Flip {
    /// The mirrorings that are left to do when a turn comes first: a quarter turn to the right is a transposition and a
    /// mirroring left to right, a half turn both mirrorings.
    fn after_turn(self, quarter: bool, half: bool) -> Self {
        Self { horizontal: self.horizontal ^ half ^ quarter, vertical: self.vertical ^ half }
    }
}

/// What was drawn for one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Draw {
    /// Whether rows and columns change places, before all else.
    pub(crate) transposed: bool,
    /// Mirroring.
    pub(crate) flip: Flip,
    /// Factor on the size.
    pub(crate) scale: f64,
    /// Where a crop window lies in its play, `[0, 1)` each: x, y.
    pub(crate) crop_at: (f64, f64),
    /// Change of colours.
    pub(crate) jitter: Jitter,
}

impl Draw {
    /// No change at all: evaluation.
    pub(crate) const NONE: Self = Self {
        transposed: false,
        flip: Flip { horizontal: false, vertical: false },
        scale: 1.0,
        crop_at: (0.0, 0.0),
        jitter: Jitter::NONE,
    };
}

/// Uniform in `[0, 1)`, on 24 bits.
fn unit(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Uniform in `[-1, 1)`.
fn signed_unit(rng: &mut ChaCha8Rng) -> f32 {
    2.0 * unit(rng) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    fn draws(config: &AugmentConfig) -> Vec<Draw> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        (0..2000).map(|_| config.draw(&mut rng)).collect()
    }

    #[test]
    fn the_default_only_mirrors_and_does_so_half_the_time() {
        let draws = draws(&AugmentConfig::default());
        let mirrored = draws.iter().filter(|draw| draw.flip.horizontal).count();
        // Standard deviation of 2000 fair coins: 22.
        assert!((880..1120).contains(&mirrored), "{mirrored}");
        assert!(draws.iter().all(|draw| !draw.flip.vertical && draw.scale == 1.0 && draw.jitter == Jitter::NONE));
    }

    #[test]
    fn the_two_turns_at_a_half_give_each_of_four_positions_as_often_and_none_mirrored() {
        let config =
            AugmentConfig { flip_horizontal: 0.0, turn_quarter: 0.5, turn_half: 0.5, ..AugmentConfig::default() };
        let draws = draws(&config);
        // Upright, upside down, to the right, to the left: rows and columns that change places mirror, so does one flip.
        for (transposed, horizontal, vertical) in
            [(false, false, false), (false, true, true), (true, true, false), (true, false, true)]
        {
            let flip = Flip { horizontal, vertical };
            let count = draws.iter().filter(|draw| draw.transposed == transposed && draw.flip == flip).count();
            // Standard deviation of 2000 draws at a quarter: 19.
            assert!((400..600).contains(&count), "{transposed} {flip:?}: {count}");
        }
    }

    #[test]
    fn factors_stay_in_their_ranges_and_reach_both_ends() {
        let config = AugmentConfig { brightness: 0.4, hue: 0.1, scale: [0.5, 2.0], ..AugmentConfig::default() };
        let draws = draws(&config);
        let range = |value: fn(&Draw) -> f64| {
            draws.iter().map(value).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        for (value, low, high) in [
            (range(|draw| draw.scale), 0.5, 2.0),
            (range(|draw| f64::from(draw.jitter.brightness)), 0.6, 1.4),
            (range(|draw| f64::from(draw.jitter.hue)), -0.1, 0.1),
        ] {
            let margin = 0.02 * (high - low);
            assert!(value.0 >= low - 1e-6 && value.0 < low + margin, "{value:?}");
            assert!(value.1 <= high + 1e-6 && value.1 > high - margin, "{value:?}");
        }
    }

    #[test]
    fn switching_one_option_leaves_the_other_draws_alone() {
        let plain = draws(&AugmentConfig { hue: 0.2, ..AugmentConfig::default() });
        let more = draws(&AugmentConfig { hue: 0.2, brightness: 0.5, scale: [0.5, 1.0], ..AugmentConfig::default() });
        assert!(plain.iter().zip(&more).all(|(a, b)| a.flip == b.flip && a.jitter.hue == b.jitter.hue));
    }

    #[test]
    fn settings_out_of_range_are_errors_that_name_the_key() {
        let base = AugmentConfig::default();
        for (config, key) in [
            (AugmentConfig { flip_horizontal: 1.5, ..base.clone() }, "augment.flip_horizontal"),
            (AugmentConfig { turn_quarter: -0.5, ..base.clone() }, "augment.turn_quarter"),
            (AugmentConfig { turn_half: 2.0, ..base.clone() }, "augment.turn_half"),
            (AugmentConfig { brightness: f32::NAN, ..base.clone() }, "augment.brightness"),
            (AugmentConfig { hue: 0.6, ..base.clone() }, "augment.hue"),
            (AugmentConfig { scale: [2.0, 1.0], ..base.clone() }, "augment.scale"),
            (AugmentConfig { scale: [0.0, 1.0], ..base.clone() }, "augment.scale"),
            (AugmentConfig { min_visible: -0.1, ..base.clone() }, "augment.min_visible"),
        ] {
            let message = config.check().expect_err(key).to_string();
            assert!(message.starts_with(key), "{message}");
        }
        assert!(base.check().is_ok());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<AugmentConfig>(r#"{"flip_horizontal": 0.2}"#).is_ok());
        let error = serde_json::from_str::<AugmentConfig>(r#"{"fliphorizontal": 0.2}"#).expect_err("unknown key");
        assert!(error.to_string().contains("fliphorizontal"));
    }
}
