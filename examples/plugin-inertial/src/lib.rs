//! Inertial sensors for gblend: the modality kind `inertial`, and the dataset kind `utd-mhad`, which has such
//! recordings beside depth videos and skeletons.

pub mod encoder;
pub mod inertial;
pub mod matlab;
pub mod signal;
pub mod utd_mhad;

pub use inertial::Inertial;
pub use utd_mhad::UtdMhad;
