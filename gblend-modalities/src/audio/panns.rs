//! The spectrogram that trained parameters of PANNs read.

use gblend_core::{Error, Result};

use super::{Audio, Normalization};
use crate::encoder::Network;
use crate::frontend::log_mel::{LogMelSettings, Padding};
use crate::frontend::logarithm::Logarithm;
use crate::frontend::mel::MelConvention;

/// As Kong et al. train them, at <https://github.com/qiuqiangkong/audioset_tagging_cnn>.
fn trained() -> Audio {
    Audio {
        sample_rate: 32_000,
        spectrogram: LogMelSettings {
            n_fft: 1024,
            hop_length: 320,
            win_length: 1024,
            n_mels: 64,
            fmin: 50.0,
            fmax: Some(14_000.0),
            convention: MelConvention::Slaney,
            padding: Padding::Reflect,
            logarithm: Logarithm::Decibels,
        },
        mean: 0.0,
        deviation: 1.0,
        normalization: Normalization::Fixed,
        dynamic_range: None,
        ..Audio::default()
    }
}

/// A key that is not there.
const NONE: &str = "none";

/// What decides the values of a spectrogram, by key.
fn facts(audio: &Audio) -> [(&'static str, String); 14] {
    let of = |number: Option<f64>| number.map_or_else(|| NONE.to_owned(), |number| number.to_string());
    let name = |variant: &dyn std::fmt::Debug| format!("\"{variant:?}\"").to_lowercase();
    let spectrogram = &audio.spectrogram;
    [
        ("sample_rate", audio.sample_rate.to_string()),
        ("mean", audio.mean.to_string()),
        ("deviation", audio.deviation.to_string()),
        ("normalization", name(&audio.normalization)),
        ("dynamic_range", of(audio.dynamic_range)),
        ("spectrogram.n_fft", spectrogram.n_fft.to_string()),
        ("spectrogram.win_length", spectrogram.win_length.to_string()),
        ("spectrogram.hop_length", spectrogram.hop_length.to_string()),
        ("spectrogram.n_mels", spectrogram.n_mels.to_string()),
        ("spectrogram.fmin", spectrogram.fmin.to_string()),
        ("spectrogram.fmax", of(spectrogram.fmax)),
        ("spectrogram.convention", name(&spectrogram.convention)),
        ("spectrogram.padding", name(&spectrogram.padding)),
        ("spectrogram.logarithm", name(&spectrogram.logarithm)),
    ]
}

/// Refuses another spectrogram than that of the trained parameters, where the network is one that there are some of. They
/// would be loaded without a word, and hear something else.
///
/// # Errors
/// [`Error::Setting`] for the first key that has another value.
pub(super) fn check(audio: &Audio) -> Result<()> {
    let Network::Panns(network) = &audio.encoder.network else {
        return Ok(());
    };
    if !network.has_trained_parameters() {
        return Ok(());
    }
    let pairs = facts(audio).into_iter().zip(facts(&trained()));
    let Some(((key, found), (_, expected))) = pairs.into_iter().find(|(found, expected)| found != expected)
    else {
        return Ok(());
    };
    let written = facts(&trained()).into_iter().filter(|(_, value)| value != NONE);
    let written: Vec<String> = written.map(|(key, value)| format!("{key} = {value}")).collect();
    let expected = format!(
        "{expected} where encoder.architecture is {}, whose trained parameters read one spectrogram alone: {}. With other \
         encoder.channels any will do",
        network.depth.name(),
        written.join(", ")
    );
    Err(Error::setting(key, found, expected))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn encoder(table: serde_json::Value) -> crate::encoder::EncoderSettings {
        serde_json::from_value(table).unwrap()
    }

    #[test]
    fn each_setting_that_is_another_is_refused_by_its_key() {
        let wanted = facts(&trained());
        let mut heard = trained();
        heard.encoder = encoder(json!({ "architecture": "cnn10" }));
        check(&heard).unwrap();
        for (number, (key, value)) in wanted.iter().enumerate() {
            let mut other = trained();
            let plain = Audio::default();
            match number {
                0 => other.sample_rate = plain.sample_rate,
                1 => other.mean = plain.mean,
                2 => other.deviation = plain.deviation,
                3 => other.normalization = Normalization::Band,
                4 => other.dynamic_range = Some(60.0),
                5 => other.spectrogram.n_fft = 2048,
                6 => other.spectrogram.win_length = 800,
                7 => other.spectrogram.hop_length = 160,
                8 => other.spectrogram.n_mels = 128,
                9 => other.spectrogram.fmin = 20.0,
                10 => other.spectrogram.fmax = None,
                11 => other.spectrogram.convention = MelConvention::Htk,
                12 => other.spectrogram.padding = Padding::Zeros,
                _ => other.spectrogram.logarithm = Logarithm::Natural,
            }
            other.encoder = encoder(json!({ "architecture": "cnn10" }));
            let told = check(&other).unwrap_err().to_string();
            assert!(
                told.starts_with(&format!("{key} = ")) && told.contains(value),
                "{told}"
            );
            other.encoder = encoder(json!({ "architecture": "cnn10", "channels": [2, 3, 4, 5] }));
            check(&other).unwrap();
            other.encoder = encoder(json!({ "architecture": "resnet18" }));
            check(&other).unwrap();
        }
    }
}
