//! Pixels of maps, copied in the order in which tiles of a product read them.
//!
//! The samples of one pixel of one channel are as far from those of the next as a map is large, which is a power of two more
//! often than not: read as they lie, they fight for the same few lines of the cache, at each tile anew, and each is in another
//! page. A copy is read line after line. Windows that follow each other read most pixels again, so copies are kept until their
//! place is needed.

/// Copies of pixels, all of the same size.
#[derive(Debug, Default)]
pub(super) struct PackedPixels {
    values: Vec<f32>,
    /// Which pixel each place has a copy of, where copies are kept.
    kept: Vec<Option<usize>>,
    /// The place of each pixel of the window at hand.
    places: Vec<usize>,
    size: usize,
}

impl PackedPixels {
    /// Forgets all copies. From here on they are kept in so many places; 0: from no window to the next.
    pub(super) fn restart(&mut self, places: usize) {
        self.kept.clear();
        self.kept.resize(places, None);
    }

    /// Whether copies are kept from a window to the next.
    pub(super) fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The window at hand reads these pixels, whose copies have so many elements. `copy` makes one that is not there.
    ///
    /// # Panics
    /// If two pixels of a window have one place: a bug of the caller.
    #[inline(always)]
    pub(super) fn window(
        &mut self,
        size: usize,
        pixels: impl ExactSizeIterator<Item = usize> + Clone,
        mut copy: impl FnMut(usize, &mut [f32]),
    ) {
        self.size = size;
        self.places.clear();
        let places = self.kept.len();
        let needed = places.max(pixels.len()) * size;
        if self.values.len() < needed {
            self.values.resize(needed, 0.0);
        }
        for (position, pixel) in pixels.clone().enumerate() {
            let place = if places == 0 { position } else { pixel % places };
            self.places.push(place);
            if self.kept.get(place) == Some(&Some(pixel)) {
                continue;
            }
            copy(pixel, &mut self.values[place * size..][..size]);
            if let Some(kept) = self.kept.get_mut(place) {
                *kept = Some(pixel);
            }
        }
        let mut all = self.places.iter().zip(pixels);
        assert!(
            places == 0 || all.all(|(&place, pixel)| self.kept[place] == Some(pixel)),
            "{places} places are too few for a window"
        );
    }

    /// The copies of the window's pixels.
    #[inline(always)]
    pub(super) fn copies(&self) -> impl Iterator<Item = &[f32]> {
        let copy = |&place: &usize| &self.values[place * self.size..][..self.size];
        self.places.iter().map(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn copies_are_those_of_the_window_and_none_is_made_twice_while_it_is_kept(
            rows in 1_usize..4, width in 1_usize..9, height in 4_usize..9, size in 1_usize..5, keeps: bool,
        ) {
            let mut packed = PackedPixels::default();
            packed.restart(if keeps { rows * width } else { 0 });
            let mut copied = 0;
            for first in 0..=height - rows {
                for column in 0..width {
                    let pixels = (0..rows).map(|row| (first + row) * width + column);
                    packed.window(size, pixels.clone(), |pixel, copy| {
                        copied += 1;
                        copy.fill(pixel as f32);
                    });
                    let copies: Vec<Vec<f32>> = packed.copies().map(<[f32]>::to_vec).collect();
                    let expected: Vec<Vec<f32>> = pixels.map(|pixel| vec![pixel as f32; size]).collect();
                    prop_assert_eq!(copies, expected);
                }
            }
            let windows = (height - rows + 1) * width;
            prop_assert_eq!(copied, if keeps { height * width } else { windows * rows });
        }
    }

    #[test]
    #[should_panic(expected = "2 places are too few")]
    fn two_pixels_of_a_window_in_one_place_are_found() {
        let mut packed = PackedPixels::default();
        packed.restart(2);
        packed.window(1, [0, 2].into_iter(), |_, _| ());
    }
}
