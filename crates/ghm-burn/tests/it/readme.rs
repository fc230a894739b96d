//! The example of `ghm-loss`'s README: it is compiled from there, and does what it says.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The code of the README, between its fences.
mod example {
    include!(concat!(env!("OUT_DIR"), "/readme_example.rs"));
}

/// Points of three classes, 900, 60 and 40 of them, one in twenty with a wrong label.
fn data(device: &Device) -> (Tensor<2>, Tensor<1, Int>, Vec<usize>) {
    let centres = [[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]];
    let (mut features, mut labels, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    for (class, count) in [900usize, 60, 40].into_iter().enumerate() {
        for at in 0..count {
            let (angle, radius) = (at as f32 * 2.399, (at as f32 / count as f32).sqrt());
            features.extend([centres[class][0] + radius * angle.cos(), centres[class][1] + radius * angle.sin()]);
            labels.push(if at % 20 == 0 { (class + 1 + at / 20 % 2) % 3 } else { class } as i32);
            truth.push(class);
        }
    }
    let rows = labels.len();
    let features = Tensor::<2>::from_data(TensorData::new(features, [rows, 2]), device);
    (features, Tensor::<1, Int>::from_data(TensorData::new(labels, [rows]), device), truth)
}

#[test]
fn the_classifier_of_the_readme_tells_rare_classes_apart_in_spite_of_wrong_labels() {
    let device = Device::flex().autodiff();
    let (features, labels, truth) = data(&device);
    let weights = example::train(features.clone(), labels, &device).unwrap();
    let found = features.matmul(weights).inner().argmax(1).into_data().convert::<i32>();
    let found = found.as_slice::<i32>().unwrap();
    for class in 0..3 {
        let own: Vec<bool> =
            truth.iter().zip(found).filter(|(t, _)| **t == class).map(|(t, f)| *t as i32 == *f).collect();
        let right = own.iter().filter(|right| **right).count();
        assert!(right * 10 > own.len() * 8, "class {class}: {right} of {}", own.len());
    }
}
