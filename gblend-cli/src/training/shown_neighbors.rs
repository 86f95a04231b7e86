//! The nearest neighbors of a few samples, with what there is to see of each.

use std::collections::BTreeMap;

use gblend_core::{Media, MediaKind, Source};

use super::session::Session;
use crate::data::SampleIndex;
use crate::data::export::{base64, small_picture, small_picture_of_values};
use crate::evaluation::Tower;
use crate::records::{NeighborSample, Neighborhood, Neighbors, Shown, TowerNeighbors};

/// How many samples neighbors are told of.
const QUERIES: usize = 4;

/// How many neighbors are told of each.
const NEAREST: usize = 5;

/// The longer side of a picture in pixels.
const PIXELS: u32 = 64;

/// Letters of a text, of longer ones the first.
const LETTERS: usize = 160;

/// What is nearest to some of `samples`, of which towers have the features.
pub(super) fn shown_neighbors(session: &Session<'_>, samples: &[SampleIndex], towers: &[Tower]) -> Neighbors {
    let mut told = Told {
        session,
        towers: towers.len(),
        samples: Vec::new(),
        places: BTreeMap::new(),
    };
    let mut neighbors = Vec::with_capacity(towers.len());
    for (modality, tower) in towers.iter().enumerate() {
        let mut place = |position: usize| told.place(samples[tower.samples[position]], modality);
        let found = tower.nearest_others(QUERIES, NEAREST).into_iter();
        let queries = found.map(|found| Neighborhood {
            sample: place(found.sample),
            initial: found.initial.into_iter().map(&mut place).collect(),
            trained: found.trained.into_iter().map(&mut place).collect(),
        });
        neighbors.push(TowerNeighbors {
            queries: queries.collect(),
            name: tower.name.clone(),
        });
    }
    let labels = session.source.further_labels().iter();
    let labels = labels.map(|label| label.name.clone()).collect();
    Neighbors::new(samples.len(), labels, told.samples, neighbors)
}

/// The samples that are told of, each once.
struct Told<'s, 'c> {
    session: &'s Session<'c>,
    towers: usize,
    samples: Vec<NeighborSample>,
    places: BTreeMap<SampleIndex, usize>,
}

impl Told<'_, '_> {
    /// Where a sample stands, with something to see of this modality.
    fn place(&mut self, sample: SampleIndex, modality: usize) -> usize {
        let place = match self.places.get(&sample) {
            Some(&place) => place,
            None => {
                let place = self.samples.len();
                self.samples.push(self.described(sample));
                self.places.insert(sample, place);
                place
            }
        };
        if self.samples[place].shown[modality].is_none() {
            self.samples[place].shown[modality] = self.shown(sample, modality);
        }
        place
    }

    fn described(&self, sample: SampleIndex) -> NeighborSample {
        let source = self.session.source.as_ref();
        let labels = source.further_labels().iter().map(|label| {
            let class = label.of_samples.get(sample as usize).copied().flatten()?;
            label.classes.get(class as usize).cloned()
        });
        NeighborSample {
            id: source.sample(sample as usize).id,
            labels: labels.collect(),
            shown: vec![None; self.towers],
        }
    }

    /// A text as it is, a picture made small, a sound as what its encoder sees of it; nothing of what nobody could read, or what is
    /// not there any more: no result is worth less for it.
    fn shown(&self, sample: SampleIndex, modality: usize) -> Option<Shown> {
        let (session, sample) = (self.session, sample as usize);
        let stream = session.prepared.stream(modality);
        let source: &dyn Source = session.source.as_ref();
        let picture = match source.streams()[stream].media {
            MediaKind::Waveform => {
                let spectrogram = session.prepared.sample(modality, sample).ok()?;
                small_picture_of_values(&spectrogram, PIXELS)
            }
            _ => match source.read(sample, stream).ok()? {
                Media::Text(text) => return Some(Shown::Text(beginning(&text))),
                media => small_picture(&media, PIXELS),
            },
        };
        picture.map(|png| Shown::Picture(base64(&png)))
    }
}

/// A text, of a long one the beginning.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_beginning_is_kept_in_whole_letters() {
        assert_eq!(beginning("a cat"), "a cat");
        let long = beginning(&"ä".repeat(LETTERS + 1));
        assert_eq!(long, format!("{}…", "ä".repeat(LETTERS)));
    }
}
