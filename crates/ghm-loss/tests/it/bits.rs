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
    ("ghm_c", 0x9823_04ce_113c_9212),
    ("ghm_c_exact", 0xd393_ffc9_49ad_de57),
    ("softmax_ghm_c", 0x3588_864b_b480_1ffb),
    ("softmax_cross_entropy", 0xd83b_30c0_8b0a_2fc7),
    ("cross_entropy", 0x808c_66c8_7f18_c7db),
    ("balanced_cross_entropy", 0xbf6c_f57e_c010_a4a0),
    ("ohem", 0x808c_66c8_7f18_c7db),
    ("focal", 0x7649_702a_6d96_561c),
    ("quality_focal", 0x1814_6c42_c8e2_664d),
    ("varifocal", 0x2d11_daea_3a33_cc1f),
    ("ghm_r", 0x1614_1d60_5419_37b6),
    ("ghm_r_exact", 0x5e3c_387d_fd68_3e3b),
    ("asl1", 0x9af4_b942_b77f_e31a),
    ("smooth_l1", 0xd2d0_ea07_5170_82b6),
    ("l1", 0x257d_1082_ec4a_1092),
    ("balanced_l1", 0x6b81_c893_18b7_71ca),
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
