//! Blend strategies, one per file.

mod agm;
mod auto;
mod constant;
mod detached;
mod dwa;
mod equal;
mod famo;
mod fixed;
mod fixed_shares;
mod gradnorm;
mod joint;
mod lengths;
mod mgda;
mod min_norm;
mod mmpareto;
mod ogm_ge;
pub mod ogr;
mod pcgrad;
mod rlw;
mod scale;
mod softmax;
mod state;
#[cfg(test)]
mod testing;
mod uncertainty;
mod unimodal;
mod unimodal_ensemble;

pub use agm::Agm;
pub use auto::Auto;
pub use detached::Detached;
pub use dwa::Dwa;
pub use equal::Equal;
pub use famo::Famo;
pub use fixed::Fixed;
pub use fixed_shares::start_with_shares;
pub use gradnorm::GradNorm;
pub use joint::Joint;
pub use mgda::Mgda;
pub use mmpareto::MmPareto;
pub use ogm_ge::OgmGe;
pub use ogr::Ogr;
pub use pcgrad::PcGrad;
pub use rlw::Rlw;
pub use uncertainty::Uncertainty;
pub use unimodal::Unimodal;
pub use unimodal_ensemble::UnimodalEnsemble;
