//! A further axis, along which a tensor repeats itself.

use dfdx::shapes::Axis;
use dfdx::tensor_ops::{BroadcastTo, ReshapeTo};

use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Dims0, Dims1, Dims2, Dims3, Dims4, Shape, Taped, reshape};

/// A shape that another axis has room in: one of at most three.
pub trait Extend: Shape {
    /// The shape with one more axis.
    type More: Shape;
}

impl Extend for Dims0 {
    type More = Dims1;
}

impl Extend for Dims1 {
    type More = Dims2;
}

impl Extend for Dims2 {
    type More = Dims3;
}

impl Extend for Dims3 {
    type More = Dims4;
}

/// `count` copies along a new axis that becomes number `axis`, counted from 0, the outermost: `[features]` with axis 0 to
/// `[count, features]`, with axis 1 to `[features, count]`.
///
/// It is what [`sum_axis`](super::sum_axis) takes back, and its gradient is that sum. A bias, for example, is added to
/// every sample of `[batch, features]` as `add(features, repeat(bias, 0, batch)?)`.
///
/// # Errors
/// [`Error::Shape`] if the new axis would be beyond the last or there is no copy, [`Error::Device`].
pub fn repeat<S: Extend>(input: Taped<S>, axis: usize, count: usize) -> Result<Taped<S::More>> {
    let extents = input.shape().extents();
    let parts = extents.split_at_checked(axis).and_then(|(outer, inner)| {
        let more = S::More::of(&[outer, &[count], inner].concat())?;
        Some((outer.iter().product(), inner.iter().product(), more))
    });
    let Some((outer, inner, more)) = parts else {
        let expected = format!("a shape to which an axis {axis} can be added");
        return Err(Error::shape("a repetition", expected, extents));
    };
    if count == 0 {
        return Err(Error::shape("a repetition", "at least one copy", more.extents()));
    }
    if more.elements() == 0 {
        return reshape(input, more);
    }
    let operand = input.operand();
    // Made contiguous: all else in gblend takes tensors whose elements lie side by side.
    let rows = reshape(input, (outer, inner))?;
    let repeated: Taped<Dims3> = rows.run(|rows| {
        rows.try_broadcast_like::<_, Axis<1>>(&(outer, count, inner))?
            .try_contiguous()
    })?;
    Ok(reshape(repeated, more)?.traced(&[operand], || Operation::Repeat { axis }))
}
