//! The memory of a training.
//!
//! Every step frees large blocks and asks for the same ones again. The system's allocator gives their pages back to the
//! kernel, which fills each with zeros anew. Here they come out of one stretch of addresses that keeps its pages, each
//! from the tightest hole, so that little is resident beyond what is in use at once; huge pages are asked for, where maps
//! that are read across their rows need fewer of the processor's address translations. Small blocks are the system's.
//!
//! Needs `unsafe`, since an allocator is a promise to the compiler and its memory comes from the kernel. What could go wrong
//! without a trace, who owns which bytes, is safe code: [`Space`].
#![allow(unsafe_code)]

mod space;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use space::{LINE, Space, Taken};

/// Blocks below are the system's, in bytes.
const LARGE: usize = 32 << 10;

/// Addresses that are asked for; they cost nothing until they are used. Where so many cannot be had, half of them, and so on.
const ADDRESSES: Range<usize> = 1 << 30..1 << 40;

/// So much more can be written to when there is no room left, in bytes.
const GROWTH: usize = 64 << 20;

/// A huge page of the usual processors, in bytes, and a multiple of all their pages.
const HUGE: usize = 2 << 20;

/// Pages that nobody wanted for so long, or up to twice as long, go back to the kernel.
const IDLE: Duration = Duration::from_secs(30);

/// Keeps the pages of large blocks; see the module's text.
pub(crate) struct Allocator {
    stretch: OnceLock<Option<Stretch>>,
    home: Mutex<Home>,
}

/// What is where.
struct Home {
    space: Space,
    looked: Option<Instant>,
}

impl Allocator {
    /// As a `static` alone.
    pub(crate) const fn new() -> Self {
        Self {
            stretch: OnceLock::new(),
            home: Mutex::new(Home {
                space: Space::new(),
                looked: None,
            }),
        }
    }

