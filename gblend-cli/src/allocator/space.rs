//! Which parts of a stretch of memory are free. Knows offsets alone, and touches no memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Blocks begin at multiples of a cache line, in bytes.
pub(super) const LINE: usize = 64;

/// Holes that [`Space::idle`] names at once.
const MOST_IDLE: usize = 512;

/// The free parts of `0..limit`: whatever lies beyond `end`, and the holes before it, no two of which touch.
#[derive(Debug)]
pub(super) struct Space {
    /// There is nothing beyond.
    limit: usize,
    /// No block has ever reached beyond.
    end: usize,
    /// By where they start.
    holes: BTreeMap<usize, Hole>,
    /// Size and start of every hole: the first that is large enough is the tightest, and of those the lowest.
    sizes: BTreeSet<(usize, usize)>,
    /// How often [`idle`](Self::idle) was asked.
    round: u64,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    size: usize,
    /// The round in which the last of it became free.
    since: u64,
    /// Whether [`Space::idle`] has named it.
    named: bool,
}

/// A block that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) start: usize,
    /// From here on, if that is inside the block, nobody has had its memory before.
    pub(super) fresh: usize,
}

impl Space {
    /// Without room, until there is some.
    pub(super) const fn new() -> Self {
        Self {
            limit: 0,
            end: 0,
            holes: BTreeMap::new(),
            sizes: BTreeSet::new(),
            round: 0,
        }
    }

    /// Where it ends.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Lets it end at `limit`, if that is further than it did.
    pub(super) fn extend(&mut self, limit: usize) {
        self.limit = self.limit.max(limit);
    }

    /// What a block of `size` bytes takes. The line more than it needs keeps blocks whose sizes are powers of two from
    /// all beginning at the same place of a page, where they would fight for the same few sets of the cache.
    fn footprint(size: usize) -> Option<usize> {
        size.checked_next_multiple_of(LINE)?.checked_add(LINE)
    }

    /// Takes a block of `size` bytes: out of the tightest hole, or at the end. `None` if there is no room.
    pub(super) fn take(&mut self, size: usize) -> Option<Taken> {
        let size = Self::footprint(size)?;
        let fresh = self.end;
        if let Some(&(found, start)) = self.sizes.range((size, 0)..).next() {
            let hole = self.close(start)?;
            self.open(
                start + size,
                Hole {
                    size: found - size,
                    ..hole
                },
            );
            return Some(Taken { start, fresh });
        }
        // The last hole may reach to the end, and is the first part of the block then.
        let last = self.holes.last_key_value();
        let start = match last {
            Some((&start, hole)) if start + hole.size == self.end => start,
            _ => self.end,
        };
        let end = start.checked_add(size).filter(|end| *end <= self.limit)?;
        self.close(start);
        self.end = end;
        Some(Taken { start, fresh })
    }

    /// Gives back the block of `size` bytes at `start`.
    pub(super) fn give(&mut self, start: usize, size: usize) {
        if let Some(size) = Self::footprint(size) {
            self.free(start, size);
        }
    }

    /// Makes the block at `start` longer or shorter where it lies. False if what follows it is not free.
    pub(super) fn resize(&mut self, start: usize, from: usize, to: usize) -> bool {
        let (Some(from), Some(to)) = (Self::footprint(from), Self::footprint(to)) else {
            return false;
        };
        if to <= from {
            self.free(start + to, from - to);
            return true;
        }
        let (after, more) = (start + from, to - from);
        match self.holes.get(&after).copied() {
            Some(hole) if hole.size >= more => {
                self.close(after);
                self.open(
                    after + more,
                    Hole {
                        size: hole.size - more,
                        ..hole
                    },
                );
                true
            }
            _ => false,
        }
    }

    /// Holes that nobody has taken from or added to since the call before, each of them once, and so few at a time that
    /// the list of them is no large block, which would have to come from here.
    pub(super) fn idle(&mut self) -> Vec<Range<usize>> {
        let round = self.round;
        self.round += 1;
        let idle = self
            .holes
            .iter_mut()
            .filter(|(_, hole)| hole.since < round && !hole.named)
            .take(MOST_IDLE);
        idle.map(|(&start, hole)| {
            hole.named = true;
            start..start + hole.size
        })
        .collect()
    }

    /// Frees a range, together with the holes that it touches.
    fn free(&mut self, start: usize, size: usize) {
        let (mut start, mut end) = (start, start + size);
        if let Some(after) = self.close(end) {
            end += after.size;
        }
        if let Some((&before, hole)) = self.holes.range(..start).next_back()
            && before + hole.size == start
        {
            self.close(before);
            start = before;
        }
        let since = self.round;
        self.open(
            start,
            Hole {
                size: end - start,
                since,
                named: false,
            },
        );
    }

    fn open(&mut self, start: usize, hole: Hole) {
        if hole.size > 0 {
            self.holes.insert(start, hole);
            self.sizes.insert((hole.size, start));
        }
    }

