//! The weights of a convolution in the order in which tiles of sums read them.
//!
//! A tile takes the weights of its rows under one tap and channel, then under the next: they follow each other here, while in
//! the weights themselves each is in another line of the cache.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows of a tile of sums where there are 32 registers.
pub(super) const ROWS: usize = 8;

/// Rows of a tile where there are 16: with two vectors each, their operands are in the registers, too, and sums enough are under
/// way that none waits for the one before.
pub(super) const FEW_ROWS: usize = 6;

/// Weights `[rows, taps, channels]`, panels of a tile's rows: `[rows / panel, taps, channels, panel]`.
#[derive(Debug)]
pub(super) struct PackedWeights {
    values: Vec<f32>,
    /// Rows of a panel, which are those of a tile.
    panel: usize,
    taps: usize,
    channels: usize,
}

impl PackedWeights {
    /// Of `[rows, taps, channels]`, from weights in which those of a row and channel follow each other tap by tap, and so many
    /// elements are from a row to the next and from a channel to the next.
    pub(super) fn new(
        [rows, taps, channels]: [usize; 3],
        weight: &[f32],
        [row_step, channel_step]: [usize; 2],
    ) -> Self {
        let panel = Arch::new().dispatch(TileRows);
        let depth = taps * channels;
        let mut values = vec![0.0; rows.next_multiple_of(panel) * depth];
        let panels = values.par_chunks_mut((panel * depth).max(1)).enumerate();
        panels.for_each(|(number, values)| {
            let weight = &weight[number * panel * row_step..];
            let steps = [row_step, channel_step];
            match (rows - number * panel, panel) {
                (ROWS.., ROWS) => fill::<ROWS>([taps, channels], weight, steps, values),
                (FEW_ROWS.., FEW_ROWS) => fill::<FEW_ROWS>([taps, channels], weight, steps, values),
                (few, _) => {
                    for row in 0..few.min(panel) {
                        let values = values[row..].chunks_mut(panel);
                        fill_row([taps, channels], &weight[row * row_step..], channel_step, values);
                    }
                }
            }
        });
        Self {
            values,
            panel,
            taps,
            channels,
        }
    }

    /// Channels that each tap reads.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Rows of a panel, which are those of a tile.
    pub(super) fn panel(&self) -> usize {
        self.panel
    }

    /// The panel that begins at a row, a multiple of a panel's: `[taps, channels, panel]`.
    #[inline(always)]
    pub(super) fn panel_at(&self, row: usize) -> &[f32] {
        let depth = self.panel * self.taps * self.channels;
        &self.values[row / self.panel * depth..][..depth]
    }

    /// Whether a copy of what tiles read pays for so many rows: once there are some tiles to read it, fewer of the small tiles of
    /// narrow vectors, which read a single line of the cache at a time, and fewer where the copy is kept.
    pub(super) fn is_worth_a_copy(&self, rows: usize, kept: bool) -> bool {
        let least = match (self.panel == ROWS, kept) {
            (true, false) => 64,
            (true, true) => 32,
            (false, false) => 16,
            (false, true) => 8,
        };
        rows >= least
    }
}

/// Fills a panel of `P` rows, in the order in which the weights lie, so that each line of the cache is read once.
fn fill<const P: usize>([taps, channels]: [usize; 2], weight: &[f32], steps: [usize; 2], values: &mut [f32]) {
    match taps {
        1 => fill_taps::<P, 1>(channels, weight, steps, values),
        3 => fill_taps::<P, 3>(channels, weight, steps, values),
        9 => fill_taps::<P, 9>(channels, weight, steps, values),
        _ => {
            for row in 0..P {
                let values = values[row..].chunks_mut(P);
                fill_row([taps, channels], &weight[row * steps[0]..], steps[1], values);
            }
        }
    }
}

/// The same of so many taps, as the usual kernels have.
fn fill_taps<const P: usize, const T: usize>(
    channels: usize,
    weight: &[f32],
    [row_step, channel_step]: [usize; 2],
    values: &mut [f32],
) {
    let values = values.as_chunks_mut::<P>().0;
    for channel in 0..channels {
        let weight = &weight[channel * channel_step..];
        let rows: [&[f32; T]; P] = std::array::from_fn(|row| &weight[row * row_step..].as_chunks().0[0]);
        for tap in 0..T {
            values[tap * channels + channel] = rows.map(|row| row[tap]);
        }
    }
}

/// Fills one row of a panel, whose values begin the chunks.
fn fill_row<'a>(
    [taps, channels]: [usize; 2],
    weight: &[f32],
    channel_step: usize,
    values: impl Iterator<Item = &'a mut [f32]>,
) {
    let places = (0..taps).flat_map(|tap| (0..channels).map(move |channel| channel * channel_step + tap));
    for (values, at) in values.zip(places) {
        values[0] = weight[at];
    }
}

/// Asks for the rows of a tile.
struct TileRows;

impl WithSimd for TileRows {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        if S::REGISTER_COUNT > 16 { ROWS } else { FEW_ROWS }
    }
}

#[cfg(test)]
mod tests {
    use super::super::whole_numbers::values;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn panels_have_the_weights_of_their_rows_by_tap_and_channel_however_they_lay(
            rows in 1_usize..20, taps in 1_usize..10, channels in 1_usize..9, rows_first: bool,
        ) {
            let weight = values(rows * taps * channels, 1);
            let steps = if rows_first { [channels * taps, taps] } else { [taps, rows * taps] };
            let packed = PackedWeights::new([rows, taps, channels], &weight, steps);
            for row in 0..rows {
                let panel = packed.panel_at(row / packed.panel() * packed.panel());
                for (tap, channel) in (0..taps).flat_map(|tap| (0..channels).map(move |channel| (tap, channel))) {
                    let found = panel[(tap * channels + channel) * packed.panel() + row % packed.panel()];
                    prop_assert_eq!(found, weight[row * steps[0] + channel * steps[1] + tap]);
                }
            }
        }
    }
}
