//! A value of a Parquet file as the text that it would be in JSON Lines.

use bytes::Bytes;
use parquet::data_type::ByteArray;
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

/// A file in a cell.
pub(super) struct File {
    /// The path that it had; empty if that is not told.
    pub(super) path: String,
    /// None if the cell is empty, or has the path alone.
    pub(super) bytes: Option<Bytes>,
}

/// The file that a cell is: bytes, or a group of bytes and a path.
pub(super) fn file(value: &Field) -> Option<File> {
    // What is shared with other cells stays so: a dictionary may have one file for a million rows.
    let bytes = |bytes: &ByteArray| Bytes::from_owner(bytes.clone());
    match value {
        Field::Null => Some(File {
            path: String::new(),
            bytes: None,
        }),
        Field::Bytes(found) => Some(File {
            path: String::new(),
            bytes: Some(bytes(found)),
        }),
        Field::Group(group) => {
            let mut file = File {
                path: String::new(),
                bytes: None,
            };
            for (name, part) in group.get_column_iter() {
                match (name.as_str(), part) {
                    ("bytes", Field::Bytes(found)) => file.bytes = Some(bytes(found)),
                    ("path", Field::Str(path)) => file.path.clone_from(path),
                    _ => {}
                }
            }
            Some(file)
        }
        _ => None,
    }
}
