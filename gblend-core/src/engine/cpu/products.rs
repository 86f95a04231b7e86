//! Products of weights with the windows of all pixels, in the blocks and the order that leave most of what they read in the caches.
//!
//! With samples enough, a block is some samples of one pixel, and its neighbors read what is copied already. With few, a block is
//! of several pixels, and those whose windows look alike fill the vectors together. Which it is depends on the sizes alone, and no
//! sum on which it is.

use super::direct::{Link, Product, SAMPLES, sample_block};
use super::packed_pixels::PackedPixels;
use super::packed_weights::PackedWeights;
use super::raw::{Blocks, NewBlock, new_blocks};
use super::window_groups::WindowGroups;

/// `Σ weight[r, tap, c] · input[c, source, n]` over the channels and over the window of a pixel, for each of the
/// `[rows, pixels · batch]` elements.
pub(super) fn products(
    input: &[f32],
    batch: usize,
    weights: &PackedWeights,
    [rows, columns]: [usize; 2],
    order: Order,
    window: impl Fn(usize, &mut Vec<Link>) + Send + Sync,
) -> Vec<f32> {
    if batch < SAMPLES {
        return products_of_groups(input, batch, weights, [rows, columns], window);
    }
    let width = sample_block(batch);
    let keeps = weights.is_worth_a_copy(rows, true);
    let channels = if keeps { weights.channels() } else { 0 };
    let course = order.course(columns / batch, batch, width, channels);
    let compute = |scratch: &mut Scratch, (task, block): (usize, usize), output: &mut NewBlock<'_>| {
        let Scratch { links, packed, at } = scratch;
        if *at != Some(task) {
            packed.restart(course.kept);
            *at = Some(task);
        }
        output.begin(&[0]);
        links.clear();
        window(block * width / batch, links);
        let product = Product {
            input,
            batch,
            weights,
            row: 0,
            links,
            shifts: &[0],
            first: block * width % batch,
            columns: output.columns(),
            output,
            packed,
        };
        product.run();
    };
    let task = |block| course.task(block);
    let blocks = Blocks {
        width,
        height: rows,
        pixel: width,
    };
    new_blocks([rows, columns], blocks, task, Scratch::default, compute)
}

/// The same for few samples, several pixels at a time.
fn products_of_groups(
    input: &[f32],
    batch: usize,
    weights: &PackedWeights,
    [rows, columns]: [usize; 2],
    window: impl Fn(usize, &mut Vec<Link>) + Send + Sync,
) -> Vec<f32> {
    let blocks = blocks_of_groups(rows, columns, batch);
    let parts = rows.div_ceil(blocks.height.max(1)).max(1);
    let pixels = blocks.width / batch;
    let together = (SAMPLES / batch).max(1);
    let compute = |scratch: &mut (WindowGroups, PackedPixels),
                   (_, block): (usize, usize),
                   output: &mut NewBlock<'_>| {
        let (groups, packed) = scratch;
        let (first, row) = (block / parts * pixels, block % parts * blocks.height);
        let groups = groups.divide(first..first + output.columns() / batch, &window);
        for group in groups {
            let parts = group.shifts.chunks(together).zip(group.places.chunks(together));
            for (shifts, places) in parts {
                packed.restart(0);
                output.begin(places);
                let product = Product {
                    input,
                    batch,
                    weights,
                    row,
                    links: &group.links,
                    shifts,
                    first: 0,
                    columns: shifts.len() * batch,
                    output,
                    packed,
                };
                product.run();
            }
        }
    };
    new_blocks([rows, columns], blocks, |block| block, Default::default, compute)
}

/// Blocks of several pixels: of as many as there are, up to some, for the more of them there are, the more windows are alike. Where
/// that makes too few blocks for the threads to share, they are of some rows each.
fn blocks_of_groups(rows: usize, columns: usize, batch: usize) -> Blocks {
    /// Blocks for the threads to share.
    const BLOCKS: usize = 8;
    /// Columns of a block, at least and at most.
    const COLUMNS: [usize; 2] = [256, 512];
    /// Rows for which a copy of what they read is worth it, a multiple of all tiles'.
    const ROWS: usize = 72;
    let pixels = columns / batch;
    let least = COLUMNS[0].div_ceil(batch);
    let pixels = pixels
        .div_ceil(BLOCKS)
        .max(least)
        .min(pixels)
        .min(COLUMNS[1] / batch)
        .max(1);
    let across = columns.div_ceil(pixels * batch).max(1);
    let parts = BLOCKS.div_ceil(across).min(rows / ROWS).max(1);
    Blocks {
        width: pixels * batch,
        height: rows.div_ceil(parts).next_multiple_of(24),
        pixel: batch,
    }
}

/// What a thread keeps from a block to the next.
#[derive(Debug, Default)]
struct Scratch {
    links: Vec<Link>,
    packed: PackedPixels,
    /// The task at hand.
    at: Option<usize>,
}

/// How windows lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Windows beside each other.
    pub(super) width: usize,
    /// Places in which every pixel of a window has one of its own, and which the pixels of its rows fill; 0 where windows have
    /// no pixel in common.
    pub(super) reach: usize,
}

/// Which blocks a task computes.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// Blocks of a pixel's samples.
    blocks: usize,
    /// Pixels of a task.
    pixels: usize,
    /// Tasks of the same samples.
    tasks: usize,
    /// Places in which copies of pixels are kept.
    kept: usize,
}

impl Order {
    /// Where copies of so many channels are kept, a task goes through rows of windows for the same samples, so that what one has copied
    /// is there for the next.
    fn course(self, pixels: usize, batch: usize, width: usize, channels: usize) -> Course {
        /// Tasks for the threads to share.
        const TASKS: usize = 16;
        /// Elements that copies may have, to be read from a cache next to the core: a megabyte.
        const KEPT: usize = 262_144;
        let copies = self.reach * channels * width;
        if copies == 0 || copies > KEPT {
            return Course {
                blocks: 1,
                pixels: 1,
                tasks: pixels.max(1),
                kept: 0,
            };
        }
        let blocks = batch / width;
        let rows = pixels.div_ceil(self.width.max(1));
        let rows = rows.div_ceil(TASKS.div_ceil(blocks));
        let pixels_of_task = rows * self.width;
        Course {
            blocks,
            pixels: pixels_of_task,
            tasks: pixels.div_ceil(pixels_of_task.max(1)),
            kept: self.reach,
        }
    }
}

impl Course {
    /// The task of a block.
    fn task(self, block: usize) -> usize {
        let (pixel, part) = (block / self.blocks, block % self.blocks);
        part * self.tasks + pixel / self.pixels
    }
}
