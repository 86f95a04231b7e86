//! wav files: what their chunks say, and the samples of their sound.
//!
//! The crates that read them read some otherwise than they are meant: of 24 bits in 32, hound takes the lower ones, symphonia's reader
//! believes the size of the whole file, and neither knows the sizes that a program leaves that writes to a pipe. So chunks are
//! read here, and checked against the file, and so is what is in them.

mod adpcm;
mod format;
mod samples;

use gblend_core::media::Waveform;

use format::Format;

/// Why there is no sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WavFault {
    /// Nothing at all.
    #[error("found an empty file, expected a wav")]
    Empty,
    /// Another kind of file.
    #[error("is no wav file: it does not begin with `RIFF` and `WAVE`")]
    NoWav,
    /// It ends before the sound.
    #[error("cut short: the wav file ends before its sound begins")]
    NoSound,
    /// It ends within the sound.
    #[error(
        "cut short: found {found} bytes of sound in the wav file, expected the {expected} that its header says"
    )]
    CutShort {
        /// Bytes that there are.
        found: u64,
        /// Bytes that should be.
        expected: u64,
    },
    /// It ends within a sample, or within a block.
    #[error(
        "cut short: found {found} bytes of sound in the wav file, which end within a block; expected a multiple of the {block} \
         bytes of each"
    )]
    Remainder {
        /// Bytes that there are.
        found: usize,
        /// Bytes of a block: a sample of every channel, or several of them.
        block: usize,
    },
    /// What its header says cannot be.
    #[error("the wav file has a header that cannot be: {0}")]
    Header(String),
    /// A coding that is not read.
    #[error(
        "found sound coded as {0} in the wav file, expected integers of 8, 16, 24 or 32 bits, floats of 32 or 64, mu-law, A-law, or \
         IMA or Microsoft ADPCM of one or two channels; programs such as ffmpeg convert it"
    )]
    Coding(String),
    /// What is in a block cannot be.
    #[error("the sound in the wav file is damaged: {0}")]
    Damaged(String),
}

/// A wav file whose chunks have been read, and not yet its sound.
#[derive(Debug)]
pub(crate) struct Wav<'a> {
    format: Format,
    data: &'a [u8],
}

impl<'a> Wav<'a> {
    /// Whether a file with this beginning, of 12 bytes at least, calls itself a wav file.
    pub(crate) fn begins(head: &[u8]) -> bool {
        let is_riff = [b"RIFF", b"RF64", b"BW64"].iter().any(|id| head.starts_with(*id));
        is_riff && head.get(8..12) == Some(b"WAVE")
    }

    /// Reads the chunks. The size of the whole file that its first bytes say is not believed: programs forget to count the header,
    /// or cannot go back to fill it in. That of the sound is, unless it is one that stands for an unknown one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, WavFault> {
        if bytes.is_empty() {
            return Err(WavFault::Empty);
        }
        if !Self::begins(bytes) {
            return Err(WavFault::NoWav);
        }
        let mut format = None;
        let mut long = None;
        let mut at = 12;
        while let Some((id, size)) = chunk(bytes, at) {
            let body = &bytes[at + 8..];
            let whole = body.get(..size as usize);
            match (id, whole) {
                (b"data", _) => {
                    let format: Format =
                        format.ok_or_else(|| WavFault::Header("its sound comes before its format".into()))?;
                    let data = sound(bytes, body, size, long)?;
                    return Self::of(format, data);
                }
                (b"fmt ", Some(chunk)) => format = Some(Format::parse(chunk)?),
                // Of files beyond 4 GiB: their size, and that of the sound.
                (b"ds64", Some(chunk)) => long = number::<8>(chunk, 8).map(u64::from_le_bytes),
                _ => {}
            }
            at = behind(bytes, at + 8, size as usize);
        }
        Err(WavFault::NoSound)
    }

    fn of(format: Format, data: &'a [u8]) -> Result<Self, WavFault> {
        if !data.len().is_multiple_of(format.block) {
            return Err(WavFault::Remainder {
                found: data.len(),
                block: format.block,
            });
        }
        Ok(Self { format, data })
    }

    /// Samples of each channel. The last block of a coding that has blocks may be filled up: a chunk `fact` is there to say
    /// so, and says other things in files of one program and of the next, so that readers do not go by it.
    pub(crate) fn frames(&self) -> usize {
        self.data.len() / self.format.block * self.format.block_frames
    }

    /// The sound; several channels are averaged.
    pub(crate) fn decode(&self) -> Result<Waveform, WavFault> {
        samples::decode(&self.format, self.data, self.frames())
    }
}

/// Name and size of the chunk at `at`.
fn chunk(bytes: &[u8], at: usize) -> Option<(&[u8; 4], u32)> {
    let id = bytes.get(at..)?.first_chunk()?;
    Some((id, number::<4>(bytes, at + 4).map(u32::from_le_bytes)?))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Where the next chunk is. One of odd length has a pad byte behind it, which some programs forget.
fn behind(bytes: &[u8], body: usize, size: usize) -> usize {
    let end = body.saturating_add(size);
    let has_name = |at: usize| {
        let name = bytes.get(at..at.saturating_add(4));
        name.is_some_and(|name| name.iter().all(|byte| (b' '..=b'~').contains(byte)))
    };
    let padded = end.saturating_add(size % 2);
    if has_name(end) && !has_name(padded) {
        end
    } else {
        padded
    }
}

/// The bytes of the sound, `body` and what follows it having `size` of them, or `long` ones in a long file.
fn sound<'a>(bytes: &[u8], body: &'a [u8], size: u32, long: Option<u64>) -> Result<&'a [u8], WavFault> {
    let expected = match long {
        Some(long) if size == u32::MAX => long,
        // As many bytes as that may be there after all.
        _ if is_unknown(bytes, size) && (size == 0 || body.len() < size as usize) => return Ok(body),
        _ => u64::from(size),
    };
    let found = usize::try_from(expected)
        .ok()
        .and_then(|expected| body.get(..expected));
    found.ok_or(WavFault::CutShort {
        found: body.len() as u64,
        expected,
    })
}

/// Whether a program wrote this size of the sound because it could not know it, such as one that writes to a pipe.
fn is_unknown(bytes: &[u8], size: u32) -> bool {
    /// The largest numbers of 32 and of 31 bits, one more than the latter, and what SoX writes; some take the header off, or
    /// what is more than whole blocks.
    const UNKNOWN: [u32; 4] = [u32::MAX, 1 << 31, i32::MAX as u32, 0x7FFF_F000];
    const LESS: u32 = 128;
    if size == 0 {
        // A sound of length 0 is in a file whose own size was filled in.
        let whole = number::<4>(bytes, 4).map(u32::from_le_bytes);
        let length = bytes.len() as u64;
        return whole.is_none_or(|whole| !(length.saturating_sub(9)..=length).contains(&u64::from(whole)));
    }
    UNKNOWN
        .iter()
        .any(|unknown| (unknown - LESS..=*unknown).contains(&size))
}

#[cfg(test)]
mod tests;
