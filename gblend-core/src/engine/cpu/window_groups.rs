//! Pixels whose windows look alike, wherever they are.
//!
//! A few samples of a pixel do not fill a vector, and those of several pixels do if the windows have the same taps in the
//! picture. Along an edge those are a column apart, and of the readers of a pixel at stride 2 each second one's.

use std::ops::Range;

use super::direct::Link;

/// Pixels whose windows have the same taps in the picture, each as far from those of the first.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The window of the first.
    pub(super) links: Vec<Link>,
    /// How far the window of each is from that of the first, in pixels.
    pub(super) shifts: Vec<usize>,
    /// Which pixels they are, counted from the first of all.
    pub(super) places: Vec<usize>,
}

/// How far a window is from another, if both have the same taps in the picture.
fn shift(from: &[Link], to: &[Link]) -> Option<usize> {
    let Some((first, other)) = from.first().zip(to.first()) else {
        return (from.is_empty() && to.is_empty()).then_some(0);
    };
    let shift = other.source.checked_sub(first.source)?;
    let same = |(link, other): (&Link, &Link)| link.tap == other.tap && link.source + shift == other.source;
    let all = from.len() == to.len() && from.iter().zip(to).all(same);
    all.then_some(shift)
}

/// The groups of some pixels.
#[derive(Debug, Default)]
pub(super) struct WindowGroups {
    /// Those at hand, and behind them others whose memory is kept.
    groups: Vec<Group>,
    links: Vec<Link>,
}

impl WindowGroups {
    /// Divides pixels into groups. `window` appends the window of a pixel.
    pub(super) fn divide(
        &mut self,
        pixels: Range<usize>,
        window: impl Fn(usize, &mut Vec<Link>),
    ) -> &[Group] {
        let mut used = 0;
        for (place, pixel) in pixels.enumerate() {
            self.links.clear();
            window(pixel, &mut self.links);
            let links = &self.links;
            let groups = self.groups[..used].iter().enumerate();
            let found = groups
                .filter_map(|(at, group)| Some((at, shift(&group.links, links)?)))
                .next();
            let (at, shift) = found.unwrap_or_else(|| {
                if used == self.groups.len() {
                    self.groups.push(Group::default());
                }
                let group = &mut self.groups[used];
                group.links.clone_from(links);
                group.shifts.clear();
                group.places.clear();
                used += 1;
                (used - 1, 0)
            });
            self.groups[at].shifts.push(shift);
            self.groups[at].places.push(place);
        }
        &self.groups[..used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::window::Window;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_pixel_is_in_one_group_whose_windows_are_shifted_and_no_two_groups_are_alike(
            height in 1_usize..7, width in 1_usize..9, kernel in 1_usize..4, stride in 1_usize..4, padding in 0_usize..3,
            readers: bool,
        ) {
            let Ok(plan) = Window::square(kernel, stride, padding).over(height, width) else { return Ok(()) };
            let window = |pixel: usize, links: &mut Vec<Link>| {
                let link = |tap| {
                    let source = if readers { plan.reader(pixel, tap) } else { plan.source(pixel, tap) };
                    source.map(|source| Link { tap, source })
                };
                links.extend((0..plan.taps()).filter_map(link));
            };
            let pixels = if readers { plan.in_pixels() } else { plan.out_pixels() };
            let mut groups = WindowGroups::default();
            // Memory of groups before does not show.
            groups.divide(0..pixels.min(3), window);
            let first = pixels / 3;
            let groups = groups.divide(first..pixels, window);
            let mut seen = vec![0; pixels - first];
            let taps = |group: &Group| group.links.iter().map(|link| link.tap).collect::<Vec<_>>();
            for (at, group) in groups.iter().enumerate() {
                prop_assert_eq!(group.shifts.len(), group.places.len());
                prop_assert!(groups[..at].iter().all(|other| taps(other) != taps(group)));
                for (&place, &shift) in group.places.iter().zip(&group.shifts) {
                    seen[place] += 1;
                    let mut links = Vec::new();
                    window(first + place, &mut links);
                    let shifted: Vec<_> = group.links.iter().map(|link| (link.tap, link.source + shift)).collect();
                    prop_assert_eq!(links.iter().map(|link| (link.tap, link.source)).collect::<Vec<_>>(), shifted);
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }
}
