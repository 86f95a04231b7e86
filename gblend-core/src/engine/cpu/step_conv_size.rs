//! Sizes of a convolution over windows of rows.

/// Elements of the windows that are copied at once: half a megabyte.
const CHUNK: usize = 131_072;

/// A convolution over windows of `taps` rows.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct StepConvSize {
    pub(in crate::engine) taps: usize,
    pub(in crate::engine) inputs: usize,
    pub(in crate::engine) outputs: usize,
}

impl StepConvSize {
    /// Columns of the weight matrix.
    pub(super) fn depth(&self) -> usize {
        self.taps * self.inputs
    }

    /// Windows that are copied at once.
    pub(super) fn rows(&self) -> usize {
        (CHUNK / self.depth().max(1)).clamp(16, 1024)
    }
}
