//! Rules: how a value of a parameter moves.

use std::ops::{Add, Div, Mul, Sub};

/// What rules compute with: one value of a tensor, or all of them at once.
pub trait Value:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f32, Output = Self>
    + Mul<f32, Output = Self>
{
    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;
}

impl Value for f32 {
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
}

/// How a value of a parameter moves, and with it the `N` moments that are kept of it.
pub trait Rule<const N: usize> {
    /// The parameter and its moments after a step, from what they were before.
    ///
    /// Called for every value: mark it `#[inline]`, so that many are computed at once.
    fn apply<V: Value>(&self, parameter: V, gradient: V, moments: [V; N]) -> (V, [V; N]);
}
