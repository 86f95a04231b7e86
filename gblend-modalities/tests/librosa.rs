//! The log-mel front end against librosa 0.11 on real speech, if `GBLEND_DATA` names the data folder.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use gblend_core::media::Waveform;
use gblend_modalities::frontend::log_mel::{LogMel, LogMelSettings};
use gblend_modalities::frontend::mel::{MelConvention, filters};
use zip::ZipArchive;

fn data() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("GBLEND_DATA") else {
        eprintln!("skipped: GBLEND_DATA is not set");
        return None;
    };
    // Tests run in their crate's folder, a relative path is meant from the workspace's.
    Some(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .join(folder),
    )
}

/// Rows, columns and elements of a matrix out of a file of NumPy's `savez`.
fn matrix(archive: &mut ZipArchive<File>, name: &str) -> ([usize; 2], Vec<f32>) {
    let mut bytes = Vec::new();
    let mut file = archive.by_name(&format!("{name}.npy")).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let (magic, rest) = bytes.split_at(8);
    assert_eq!(magic, b"\x93NUMPY\x01\x00");
    let (header, values) = rest[2..].split_at(usize::from(u16::from_le_bytes([rest[0], rest[1]])));
    let header = std::str::from_utf8(header).unwrap();
    let shape = header
        .strip_prefix("{'descr': '<f4', 'fortran_order': False, 'shape': (")
        .unwrap();
    let (rows, columns) = shape.split_once(')').unwrap().0.split_once(", ").unwrap();
    let (values, _) = values.as_chunks();
    (
        [rows.parse().unwrap(), columns.parse().unwrap()],
        values.iter().map(|value| f32::from_le_bytes(*value)).collect(),
    )
}

const CONVENTIONS: [(&str, MelConvention); 2] =
    [("cfg0", MelConvention::Slaney), ("cfg1", MelConvention::Htk)];

#[test]
fn filters_and_spectrograms_are_librosas_to_1e_4() {
    let Some(data) = data() else { return };
    let file = File::open(data.join("frontend_gt/logmel/fsdd_logmel_librosa.npz")).unwrap();
    let mut archive = ZipArchive::new(file).unwrap();
    let names: Vec<String> = archive
        .file_names()
        .filter_map(|name| name.strip_suffix(".npy"))
        .map(str::to_owned)
        .collect();
    let mut compared = 0;
    for (suffix, convention) in CONVENTIONS {
        let (shape, expected) = matrix(&mut archive, &format!("melfb__{suffix}"));
        assert_eq!(shape, [40, 129]);
        for (found, expected) in filters(convention, 40, 129, 8000.0, (20.0, 4000.0))
            .iter()
            .zip(expected)
        {
            assert!((found - f64::from(expected)).abs() < 1e-6);
        }
        let settings = LogMelSettings {
            n_fft: 256,
            hop_length: 80,
            win_length: 200,
            n_mels: 40,
            fmin: 20.0,
            fmax: Some(4000.0),
            convention,
            ..LogMelSettings::default()
        };
        let log_mel = LogMel::new(&settings, 8000).unwrap();
        for name in names
            .iter()
            .filter(|name| name.ends_with(suffix) && !name.starts_with("melfb"))
        {
            let key = name.split("__").next().unwrap();
            let wav = data.join(format!("avmnist/fsdd/recordings/{key}.wav"));
            let mut reader = hound::WavReader::open(wav).unwrap();
            let samples = reader
                .samples::<i16>()
                .map(|s| f32::from(s.unwrap()) / 32768.0)
                .collect();
            let found = log_mel
                .spectrogram(&Waveform {
                    sample_rate: 8000,
                    samples,
                })
                .unwrap();
            let (shape, expected) = matrix(&mut archive, name);
            assert_eq!(found.shape(), shape);
            for (found, expected) in found.values().iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{name}: {found} against {expected}"
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 20);
}
