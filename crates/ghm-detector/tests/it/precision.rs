//! Activations in bf16.

use burn::tensor::{DType, Device, Distribution, Tensor};
use ghm_detector::{Backbone, HeadNorm, ModelConfig, NormKind, Output, Precision, RetinaNet};

fn network(precision: Precision, norm: NormKind, device: &Device) -> RetinaNet {
    let head_norm = if norm == NormKind::Group { HeadNorm::Group } else { HeadNorm::None };
    let small = ModelConfig { backbone: Backbone::Resnet18, channels: 16, head_depth: 1, ..ModelConfig::default() };
    let config = ModelConfig { norm, head_norm, precision, frozen_stages: 0, ..small };
    RetinaNet::new(&config, 3, 7, device).unwrap()
}

/// bf16 has eight bits: outputs are off by hundredths of the largest, with batch norms over few pixels up to twice as many.
#[test]
fn half_precision_gives_the_outputs_of_single_precision_to_a_tenth_and_offsets_in_full() {
    for norm in [NormKind::FrozenBatch, NormKind::Batch, NormKind::Group] {
        let device = Device::flex().autodiff();
        device.seed(1);
        let pixels = Tensor::<4>::random([2, 3, 128, 128], Distribution::Normal(0.0, 1.0), &device);
        let [full, half] = [Precision::F32, Precision::Bf16].map(|precision| {
            let Output { logits, deltas, .. } = network(precision, norm, &device).forward(pixels.clone());
            (logits, deltas)
        });
        assert_eq!((half.0[0].dtype(), half.1[0].dtype()), (DType::BF16, DType::F32));
        let flat = |(logits, deltas): (Vec<Tensor<3>>, Vec<Tensor<3>>)| {
            let all = logits.into_iter().chain(deltas);
            all.map(|t| t.into_data().convert::<f32>().try_into_vec::<f32>().unwrap()).collect::<Vec<_>>()
        };
        let (full, half) = (flat(full), flat(half));
        assert!(full != half, "{norm:?}: nothing was rounded");
        for (full, half) in full.iter().zip(&half) {
            let largest = full.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let worst = full.iter().zip(half).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 0.1 * largest, "{norm:?}: {worst} of {largest}");
        }
    }
}
