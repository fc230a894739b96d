//! A kernel of two inputs on a device, for the tests of this crate.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

/// Runs `launch` with two inputs, one unit an entry of the first, and gives `outputs` numbers.
pub(crate) fn run(
    device: &Device,
    inputs: [&[f32]; 2],
    outputs: usize,
    launch: impl FnOnce(&Client, CubeCount, CubeDim, [BufferArg; 3]),
) -> Vec<f32> {
    let DispatchDevice::Cube(device) = device.as_dispatch() else { panic!("a GPU was asked for") };
    let client = device.client();
    let tensor = |values: &[f32]| {
        let handle = client.create_from_slice(f32::as_bytes(values));
        CubeTensor::new_contiguous(client.clone(), device.clone(), [values.len()].into(), handle, DType::F32)
    };
    let found = tensor(&vec![f32::MAX; outputs]);
    let cubes = CubeCount::Static(inputs[0].len().div_ceil(256) as u32, 1, 1);
    let buffers = [tensor(inputs[0]), tensor(inputs[1]), found.clone()].map(CubeTensor::into_buffer_arg);
    launch(&client, cubes, CubeDim::new_1d(256), buffers);
    f32::from_bytes(&client.read_one_unchecked(found.handle)).to_vec()
}
