//! What one wants to know of a dataset before training on it, and what is odd about it.
//!
//! Everything is looked at as it will be trained on: the splits of the run, the samples as they were prepared. Nothing is
//! learned from it, so that the test may be looked at too.

mod classes;
mod contents;
mod groups;
mod ranges;

use std::fmt;

use gblend_core::{LabelKind, Result, Source};

use super::prepared::Prepared;
use super::rare_classes::{RARE, RareClasses};
use super::split::Splits;

pub use classes::{ClassCount, class_counts, rare_classes};
pub use contents::content_of;
pub use groups::group_counts;
pub use ranges::{StreamRange, stream_range};

/// What is odd, once for each kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Classes whose names differ by case, spaces or the form of a number alone.
    AlikeClasses {
        /// Groups of such classes, and the names of the first group.
        groups: usize,
        /// The names of the first group.
        example: Vec<String>,
    },
    /// There is one class alone.
    OneClass {
        /// Its name.
        name: String,
    },
    /// Classes that are called as programs write what is missing.
    MissingAsClass {
        /// Their names.
        names: Vec<String>,
    },
    /// Classes with few training samples beside others, which count for as little.
    RareClasses {
        /// Which.
        classes: RareClasses,
        /// What labels are, which decides what helps.
        labels: LabelKind,
    },
    /// Classes that no test sample has.
    UntestedClasses {
        /// How many.
        count: usize,
        /// The first.
        example: String,
    },
    /// Groups whose names differ by case, spaces or the form of a number alone.
    AlikeGroups {
        /// Sets of such groups.
        groups: usize,
        /// The names of the first set.
        example: Vec<String>,
    },
    /// A group that is called as programs write what is missing.
    MissingAsGroup {
        /// Its name.
        name: String,
        /// How many samples it has.
        samples: usize,
    },
    /// Groups with samples in more than one split.
    DividedGroups {
        /// How many.
        count: usize,
        /// The first.
        group: String,
        /// Two of its samples, and the splits that they are in.
        example: [(String, &'static str); 2],
    },
    /// Samples of one split whose contents a training sample has too.
    SharedContents {
        /// What is equal: every stream, or that of one modality.
        modality: Option<String>,
        /// The split.
        split: &'static str,
        /// How many samples of the split.
        count: usize,
        /// One of them, and the training sample.
        example: (String, String),
    },
    /// Samples with equal contents and different labels.
    Contradiction {
        /// Samples that have the contents of an earlier one, and another label.
        count: usize,
        /// One of them, and the earlier one.
        example: (String, String),
    },
    /// Columns that have one value in all training samples.
    ConstantColumns {
        /// The modality.
        modality: String,
        /// How many.
        count: usize,
        /// The first, counted from 0, and its value.
        example: (usize, f32),
    },
    /// Samples whose values are all the same: black pictures, silence.
    Uniform {
        /// The modality.
        modality: String,
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlikeClasses { groups, example } => write!(
                f,
                "classes whose names are as good as the same: {groups}, such as {}; each counts as a class of its own",
                quoted(example).join(" and ")
            ),
            Self::AlikeGroups { groups, example } => write!(
                f,
                "groups whose names are as good as the same: {groups}, such as {}; each counts as a group of its own, of which one may be \
                 trained on and the other tested",
                quoted(example).join(" and ")
            ),
            Self::MissingAsGroup { name, samples } => write!(
                f,
                "a group that is called as programs write what is missing: `{name}`, with {samples} samples, which stay together as if they \
                 were of one"
            ),
            Self::OneClass { name } => write!(
                f,
                "one class alone, `{name}`: there is nothing to tell apart, and whoever says it is right without having looked"
            ),
            Self::MissingAsClass { names } => {
                write!(
                    f,
                    "classes that are called as programs write what is missing: {}; where that is meant, leave the cell empty",
                    quoted(names).join(", ")
                )
            }
            Self::RareClasses { classes, labels } => {
                let RareClasses {
                    count,
                    rarest: (rarest, few),
                    most_frequent: (frequent, many),
                } = classes;
                let sampler = match labels {
                    LabelKind::Class => ", or run.sampler = \"balanced\",",
                    _ => "",
                };
                write!(
                    f,
                    "classes with at most one training sample for {RARE} of the most frequent class: {count}, such as \
                     `{rarest}` with {few} beside `{frequent}` with {many}; losses hardly count them, and [objective] \
                     class_weights = \"balanced\"{sampler} lets each count as much as any other"
                )
            }
            Self::UntestedClasses { count, example } => {
                write!(f, "classes without a test sample: {count}, such as `{example}`")
            }
            Self::DividedGroups {
                count,
                group,
                example: [(one, split), (other, other_split)],
            } => write!(
                f,
                "groups with samples in more than one split: {count}, such as `{group}`, with {one} in the {split} and {other} in \
                 the {other_split} split; what is known of a group looks like what is learned"
            ),
            Self::SharedContents {
                modality,
                split,
                count,
                example: (one, other),
            } => {
                let what = match modality {
                    None => "that are a training sample, too, in every modality".to_owned(),
                    Some(modality) => format!("with the `{modality}` of a training sample"),
                };
                write!(
                    f,
                    "{split} samples {what}: {count}, such as {one} and {other}; what is known by heart looks like what is learned"
                )
            }
            Self::Contradiction {
                count,
                example: (one, other),
            } => write!(
                f,
                "samples with the contents of another one and not its label: {count}, such as {one} and {other}"
            ),
            Self::ConstantColumns {
                modality,
                count,
                example: (column, value),
            } => write!(
                f,
                "columns of `{modality}` with one value in all training samples: {count}, such as column {column}, which is {value}"
            ),
            Self::Uniform {
                modality,
                count,
                example,
            } => write!(
                f,
                "samples of `{modality}` with one value everywhere: {count}, such as {example}; a blank picture, or silence"
            ),
        }
    }
}

/// What is so odd that training says it, too: one class alone, classes that stand for what is missing, groups that are divided, and contents that samples have in
/// common, which costs next to nothing where their hashes are kept.
pub fn training_findings(source: &dyn Source, prepared: &Prepared<'_>, splits: &Splits) -> Vec<Finding> {
    let one_class = classes::one_class(source).into_iter();
    one_class
        .chain(classes::missing_as_class(source))
        .chain(groups::divided(source, splits))
        .chain(groups::names(source, splits))
        .chain(contents::findings(source, prepared, splits))
        .collect()
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}

/// What is odd about the classes.
pub fn class_findings(source: &dyn Source, prepared: &Prepared<'_>, splits: &Splits) -> Vec<Finding> {
    classes::findings(source, prepared, splits)
}

/// How many samples of each split have a modality, in the order of [`Splits::sizes`].
pub fn coverage(prepared: &Prepared<'_>, splits: &Splits, modality: usize) -> [usize; 4] {
    splits.parts().map(|(_, samples)| {
        let has = samples
            .iter()
            .filter(|&&sample| prepared.has(modality, sample as usize));
        has.count()
    })
}

/// The ranges of every modality, in their order; `streams` are those that feed them.
///
/// # Errors
/// What a sample that was prepared before has become since.
pub fn stream_ranges(
    source: &dyn Source,
    prepared: &Prepared<'_>,
    splits: &Splits,
    streams: &[usize],
) -> Result<Vec<StreamRange>> {
    let modalities = streams.iter().enumerate();
    modalities
        .map(|(modality, &stream)| stream_range(source, prepared, splits, (modality, stream)))
        .collect()
}
