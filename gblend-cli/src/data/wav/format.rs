//! How the samples of a wav file are coded.

use super::adpcm::{self, COEFFICIENTS};
use super::{WavFault, number};

/// What the chunk `fmt ` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) coding: Coding,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    /// Bytes of a block, at least one.
    pub(super) block: usize,
    /// Samples of each channel in it.
    pub(super) block_frames: usize,
}

/// What samples are. Numbers have their lowest byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// From 0 to 255, with silence at 128.
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
    ALaw,
    MuLaw,
    Ima,
    Microsoft,
}

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
/// The coding stands in a longer chunk, as the first two bytes of a GUID.
const EXTENSIBLE: u16 = 0xFFFE;
/// What follows these two bytes: of codings, and of codings whose channels are those of Ambisonics.
const GUIDS: [[u8; 14]; 2] = [
    [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71],
    [0, 0, 0x21, 7, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0],
];
impl Format {
    pub(super) fn parse(chunk: &[u8]) -> Result<Self, WavFault> {
        let half = |at: usize| number::<2>(chunk, at).map(u16::from_le_bytes);
        let word = |at: usize| number::<4>(chunk, at).map(u32::from_le_bytes);
        let fields = (|| Some((half(0)?, half(2)?, word(4)?, half(12)?, half(14)?)))();
        let Some((tag, channels, sample_rate, block, bits)) = fields else {
            return Err(header(format!(
                "a format of {} bytes, expected at least 16",
                chunk.len()
            )));
        };
        if channels == 0 || sample_rate == 0 {
            return Err(header(format!("{channels} channels at {sample_rate} Hz")));
        }
        let tag = if tag == EXTENSIBLE {
            extended(chunk, bits)?
        } else {
            tag
        };
        let mut format = Self {
            coding: Coding::U8,
            channels,
            sample_rate,
            block: usize::from(block),
            block_frames: 1,
        };
        match tag {
            PCM => format.linear(
                bits,
                &[
                    (1, Coding::U8),
                    (2, Coding::I16),
                    (3, Coding::I24),
                    (4, Coding::I32),
                ],
            )?,
            FLOAT => format.linear(bits, &[(4, Coding::F32), (8, Coding::F64)])?,
            A_LAW | MU_LAW => {
                format.block = usize::from(channels);
                if block != 0 && block != channels || bits != 8 {
                    return Err(header(format!(
                        "{bits} bits in blocks of {block} bytes for {channels} channels, expected 8 in {channels} bytes"
                    )));
                }
                format.coding = if tag == A_LAW { Coding::ALaw } else { Coding::MuLaw };
            }
            MS_ADPCM | IMA_ADPCM if bits == 4 && channels <= 2 => format.adaptive(tag, chunk)?,
            other => return Err(WavFault::Coding(name(other, bits, channels))),
        }
        Ok(format)
    }

    /// Numbers of so many bits, in one of these widths. Fewer bits than there is room for stand at the upper end.
    fn linear(&mut self, bits: u16, widths: &[(usize, Coding)]) -> Result<(), WavFault> {
        let channels = usize::from(self.channels);
        let needed = usize::from(bits.div_ceil(8));
        if self.block == 0 {
            self.block = needed * channels;
        }
        let coding = widths
            .iter()
            .find(|(width, _)| *width == needed && width * channels == self.block);
        let Some((_, coding)) = coding else {
            return Err(header(format!(
                "samples of {bits} bits, {} bytes for {channels} channels of them",
                self.block
            )));
        };
        self.coding = *coding;
        Ok(())
    }

    /// Blocks of differences of 4 bits behind a head for each channel.
    fn adaptive(&mut self, tag: u16, chunk: &[u8]) -> Result<(), WavFault> {
        let channels = usize::from(self.channels);
        let half = |at: usize| number::<2>(chunk, at).map(u16::from_le_bytes);
        let (coding, layout) = match tag {
            MS_ADPCM => (Coding::Microsoft, adpcm::MICROSOFT),
            _ => (Coding::Ima, adpcm::IMA),
        };
        let coded = self.block.checked_sub(layout.head * channels);
        let coded = coded.filter(|coded| coded.is_multiple_of(layout.group * channels));
        let Some(coded) = coded else {
            return Err(header(format!("blocks of {} bytes of ADPCM", self.block)));
        };
        self.coding = coding;
        self.block_frames = layout.first + 2 * coded / channels;
        if let Some(stated) = half(18)
            && usize::from(stated) != self.block_frames
        {
            return Err(header(format!(
                "{stated} samples in blocks of {} bytes of ADPCM, expected {}",
                self.block, self.block_frames
            )));
        }
        if tag == MS_ADPCM {
            let pair = |at: usize| Some([half(at)?.cast_signed(), half(at + 2)?.cast_signed()]);
            let pairs = (0..7).map(|index| pair(22 + 4 * index));
            if half(20) != Some(7) || !pairs.eq(COEFFICIENTS.map(Some)) {
                return Err(WavFault::Coding(
                    "Microsoft ADPCM with coefficients of its own".into(),
                ));
            }
        }
        Ok(())
    }
}

/// The coding of a chunk that has it as a GUID.
fn extended(chunk: &[u8], bits: u16) -> Result<u16, WavFault> {
    let half = |at: usize| number::<2>(chunk, at).map(u16::from_le_bytes);
    let (Some(valid), Some(tag), Some(guid)) = (half(18), half(24), chunk.get(26..40)) else {
        return Err(header(format!(
            "an extensible format of {} bytes, expected at least 40",
            chunk.len()
        )));
    };
    if !GUIDS.iter().any(|known| known == guid) {
        return Err(WavFault::Coding("what an unknown GUID stands for".into()));
    }
    // The coded kinds have something else there.
    if matches!(tag, PCM | FLOAT) && valid > bits {
        return Err(header(format!("{valid} valid bits in samples of {bits}")));
    }
    Ok(tag)
}

fn header(problem: String) -> WavFault {
    WavFault::Header(problem)
}

/// What a coding is called that is not read.
fn name(tag: u16, bits: u16, channels: u16) -> String {
    let known = match tag {
        MS_ADPCM => "Microsoft ADPCM",
        IMA_ADPCM => "IMA ADPCM",
        0x31 => "GSM 6.10",
        0x40 | 0x45 | 0x64 => "G.726 ADPCM",
        0x50 => "MPEG layer 1 or 2",
        0x55 => "mp3",
        0xFF => "AAC",
        0x161 | 0x162 => "Windows Media Audio",
        0x2000 => "AC-3",
        _ => return format!("0x{tag:04x}"),
    };
    format!("{known} (0x{tag:04x}, {bits} bits, {channels} channels)")
}