    fn close(&mut self, start: usize) -> Option<Hole> {
        let hole = self.holes.remove(&start)?;
        self.sizes.remove(&(hole.size, start));
        Some(hole)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn space(limit: usize) -> Space {
        let mut space = Space::new();
        space.extend(limit);
        space
    }

    /// What somebody does with the blocks that they have; positions wrap around.
    #[derive(Clone, Debug)]
    enum Deed {
        Take(usize),
        Give(usize),
        Resize(usize, usize),
        Look,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            3 => (1_usize..5000).prop_map(Deed::Take),
            2 => any::<usize>().prop_map(Deed::Give),
            2 => (any::<usize>(), 1_usize..5000).prop_map(|(at, size)| Deed::Resize(at, size)),
            1 => Just(Deed::Look),
        ]
    }

    fn footprint(size: usize) -> usize {
        Space::footprint(size).unwrap()
    }

    /// Blocks and holes lie side by side, from the start to the end, and the two lists of holes say the same.
    fn check(space: &Space, blocks: &[(usize, usize)]) {
        let mut parts: Vec<(usize, usize, bool)> = blocks
            .iter()
            .map(|&(start, size)| (start, footprint(size), true))
            .collect();
        parts.extend(space.holes.iter().map(|(&start, hole)| (start, hole.size, false)));
        parts.sort_unstable();
        let mut end = 0;
        for part in &parts {
            assert_eq!(part.0, end, "{parts:?}");
            assert!(part.1 > 0 && part.0 % LINE == 0);
            end += part.1;
        }
        assert_eq!(end, space.end);
        assert!(end <= space.limit);
        assert!(
            parts.windows(2).all(|pair| pair[0].2 || pair[1].2),
            "two holes touch: {parts:?}"
        );
        let sizes: BTreeSet<(usize, usize)> = space
            .holes
            .iter()
            .map(|(&start, hole)| (hole.size, start))
            .collect();
        assert_eq!(sizes, space.sizes);
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_nothing_is_lost(deeds in proptest::collection::vec(deed(), 1..200)) {
            let mut space = space(100_000);
            let mut blocks: Vec<(usize, usize)> = Vec::new();
            for deed in deeds {
                match deed {
                    Deed::Take(size) => {
                        let end = space.end;
                        if let Some(taken) = space.take(size) {
                            prop_assert_eq!(taken.fresh, end);
                            blocks.push((taken.start, size));
                        }
                    }
                    Deed::Give(at) if !blocks.is_empty() => {
                        let (start, size) = blocks.swap_remove(at % blocks.len());
                        space.give(start, size);
                    }
                    Deed::Resize(at, size) if !blocks.is_empty() => {
                        let at = at % blocks.len();
                        let block = &mut blocks[at];
                        if space.resize(block.0, block.1, size) {
                            block.1 = size;
                        }
                    }
                    Deed::Look => {
                        space.idle();
                    }
                    Deed::Give(_) | Deed::Resize(..) => {}
                }
                check(&space, &blocks);
            }
            for (start, size) in blocks.drain(..) {
                space.give(start, size);
            }
            check(&space, &[]);
            prop_assert!(space.holes.len() <= 1);
        }

        #[test]
        fn the_same_blocks_again_find_their_room(sizes in proptest::collection::vec(1_usize..5000, 1..50)) {
            let mut space = space(1 << 20);
            let round = |space: &mut Space| {
                let starts: Vec<usize> = sizes.iter().map(|&size| space.take(size).unwrap().start).collect();
                for (&start, &size) in starts.iter().zip(&sizes) {
                    space.give(start, size);
                }
                starts
            };
            let first = round(&mut space);
            let end = space.end;
            prop_assert_eq!(round(&mut space), first);
            prop_assert_eq!(space.end, end);
        }
    }

    #[test]
    fn blocks_of_a_power_of_two_begin_at_different_places_of_a_page() {
        let mut space = space(1 << 20);
        let places: BTreeSet<usize> = (0..8)
            .map(|_| space.take(1 << 16).unwrap().start % 4096)
            .collect();
        assert_eq!(places.len(), 8);
    }

    #[test]
    fn the_tightest_hole_is_taken_first() {
        let mut space = space(1 << 20);
        let starts: Vec<usize> = [9000, 100, 5000, 100]
            .into_iter()
            .map(|size| space.take(size).unwrap().start)
            .collect();
        space.give(starts[0], 9000);
        space.give(starts[2], 5000);
        assert_eq!(space.take(4500).unwrap().start, starts[2]);
        assert_eq!(space.take(4500).unwrap().start, starts[0]);
    }

    #[test]
    fn there_is_no_room_beyond_the_limit() {
        let mut space = space(1000);
        assert!(space.take(1000).is_none() && space.take(usize::MAX).is_none());
        assert_eq!(space.take(500).unwrap(), Taken { start: 0, fresh: 0 });
        assert!(space.take(500).is_none());
        space.extend(2000);
        assert!(space.take(500).is_some());
    }

    #[test]
    fn a_hole_is_idle_once_and_only_if_nobody_touched_it() {
        let mut space = space(1 << 20);
        let [first, _, second, _] = [3000, 64, 3000, 64].map(|size| space.take(size).unwrap().start);
        space.give(first, 3000);
        space.give(second, 3000);
        assert!(space.idle().is_empty());
        space.take(2000).unwrap();
        space.give(first, 2000);
        let end = second + footprint(3000);
        assert_eq!(space.idle(), vec![Range { start: second, end }]);
        let end = first + footprint(3000);
        assert_eq!(space.idle(), vec![Range { start: first, end }]);
        assert!(space.idle().is_empty());
    }
}
