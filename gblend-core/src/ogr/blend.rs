//! The weights that minimize the expected squared OGR of a blend (Proposition 1 and its general case).

use nalgebra::{DMatrix, DVector};

use super::Symmetric;
use crate::error::BlendError;

/// `w_k = (1/Z) b_k / σ_k²`, `Z = Σ_k b_k / σ_k²` (Proposition 1); a head with a loss has a negative weight.
///
/// Without a negative entry, `1/OGR*² = Σ_k 1/OGR_k²`.
///
/// # Errors
/// [`BlendError`]; [`BlendError::Singular`] if a `σ_k²` is zero, [`BlendError::NoGain`] if `Z` is not
/// positive, so that normalizing would turn every sign round.
pub fn blend_diagonal(gains: &[f64], squares: &[f64]) -> Result<Vec<f64>, BlendError> {
    blend_full(
        gains,
        &Symmetric::from_fn(squares.len(), |j, k| if j == k { squares[j] } else { 0.0 }),
    )
}

/// `w = A⁻¹b / (1ᵀA⁻¹b)`, the general case of Proposition 1 without its assumption that the heads'
/// overfitting is uncorrelated. Correlation can make a weight negative although every gain is positive.
///
/// # Errors
/// As [`blend_diagonal`].
pub fn blend_full(gains: &[f64], second_moments: &Symmetric) -> Result<Vec<f64>, BlendError> {
    let scaled = Scaled::new(gains, second_moments)?;
    let squares = second_moments.diagonal();
    if gains
        .iter()
        .zip(&squares)
        .any(|(&gain, &square)| gain != 0.0 && square <= 0.0)
    {
        return Err(BlendError::Singular);
    }
    let cholesky = scaled.matrix.clone().cholesky().ok_or(BlendError::Singular)?;
    let weights = scaled.unscale(cholesky.solve(&scaled.gains).as_slice());
    let sum: f64 = weights.iter().sum();
    // With a sum of zero or less, scaling to 1 would climb the loss: b = (1, −2), σ = 1 would give (−1, 2).
    if sum > 0.0 && sum.is_finite() {
        Ok(weights.into_iter().map(|weight| weight / sum).collect())
    } else {
        Err(BlendError::NoGain {
            gains: gains.to_vec(),
        })
    }
}

/// The best blend without negative weights: `min wᵀAw` over `bᵀw = 1, w ≥ 0`, scaled to add up to 1.
///
/// With `A = RᵀR` it is the non-negative least-squares problem `‖Rw − R⁻ᵀb‖` (Lawson and Hanson 1974). For
/// a diagonal `A` the solution is `w ∝ max(b, 0) / σ²`: a head whose held-out loss rose gets no weight, however
/// large the rise. A head that gains and whose `σ²` is zero is free of charge: those share all the weight, as in
/// the limit of small `σ²`.
///
/// # Errors
/// [`BlendError`]; [`BlendError::NoGain`] exactly if no gain is positive.
pub fn blend_non_negative(gains: &[f64], second_moments: &Symmetric) -> Result<Vec<f64>, BlendError> {
    if let Some(weights) = free_of_charge(gains, second_moments)? {
        return Ok(weights);
    }
    let mut scaled = Scaled::new(gains, second_moments)?;
    // A blend of heads that all moved alike is as good as any of them; a trace on the diagonal decides.
    let size = scaled.gains.len();
    let cholesky = match scaled.matrix.clone().cholesky() {
        Some(cholesky) => cholesky,
        None => {
            for k in 0..size {
                scaled.matrix[(k, k)] += 1e-9;
            }
            scaled.matrix.clone().cholesky().ok_or(BlendError::Singular)?
        }
    };
    // nalgebra has A = LLᵀ, so R = Lᵀ and R⁻ᵀb = L⁻¹b.
    let lower = cholesky.l();
    let target = lower
        .solve_lower_triangular(&scaled.gains)
        .ok_or(BlendError::Singular)?;
    let upper = ndarray::Array2::from_shape_fn((size, size), |(row, column)| lower[(column, row)]);
    let target = ndarray::Array1::from_iter(target.iter().copied());
    let (solution, _) = nnls::nnls(upper.view(), target.view());
    let weights = scaled.unscale(solution.as_slice().unwrap_or_default());
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 && sum.is_finite() {
        Ok(weights.into_iter().map(|weight| weight / sum).collect())
    } else {
        Err(BlendError::NoGain {
            gains: gains.to_vec(),
        })
    }
}

