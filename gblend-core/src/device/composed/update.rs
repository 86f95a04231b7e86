//! Updates of parameters: a rule carried out on whole tensors, one operation after another.

use std::ops::{Add, Div, Mul, Sub};

use dfdx::shapes::HasShape;
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::{Device, ReshapeTo, TryAdd, TryDiv, TryMul};

use crate::engine::ParamOn;
use crate::error::{Error, Result};
use crate::rule::{Rule, Value};
use crate::shape::{Dims1, Shape};

/// Moves a parameter and its moments as `rule` says. The parameter becomes another tensor, with a gradient of its own.
///
/// # Errors
/// [`Error::Shape`] if there are not as many values of one as of another, [`Error::Device`].
pub(crate) fn update<S: Shape, D: Device<f32>, const N: usize>(
    rule: &impl Rule<N>,
    parameter: &mut ParamOn<S, D>,
    gradient: ParamOn<Dims1, D>,
    moments: &mut [ParamOn<Dims1, D>; N],
) -> Result<()> {
    let shape = *parameter.shape();
    let row = (shape.elements(),);
    if let Some(odd) = moments
        .iter()
        .chain([&gradient])
        .find(|row_of| *row_of.shape() != row)
    {
        let expected = format!("{} values, as the parameter has", row.0);
        return Err(Error::shape("an update", expected, [odd.shape().0]));
    }
    let flat = parameter.clone().try_reshape_like(&row).map_err(Error::device)?;
    let before = moments.each_ref().map(|moment| Row::of(moment.clone()));
    let (moved, after) = rule.apply(Row::of(flat), Row::of(gradient), before);
    *parameter = moved.finish()?.try_reshape_like(&shape).map_err(Error::device)?;
    for (moment, after) in moments.iter_mut().zip(after) {
        *moment = after.finish()?;
    }
    Ok(())
}

/// A row of values, `factor · tensor`, or why there is none: operators cannot return errors, so that the first one stays in
/// the row. A factor waits for a sum, which takes both factors in with one pass over the values.
#[derive(Clone)]
struct Row<D: Device<f32>>(std::result::Result<Scaled<D>, String>);

#[derive(Clone)]
struct Scaled<D: Device<f32>> {
    tensor: ParamOn<Dims1, D>,
    factor: f32,
}

impl<D: Device<f32>> Scaled<D> {
    /// The values themselves.
    fn computed(self) -> std::result::Result<ParamOn<Dims1, D>, D::Err> {
        if self.factor == 1.0 {
            Ok(self.tensor)
        } else {
            self.tensor.try_mul(self.factor)
        }
    }

    /// `self + sign · other`.
    fn plus(self, other: &Self, sign: f32) -> std::result::Result<ParamOn<Dims1, D>, D::Err> {
        let mut sum = self.tensor;
        sum.try_axpy(self.factor, &other.tensor, sign * other.factor)?;
        Ok(sum)
    }
}

impl<D: Device<f32>> Row<D> {
    fn of(tensor: ParamOn<Dims1, D>) -> Self {
        Self(Ok(Scaled { tensor, factor: 1.0 }))
    }

    fn map(
        self,
        operation: impl FnOnce(ParamOn<Dims1, D>) -> std::result::Result<ParamOn<Dims1, D>, D::Err>,
    ) -> Self {
        self.then(|row| row.computed().and_then(operation))
    }

    fn then(
        self,
        operation: impl FnOnce(Scaled<D>) -> std::result::Result<ParamOn<Dims1, D>, D::Err>,
    ) -> Self {
        let made = self
            .0
            .and_then(|row| operation(row).map_err(|error| format!("{error:?}")));
        Self(made.map(|tensor| Scaled { tensor, factor: 1.0 }))
    }

    /// With the other row, if there is one.
    fn with(
        self,
        other: Self,
        operation: impl FnOnce(Scaled<D>, Scaled<D>) -> std::result::Result<ParamOn<Dims1, D>, D::Err>,
    ) -> Self {
        match other.0 {
            Ok(other) => self.then(|row| operation(row, other)),
            Err(error) => Self(self.0.and(Err(error))),
        }
    }

    fn finish(self) -> Result<ParamOn<Dims1, D>> {
        let row = self.0.map_err(Error::Device)?;
        row.computed().map_err(Error::device)
    }
}

impl<D: Device<f32>> Add for Row<D> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(other, |left, right| left.plus(&right, 1.0))
    }
}

impl<D: Device<f32>> Sub for Row<D> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.with(other, |left, right| left.plus(&right, -1.0))
    }
}

impl<D: Device<f32>> Mul for Row<D> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.with(other, |left, right| left.computed()?.try_mul(right.computed()?))
    }
}

impl<D: Device<f32>> Div for Row<D> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.with(other, |left, right| left.computed()?.try_div(right.computed()?))
    }
}

impl<D: Device<f32>> Add<f32> for Row<D> {
    type Output = Self;
    fn add(self, value: f32) -> Self {
        self.map(|row| row.try_add(value))
    }
}

impl<D: Device<f32>> Mul<f32> for Row<D> {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        // Two factors are not made one, so that the values are those of one multiplication after the other.
        let row = self.then(Scaled::computed);
        Self(row.0.map(|row| Scaled { factor, ..row }))
    }
}

impl<D: Device<f32>> Value for Row<D> {
    fn sqrt(self) -> Self {
        self.map(Tensor::try_sqrt)
    }
}
