//! Recordings of spoken digits.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gblend_core::media::Waveform;
use gblend_core::{Error, Result};
use hound::{SampleFormat, WavReader, WavSpec};

use super::CLASSES;

/// The recordings of a folder, divided by speaker.
pub(super) struct Recordings {
    folder: PathBuf,
    all: Vec<Recording>,
    /// Positions in `all` by digit.
    train: Vec<Vec<usize>>,
    test: Vec<Vec<usize>>,
}

struct Recording {
    file: String,
    speaker: String,
    fingerprint: OnceLock<String>,
}

impl Recordings {
    /// Lists a folder; files that are not called `{digit}_{speaker}_{number}.wav` are passed over.
    pub(super) fn open(folder: &Path, test_speakers: &[String]) -> Result<Self> {
        let failed =
            |error: std::io::Error| Error::data(folder.display(), format!("cannot be listed: {error}"));
        let mut files: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            files.extend(entry.map_err(failed)?.file_name().into_string().ok());
        }
        // The order of a folder is not the same everywhere.
        files.sort_unstable();
        let mut opened = Self {
            folder: folder.to_owned(),
            all: Vec::new(),
            train: vec![Vec::new(); CLASSES],
            test: vec![Vec::new(); CLASSES],
        };
        let mut speakers = BTreeSet::new();
        for file in files {
            let Some((digit, speaker)) = parse_name(&file) else {
                continue;
            };
            let part = if test_speakers.contains(&speaker) {
                &mut opened.test
            } else {
                &mut opened.train
            };
            part[digit].push(opened.all.len());
            speakers.insert(speaker.clone());
            opened.all.push(Recording {
                file,
                speaker,
                fingerprint: OnceLock::new(),
            });
        }
        if let Some(unknown) = test_speakers.iter().find(|speaker| !speakers.contains(*speaker)) {
            let known: Vec<&str> = speakers.iter().map(String::as_str).collect();
            let expected = format!("speakers of {}: {}", folder.display(), known.join(", "));
            return Err(Error::setting("test_speakers", unknown, expected));
        }
        Ok(opened)
    }

    /// The recordings of a digit by test speakers, or by the others; at least one.
    pub(super) fn of(&self, digit: usize, test: bool) -> Result<&[usize]> {
        let (part, who) = if test {
            (&self.test, "test")
        } else {
            (&self.train, "training")
        };
        match part.get(digit).map(Vec::as_slice) {
            Some(found) if !found.is_empty() => Ok(found),
            _ => Err(Error::data(
                self.folder.display(),
                format!(
                    "no recording `{digit}_SPEAKER_NUMBER.wav` of a {who} speaker, expected at least one"
                ),
            )),
        }
    }

    /// File name and speaker.
    pub(super) fn name(&self, recording: usize) -> (&str, &str) {
        let recording = &self.all[recording];
        (&recording.file, &recording.speaker)
    }

    fn path(&self, recording: usize) -> PathBuf {
        self.folder.join(&self.all[recording].file)
    }

    /// A hash of the file.
    pub(super) fn fingerprint(&self, recording: usize) -> Result<&str> {
        let known = &self.all[recording].fingerprint;
        if let Some(fingerprint) = known.get() {
            return Ok(fingerprint);
        }
        let path = self.path(recording);
        let bytes = std::fs::read(&path)
            .map_err(|error| Error::data(path.display(), format!("cannot be read: {error}")))?;
        Ok(known.get_or_init(|| blake3::hash(&bytes).to_hex().to_string()))
    }

    /// Decodes a recording; several channels are averaged.
    pub(super) fn read(&self, recording: usize) -> Result<Waveform> {
        let path = self.path(recording);
        let read = File::open(&path).map_err(hound::Error::from);
        let (spec, samples) = read
            .and_then(|file| interleaved(BufReader::new(file)))
            .map_err(|error| {
                Error::data(
                    path.display(),
                    format!("not a whole wav file of integer or float samples: {error}"),
                )
            })?;
        Waveform::mixed(spec.sample_rate, usize::from(spec.channels), &samples)
    }
}

/// Digit and speaker of `{digit}_{speaker}_{number}.wav`.
fn parse_name(file: &str) -> Option<(usize, String)> {
    let mut parts = file.strip_suffix(".wav")?.split('_');
    let (digit, speaker, number) = (parts.next()?, parts.next()?, parts.next()?);
    let digit: usize = digit.parse().ok()?;
    number.parse::<u32>().ok()?;
    (digit < CLASSES && parts.next().is_none()).then(|| (digit, speaker.to_owned()))
}

/// The samples of all channels in turn.
pub(crate) fn interleaved(file: impl Read) -> hound::Result<(WavSpec, Vec<f32>)> {
    let mut reader = WavReader::new(file)?;
    let spec = reader.spec();
    let samples = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Float, _) => reader.samples::<f32>().collect::<Result<_, _>>()?,
        (SampleFormat::Int, 16) => words(reader)?,
        (SampleFormat::Int, bits) => {
            let full = 2_f32.powi(i32::from(bits) - 1);
            let samples = reader.samples::<i32>();
            samples
                .map(|sample| sample.map(|value| value as f32 / full))
                .collect::<Result<_, _>>()?
        }
    };
    Ok((spec, samples))
}

/// Samples of 16 bits, which most recordings have. The first tells whether the file has them in the one way that there is,
/// two bytes each; to read the others one by one would take most of the time that preparing a short recording takes.
fn words(mut reader: WavReader<impl Read>) -> hound::Result<Vec<f32>> {
    let left = 2 * u64::from(reader.len().saturating_sub(1));
    let Some(first) = reader.samples::<i32>().next().transpose()? else {
        return Ok(Vec::new());
    };
    let mut bytes = Vec::new();
    reader.into_inner().take(left).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < left {
        return Err(std::io::Error::other("Failed to read enough bytes.").into());
    }
    let others = bytes
        .chunks_exact(2)
        .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])));
    let samples = std::iter::once(first as f32).chain(others);
    Ok(samples.map(|sample| sample / 32_768.0).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A wav file of 16 bits.
    fn file(channels: u16, samples: &[i16]) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let spec = WavSpec {
            channels,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples
            .iter()
            .for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    /// As hound reads it, one sample after another.
    fn one_by_one(bytes: &[u8]) -> hound::Result<Vec<f32>> {
        let mut reader = WavReader::new(bytes)?;
        let samples = reader.samples::<i32>();
        samples
            .map(|sample| sample.map(|value| value as f32 / 32_768.0))
            .collect()
    }

    proptest! {
        #[test]
        fn samples_read_at_once_are_those_read_one_by_one(
            samples in proptest::collection::vec(any::<i16>(), 0..50), channels in 1_u16..3, cut in 0_usize..120,
        ) {
            let samples = &samples[..samples.len() / usize::from(channels) * usize::from(channels)];
            let bytes = file(channels, samples);
            for bytes in [&bytes[..], &bytes[..bytes.len().saturating_sub(cut)]] {
                match (interleaved(bytes), one_by_one(bytes)) {
                    (Ok((_, found)), Ok(expected)) => prop_assert_eq!(found, expected),
                    (found, expected) => prop_assert_eq!(
                        found.unwrap_err().to_string(),
                        expected.unwrap_err().to_string()
                    ),
                }
            }
        }
    }

    #[test]
    fn only_names_of_recordings_are_taken() {
        assert_eq!(parse_name("7_theo_12.wav"), Some((7, "theo".into())));
        for name in [
            "README.md",
            "7_theo.wav",
            "17_theo_1.wav",
            "7_theo_x.wav",
            "7_theo_1_2.wav",
            "_a_1.wav",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
