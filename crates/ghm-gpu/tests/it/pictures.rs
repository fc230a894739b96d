//! Pictures as bytes become the planes that the host would make of them.

use ghm_gpu::{Affine, GpuError, Pictures};

use crate::device::on_each_device;

#[test]
fn every_byte_lands_in_its_plane_and_padding_is_zero() {
    on_each_device(|device| {
        let ([n, h, w], sizes) = ([3, 5, 8], [(8, 5), (3, 4), (0, 0)]);
        let bytes: Vec<u8> = (0..n * h * w * 3).map(|i| (i * 37 % 256) as u8).collect();
        for bgr in [false, true] {
            let affine = Affine { factors: [0.5, 2.0, -1.0], offsets: [1.0, -3.0, 0.25], bgr };
            let pictures = Pictures::new(affine, device).unwrap();
            let found = pictures.planes(bytes.clone(), [n, h, w], &sizes).unwrap();
            assert_eq!(found.dims(), [n, 3, h, w]);
            let found = found.into_data().try_into_vec::<f32>().unwrap();
            let mut found = found.into_iter();
            for (picture, (width, height)) in sizes.iter().enumerate() {
                for plane in 0..3 {
                    let colour = if bgr { 2 - plane } else { plane };
                    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                        let byte = bytes[((picture * h + y) * w + x) * 3 + colour];
                        let inside = x < *width && y < *height;
                        let number = f32::from(byte) * affine.factors[plane] + affine.offsets[plane];
                        let expected = if inside { number } else { 0.0 };
                        assert_eq!(
                            found.next(),
                            Some(expected),
                            "picture {picture}, plane {plane}, {x} {y}, bgr {bgr}"
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn pixels_that_do_not_fill_the_pictures_are_refused() {
    on_each_device(|device| {
        let affine = Affine { factors: [1.0; 3], offsets: [0.0; 3], bgr: false };
        let pictures = Pictures::new(affine, device).unwrap();
        let refused = |bytes: usize, shape: [usize; 3], sizes: &[(usize, usize)]| {
            matches!(pictures.planes(vec![0; bytes], shape, sizes), Err(GpuError::Shape { .. }))
        };
        assert!(refused(95, [1, 4, 8], &[(8, 4)]));
        assert!(refused(72, [1, 4, 6], &[(6, 4)]), "rows of six pixels are not whole words");
        assert!(refused(96, [1, 4, 8], &[]));
        assert!(!refused(96, [1, 4, 8], &[(8, 4)]));
    });
}
