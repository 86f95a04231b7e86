//! Rows that are taken from elsewhere, and their gradients on the way back.

use rayon::prelude::*;

use crate::engine::row_sources::RowSources;

/// Rows that one task moves.
const ROWS: usize = 256;

/// Writes the rows of `input` that `sources` names one after another; zeros for those from nowhere.
pub(super) fn copy(
    sources: impl Iterator<Item = Option<usize>>,
    input: &[f32],
    width: usize,
    target: &mut [f32],
) {
    for (source, target) in sources.zip(target.chunks_exact_mut(width.max(1))) {
        match source {
            Some(row) => target.copy_from_slice(&input[row * width..][..width]),
            None => target.fill(0.0),
        }
    }
}

/// `output[n] = input[source of n]`, zeros where there is none.
pub(in crate::engine) fn gather(index: &RowSources, input: &[f32], width: usize) -> Vec<f32> {
    let mut output = vec![0.0; index.len() * width];
    let blocks = output.par_chunks_mut((ROWS * width).max(1)).enumerate();
    blocks.for_each(|(number, block)| {
        let first = number * ROWS;
        let rows = first..(first + ROWS).min(index.len());
        copy(index.slice(rows), input, width, block);
    });
    output
}

/// `target[source of n] += values[n]`, in the order of `n`.
pub(in crate::engine) fn scatter_add(index: &RowSources, values: &[f32], width: usize, target: &mut [f32]) {
    let readers = Readers::new(index);
    let blocks = target.par_chunks_mut((ROWS * width).max(1)).enumerate();
    blocks.for_each(|(number, block)| {
        let rows = block.chunks_exact_mut(width.max(1)).enumerate();
        for (place, target) in rows {
            for &reader in readers.of(number * ROWS + place) {
                let values = &values[reader * width..][..width];
                target
                    .iter_mut()
                    .zip(values)
                    .for_each(|(target, value)| *target += value);
            }
        }
    });
}

/// Which gathered rows read each source, in their order.
struct Readers {
    starts: Vec<usize>,
    readers: Vec<usize>,
}

impl Readers {
    fn new(index: &RowSources) -> Self {
        let mut starts = vec![0; index.rows() + 1];
        for source in index.sources().flatten() {
            starts[source + 1] += 1;
        }
        for row in 0..index.rows() {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut readers = vec![0; starts.last().copied().unwrap_or(0)];
        for (reader, source) in index.sources().enumerate() {
            if let Some(source) = source {
                readers[next[source]] = reader;
                next[source] += 1;
            }
        }
        Self { starts, readers }
    }

    fn of(&self, source: usize) -> &[usize] {
        &self.readers[self.starts[source]..self.starts[source + 1]]
    }
}
