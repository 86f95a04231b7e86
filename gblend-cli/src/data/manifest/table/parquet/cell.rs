//! A value of a Parquet file as the text that it would be in JSON Lines.

use parquet::record::Field;

use super::super::joined;

/// A scalar as text: whole numbers without a point, dates and times as ISO 8601 has them; what is null or no number is
/// empty.
pub(super) fn plain(value: &Field) -> Option<String> {
    Some(match value {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Float(number) if number.is_nan() => String::new(),
        Field::Double(number) if number.is_nan() => String::new(),
        // As JSON has them: shortest, and with a point.
        Field::Float(number) => format!("{number:?}"),
        Field::Double(number) => format!("{number:?}"),
        Field::Bytes(_) | Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => return None,
        other => other.to_string(),
    })
}

/// A list of scalars as text.
pub(super) fn list(value: &Field) -> Option<String> {
    let Field::ListInternal(list) = value else {
        return None;
    };
    list.elements()
        .iter()
        .map(plain)
        .collect::<Option<Vec<_>>>()
        .map(|values| joined(&values))
}
