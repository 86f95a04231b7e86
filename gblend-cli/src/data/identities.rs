//! Which samples of a dataset are the same, in a given respect.

use gblend_core::dataset::Source;
use gblend_core::{Error, Label, MediaKind, Result, Sameness};
use rayon::prelude::*;

use super::prepared::{Prepared, short_hash};

/// Finds out which samples are the same in these respects, which their targets tell from then on.
///
/// # Errors
/// Those of the samples that are read for it; [`Error::Setting`] if there is no such column.
pub fn tell_apart(
    prepared: &mut Prepared<'_>,
    source: &dyn Source,
    respects: impl IntoIterator<Item = Sameness>,
) -> Result<()> {
    for sameness in respects {
        if prepared.identities(&sameness).is_none()
            && let Some(numbers) = numbers(prepared, source, &sameness)?
        {
            prepared.set_identities(sameness, numbers);
        }
    }
    Ok(())
}

/// Numbers each sample by itself.
pub fn tell_each(prepared: &mut Prepared<'_>, source: &dyn Source) {
    let numbers = (0..source.len()).map(|index| alone(source, index));
    prepared.set_identities(Sameness::Sample, numbers.collect());
}

/// A number of each sample that those share which are the same; `None` if each is itself alone.
fn numbers(prepared: &Prepared<'_>, source: &dyn Source, sameness: &Sameness) -> Result<Option<Vec<u64>>> {
    let numbers = match sameness {
        Sameness::Sample => return Ok(None),
        Sameness::Text => return of_texts(prepared, source),
        Sameness::Label => (0..source.len())
            .map(|index| match source.sample(index).label {
                Label::Missing => alone(source, index),
                label => short_hash(&blake3::hash(format!("{label:?}").as_bytes())),
            })
            .collect(),
        Sameness::Column(name) => {
            let further = source.further_labels();
            let column = further.iter().find(|label| label.name == *name).ok_or_else(|| {
                let names: Vec<&str> = further.iter().map(|label| label.name.as_str()).collect();
                let expected = match names.is_empty() {
                    true => "one of data.further_labels, of which there are none".to_owned(),
                    false => format!("one of data.further_labels: {}", names.join(", ")),
                };
                Error::setting("objective.same", format!("{{ column = \"{name}\" }}"), expected)
            })?;
            let values = column.of_samples.iter().enumerate();
            values
                .map(|(index, value)| value.map_or_else(|| alone(source, index), u64::from))
                .collect()
        }
    };
    Ok(Some(numbers))
}

/// By the texts of all modalities that are texts.
fn of_texts(prepared: &Prepared<'_>, source: &dyn Source) -> Result<Option<Vec<u64>>> {
    let texts: Vec<usize> = prepared
        .names_of(|media| media == MediaKind::Text)
        .map(|(at, _)| at)
        .collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let of_sample = |index: usize| -> Result<u64> {
        let mut hasher = blake3::Hasher::new();
        for &modality in &texts {
            if prepared.faults().contains_key(&index) || !prepared.has(modality, index) {
                return Ok(alone(source, index));
            }
            let text = prepared.sample(modality, index)?;
            hasher.update(&(text.len() as u64).to_le_bytes());
            text.values().iter().for_each(|value| {
                hasher.update(&value.to_le_bytes());
            });
        }
        Ok(short_hash(&hasher.finalize()))
    };
    (0..source.len())
        .into_par_iter()
        .map(of_sample)
        .collect::<Result<_>>()
        .map(Some)
}

/// The number of one that is like no other, whatever part of a dataset it is in.
fn alone(source: &dyn Source, index: usize) -> u64 {
    short_hash(&blake3::hash(
        format!("alone {}", source.sample(index).id).as_bytes(),
    ))
}
