//! Which of a dataset's streams feeds which modality.

use gblend_core::dataset::{Source, Stream};
use gblend_core::{Error, Result};

use crate::config::ModalityConfig;

/// The stream, as a position in [`Source::streams`], that feeds each modality.
///
/// `source` decides; without it the stream of the modality's own name; without one the only stream with
/// media that the modality takes.
///
/// # Errors
/// [`Error::Setting`] with the streams that there are, if none or several could be meant.
pub fn bind(modalities: &[ModalityConfig], source: &dyn Source) -> Result<Vec<usize>> {
    modalities
        .iter()
        .map(|modality| find(modality, source.streams()))
        .collect()
}

fn find(modality: &ModalityConfig, streams: &[Stream]) -> Result<usize> {
    let wanted = modality.plugin.media();
    let key = modality.key("source");
    let list = || {
        let named: Vec<String> = streams
            .iter()
            .map(|stream| format!("{} ({})", stream.name, stream.media))
            .collect();
        format!("one of the dataset's streams: {}", named.join(", "))
    };
    let check = |index: usize| {
        let stream = &streams[index];
        if stream.media == wanted {
            Ok(index)
        } else {
            let value = format!("{} ({})", stream.name, stream.media);
            Err(Error::setting(&key, value, format!("a stream of {wanted}")))
        }
    };
    let position = |name: &str| streams.iter().position(|stream| stream.name == name);
    if let Some(name) = &modality.pipeline.source {
        let index = position(name).ok_or_else(|| Error::setting(&key, name, list()))?;
        return check(index);
    }
    if let Some(index) = position(&modality.name) {
        return check(index);
    }
    let mut fitting = (0..streams.len()).filter(|&index| streams[index].media == wanted);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::setting(
            &key,
            "nothing",
            format!("a stream of {wanted}, {}", list()),
        )),
        (Some(_), Some(_)) => Err(Error::setting(
            &key,
            "nothing",
            format!("a choice, because several streams carry {wanted}: {}", list()),
        )),
    }
}
