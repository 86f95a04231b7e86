//! Sound: wav, and flac, mp3 and ogg vorbis.

use std::io::{BufReader, Cursor};

use gblend_core::media::Waveform;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::mp3::Table;
use super::whole::cut_short;
use super::{Fault, too_large};
use crate::data::wav::{Wav, WavFault};

impl From<WavFault> for Fault {
    fn from(fault: WavFault) -> Self {
        Self::Media(fault.to_string())
    }
}

/// A wav file; several channels are averaged.
pub(super) fn wav(bytes: &[u8], limit: usize) -> Result<Waveform, Fault> {
    let wav = Wav::parse(bytes)?;
    if wav.frames().saturating_mul(4) > limit {
        return Err(Fault::Media(too_large(limit)));
    }
    Ok(wav.decode()?)
}

/// A flac, mp3 or ogg vorbis file, as `extension` says; several channels are averaged.
pub(super) fn compressed(bytes: Vec<u8>, extension: &str, limit: usize) -> Result<Waveform, Fault> {
    let broken = |error: symphonia::core::errors::Error| {
        Fault::Media(format!("not a whole {extension} file: {error}"))
    };
    if let Some(problem) = cut_short(&mut BufReader::new(Cursor::new(&bytes)), bytes.len() as u64) {
        return Err(Fault::Media(problem));
    }
    // Elsewhere the announced length is a guess.
    let announces = match extension {
        "flac" => true,
        "mp3" => {
            Table::find(&bytes).is_some_and(|table| table.frames > 0 && !table.has_all_bytes(bytes.len()))
        }
        _ => false,
    };
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
    if let Some(announced) = announced
        && announces
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
