//! The bin of a gradient norm.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// The bin of gradient norm `g` in `[0, 1]` by comparison with the edges `[M + 1]`; a bin holds its lower edge, and 1
/// belongs to the last.
///
/// The product may be rounded over an edge, so its floor is one off at most. The edges are the host's quotients: a
/// device's division need not be the nearest number.
#[cube]
pub(crate) fn bin_of(g: f32, edges: &[f32], #[comptime] bins: usize) -> usize {
    let last = comptime!(bins - 1).runtime();
    let near = usize::cast_from(g * f32::cast_from(bins));
    let near = select(near < last, near, last);
    let below = select(g < edges[near], 1usize, 0usize);
    let above = select(g >= edges[near + 1], 1usize, 0usize);
    let bin = near + above - below;
    select(bin < last, bin, last)
}

#[cfg(test)]
mod tests {
    use ghm_loss::{DensityConfig, GradientDensity};

    use super::*;
    use crate::device::on_each_device;
    use crate::testing::run;

    #[cube(launch)]
    fn bins_kernel(norms: &[f32], edges: &[f32], found: &mut [f32], count: usize, #[comptime] bins: usize) {
        if ABSOLUTE_POS < count {
            found[ABSOLUTE_POS] = f32::cast_from(bin_of(norms[ABSOLUTE_POS], edges, bins));
        }
    }

    #[test]
    fn a_norm_on_an_edge_or_one_step_beside_it_falls_into_the_plain_density_s_bin() {
        on_each_device(|device| {
            for bins in (1..=40).chain([49, 100, 255, 300, 1000, 4096, 9999, 10_000]) {
                let config = DensityConfig { bins, ..DensityConfig::default() };
                let density = GradientDensity::new(config).unwrap();
                let edges: Vec<f32> = (0..=bins).map(|edge| edge as f32 / bins as f32).collect();
                let around = |edge: &f32| [edge.next_down().max(0.0), *edge, edge.next_up().min(1.0)];
                let norms: Vec<f32> = edges.iter().flat_map(around).collect();
                let found = run(device, [&norms, &edges], norms.len(), |client, cubes, units, [norms_, edges, out]| {
                    bins_kernel::launch(client, cubes, units, norms_, edges, out, norms.len(), bins);
                });
                for (g, bin) in norms.iter().zip(found) {
                    assert_eq!(bin, density.bin_of(*g) as f32, "{g} in {bins} bins");
                }
            }
        });
    }
}
