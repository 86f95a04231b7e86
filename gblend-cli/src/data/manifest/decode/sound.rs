//! Sound: wav of integers or floats, and flac, mp3 and ogg vorbis.

use std::io::Cursor;

use gblend_core::media::Waveform;
use hound::{SampleFormat, WavReader};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::{Fault, too_large};

/// A wav file of 8 to 32-bit integers or 32-bit floats; several channels are averaged.
pub(super) fn wav(bytes: &[u8]) -> Result<Waveform, Fault> {
    let broken = |error: hound::Error| {
        Fault::Media(format!(
            "not a whole wav file of integer or float samples: {error}"
        ))
    };
    if bytes.is_empty() {
        return Err("found an empty file, expected a wav".into());
    }
    let mut reader = WavReader::new(bytes).map_err(broken)?;
    let spec = reader.spec();
    let interleaved: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader
            .samples::<f32>()
            .collect::<Result<_, _>>()
            .map_err(broken)?,
        SampleFormat::Int => {
            let full = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.samples::<i32>();
            let samples = samples.map(|sample| sample.map(|value| value as f32 / full));
            samples.collect::<Result<_, _>>().map_err(broken)?
        }
    };
    mixed(spec.sample_rate, usize::from(spec.channels), &interleaved)
}

/// A flac, mp3 or ogg vorbis file, as `extension` says; several channels are averaged.
pub(super) fn compressed(bytes: Vec<u8>, extension: &str, limit: usize) -> Result<Waveform, Fault> {
    let broken = |error: symphonia::core::errors::Error| {
        Fault::Media(format!("not a whole {extension} file: {error}"))
    };
    if bytes.starts_with(b"OggS") && !ogg_ends(&bytes) {
        return Err("cut short: the ogg file has no last page".into());
    }
    let lossless = extension == "flac";
    let mut hint = Hint::new();
    hint.with_extension(extension);
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let (format_options, metadata_options) = (FormatOptions::default(), MetadataOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, format_options, metadata_options)
        .map_err(broken)?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or("found no sound in it")?;
    let (id, announced) = (track.id, track.num_frames);
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio());
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(
            parameters.ok_or("found sound of an unknown codec")?,
            &AudioDecoderOptions::default(),
        )
        .map_err(broken)?;
    let mut sound = Waveform {
        sample_rate: 0,
        samples: Vec::new(),
    };
    let mut interleaved = Vec::new();
    while let Some(packet) = format.next_packet().map_err(broken)? {
        if packet.track_id != id {
            continue;
        }
        let decoded = decoder.decode(&packet).map_err(broken)?;
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        if sound.sample_rate != 0 && sound.sample_rate != rate {
            return Err(Fault::Media(format!(
                "found a change of the sample rate from {} to {rate} Hz, expected one rate",
                sound.sample_rate
            )));
        }
        sound.sample_rate = rate;
        decoded.copy_to_vec_interleaved(&mut interleaved);
        sound.samples.extend(mixed(rate, channels, &interleaved)?.samples);
        if sound.samples.len().saturating_mul(4) > limit {
            return Err(Fault::Media(too_large(limit)));
        }
    }
    // Elsewhere the announced length is a guess.
    if let Some(announced) = announced
        && lossless
        && (sound.samples.len() as u64) < announced
    {
        return Err(Fault::Media(format!(
            "cut short: found {} samples, expected the {announced} that its header says",
            sound.samples.len()
        )));
    }
    Ok(sound)
}

fn mixed(sample_rate: u32, channels: usize, interleaved: &[f32]) -> Result<Waveform, Fault> {
    Ok(Waveform::mixed(sample_rate, channels, interleaved).map_err(|error| error.to_string())?)
}

/// Whether the last page of an ogg file says that it is the last.
fn ogg_ends(bytes: &[u8]) -> bool {
    const LAST: u8 = 4;
    let last = bytes.windows(4).rposition(|window| window == b"OggS");
    last.and_then(|at| bytes.get(at + 5))
        .is_some_and(|flags| flags & LAST != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    fn written(bits_per_sample: u16, sample_format: SampleFormat, channels: u16) -> Vec<u8> {
        let spec = WavSpec {
            channels,
            sample_rate: 8000,
            bits_per_sample,
            sample_format,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for index in 0..u32::from(channels) * 10 {
            let value = f64::from(index % 5) / 5.0;
            match sample_format {
                SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                SampleFormat::Int => {
                    let full = 2_f64.powi(i32::from(bits_per_sample) - 1);
                    writer.write_sample((value * full) as i32).unwrap();
                }
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_width_of_sample_gives_the_same_sound() {
        for (bits, format) in [
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            let sound = wav(&written(bits, format, 1)).unwrap();
            assert_eq!((sound.sample_rate, sound.samples.len()), (8000, 10));
            for (index, value) in sound.samples.iter().enumerate() {
                // Writing cuts an integer off below; 24 bits and more are as exact as floats.
                let step = 2_f32.powi(1 - i32::from(bits.min(24)));
                let expected = (index % 5) as f32 / 5.0;
                assert!((value - expected).abs() <= step, "{bits} {value}");
            }
        }
        assert_eq!(wav(&written(16, SampleFormat::Int, 2)).unwrap().samples.len(), 10);
    }

    #[test]
    fn a_wav_cut_short_is_refused() {
        let bytes = written(24, SampleFormat::Int, 1);
        for length in 0..bytes.len() {
            assert!(wav(&bytes[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_search_for_the_last_page(bytes: Vec<u8>) {
            let _ = ogg_ends(&bytes);
            let _ = ogg_ends(&[&bytes[..], b"OggS"].concat());
        }
    }
}
