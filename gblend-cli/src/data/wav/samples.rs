//! From the bytes of a wav file's sound to samples.

use gblend_core::media::Waveform;

use super::WavFault;
use super::adpcm::{self, DecodeBlock};
use super::format::{Coding, Format};

/// Samples of each channel that are decoded at a time, at least.
const AT_A_TIME: usize = 4096;

/// What a number of 16 bits is divided by.
const HALF: f32 = 32_768.0;

/// The `frames` samples of `data`, whole blocks; several channels are averaged.
pub(super) fn decode(format: &Format, data: &[u8], frames: usize) -> Result<Waveform, WavFault> {
    let channels = usize::from(format.channels);
    let mut sound = Waveform {
        sample_rate: format.sample_rate,
        samples: Vec::with_capacity(frames),
    };
    let blocks = (AT_A_TIME / format.block_frames).max(1);
    for part in data.chunks(format.block * blocks) {
        let interleaved = interleaved(format, part)?;
        let mixed = Waveform::mixed(format.sample_rate, channels, &interleaved);
        let mixed = mixed.map_err(|error| WavFault::Damaged(error.to_string()))?;
        sound.samples.extend(mixed.samples);
    }
    Ok(sound)
}

/// Samples of all channels in turn, between -1 and 1; floats are as they are.
fn interleaved(format: &Format, bytes: &[u8]) -> Result<Vec<f32>, WavFault> {
    const FULL: f32 = 2_147_483_648.0;
    Ok(match format.coding {
        Coding::U8 => of_each(bytes, |[byte]| (f32::from(byte) - 128.0) / 128.0),
        Coding::I16 => of_each(bytes, |b| f32::from(i16::from_le_bytes(b)) / HALF),
        Coding::I24 => of_each(bytes, |[low, middle, high]| {
            i32::from_le_bytes([0, low, middle, high]) as f32 / FULL
        }),
        Coding::I32 => of_each(bytes, |b| i32::from_le_bytes(b) as f32 / FULL),
        Coding::F32 => of_each(bytes, f32::from_le_bytes),
        Coding::F64 => of_each(bytes, |b| f64::from_le_bytes(b) as f32),
        Coding::ALaw => of_each(bytes, |[code]| f32::from(a_law(code)) / HALF),
        Coding::MuLaw => of_each(bytes, |[code]| f32::from(mu_law(code)) / HALF),
        Coding::Ima => of_blocks(format, bytes, adpcm::ima)?,
        Coding::Microsoft => of_blocks(format, bytes, adpcm::microsoft)?,
    })
}

fn of_each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

fn of_blocks(format: &Format, bytes: &[u8], decode: DecodeBlock) -> Result<Vec<f32>, WavFault> {
    let mut samples = Vec::new();
    for block in bytes.chunks_exact(format.block) {
        decode(block, usize::from(format.channels), &mut samples)?;
    }
    Ok(samples
        .into_iter()
        .map(|sample| f32::from(sample) / HALF)
        .collect())
}

/// ITU-T G.711, A-law: every second bit is turned over, the highest is set where the value is positive, and then there are three of
/// an exponent and four of a mantissa.
fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = (code >> 4 & 7, i16::from(code & 15));
    let size = match exponent {
        0 => 8 * (2 * mantissa + 1),
        _ => (8 * (2 * mantissa + 33)) << (exponent - 1),
    };
    if code & 0x80 == 0 { -size } else { size }
}

/// ITU-T G.711, mu-law: every bit is turned over, and the highest is set where the value is negative.
fn mu_law(code: u8) -> i16 {
    let code = !code;
    let (exponent, mantissa) = (code >> 4 & 7, i16::from(code & 15));
    let size = 4 * (((2 * mantissa + 33) << exponent) - 33);
    if code & 0x80 == 0 { size } else { -size }
}
