//! What comes out of a loss: where the gradient goes, and how the losses of the examples become one value.

/// How the losses of the examples become one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Their sum over the number of examples that take part; 0 where none does. The loss of an example of GHM is `beta`
    /// times its own (Li et al. 2019, eq. 8), so the mean is the published loss.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// Where the gradient goes, and how the losses become one value: `scale` times their mean or sum.
///
/// A mutable slice of numbers does for the mean. The gradient is that of the value returned.
///
/// The losses one by one (the reduction called `none` elsewhere) are those of [`Output::each`], taken with
/// [`Reduction::Sum`]: then the gradient's entry is the derivative of the example's own loss.
#[derive(Debug)]
pub struct Output<'a, T = f32> {
    pub(crate) gradient: &'a mut [T],
    pub(crate) losses: Option<&'a mut [f32]>,
    pub(crate) reduction: Reduction,
    pub(crate) scale: f32,
}

impl<'a, T> Output<'a, T> {
    /// The mean; the gradient to `gradient`, as long as the values.
    pub fn to(gradient: &'a mut [T]) -> Self {
        Self { gradient, losses: None, reduction: Reduction::Mean, scale: 1.0 }
    }

    /// The mean or the sum.
    #[must_use]
    pub fn reduced(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    /// Value, gradient and the losses one by one times `scale`.
    #[must_use]
    pub fn scaled(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// The loss of each example as well, weight and scale included, as the sum adds it up (for the mean, divided as it
    /// divides): `losses` is as long as there are examples. One that takes no part has 0; f32's largest number stands
    /// for what is larger.
    #[must_use]
    pub fn each(self, losses: &'a mut [f32]) -> Self {
        Self { losses: Some(losses), ..self }
    }
}

impl<'a, T> From<&'a mut [T]> for Output<'a, T> {
    fn from(gradient: &'a mut [T]) -> Self {
        Self::to(gradient)
    }
}

impl<'a, T> From<&'a mut Vec<T>> for Output<'a, T> {
    fn from(gradient: &'a mut Vec<T>) -> Self {
        Self::to(gradient)
    }
}

impl<'a, T, const N: usize> From<&'a mut [T; N]> for Output<'a, T> {
    fn from(gradient: &'a mut [T; N]) -> Self {
        Self::to(gradient)
    }
}
