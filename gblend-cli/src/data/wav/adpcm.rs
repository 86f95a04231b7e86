//! Adaptive differences of 4 bits: IMA's, and Microsoft's.
//!
//! The steps of a prediction are rounded as libsndfile rounds them, so that a sound is the same to the bit. symphonia's decoder of
//! Microsoft's overflows where a damaged file lets its step grow.

use super::WavFault;

/// Adds the samples of a block, those of all channels in turn.
pub(super) type DecodeBlock = fn(&[u8], usize, &mut Vec<i16>) -> Result<(), WavFault>;

/// Bytes of a block's head for each channel, samples in it, and bytes that each channel's differences come in.
pub(super) struct Layout {
    pub(super) head: usize,
    pub(super) first: usize,
    pub(super) group: usize,
}

pub(super) const IMA: Layout = Layout {
    head: 4,
    first: 1,
    group: 4,
};
pub(super) const MICROSOFT: Layout = Layout {
    head: 7,
    first: 2,
    group: 1,
};

/// The pairs by which Microsoft's coding predicts a sample from the two before, by 256; a file has to name them.
pub(super) const COEFFICIENTS: [[i16; 2]; 7] = [
    [256, 0],
    [512, -256],
    [0, 0],
    [192, 64],
    [240, 0],
    [460, -208],
    [392, -232],
];

const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88,
    97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658,
    724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660,
    4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818,
    18500, 20350, 22385, 24623, 27086, 29794, 32767,
];

/// How far a difference moves the place among the steps, by its size.
const MOVES: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];

/// By what a difference multiplies Microsoft's step, by 256.
const GROWTH: [i32; 16] = [
    230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230,
];

/// The samples of a block of IMA's, those of all channels in turn. A block has a head for each channel, and then four bytes for
/// each channel in turn.
pub(super) fn ima(block: &[u8], channels: usize, samples: &mut Vec<i16>) -> Result<(), WavFault> {
    let (heads, groups) = block.split_at(IMA.head * channels);
    let start = samples.len();
    let frames = IMA.first + 2 * groups.len() / channels;
    samples.resize(start + frames * channels, 0);
    for (channel, head) in heads.chunks_exact(IMA.head).enumerate() {
        let mut sample = i16::from_le_bytes([head[0], head[1]]);
        let mut place = i32::from(head[2]);
        if place >= STEPS.len() as i32 {
            return Err(damaged("a step", place));
        }
        samples[start + channel] = sample;
        let own = groups.chunks_exact(4).skip(channel).step_by(channels).flatten();
        for (at, code) in own.flat_map(|byte| [byte & 15, byte >> 4]).enumerate() {
            let step = STEPS[place as usize];
            let parts =
                [(4, 0), (2, 1), (1, 2)].map(|(bit, shift)| i32::from(code & bit != 0) * (step >> shift));
            let size = (step >> 3) + parts.iter().sum::<i32>();
            let signed = if code & 8 == 0 { size } else { -size };
            sample = clamped(i32::from(sample) + signed);
            place = (place + MOVES[usize::from(code & 7)]).clamp(0, STEPS.len() as i32 - 1);
            samples[start + (at + 1) * channels + channel] = sample;
        }
    }
    Ok(())
}

/// One channel as Microsoft's coding goes on with it.
#[derive(Clone, Copy)]
struct Predictor {
    coefficients: [i16; 2],
    step: i32,
    /// The last sample, and the one before.
    before: [i16; 2],
}

impl Predictor {
    fn next(&mut self, code: u8) -> i16 {
        let signed = i32::from(code) - if code & 8 == 0 { 0 } else { 16 };
        let products = [0, 1].map(|at| i32::from(self.before[at]) * i32::from(self.coefficients[at]));
        let sample = clamped(((products[0] + products[1]) >> 8) + signed * self.step);
        // A sound of 16 bits needs none beyond these.
        self.step = ((GROWTH[usize::from(code)] * self.step) >> 8).clamp(16, i32::from(i16::MAX));
        self.before = [sample, self.before[0]];
        sample
    }
}

/// The samples of a block of Microsoft's, those of all channels in turn. Its head has each figure for every channel.
pub(super) fn microsoft(block: &[u8], channels: usize, samples: &mut Vec<i16>) -> Result<(), WavFault> {
    let (head, codes) = block.split_at(MICROSOFT.head * channels);
    let half = |figure: usize, channel: usize| {
        let at = channels + 2 * (figure * channels + channel);
        i16::from_le_bytes([head[at], head[at + 1]])
    };
    let mut predictors = Vec::with_capacity(channels);
    for (channel, &which) in head[..channels].iter().enumerate() {
        let coefficients = COEFFICIENTS.get(usize::from(which));
        predictors.push(Predictor {
            coefficients: *coefficients.ok_or_else(|| damaged("a predictor", i32::from(which)))?,
            step: i32::from(half(0, channel)),
            before: [half(1, channel), half(2, channel)],
        });
    }
    for age in [1, 0] {
        samples.extend(predictors.iter().map(|predictor| predictor.before[age]));
    }
    let codes = codes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (at, code) in codes.enumerate() {
        samples.push(predictors[at % channels].next(code));
    }
    Ok(())
}

fn clamped(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

fn damaged(what: &str, found: i32) -> WavFault {
    WavFault::Damaged(format!("found {what} of number {found} in a block of ADPCM"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_block_panics(codes in proptest::collection::vec(any::<u8>(), 0..600), channels in 1_usize..3, loud: bool) {
            // The largest difference, over and over.
            let codes: Vec<u8> = if loud { vec![0x88; codes.len()] } else { codes };
            for (layout, decode) in [(IMA, ima as DecodeBlock), (MICROSOFT, microsoft)] {
                let unit = layout.group * channels;
                let length = codes.len() / unit * unit;
                let head = [&vec![1_u8; channels][..], &vec![0x7F; (layout.head - 1) * channels]].concat();
                let mut samples = Vec::new();
                let decoded: Result<(), WavFault> = decode(&[&head[..], &codes[..length]].concat(), channels, &mut samples);
                if decoded.is_ok() {
                    prop_assert_eq!(samples.len(), layout.first * channels + 2 * length);
                }
            }
        }
    }
}
