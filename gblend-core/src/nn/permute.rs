//! Other orders of the axes. Elements are moved, so that they lie side by side in the new order.

use dfdx::shapes::Axes4;
use dfdx::tensor::HasErr;
use dfdx::tensor_ops::{PermuteTo, ReshapeTo};

use crate::device::Chosen;
use crate::engine::TapedOn;
use crate::error::{Error, Result};
use crate::graph::Operation;
use crate::tensor::{Dims2, Dims3, Dims4, Shape, Taped, reshape};

/// A shape of several axes.
pub trait Permute: Shape {
    /// One number for each axis.
    type Order: AsRef<[usize]> + Copy;
}

impl Permute for Dims2 {
    type Order = [usize; 2];
}

impl Permute for Dims3 {
    type Order = [usize; 3];
}

impl Permute for Dims4 {
    type Order = [usize; 4];
}

/// The axes in another order: axis `i` of the result is axis `order[i]` of the input, so `[a, b, c]` with `[2, 0, 1]` becomes
/// `[c, a, b]`.
///
/// # Errors
/// [`Error::Shape`] if an axis is missing in `order` or there twice, [`Error::Device`].
pub fn permute<S: Permute>(input: Taped<S>, order: S::Order) -> Result<Taped<S>> {
    let operand = input.operand();
    let (extents, order) = (input.shape().extents(), order.as_ref());
    if order.iter().copied().eq(0..extents.len()) {
        return Ok(input);
    }
    let permuted: Option<Vec<usize>> = order.iter().map(|&axis| extents.get(axis).copied()).collect();
    // Of four axes, the missing ones of one element each and outermost.
    let missing = 4 - extents.len();
    let whole: Vec<usize> = std::iter::repeat_n(1, missing).chain(extents).collect();
    let moved: Vec<usize> = (0..missing)
        .chain(order.iter().map(|axis| axis + missing))
        .collect();
    let shapes = Dims4::of(&whole).zip(permuted.and_then(|permuted| S::of(&permuted)));
    let Some((whole, shape)) = shapes else {
        return Err(each_once(order));
    };
    if whole.elements() == 0 {
        return reshape(input, shape);
    }
    let permuted = reshape(input, whole)?.kept(|input| {
        let permuted = ordered(input, &moved).ok_or_else(|| each_once(order))?;
        permuted
            .and_then(ReshapeTo::try_contiguous)
            .map_err(Error::device)
    })?;
    let permuted = reshape(permuted, shape)?;
    Ok(permuted.traced(&[operand], || Operation::Permute(order.to_vec())))
}

/// `[rows, columns]` as `[columns, rows]`.
///
/// # Errors
/// [`Error::Device`].
pub fn transpose(input: Taped<Dims2>) -> Result<Taped<Dims2>> {
    permute(input, [1, 0])
}

/// Runs the operation of the engine for an order of four axes that is one of these.
macro_rules! permuted {
    ($input:ident, $order:expr; $([$a:literal, $b:literal, $c:literal, $d:literal])*) => {
        match $order {
            $([$a, $b, $c, $d] => Some($input.try_permute::<Dims4, Axes4<$a, $b, $c, $d>>()),)*
            _ => None,
        }
    };
}

/// The axes of the engine's tensor in another order; `None` if one of them is missing or there twice.
fn ordered(
    input: TapedOn<Dims4, Chosen>,
    order: &[usize],
) -> Option<std::result::Result<TapedOn<Dims4, Chosen>, <Chosen as HasErr>::Err>> {
    permuted! { input, order;
        [0, 1, 3, 2] [0, 2, 1, 3] [0, 2, 3, 1] [0, 3, 1, 2] [0, 3, 2, 1] [1, 0, 2, 3]
        [1, 0, 3, 2] [1, 2, 0, 3] [1, 2, 3, 0] [1, 3, 0, 2] [1, 3, 2, 0] [2, 0, 1, 3]
        [2, 0, 3, 1] [2, 1, 0, 3] [2, 1, 3, 0] [2, 3, 0, 1] [2, 3, 1, 0] [3, 0, 1, 2]
        [3, 0, 2, 1] [3, 1, 0, 2] [3, 1, 2, 0] [3, 2, 0, 1] [3, 2, 1, 0]
    }
}

fn each_once(order: &[usize]) -> Error {
    Error::shape("an order of axes", "each axis once", order)
}
