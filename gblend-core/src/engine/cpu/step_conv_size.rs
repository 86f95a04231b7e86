//! Sizes of a convolution over windows of rows, and of the parts of its weights' gradient.

/// Elements of the windows that are copied at once: half a megabyte.
const CHUNK: usize = 131_072;

/// Parts that the gradient of the weights is computed in, at most, and windows of the smallest one. Fixed, so that the
/// sums are the same at any number of threads.
const PARTS: (usize, usize) = (8, 256);

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

/// Windows of a part, of so many.
pub(super) fn windows_of_part(count: usize) -> usize {
    count.div_ceil(PARTS.0).max(PARTS.1)
}

/// Adds the sums of all parts, in their order.
pub(super) fn add_parts(sums: Vec<Vec<f32>>, gradient: &mut [f32]) {
    for sum in sums {
        gradient
            .iter_mut()
            .zip(sum)
            .for_each(|(gradient, value)| *gradient += value);
    }
}
