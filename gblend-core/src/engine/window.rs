//! The geometry of everything that slides a window over feature maps: convolution and pooling.

use crate::error::{Error, Result};

/// A window and how it moves; each pair is vertical, horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Extents of the window.
    pub kernel: (usize, usize),
    /// Steps between two windows.
    pub stride: (usize, usize),
    /// Rows and columns added on each side.
    pub padding: (usize, usize),
}

impl Window {
    /// A square window.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: (kernel, kernel),
            stride: (stride, stride),
            padding: (padding, padding),
        }
    }

    /// Places the window over pictures of `height` × `width`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the window is empty, does not move, has padding as large as itself, or does not
    /// fit into the picture.
    pub fn over(self, height: usize, width: usize) -> Result<WindowPlan> {
        let vertical = positions(height, self.kernel.0, self.stride.0, self.padding.0);
        let horizontal = positions(width, self.kernel.1, self.stride.1, self.padding.1);
        match (vertical, horizontal) {
            (Some(out_height), Some(out_width)) => Ok(WindowPlan {
                window: self,
                height,
                width,
                out_height,
                out_width,
            }),
            _ => Err(Error::shape(
                format!(
                    "a {}x{} window with stride {}x{} and padding {}x{}",
                    self.kernel.0,
                    self.kernel.1,
                    self.stride.0,
                    self.stride.1,
                    self.padding.0,
                    self.padding.1
                ),
                "pictures at least as large as the window, a stride of at least 1 and less padding than window",
                [height, width],
            )),
        }
    }
}

/// The number of windows along one axis.
fn positions(extent: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
    if kernel == 0 || stride == 0 || padding >= kernel || extent == 0 {
        return None;
    }
    let padded = extent.checked_add(padding.checked_mul(2)?)?;
    Some(padded.checked_sub(kernel)? / stride + 1)
}

/// A window placed over pictures of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowPlan {
    /// The window.
    pub window: Window,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Rows of the output.
    pub out_height: usize,
    /// Columns of the output.
    pub out_width: usize,
}

impl WindowPlan {
    /// Pixels of an input map.
    pub fn in_pixels(&self) -> usize {
        self.height * self.width
    }

    /// Pixels of an output map.
    pub fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Pixels of the window.
    pub fn taps(&self) -> usize {
        self.window.kernel.0 * self.window.kernel.1
    }

    /// The input pixel under tap `tap` of the window at output pixel `pixel`; `None` in the padding.
    pub fn source(&self, pixel: usize, tap: usize) -> Option<usize> {
        let axis = |position: usize, stride: usize, offset: usize, padding: usize, extent: usize| {
            (position * stride + offset)
                .checked_sub(padding)
                .filter(|&at| at < extent)
        };
        let Window {
            kernel,
            stride,
            padding,
        } = self.window;
        let (out_row, out_column) = (pixel / self.out_width, pixel % self.out_width);
        let row = axis(out_row, stride.0, tap / kernel.1, padding.0, self.height)?;
        let column = axis(out_column, stride.1, tap % kernel.1, padding.1, self.width)?;
        Some(row * self.width + column)
    }

    /// The output pixel whose window has input pixel `source` under tap `tap`, if there is one.
    pub(super) fn reader(&self, source: usize, tap: usize) -> Option<usize> {
        let axis = |position: usize, stride: usize, offset: usize, padding: usize, extent: usize| {
            let from_first = (position + padding).checked_sub(offset)?;
            let at = from_first / stride;
            (at * stride == from_first && at < extent).then_some(at)
        };
        let Window {
            kernel,
            stride,
            padding,
        } = self.window;
        let (row, column) = (source / self.width, source % self.width);
        let row = axis(row, stride.0, tap / kernel.1, padding.0, self.out_height)?;
        let column = axis(column, stride.1, tap % kernel.1, padding.1, self.out_width)?;
        Some(row * self.out_width + column)
    }

    /// The output columns whose tap column `tap_column` lies inside the picture.
    pub(super) fn inner_columns(&self, tap_column: usize) -> std::ops::Range<usize> {
        let (stride, padding) = (self.window.stride.1, self.window.padding.1);
        let first = padding.saturating_sub(tap_column).div_ceil(stride);
        // Columns with out·stride + tap − padding ≤ width − 1.
        let last = (self.width + padding).saturating_sub(tap_column).div_ceil(stride);
        let last = last.min(self.out_width);
        first.min(last)..last
    }

    /// Whether every window is exactly one input pixel, in order.
    pub(super) fn is_identity(&self) -> bool {
        self.window == Window::square(1, 1, 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn inner_columns_are_those_with_a_source(
            width in 1_usize..12, kernel in 1_usize..5, stride in 1_usize..4, padding in 0_usize..4,
        ) {
            let window = Window { kernel: (1, kernel), stride: (1, stride), padding: (0, padding) };
            if let Ok(plan) = window.over(1, width) {
                for tap in 0..kernel {
                    let inner = plan.inner_columns(tap);
                    for pixel in 0..plan.out_width {
                        prop_assert_eq!(plan.source(pixel, tap).is_some(), inner.contains(&pixel));
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_reader_is_who_has_the_pixel_as_its_source(
            height in 1_usize..9, width in 1_usize..9, kernel in 1_usize..5, stride in 1_usize..4, padding in 0_usize..4,
        ) {
            if let Ok(plan) = Window::square(kernel, stride, padding).over(height, width) {
                for tap in 0..plan.taps() {
                    for source in 0..plan.in_pixels() {
                        let reader = (0..plan.out_pixels()).find(|&pixel| plan.source(pixel, tap) == Some(source));
                        prop_assert_eq!(plan.reader(source, tap), reader);
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_that_does_not_fit_is_an_error() {
        assert!(Window::square(5, 1, 0).over(4, 9).is_err());
        assert!(Window::square(0, 1, 0).over(4, 4).is_err());
        assert!(Window::square(3, 0, 0).over(4, 4).is_err());
        assert!(Window::square(3, 1, 3).over(4, 4).is_err());
        assert!(Window::square(3, 1, 1).over(0, 4).is_err());
    }

    #[test]
    fn the_output_size_is_that_of_pytorch() {
        let plan = Window::square(3, 2, 1).over(9, 7).unwrap();
        assert_eq!((plan.out_height, plan.out_width), (5, 4));
    }
}
