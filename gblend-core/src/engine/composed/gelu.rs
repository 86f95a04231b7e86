//! The Gaussian error linear unit.

use dfdx::shapes::Shape;
use dfdx::tensor::PutTape;
use dfdx::tensor_ops::{Device, TryAdd, TryDiv, TryMul, TrySub};

use super::values_of;
use crate::engine::cpu::activation::{ERF, ERF_RATE, NORMAL_DENSITY};
use crate::engine::operand::TapedOn;
use crate::engine::tape::RecorderOn;
use crate::error::{Error, Result};

/// See [`gelu`](crate::nn::gelu).
pub fn gelu<S: Shape, D: Device<f32>>(input: TapedOn<S, D>) -> Result<TapedOn<S, D>> {
    // Not `try_accurate_gelu`: in dfdx 0.13 the density in its derivative is too large by √2.
    input.try_fast_gelu().map_err(Error::device)
}

/// See [`gelu_erf`](crate::nn::gelu_erf()).
///
/// Of a polynomial that is near a function, the derivative is less near: so the slope is computed beside the value, and what is
/// recorded is `slope · x + (value − slope · x)`, of which all but the `x` are data.
pub fn gelu_erf<S: Shape, D: Device<f32>>(input: TapedOn<S, D>) -> Result<TapedOn<S, D>> {
    /// Divides 0 as well.
    const TINY: f32 = 1e-30;
    let (input, x) = values_of(input);
    let chain = || {
        let size = x.clone().try_abs()?;
        let sign = x.clone().try_div(size.clone().try_add(TINY)?)?;
        let scaled = size.clone().try_mul(std::f32::consts::FRAC_1_SQRT_2)?;
        let rest = scaled.clone().try_mul(ERF_RATE)?.try_add(1.0)?.try_powi(-1)?;
        let [first, second, third, fourth, fifth] = ERF;
        let mut sum = rest.clone().try_mul(fifth)?;
        for coefficient in [fourth, third, second, first] {
            sum = sum.try_add(coefficient)?.try_mul(rest.clone())?;
        }
        let bell = scaled.try_square()?.try_negate()?.try_exp()?;
        let erf = sum.try_mul(bell.clone())?.try_negate()?.try_add(1.0)?;
        let value = x.clone().try_add(size.try_mul(erf.clone())?)?.try_mul(0.5)?;
        let density = x.clone().try_mul(bell)?.try_mul(NORMAL_DENSITY)?;
        let slope = sign.try_mul(erf)?.try_add(1.0)?.try_mul(0.5)?.try_add(density)?;
        let beside = value.try_sub(x.try_mul(slope.clone())?)?;
        let product = input.try_mul(slope.put_tape(RecorderOn::for_data()))?;
        product.try_add(beside.put_tape(RecorderOn::for_data()))
    };
    chain().map_err(Error::device)
}