/// `√(wᵀAw) / |bᵀw|`: the OGR of a blend.
///
/// # Errors
/// [`BlendError::Sizes`] if the numbers of heads differ.
pub fn ogr_of_blend(weights: &[f64], gains: &[f64], second_moments: &Symmetric) -> Result<f64, BlendError> {
    check(gains, second_moments)?;
    if weights.len() != gains.len() {
        return Err(BlendError::Sizes {
            gains: weights.len(),
            rows: gains.len(),
        });
    }
    let gain: f64 = weights.iter().zip(gains).map(|(w, b)| w * b).sum();
    Ok(second_moments.quadratic(weights).max(0.0).sqrt() / gain.abs())
}

fn check(gains: &[f64], second_moments: &Symmetric) -> Result<(), BlendError> {
    if gains.len() != second_moments.size() {
        return Err(BlendError::Sizes {
            gains: gains.len(),
            rows: second_moments.size(),
        });
    }
    let gains = gains.iter().copied().map(|value| ("gain", value)).enumerate();
    let squares = second_moments.diagonal().into_iter();
    let squares = squares.map(|value| ("second moment", value)).enumerate();
    for (head, (what, value)) in gains.chain(squares) {
        if !value.is_finite() {
            return Err(BlendError::NonFinite { what, head, value });
        }
    }
    Ok(())
}

/// The limit for heads that gain without overfitting at all.
fn free_of_charge(gains: &[f64], second_moments: &Symmetric) -> Result<Option<Vec<f64>>, BlendError> {
    check(gains, second_moments)?;
    if gains.iter().all(|&gain| gain <= 0.0) {
        return Err(BlendError::NoGain {
            gains: gains.to_vec(),
        });
    }
    let free = |k: usize| gains[k] > 0.0 && second_moments.get(k, k) <= 0.0;
    let total: f64 = (0..gains.len()).filter(|&k| free(k)).map(|k| gains[k]).sum();
    Ok((total > 0.0).then(|| {
        (0..gains.len())
            .map(|k| if free(k) { gains[k] / total } else { 0.0 })
            .collect()
    }))
}

/// The problem with the scale of each head taken out: a unit diagonal, `w_k = w'_k / σ_k`.
///
/// So a loss that is a million times another makes no difference to the solver, and the law that scaling loss
/// `k` by `c` divides `w_k` by `c` before normalization holds to rounding.
struct Scaled {
    matrix: DMatrix<f64>,
    gains: DVector<f64>,
    deviations: Vec<f64>,
}

impl Scaled {
    fn new(gains: &[f64], second_moments: &Symmetric) -> Result<Self, BlendError> {
        check(gains, second_moments)?;
        let size = gains.len();
        let deviations: Vec<f64> = second_moments
            .diagonal()
            .iter()
            .map(|s| s.max(0.0).sqrt())
            .collect();
        // A head that did not move at all neither gains nor costs; any positive scale serves.
        let deviations: Vec<f64> = deviations
            .iter()
            .map(|&d| if d > 0.0 { d } else { 1.0 })
            .collect();
        let matrix = DMatrix::from_fn(size, size, |j, k| {
            let entry = second_moments.get(j, k) / (deviations[j] * deviations[k]);
            if j == k && entry == 0.0 { 1.0 } else { entry }
        });
        let scaled: Vec<f64> = gains.iter().zip(&deviations).map(|(b, d)| b / d).collect();
        // Not the largest loss: beside a huge one, the gains would drown in rounding.
        let largest = scaled.iter().copied().fold(0.0, f64::max);
        let unit = if largest > 0.0 { largest } else { 1.0 };
        Ok(Self {
            matrix,
            gains: DVector::from_iterator(size, scaled.iter().map(|b| b / unit)),
            deviations,
        })
    }

    /// Puts the scale of each head back.
    fn unscale(&self, solution: &[f64]) -> Vec<f64> {
        let least = self.deviations.iter().copied().fold(f64::INFINITY, f64::min);
        // Relative to the least deviation, so that nothing overflows; the weights are normalized anyway.
        solution
            .iter()
            .zip(&self.deviations)
            .map(|(w, d)| w * (least / d))
            .collect()
    }
}
