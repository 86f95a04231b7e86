//! The log-mel front end against librosa 0.11 on real speech, if `GBLEND_DATA` names the data folder.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use gblend_core::media::Waveform;
use gblend_modalities::frontend::log_mel::{LogMel, LogMelSettings};
use gblend_modalities::frontend::mel::{MelConvention, filters};
use npyz::NpyFile;
use npyz::npz::NpzArchive;

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

fn array(archive: &mut NpzArchive<std::io::BufReader<std::fs::File>>, name: &str) -> (Vec<u64>, Vec<f32>) {
    let npy: NpyFile<_> = archive.by_name(name).unwrap().unwrap();
    let shape = npy.shape().to_vec();
    (shape, npy.into_vec().unwrap())
}

const CONVENTIONS: [(&str, MelConvention); 2] =
    [("cfg0", MelConvention::Slaney), ("cfg1", MelConvention::Htk)];

#[test]
fn filters_and_spectrograms_are_librosas_to_1e_4() {
    let Some(data) = data() else { return };
    let mut archive = NpzArchive::open(data.join("frontend_gt/logmel/fsdd_logmel_librosa.npz")).unwrap();
    let mut compared = 0;
    for (suffix, convention) in CONVENTIONS {
        let (shape, expected) = array(&mut archive, &format!("melfb__{suffix}"));
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
        };
        let log_mel = LogMel::new(&settings, 8000).unwrap();
        let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
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
            let (shape, expected) = array(&mut archive, name);
            assert_eq!(found.shape(), [shape[0] as usize, shape[1] as usize]);
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
