//! Reading the examples of a call: values with one class a row, or with a target each.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::element::{Example, is_positive};
use crate::terms::{ElementLoss, Settings, terms};

/// What the examples of one vector of values are compared with; what a call does not have stays 0.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Goals<F: Float, N: Size> {
    class_index: i32,
    /// The class of the vector's first lane.
    column: i32,
    classes: i32,
    targets: Vector<F, N>,
    gates: Vector<F, N>,
    settings: Settings,
}

/// What vector `index` of the values is compared with.
///
/// With `rows`, vectors must not reach over the end of a row: their length divides the number of classes.
#[cube]
pub(crate) fn goals<F: Float, N: Size>(
    rows: ComptimeOption<&[i32]>,
    targets: ComptimeOption<&[Vector<F, N>]>,
    gates: ComptimeOption<&[Vector<F, N>]>,
    index: usize,
    classes: usize,
    settings: Settings,
) -> Goals<F, N> {
    let mut class_index = 0i32;
    let mut column = 0i32;
    #[comptime]
    if let ComptimeOption::Some(rows) = rows {
        let vectors = classes / N::value();
        let row = index / vectors;
        class_index = rows[row];
        column = i32::cast_from((index - row * vectors) * N::value());
    }
    #[comptime]
    let targets = match targets {
        ComptimeOption::Some(targets) => targets[index],
        ComptimeOption::None => Vector::<F, N>::new(F::new(0.0f32)),
    };
    #[comptime]
    let gates = match gates {
        ComptimeOption::Some(gates) => gates[index],
        ComptimeOption::None => Vector::<F, N>::new(F::new(1.0f32)),
    };
    Goals::<F, N> { class_index, column, classes: i32::cast_from(classes), targets, gates, settings }
}

/// The example of one lane, whose value is `x`.
#[cube]
pub(crate) fn example<F: Float, N: Size>(
    x: f32,
    goals: &Goals<F, N>,
    #[comptime] lane: usize,
    #[comptime] by_class: bool,
    #[comptime] loss: ElementLoss,
) -> Example {
    if comptime!(by_class) {
        let class_index = goals.class_index;
        let hit = class_index == goals.column + i32::cast_from(lane);
        let found = terms(x, select(hit, 1.0f32, 0.0f32), class_index != -2i32, &goals.settings, loss);
        // Neither a class nor background nor ignored.
        let unknown = class_index < -2i32 || class_index >= goals.classes;
        Example {
            slope: found.slope,
            loss: found.loss,
            counted: found.counted && !unknown,
            strange: found.strange || unknown,
        }
    } else {
        let t = f32::cast_from(goals.targets.extract(lane));
        let part = is_positive(f32::cast_from(goals.gates.extract(lane)));
        terms(x, t, part, &goals.settings, loss)
    }
}
