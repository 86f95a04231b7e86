//! The modalities and fusions that gblend brings along.
//!
//! Each modality is a front end, which turns media into an array on loader threads, and an encoder, which
//! turns a batch of arrays into feature vectors. Both halves are shared where modalities are alike:
//! [`frontend`] holds the transforms, [`encoder`] the networks. All are plugins: naming this crate in a
//! binary registers them.

pub mod audio;
pub mod depth;
pub mod encoder;
pub mod flow;
pub mod frontend;
pub mod fusion;
mod range;
pub mod rgb;
pub mod sequence;
pub mod text;
pub mod vector;
