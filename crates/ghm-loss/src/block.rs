//! Up to 512 elements that go through a kernel together.

/// Elements of a block at most: their terms (a few KiB) stay in the first-level cache.
pub(crate) const BLOCK: usize = 512;

/// Up to [`BLOCK`] elements. An element adds something when `weights` is absent or its weight is above 0.
pub(crate) struct Block<'a> {
    /// Where in the call it begins.
    pub start: usize,
    pub values: &'a [f32],
    pub targets: BlockTargets<'a>,
    pub weights: Option<&'a [f32]>,
    /// Whether weights say no more than whether they are above 0.
    pub only_gates: bool,
}

/// What the elements of a block are compared with.
#[derive(Clone, Copy)]
pub(crate) enum BlockTargets<'a> {
    /// One target an element.
    Dense(&'a [f32]),
    /// Target 1 at these places of the block, in ascending order, and 0 at all others.
    Ones(&'a [u16]),
}

/// Room for what of a block stands in no slice.
pub(crate) struct Room {
    pub values: [f32; BLOCK],
    pub ones: [u16; BLOCK],
    pub weights: [f32; BLOCK],
}

impl Room {
    pub fn new() -> Self {
        Self { values: [0.0; BLOCK], ones: [0; BLOCK], weights: [0.0; BLOCK] }
    }
}

impl Block<'_> {
    pub fn target(&self, at: usize) -> f32 {
        match self.targets {
            BlockTargets::Dense(targets) => targets[at],
            BlockTargets::Ones(ones) => f32::from(ones.iter().any(|&one| usize::from(one) == at)),
        }
    }

    /// `kernel` of each value and its target into `results`, as long as the block.
    #[inline(always)]
    pub fn map(&self, kernel: impl Fn(f32, f32) -> f32, results: &mut [f32]) {
        match self.targets {
            BlockTargets::Dense(targets) => {
                for (result, (&value, &target)) in results.iter_mut().zip(self.values.iter().zip(targets)) {
                    *result = kernel(value, target);
                }
            }
            // Target 0 by itself: the compiler leaves out what it is multiplied by.
            BlockTargets::Ones(ones) => {
                for (result, &value) in results.iter_mut().zip(self.values) {
                    *result = kernel(value, 0.0);
                }
                for at in ones.iter().map(|&one| usize::from(one)) {
                    results[at] = kernel(self.values[at], 1.0);
                }
            }
        }
    }

    /// Both results of `kernel` for each value and its target into `firsts` and `seconds`, as long as the block.
    #[inline(always)]
    pub fn map_pairs(&self, kernel: impl Fn(f32, f32) -> (f32, f32), firsts: &mut [f32], seconds: &mut [f32]) {
        let results = firsts.iter_mut().zip(&mut *seconds);
        match self.targets {
            BlockTargets::Dense(targets) => {
                for ((first, second), (&value, &target)) in results.zip(self.values.iter().zip(targets)) {
                    (*first, *second) = kernel(value, target);
                }
            }
            BlockTargets::Ones(ones) => {
                for ((first, second), &value) in results.zip(self.values) {
                    (*first, *second) = kernel(value, 0.0);
                }
                for at in ones.iter().map(|&one| usize::from(one)) {
                    (firsts[at], seconds[at]) = kernel(self.values[at], 1.0);
                }
            }
        }
    }

    /// Each value, negated where its target is 1, so that the sigmoid of all of them is the gradient norm; `None` where a
    /// target is neither 0 nor 1. NaN behind the last. In `room` unless the values themselves will do.
    #[inline(always)]
    pub fn wrong_logits<'b>(&'b self, room: &'b mut [f32; BLOCK]) -> Option<&'b [f32; BLOCK]> {
        match (self.targets, self.values.try_into()) {
            (BlockTargets::Ones([]), Ok(values)) => return Some(values),
            (BlockTargets::Ones(ones), _) => {
                room[..self.values.len()].copy_from_slice(self.values);
                for at in ones.iter().map(|&one| usize::from(one)) {
                    room[at] = -room[at];
                }
            }
            (BlockTargets::Dense(targets), _) => {
                let mut soft = false;
                for (logit, (&value, &target)) in room.iter_mut().zip(self.values.iter().zip(targets)) {
                    soft |= (target != 0.0) & (target != 1.0);
                    *logit = if target == 1.0 { -value } else { value };
                }
                if soft {
                    return None;
                }
            }
        }
        room[self.values.len()..].fill(f32::NAN);
        Some(room)
    }

    /// Negates the entries of a whole block whose target is 1, where every target is 0 or 1.
    #[inline(always)]
    pub fn turn_ones(&self, entries: &mut [f32; BLOCK]) {
        match self.targets {
            BlockTargets::Ones(ones) => {
                for &one in ones {
                    let entry = &mut entries[usize::from(one)];
                    *entry = -*entry;
                }
            }
            BlockTargets::Dense(targets) => {
                for (entry, &target) in entries.iter_mut().zip(targets) {
                    *entry = if target == 1.0 { -*entry } else { *entry };
                }
            }
        }
    }

    /// `closed` in place of the entries of elements that take no part.
    #[inline(always)]
    pub fn shut(&self, closed: f32, entries: &mut [f32]) {
        for (entry, &weight) in entries.iter_mut().zip(self.weights.unwrap_or_default()) {
            *entry = if weight > 0.0 { *entry } else { closed };
        }
    }
}
