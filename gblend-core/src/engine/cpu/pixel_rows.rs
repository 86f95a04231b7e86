//! The pixels of maps as rows of channels.

use rayon::prelude::*;

use super::transpose::transpose;

/// Samples of one task: a line of the cache of each channel.
const SAMPLES: usize = 16;

/// Maps `[channels, pixels, frames, batch]` as rows `[batch × frames × pixels, channels]`.
pub(in crate::engine) fn rows([channels, pixels, frames, batch]: [usize; 4], maps: &[f32]) -> Vec<f32> {
    let of_sample = frames * pixels * channels;
    let mut rows = vec![0.0; batch * of_sample];
    let blocks = rows.par_chunks_mut((SAMPLES * of_sample).max(1)).enumerate();
    blocks.for_each_init(Vec::new, |turned, (number, block)| {
        let (first, samples) = (number * SAMPLES, block.len() / of_sample);
        let width = channels.next_multiple_of(SAMPLES);
        turned.resize(samples * width, 0.0);
        for (pixel, frame) in places(pixels, frames) {
            let lines: Vec<&[f32]> = (0..channels)
                .map(|channel| {
                    let at = ((channel * pixels + pixel) * frames + frame) * batch + first;
                    &maps[at..at + samples]
                })
                .collect();
            transpose(&lines, width, turned);
            let targets = block.chunks_exact_mut(of_sample);
            for (target, turned) in targets.zip(turned.chunks_exact(width)) {
                let row = (frame * pixels + pixel) * channels;
                target[row..row + channels].copy_from_slice(&turned[..channels]);
            }
        }
    });
    rows
}

/// As [`rows`], back.
pub(in crate::engine) fn maps([channels, pixels, frames, batch]: [usize; 4], rows: &[f32]) -> Vec<f32> {
    let of_sample = frames * pixels * channels;
    let mut maps = vec![0.0; batch * of_sample];
    let blocks = maps.par_chunks_mut((pixels * frames * batch).max(1));
    // A few channels at a time, so that what is read of a row is not read again for each of them.
    let blocks = blocks.chunks(SAMPLES).enumerate();
    blocks.for_each(|(number, mut targets)| {
        let first = number * SAMPLES;
        for (pixel, frame) in places(pixels, frames) {
            let at = (pixel * frames + frame) * batch;
            for sample in 0..batch {
                let row = sample * of_sample + (frame * pixels + pixel) * channels + first;
                let values = &rows[row..row + targets.len()];
                for (target, &value) in targets.iter_mut().zip(values) {
                    target[at + sample] = value;
                }
            }
        }
    });
    maps
}

fn places(pixels: usize, frames: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..frames).flat_map(move |frame| (0..pixels).map(move |pixel| (pixel, frame)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_comes_to_its_row_and_back(
            channels in 1_usize..40, pixels in 1_usize..5, frames in 1_usize..4, batch in 1_usize..40,
        ) {
            let shape = [channels, pixels, frames, batch];
            let values: Vec<f32> = (0..channels * pixels * frames * batch).map(|i| i as f32).collect();
            let found = rows(shape, &values);
            for (place, &value) in found.iter().enumerate() {
                let (row, channel) = (place / channels, place % channels);
                let (sample, frame, pixel) = (row / pixels / frames, row / pixels % frames, row % pixels);
                let from = ((channel * pixels + pixel) * frames + frame) * batch + sample;
                prop_assert_eq!(value, values[from]);
            }
            prop_assert_eq!(maps(shape, &found), values);
        }
    }
}
