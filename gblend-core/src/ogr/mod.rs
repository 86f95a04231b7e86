//! The mathematics of Gradient-Blending: overfitting, generalization, and the blend that buys the most of
//! the second for the least of the first.
//!
//! Between two checkpoints, `N` and `N + n` epochs, a head's losses move: `L^T` on samples that it trains
//! on, `L^V` on samples that it does not. With the overfitting gap `O = L^V − L^T`, Wang, Tran and Feiszli
//! (CVPR 2020, section 3) define
//!
//! - `ΔO = O_{N+n} − O_N`, how much more the head overfits,
//! - `ΔG = L^V_N − L^V_{N+n}`, how much better it generalizes,
//! - `OGR = |ΔO / ΔG|`, the price of generalization in overfitting.
//!
//! A step along a blend `Σ w_k v_k` of the heads' directions has `OGR² = (Σ w_k o_k / Σ w_k b_k)²` with
//! `b_k = ⟨∇L*, v_k⟩` and `o_k = ⟨∇L^T − ∇L*, v_k⟩`, the same two movements to first order. Proposition 1
//! minimizes its expectation, `wᵀAw / (bᵀw)²` with `A_jk = E[o_j o_k]`, over weights that add up to 1:
//! `w_k ∝ b_k / σ_k²` with `σ_k² = A_kk` where the heads' overfitting is uncorrelated
//! ([`blend_diagonal`]), `w ∝ A⁻¹b` where it is not ([`blend_full`]), and where no weight may be negative
//! the solution of a non-negative least-squares problem ([`blend_non_negative`]).
//!
//! Everything here is arithmetic in `f64`; nothing knows networks, tensors or files.

mod blend;
mod bootstrap;
mod matrix;
mod movement;

pub use crate::error::BlendError;
pub use blend::{blend_diagonal, blend_full, blend_non_negative, ogr_of_blend};
pub use bootstrap::{InnerProducts, Interval, LossChanges};
pub use matrix::Symmetric;
pub use movement::{Losses, Movements, ogr};
