//! What differs, told by the first place where it does: a sample of media has millions of values, and none of them says
//! more than the one that is wrong.

use std::fmt::{Debug, Display};

use super::{Rule, Violation};
use crate::array::Array;

/// The rule is broken unless the two are one array to the bit; `what` says what `expected` is.
pub(super) fn same_array(
    rule: Rule,
    what: impl Display,
    expected: &Array,
    found: &Array,
) -> Result<(), Violation> {
    if expected.shape() != found.shape() {
        let expected = format!("{what}, of shape {:?}", expected.shape());
        return Err(rule.broken(expected, format!("the shape {:?}", found.shape())));
    }
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits();
    same_at(
        rule,
        what,
        expected.shape(),
        expected.values(),
        found.values(),
        same,
    )
}

/// The rule is broken unless the lists are of one length, and `same` holds of the values at each place.
pub(super) fn same_values<T: Copy + Debug>(
    rule: Rule,
    what: impl Display,
    expected: &[T],
    found: &[T],
    same: impl Fn(T, T) -> bool,
) -> Result<(), Violation> {
    if expected.len() != found.len() {
        let expected = format!("{what}, {} values", expected.len());
        return Err(rule.broken(expected, format!("{} values", found.len())));
    }
    same_at(rule, what, &[expected.len()], expected, found, same)
}

fn same_at<T: Copy + Debug>(
    rule: Rule,
    what: impl Display,
    shape: &[usize],
    expected: &[T],
    found: &[T],
    same: impl Fn(T, T) -> bool,
) -> Result<(), Violation> {
    let pairs = || expected.iter().zip(found).map(|(&a, &b)| (a, b));
    let Some((index, (expected, found))) = pairs().enumerate().find(|&(_, (a, b))| !same(a, b)) else {
        return Ok(());
    };
    let number = pairs().filter(|&(a, b)| !same(a, b)).count();
    let place = place(index, shape);
    Err(rule.broken(
        format!("{what}, which has {expected:?} at {place} of {shape:?}"),
        format!("{found:?} there; {number} of {} values differ", pairs().len()),
    ))
}

/// The rule is broken unless every value is finite.
pub(super) fn all_finite(
    rule: Rule,
    what: impl Display,
    shape: &[usize],
    values: &[f32],
) -> Result<(), Violation> {
    let odd = |value: &&f32| !value.is_finite();
    let Some(index) = values.iter().position(|value| odd(&value)) else {
        return Ok(());
    };
    let number = values.iter().filter(odd).count();
    Err(rule.broken(
        format!("finite values of {what}"),
        format!(
            "{:?} at {} of {shape:?}; {number} of {} values are not finite",
            values[index],
            place(index, shape),
            values.len()
        ),
    ))
}

/// The rule is broken unless the texts are the same; what stands around the first difference is told.
pub(super) fn same_text(
    rule: Rule,
    what: impl Display,
    expected: &str,
    found: &str,
) -> Result<(), Violation> {
    /// Characters before the difference, and after its beginning.
    const AROUND: (usize, usize) = (40, 80);
    if expected == found {
        return Ok(());
    }
    let pairs = expected.chars().zip(found.chars());
    let common = pairs.take_while(|(a, b)| a == b).count();
    let part = |text: &str| -> String {
        let from = common.saturating_sub(AROUND.0);
        let mut characters = text.chars().skip(from);
        let shown: String = characters.by_ref().take(common - from + AROUND.1).collect();
        let before = if from > 0 { "… " } else { "" };
        let after = if characters.next().is_some() { " …" } else { "" };
        format!("`{before}{shown}{after}`")
    };
    Err(rule.broken(format!("{what} {}", part(expected)), part(found)))
}

/// The indices, one for each axis, of a value by its position.
fn place(index: usize, shape: &[usize]) -> String {
    let mut rest = index;
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let at = rest % extent.max(1);
            rest /= extent.max(1);
            at
        })
        .collect();
    indices.reverse();
    format!("{indices:?}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RULE: Rule = Rule::EvaluationRepeats;

    #[test]
    fn arrays_are_told_by_their_shape_and_the_first_value_that_differs() {
        let one = Array::new([300, 400], vec![0.5; 120_000]).unwrap();
        let mut other = one.clone();
        other.values_mut()[403] = -0.25;
        other.values_mut()[119_999] = f32::NAN;
        let violation = same_array(RULE, "the output", &one, &other).unwrap_err();
        assert_eq!(
            violation.expected,
            "the output, which has 0.5 at [1, 3] of [300, 400]"
        );
        assert_eq!(violation.found, "-0.25 there; 2 of 120000 values differ");
        let violation = all_finite(RULE, "the output", other.shape(), other.values()).unwrap_err();
        assert_eq!(
            violation.found,
            "NaN at [299, 399] of [300, 400]; 1 of 120000 values are not finite"
        );
        let turned = Array::zeros([400, 300]);
        let violation = same_array(RULE, "the output", &one, &turned).unwrap_err();
        assert_eq!(violation.found, "the shape [400, 300]");
        same_array(RULE, "the output", &other, &other).unwrap();
    }

    #[test]
    fn texts_are_told_by_what_stands_around_the_first_difference() {
        let text = |key: &str| format!("{}{key}{}", "é".repeat(500), "x".repeat(500));
        let violation = same_text(RULE, "the settings", &text("width: 1"), &text("width: 2")).unwrap_err();
        assert!(violation.expected.contains("width: 1") && violation.found.contains("width: 2"));
        let length = violation.to_string().chars().count();
        assert!(length < 500, "{length}: {violation}");
        let violation = same_text(RULE, "the settings", "a", "ab").unwrap_err();
        assert_eq!(
            (violation.expected.as_str(), violation.found.as_str()),
            ("the settings `a`", "`ab`")
        );
    }
}
