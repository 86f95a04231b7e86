//! What values a stream has.

use gblend_core::category::is_code;
use gblend_core::{Array, Media, MediaKind, Result, Source};

use super::Finding;
use crate::data::prepared::Prepared;
use crate::data::split::Splits;

/// The values of a modality's samples: of arrays as they came, of other media as they were prepared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamRange {
    /// Values that are there, and that are missing.
    pub values: u64,
    /// Those that are missing.
    pub missing: u64,
    /// The least and the greatest value, and the mean.
    pub least: f32,
    /// The greatest.
    pub greatest: f32,
    /// The mean.
    pub mean: f64,
    /// The shortest and the longest first axis of arrays as they came.
    pub lengths: Option<(usize, usize)>,
    /// Bytes of the shortest and the longest text.
    pub bytes: Option<(usize, usize)>,
    /// What is odd about it.
    pub findings: Vec<Finding>,
}

/// Looks at every sample of a modality; `of` is its position and that of its stream.
///
/// # Errors
/// What a sample that was prepared before has become since.
pub fn stream_range(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    splits: &Splits,
    of: (usize, usize),
) -> Result<StreamRange> {
    let (modality, stream) = of;
    let name = prepared.name(modality).to_owned();
    let media = source.streams()[stream].media;
    let [(_, train), ..] = splits.parts();
    debug_assert!(train.is_sorted());
    let mut seen = Seen::default();
    for sample in splits.all() {
        let index = sample as usize;
        if !prepared.has(modality, index) {
            continue;
        }
        if media == MediaKind::Text {
            if let Media::Text(text) = source.read(index, stream)? {
                seen.text(text.len());
            }
            continue;
        }
        let array = match media {
            // In the units that they came in; a table or a row of a file costs no decoding.
            MediaKind::Array => match source.read(index, stream)? {
                Media::Array(array) => array,
                _ => continue,
            },
            _ => prepared.sample(modality, index)?,
        };
        let is_array = media == MediaKind::Array;
        seen.array(&array, is_array, train.binary_search(&sample).is_ok());
        // A few numbers may well be equal.
        let fewest = if is_array { FEWEST } else { 2 };
        if array.len() >= fewest && seen.is_uniform(&array) {
            seen.uniform.0 += 1;
            seen.uniform.1.get_or_insert_with(|| source.sample(index).id);
        }
    }
    Ok(seen.range(&name))
}

/// Numbers of an array that are hardly the same by chance.
const FEWEST: usize = 8;

#[derive(Default)]
struct Seen {
    range: Option<StreamRange>,
    sum: f64,
    /// Of each column, by the training samples: the value that all of them have so far, if they have one.
    columns: Option<Vec<Column>>,
    /// Whether samples have different numbers of columns.
    ragged: bool,
    uniform: (usize, Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Unseen,
    Constant(f32),
    Varies,
}

impl Seen {
    fn text(&mut self, bytes: usize) {
        let range = self.range.get_or_insert_default();
        let (least, most) = range.bytes.unwrap_or((bytes, bytes));
        range.bytes = Some((least.min(bytes), most.max(bytes)));
    }

    fn array(&mut self, array: &Array, as_it_came: bool, trained: bool) {
        let range = self.range.get_or_insert_with(|| StreamRange {
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            ..StreamRange::default()
        });
        for &value in array.values() {
            if value.is_nan() {
                range.missing += 1;
            } else if !is_code(value) {
                range.values += 1;
                range.least = range.least.min(value);
                range.greatest = range.greatest.max(value);
                self.sum += f64::from(value);
            }
        }
        if !as_it_came {
            return;
        }
        let length = array.shape().first().copied().unwrap_or(1);
        let (least, most) = range.lengths.unwrap_or((length, length));
        range.lengths = Some((least.min(length), most.max(length)));
        let width = array.shape().last().copied().unwrap_or(1).max(1);
        let columns = self.columns.get_or_insert_with(|| vec![Column::Unseen; width]);
        self.ragged |= columns.len() != width;
        if self.ragged || !trained {
            return;
        }
        for row in array.values().chunks(width) {
            for (column, &value) in columns.iter_mut().zip(row) {
                *column = match *column {
                    Column::Unseen => Column::Constant(value),
                    // A value that is missing now and then tells something.
                    Column::Constant(other) if other == value || other.is_nan() && value.is_nan() => continue,
                    _ => Column::Varies,
                };
            }
        }
    }

    fn is_uniform(&self, array: &Array) -> bool {
        let first = array.values().first();
        array.values().iter().all(|value| Some(value) == first)
    }

    fn range(self, name: &str) -> StreamRange {
        let mut range = self.range.unwrap_or_default();
        range.mean = self.sum / range.values.max(1) as f64;
        let constant = self.columns.iter().flatten().enumerate();
        let constant: Vec<(usize, f32)> = constant
            .filter_map(|(position, column)| match column {
                Column::Constant(value) => Some((position, *value)),
                _ => None,
            })
            .collect();
        if let (Some(&example), false) = (constant.first(), self.ragged) {
            range.findings.push(Finding::ConstantColumns {
                modality: name.to_owned(),
                count: constant.len(),
                example,
            });
        }
        if let (count, Some(example)) = self.uniform {
            range.findings.push(Finding::Uniform {
                modality: name.to_owned(),
                count,
                example,
            });
        }
        range
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_column_is_constant_by_the_training_samples_alone() {
        let mut seen = Seen::default();
        for (values, trained) in [
            ([1.0, 2.0, f32::NAN], true),
            ([1.0, 3.0, f32::NAN], true),
            ([7.0, 3.0, 1.0], false),
        ] {
            seen.array(&Array::new([3], values.to_vec()).unwrap(), true, trained);
        }
        let range = seen.range("x");
        assert_eq!(
            (range.values, range.missing, range.least, range.greatest),
            (7, 2, 1.0, 7.0)
        );
        let Finding::ConstantColumns { count, example, .. } = &range.findings[0] else {
            unreachable!()
        };
        assert_eq!((*count, *example), (2, (0, 1.0)));
    }
}
