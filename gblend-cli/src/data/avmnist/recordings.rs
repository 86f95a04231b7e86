//! Recordings of spoken digits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gblend_core::media::Waveform;
use gblend_core::{Error, Result};

use super::CLASSES;
use crate::data::wav::{Wav, WavFault};

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
        let bytes = std::fs::read(&path)
            .map_err(|error| Error::data(path.display(), format!("cannot be read: {error}")))?;
        decode(&bytes).map_err(|fault| Error::data(path.display(), fault))
    }
}

/// Decodes a recording; several channels are averaged.
pub(crate) fn decode(bytes: &[u8]) -> std::result::Result<Waveform, WavFault> {
    Wav::parse(bytes)?.decode()
}

/// Digit and speaker of `{digit}_{speaker}_{number}.wav`.
fn parse_name(file: &str) -> Option<(usize, String)> {
    let mut parts = file.strip_suffix(".wav")?.split('_');
    let (digit, speaker, number) = (parts.next()?, parts.next()?, parts.next()?);
    let digit: usize = digit.parse().ok()?;
    number.parse::<u32>().ok()?;
    (digit < CLASSES && parts.next().is_none()).then(|| (digit, speaker.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
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
