//! The same bits on every machine and for every width of its vectors.

use ghm_loss::{Examples, Kind, LossConfig, Targets};

use crate::family::{CLASSES, width};

const COUNT: usize = 3_000;

/// Numbers from -8 to 8 without any function of a library.
fn number(at: usize) -> f32 {
    ((at as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 4_096.0 - 8.0
}

/// The bits of value and gradient, mixed into one number.
fn fingerprint(config: &LossConfig) -> u64 {
    let width = width(config);
    let values: Vec<f32> = (0..COUNT * width).map(number).collect();
    let rows: Vec<i32> = (0..COUNT).map(|row| (row % CLASSES) as i32).collect();
    let unit = [-1.0, -2.0, 3.0, 1.0].repeat(COUNT);
    let quarters: Vec<f32> = (0..COUNT).map(|at| [0.0, 1.0, 0.25, 0.0, 0.75][at % 5]).collect();
    let targets = match config.kind() {
        Kind::Rows => Targets::ClassIndex { rows: &rows, classes: CLASSES },
        Kind::Boxes => Targets::Dense(&unit),
        Kind::Elements | Kind::Differences => Targets::Dense(&quarters),
    };
    let mut gradient = vec![f32::NAN; values.len()];
    let value = config.clone().init().unwrap().forward(&Examples::new(&values, targets), &mut gradient).unwrap();
    gradient.iter().map(|entry| u64::from(entry.to_bits())).fold(mixed(FIRST, value.to_bits()), mixed)
}

/// FNV-1a, a word at a time.
const FIRST: u64 = 0xcbf2_9ce4_8422_2325;

fn mixed(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(0x0100_0000_01b3)
}

/// Where a change of the arithmetic is meant, these change with it: the failing test prints the new ones.
const FINGERPRINTS: [(&str, u64); 19] = [
    ("ghm_c", 0xbc04_2a56_4295_6c6b),
    ("ghm_c_exact", 0x5a9e_3354_49f1_c181),
    ("softmax_ghm_c", 0xebba_6d37_dc87_70d8),
    ("softmax_cross_entropy", 0x4d71_a13a_29eb_5b2c),
    ("cross_entropy", 0x9de3_d953_febe_b53a),
    ("balanced_cross_entropy", 0x1caa_8515_b63b_3fd5),
    ("ohem", 0x9de3_d953_febe_b53a),
    ("focal", 0x3ae9_a001_310d_6d18),
    ("quality_focal", 0xdd53_a152_fad4_aa0c),
    ("varifocal", 0x4eb1_699d_9ea4_246b),
    ("ghm_r", 0xc005_0af7_95f6_7c8d),
    ("ghm_r_exact", 0xc225_dc55_0e74_fe4d),
    ("asl1", 0xfafe_b2c4_93ee_cac4),
    ("smooth_l1", 0x408f_518b_4c02_cc95),
    ("l1", 0x257d_1082_ec4a_1092),
    ("balanced_l1", 0xe6c9_bab1_99a2_2756),
    ("giou", 0x73f8_cee8_3246_f550),
    ("diou", 0x8546_35d9_c431_334c),
    ("ciou", 0xadee_2518_7e0c_a169),
];

#[test]
fn every_loss_has_the_same_bits_on_every_machine() {
    let found: Vec<(&str, u64)> =
        LossConfig::defaults().iter().map(|config| (config.name(), fingerprint(config))).collect();
    assert!(found == FINGERPRINTS, "{found:#x?}");
}
