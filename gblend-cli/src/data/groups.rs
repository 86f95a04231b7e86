//! What must not be divided: the groups of samples, in four bytes each.

use std::collections::{BTreeSet, HashMap};

use gblend_core::Source;

use super::position::SampleIndex;

/// The unit that each of some samples belongs to, by their positions in the source, numbered from 0: its group, or itself where it has
/// none. `None` if no sample has one.
pub fn units(source: &dyn Source, samples: impl Iterator<Item = usize>) -> Option<Vec<usize>> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut count = 0;
    let units = samples.map(|sample| {
        let next = count;
        let unit = match source.sample(sample).group {
            Some(group) => *known.entry(group).or_insert(next),
            None => next,
        };
        count += usize::from(unit == next);
        unit
    });
    let units: Vec<usize> = units.collect();
    (!known.is_empty()).then_some(units)
}

/// The number of a sample without a group. No group has it: a dataset has fewer samples.
const NONE: u32 = u32::MAX;

/// The groups of samples.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Of each sample, up to the last that has one, the number of its group.
    numbers: Vec<u32>,
    /// The name of each group.
    names: Vec<String>,
    known: HashMap<String, u32>,
}

impl Groups {
    /// Notes the group of a sample.
    pub(super) fn insert(&mut self, sample: SampleIndex, group: &str) {
        let number = match self.known.get(group) {
            Some(&number) => number,
            None => {
                let number = self.names.len() as u32;
                self.names.push(group.to_owned());
                self.known.insert(group.to_owned(), number);
                number
            }
        };
        let sample = sample as usize;
        if self.numbers.len() <= sample {
            self.numbers.resize(sample + 1, NONE);
        }
        self.numbers[sample] = number;
    }

    /// Whether no sample has a group.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many units samples make that stay whole: their groups, and each of those that have none; `None` if no sample has one.
    pub(super) fn count(&self, samples: &[SampleIndex]) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let alone = samples.iter().filter(|&&sample| self.number(sample).is_none());
        let named: BTreeSet<u32> = samples.iter().filter_map(|&sample| self.number(sample)).collect();
        Some(named.len() + alone.count())
    }

    /// The number of a sample's group.
    pub(super) fn number(&self, sample: SampleIndex) -> Option<u32> {
        let number = self.numbers.get(sample as usize).copied();
        number.filter(|&number| number != NONE)
    }

    /// The name of a sample's group; empty if it has none.
    pub(super) fn of(&self, sample: SampleIndex) -> &str {
        let number = self.numbers.get(sample as usize).copied().unwrap_or(NONE);
        self.names.get(number as usize).map_or("", String::as_str)
    }
}
