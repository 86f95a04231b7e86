//! The network: its inputs, its parts, and the device that it computes on.

mod batch_norms;
mod criteria;
pub(crate) mod device;
mod freezing;
mod inputs;
mod model;
mod own_head;
mod sizes;

pub use criteria::{Criteria, HeadCriterion, LabelContext};
pub use inputs::{Input, Inputs};
pub use model::{ActiveHeads, Fused, Multimodal};
pub use sizes::part_sizes;
