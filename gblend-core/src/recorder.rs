//! What a tensor on its way through a network carries: whether operations are recorded, and whether it needs a gradient.

use crate::device::Chosen;
use crate::engine::RecorderOn;

/// The record of one pass. Two switches are set when data enters the network, with [`Pass::recorder`](crate::Pass::recorder):
///
/// - it *records* or not: a network's output can be differentiated only if its input was recorded;
/// - it *requires a gradient* or not: what is made of data alone does not, and no gradient is ever computed for it. From
///   the first operation with a parameter on, everything does.
#[derive(Debug, Default)]
pub struct Recorder(pub(crate) RecorderOn<Chosen>);

impl Recorder {
    /// For data in a pass that will be differentiated.
    pub fn for_data() -> Self {
        Self(RecorderOn::for_data())
    }

    /// For a pass that will not be differentiated.
    pub fn off() -> Self {
        Self(RecorderOn::off())
    }
}
