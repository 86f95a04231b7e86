//! Classes: how many samples they have, and names that are as good as the same.

use std::collections::BTreeMap;

use gblend_core::{LabelKind, Source};
use unicode_normalization::UnicodeNormalization;

use super::Finding;
use crate::data::prepared::Prepared;
use crate::data::rare_classes::RareClasses;
use crate::data::split::Splits;

/// The samples of a class in each split, in the order of [`Splits::sizes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// Its samples.
    pub samples: [usize; 4],
}

/// The samples of every class.
pub fn class_counts(source: &dyn Source, prepared: &Prepared<'_>, splits: &Splits) -> Vec<ClassCount> {
    let mut counts: Vec<ClassCount> = source
        .classes()
        .iter()
        .map(|name| ClassCount {
            name: name.clone(),
            samples: [0; 4],
        })
        .collect();
    for (part, (_, samples)) in splits.parts().into_iter().enumerate() {
        for &sample in samples {
            for class in prepared.labels().classes(sample as usize) {
                if let Some(count) = counts.get_mut(class) {
                    count.samples[part] += 1;
                }
            }
        }
    }
    counts
}

/// Classes that are rare among the training samples, if some are.
pub fn rare_classes(source: &dyn Source, prepared: &Prepared<'_>, splits: &Splits) -> Option<Finding> {
    let counts = class_counts(source, prepared, splits);
    let classes = RareClasses::of(counts.iter().map(|class| (class.name.as_str(), class.samples[0])))?;
    Some(Finding::RareClasses {
        classes,
        labels: source.label_kind(),
    })
}

/// Whether every sample has the same class.
pub(super) fn one_class(source: &dyn Source) -> Option<Finding> {
    match source.classes() {
        [name] if source.label_kind() == LabelKind::Class => Some(Finding::OneClass { name: name.clone() }),
        _ => None,
    }
}

/// Classes whose names mean that there is none.
pub(super) fn missing_as_class(source: &dyn Source) -> Option<Finding> {
    let classes = source.classes().iter();
    let names: Vec<String> = classes.filter(|name| means_missing(name)).cloned().collect();
    (!names.is_empty()).then_some(Finding::MissingAsClass { names })
}

pub(super) fn findings(source: &dyn Source, prepared: &Prepared<'_>, splits: &Splits) -> Vec<Finding> {
    let mut findings = Vec::new();
    let groups = alike(source.classes());
    if let Some(example) = groups.first() {
        findings.push(Finding::AlikeClasses {
            groups: groups.len(),
            example: example.clone(),
        });
    }
    let counts = class_counts(source, prepared, splits);
    let is_tested = counts.iter().any(|count| count.samples[3] > 0);
    let untested = counts.iter().filter(|count| is_tested && count.samples[3] == 0);
    let untested: Vec<&ClassCount> = untested.collect();
    if let Some(first) = untested.first() {
        findings.push(Finding::UntestedClasses {
            count: untested.len(),
            example: first.name.clone(),
        });
    }
    findings
}

/// Whether it is what programs write where there is nothing.
pub(super) fn means_missing(name: &str) -> bool {
    const MISSING: [&str; 5] = ["nan", "null", "na", "n/a", "<na>"];
    MISSING.contains(&&name.to_lowercase()[..])
}

/// Names that are alike but for case, spaces, the form of a number and the ways in which Unicode writes one letter.
pub(super) fn alike(names: &[String]) -> Vec<Vec<String>> {
    let mut by_form: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        by_form.entry(form(name)).or_default().push(name.clone());
    }
    by_form.into_values().filter(|names| names.len() > 1).collect()
}

/// Whether nothing is seen of a character.
fn is_unseen(letter: &char) -> bool {
    matches!(
        letter,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'
    )
}

fn form(name: &str) -> String {
    if let Ok(number) = name.trim().parse::<f64>() {
        return (number + 0.0).to_string();
    }
    let seen = name.chars().filter(|letter| !is_unseen(letter));
    let seen: String = seen.flat_map(char::to_lowercase).nfc().collect();
    let words = seen.split(|letter: char| letter.is_whitespace() || letter == '_' || letter == '-');
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_but_for_case_spaces_and_the_form_of_numbers() {
        let groups = |names: &[&str]| alike(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(groups(&["cat", "Cat", "dog"]), [["cat", "Cat"]]);
        assert_eq!(groups(&["0", "0.0", "1", "00"]), [["0", "0.0", "00"]]);
        assert_eq!(
            groups(&["watch tv", "watch_TV", "a-b", "ab"]),
            [["watch tv", "watch_TV"]]
        );
        // The same to the eye: composed, decomposed, and with a space that has no width.
        assert_eq!(
            groups(&["caf\u{e9}", "cafe\u{301}", "cafe"]),
            [["caf\u{e9}", "cafe\u{301}"]]
        );
        assert_eq!(groups(&["a", "a\u{200b}"]), [["a", "a\u{200b}"]]);
        assert_eq!(groups(&["\u{ac00}", "\u{1100}\u{1161}"]).len(), 1);
        assert!(groups(&["a", "b", "1", "-1", "1e1", "\u{e4}", "\u{e0}"]).is_empty());
    }
}