    fn with_home<T>(&self, work: impl FnOnce(&mut Home) -> T) -> T {
        // Small blocks that the work asks for are the system's, so it does not come back here.
        work(&mut self.home.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a large block out of the stretch. `None` if it is none or there is no room.
    fn take(&self, layout: Layout) -> Option<(*mut u8, Taken)> {
        if !is_large(layout) {
            return None;
        }
        let stretch = self.stretch.get_or_init(Stretch::reserve).as_ref()?;
        let taken = self.with_home(|home| {
            home.space.take(layout.size()).or_else(|| {
                let limit = home.space.limit();
                let more = layout
                    .size()
                    .checked_add(GROWTH)?
                    .checked_next_multiple_of(GROWTH)?;
                let range = limit..limit.checked_add(more)?;
                if !stretch.open(range.clone()) {
                    return None;
                }
                home.space.extend(range.end);
                home.space.take(layout.size())
            })
        })?;
        Some((stretch.pointer(taken.start), taken))
    }

    /// Where a block lies in the stretch; `None` if it is the system's.
    fn place(&self, block: *mut u8) -> Option<(&Stretch, usize)> {
        let stretch = self.stretch.get()?.as_ref()?;
        let place = block.addr().checked_sub(stretch.start)?;
        (place < stretch.length).then_some((stretch, place))
    }
}

/// Lets all threads share one of the system's stretches for small blocks where addresses are limited, as by `ulimit -v`. The GNU
/// C library takes 128 MiB of them when it gives a thread one of its own, and half of them stay taken, so that the next thread
/// might not find enough to start. Elsewhere each has its own: waiting for each other took a tenth of a training on vectors.
pub(crate) fn share_small_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let mut limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: writes to `limit` alone.
        let is_told = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
        if is_told && limit.rlim_cur == libc::RLIM_INFINITY {
            return;
        }
        // SAFETY: sets a number. Where the library does not know it nothing changes.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

/// Whether a block is for the stretch.
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= LINE
}

// SAFETY: a block is the system's, for the same layout, or a range of the stretch. `Space` hands a range to nobody else
// until it is given back, starts it at a multiple of `LINE`, which large layouts align to at most, and only inside what can
// be read and written; the stretch is never unmapped. Nothing here unwinds: no index, no arithmetic that overflows, and a
// poisoned lock is taken all the same.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some((block, _)) => block,
            // SAFETY: what the caller promises of the layout.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((block, taken)) = self.take(layout) else {
            // SAFETY: what the caller promises of the layout.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // What is fresh the kernel has filled with zeros.
        let used = taken.fresh.saturating_sub(taken.start).min(layout.size());
        // SAFETY: the block has just been taken and is not shorter than the layout says.
        unsafe { block.write_bytes(0, used) };
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((stretch, place)) = self.place(block) else {
            // SAFETY: it is the system's, and the caller promises that it was allocated with this layout.
            return unsafe { System.dealloc(block, layout) };
        };
        self.with_home(|home| {
            home.space.give(place, layout.size());
            let now = Instant::now();
            if now.saturating_duration_since(*home.looked.get_or_insert(now)) >= IDLE {
                home.looked = Some(now);
                for hole in home.space.idle() {
                    stretch.discard(hole);
                }
            }
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size fits the alignment, which is that of a valid layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match self.place(block) {
            Some((_, place))
                if is_large(wanted)
                    && self.with_home(|home| home.space.resize(place, layout.size(), size)) =>
            {
                return block;
            }
            // SAFETY: the block is the system's, and the caller promises the rest.
            None if !is_large(wanted) => return unsafe { System.realloc(block, layout, size) },
            _ => {}
        }
        // SAFETY: `wanted` is valid and not empty. The new block and the old are two, of which both hold the bytes that are
        // copied, and the old one is given back with its own layout.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Addresses that nobody else has. They can be written to once they were opened.
#[derive(Debug)]
struct Stretch {
    start: usize,
    length: usize,
}

impl Stretch {
    fn pointer(&self, place: usize) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.start + place)
    }
}

#[cfg(all(any(target_os = "linux", target_os = "macos"), target_pointer_width = "64"))]
impl Stretch {
    /// `None` if the system does not give so many.
    fn reserve() -> Option<Self> {
        let mut length = ADDRESSES.end;
        while length >= ADDRESSES.start {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a mapping of addresses that the kernel picks changes none that is there.
            let found = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
            if found != libc::MAP_FAILED {
                let address = found.expose_provenance();
                let start = address.next_multiple_of(HUGE);
                let stretch = Self {
                    start,
                    length: length - HUGE,
                };
                #[cfg(target_os = "linux")]
                stretch.advise(0..stretch.length, libc::MADV_HUGEPAGE);
                return Some(stretch);
            }
            length /= 2;
        }
        None
    }

    /// Makes a range, of whole pages, one that can be read and written. False if it is beyond the end or the system refuses.
    fn open(&self, range: Range<usize>) -> bool {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        range.end <= self.length
            // SAFETY: the range is inside the stretch, whose addresses are nobody else's.
            && unsafe { libc::mprotect(self.pointer(range.start).cast(), range.len(), access) == 0 }
    }

    /// Gives the kernel the pages back that lie in a range as a whole; whatever it holds is lost.
    fn discard(&self, range: Range<usize>) {
        let whole = range.start.next_multiple_of(HUGE)..range.end / HUGE * HUGE;
        if !whole.is_empty() {
            #[cfg(target_os = "linux")]
            self.advise(whole, libc::MADV_DONTNEED);
            #[cfg(target_os = "macos")]
            self.advise(whole, libc::MADV_FREE);
        }
    }

    /// Of a range that nobody uses. Advice that the kernel does not take is none that is needed.
    fn advise(&self, range: Range<usize>, advice: i32) {
        // SAFETY: the range is inside the stretch, whose addresses are nobody else's, and no block lies in it.
        unsafe { libc::madvise(self.pointer(range.start).cast(), range.len(), advice) };
    }
}

/// Elsewhere every block is the system's.
#[cfg(not(all(any(target_os = "linux", target_os = "macos"), target_pointer_width = "64")))]
impl Stretch {
    fn reserve() -> Option<Self> {
        None
    }

    fn open(&self, _: Range<usize>) -> bool {
        false
    }

