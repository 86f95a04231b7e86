//! Dense optical flow between two frames.
//!
//! The variational method of Brox, Bruhn, Papenberg and Weickert, "High accuracy optical flow estimation based
//! on a theory for warping", ECCV 2004, from coarse to fine: at each size the second picture is warped by the
//! flow so far, the energy around that flow is minimized, and its median taken. Frames of the largest size
//! decide the time, and it goes with their area: there is no search, and the same frames give the same flow.

mod checkerboard;
mod energy;
mod median;
mod plane;
mod pyramid;
mod warp;

use gblend_core::{Array, Error, Result};

use energy::Constancy;
use plane::Plane;

/// Warps at the largest size, where each costs most and little is left to correct.
const WARPS: usize = 3;

/// Warps at each smaller size: what these miss, no larger size can find.
const COARSE_WARPS: usize = 8;

/// How often the weights of the robust penalties follow the flow, at each warp.
const UPDATES: usize = 2;

/// Sweeps of the solver between two updates.
const SWEEPS: usize = 5;

/// The flow from `first` to `second`: `[2, height, width]`, for each pixel of `first` how many pixels it moves
/// to the right (x, channel 0) and down (y, channel 1).
///
/// Both are `[height, width]`, brightness from 0 to 255.
///
/// # Errors
/// [`Error::Shape`] if a picture is not two-dimensional, has no pixel or more than 65536 in a line, or the two
/// differ in size; [`Error::Data`] if a pixel is not between 0 and 255.
pub fn between(first: &Array, second: &Array) -> Result<Array> {
    let [first, second] = [Plane::brightness(first)?, Plane::brightness(second)?];
    if (first.height, first.width) != (second.height, second.width) {
        return Err(Error::shape(
            "optical flow, second picture",
            format!("[{}, {}] as the first", first.height, first.width),
            [second.height, second.width],
        ));
    }
    let firsts = pyramid::of(&first)?;
    let seconds = pyramid::of(&second)?;
    let mut flow: Option<[Plane; 2]> = None;
    for (level, (first, second)) in firsts.iter().zip(&seconds).enumerate().rev() {
        let (mut current, warps) = match &flow {
            None => (
                [0, 1].map(|_| Plane::zeros(first.height, first.width)),
                COARSE_WARPS,
            ),
            Some(coarser) => {
                let warps = if level == 0 { WARPS } else { COARSE_WARPS };
                (pyramid::enlarged(coarser, first.height, first.width)?, warps)
            }
        };
        for _ in 0..warps {
            current = improved(first, second, current);
        }
        flow = Some(current);
    }
    let [x, y] = flow.unwrap_or_else(|| [0, 1].map(|_| Plane::zeros(0, 0)));
    let (height, width) = (x.height, x.width);
    let mut values = x.values;
    values.extend(y.values);
    Array::new([2, height, width], values)
}

/// One warp: the flow that is best where the pictures are seen as linear around `flow`.
fn improved(first: &Plane, second: &Plane, mut flow: [Plane; 2]) -> [Plane; 2] {
    let constancy = Constancy::around(&flow, first, second);
    for _ in 0..UPDATES {
        constancy.equations(&flow).relax(&mut flow, SWEEPS);
    }
    flow.map(|plane| median::median(&plane))
}

#[cfg(test)]
mod tests;
