//! Checkpoints: everything that a run needs to go on as if it had never stopped.
//!
//! Nothing random has a state: every draw comes from a seed that is derived from the run's by names and counters (see
//! [`Seed`](gblend_core::Seed)), so the position in the run is all that has to be kept of it.
//!
//! | file in `checkpoints/` | content |
//! |---|---|
//! | `N.safetensors` | parameters, running statistics and the optimizer's moments |
//! | `N.json` | the position and everything else, with the checksums of the arrays and of itself |
//! | `best-EPOCH.safetensors` | parameters and running statistics of the epoch that was best by validation |
//! | `probe-EPOCH-HEAD.json` and `.safetensors` | how far the probes of an estimate under way are |
//!
//! A file is written under another name, synced and renamed, arrays first. So a crash leaves files that are whole or not
//! there, and the JSON file of a checkpoint says that its arrays are there. The last two checkpoints are kept, with the
//! best parameters that they know of: should the disk have damaged the last one, the run goes on from the one before.

mod capture;
mod contents;
mod files;
mod message;
mod probes;
mod store;
mod writer;

pub use capture::{capture, restore};
pub use contents::{
    Arrays, Best, Checkpoint, Description, FORMAT, FORMAT_NUMBER, KeptEstimate, OF_KEYS, Position, Refit,
};
pub use message::broadcast_checkpoint;
#[cfg(feature = "fuzzing")]
pub(crate) fn is_understood(bytes: &[u8]) -> bool {
    store::is_understood(bytes) || probes::is_understood(bytes)
}
pub use probes::{ProbeName, ProbeProgress, ProbeStore};
pub use store::{Found, Store};
pub use writer::Writer;