    fn discard(&self, _: Range<usize>) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    static OWN: Allocator = Allocator::new();

    /// A block that knows what it should hold.
    struct Block {
        start: *mut u8,
        layout: Layout,
        value: u8,
    }

    impl Block {
        fn new(size: usize, align: usize, value: u8, zeroed: bool) -> Self {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layout is not empty, and the block is as long as it says.
            unsafe {
                let start = if zeroed {
                    OWN.alloc_zeroed(layout)
                } else {
                    OWN.alloc(layout)
                };
                assert!(!start.is_null() && start.addr().is_multiple_of(align));
                if zeroed {
                    assert!(
                        std::slice::from_raw_parts(start, size)
                            .iter()
                            .all(|byte| *byte == 0)
                    );
                }
                start.write_bytes(value, size);
                Self { start, layout, value }
            }
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: the block is alive, with this layout, and as long as the shorter of both sizes.
            unsafe {
                self.start = OWN.realloc(self.start, self.layout, size);
                let kept = self.layout.size().min(size);
                self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
                let bytes = std::slice::from_raw_parts(self.start, kept);
                assert!(bytes.iter().all(|byte| *byte == self.value));
                self.start.write_bytes(self.value, size);
            }
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: the block is alive, with this layout.
            unsafe {
                let bytes = std::slice::from_raw_parts(self.start, self.layout.size());
                assert!(bytes.iter().all(|byte| *byte == self.value));
                OWN.dealloc(self.start, self.layout);
            }
        }
    }

    fn size() -> impl Strategy<Value = usize> {
        prop_oneof![1..2 * LARGE, LARGE - 2..LARGE + 2, 1_usize..1 << 20]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn blocks_keep_what_is_written_into_them_on_every_thread(
            deeds in proptest::collection::vec((size(), 0_u32..8, 0_usize..64, any::<bool>()), 1..60),
        ) {
            std::thread::scope(|scope| {
                for thread in 0..3_u8 {
                    let deeds = &deeds;
                    scope.spawn(move || {
                        let mut blocks: Vec<Block> = Vec::new();
                        for (step, &(size, align, at, flag)) in deeds.iter().enumerate() {
                            let value = (step as u8).wrapping_mul(3).wrapping_add(thread);
                            if at < blocks.len() && flag {
                                blocks.swap_remove(at);
                            } else if at < blocks.len() {
                                blocks[at].resize(size);
                            } else {
                                blocks.push(Block::new(size, 1 << align, value, flag));
                            }
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_large_block_is_not_the_systems_and_a_small_one_is() {
        let large = Block::new(LARGE, 8, 1, false);
        let small = Block::new(LARGE - 1, 8, 2, false);
        let aligned = Block::new(LARGE, 4 * LINE, 3, false);
        let known = cfg!(all(
            any(target_os = "linux", target_os = "macos"),
            target_pointer_width = "64"
        ));
        assert_eq!(OWN.place(large.start).is_some(), known);
        assert!(OWN.place(small.start).is_none() && OWN.place(aligned.start).is_none());
    }

    #[test]
    fn pages_that_were_discarded_can_be_written_again() {
        static ALONE: Allocator = Allocator::new();
        let layout = Layout::from_size_align(8 * HUGE, 8).unwrap();
        // SAFETY: a block of a valid layout that is not empty, alive while it is written to and read.
        unsafe {
            let block = ALONE.alloc(layout);
            block.write_bytes(1, layout.size());
            let place = ALONE.place(block);
            ALONE.dealloc(block, layout);
            if let Some((stretch, place)) = place {
                ALONE.with_home(|home| {
                    assert!(home.space.idle().is_empty());
                    let idle = home.space.idle();
                    assert!(idle.iter().any(|hole| hole.contains(&place)));
                    idle.into_iter().for_each(|hole| stretch.discard(hole));
                });
            }
            let again = ALONE.alloc_zeroed(layout);
            assert!(
                std::slice::from_raw_parts(again, layout.size())
                    .iter()
                    .all(|byte| *byte == 0)
            );
            ALONE.dealloc(again, layout);
        }
    }
}
