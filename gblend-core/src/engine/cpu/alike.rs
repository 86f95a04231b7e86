//! Neighboring pixels whose windows look alike, so that one pass does for all of them.

use std::ops::Range;

use super::direct::Link;
use super::window_groups::shift;

/// Some pixels whose windows have the same taps in the picture, each as far from the one before.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// The window of the first.
    pub(super) links: Vec<Link>,
    /// How many there are.
    pub(super) pixels: usize,
    /// Pixels from a window to the next.
    pub(super) step: usize,
    next: Vec<Link>,
}

impl Alike {
    /// Makes it the first of `pixels`, of which there is one, and as many more as are alike. `window` appends the window
    /// of a pixel.
    pub(super) fn find(&mut self, pixels: Range<usize>, window: impl Fn(usize, &mut Vec<Link>)) {
        self.links.clear();
        window(pixels.start, &mut self.links);
        (self.pixels, self.step) = (1, 0);
        for pixel in pixels.skip(1) {
            self.next.clear();
            window(pixel, &mut self.next);
            let Some(shift) = shift(&self.links, &self.next) else {
                return;
            };
            if self.pixels == 1 {
                self.step = shift;
            }
            if shift != self.pixels * self.step {
                return;
            }
            self.pixels += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::window::Window;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_that_are_alike_are_shifted_and_runs_are_as_long_as_they_can_be(
            height in 1_usize..6, width in 1_usize..9, kernel in 1_usize..4, stride in 1_usize..3, padding in 0_usize..3,
        ) {
            let Ok(plan) = Window::square(kernel, stride, padding).over(height, width) else { return Ok(()) };
            let window = |pixel: usize, links: &mut Vec<Link>| {
                let taps = (0..plan.taps()).filter_map(|tap| plan.source(pixel, tap).map(|source| Link { tap, source }));
                links.extend(taps);
            };
            let taps = |pixel: usize| {
                let mut links = Vec::new();
                window(pixel, &mut links);
                links.iter().map(|link| (link.tap, link.source)).collect::<Vec<_>>()
            };
            let (mut alike, mut pixel) = (Alike::default(), 0);
            while pixel < plan.out_pixels() {
                alike.find(pixel..plan.out_pixels(), window);
                for far in 0..alike.pixels {
                    let expected: Vec<_> = taps(pixel).iter().map(|&(tap, source)| (tap, source + far * alike.step)).collect();
                    prop_assert_eq!(taps(pixel + far), expected);
                }
                pixel += alike.pixels;
            }
            prop_assert_eq!(pixel, plan.out_pixels());
            // Inside of a row nothing but the border ends a run.
            if padding == 0 && plan.out_pixels() > 0 {
                alike.find(0..plan.out_pixels(), window);
                prop_assert!(alike.pixels >= plan.out_width);
            }
        }
    }
}
