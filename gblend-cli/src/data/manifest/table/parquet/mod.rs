//! Apache Parquet as a table of text.
//!
//! Rows are read through the row interface of the `parquet` crate, page by page: [`pages`] looks at every page before it
//! is unpacked, [`cell`] makes text of its values. Lists of numbers are read column by column, by [`lists`].

mod cell;
mod lists;
mod pages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use gblend_core::{Error, Result};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::numbers::{Item, Lists};
use super::{NESTED, Nested, Table, TableBuilder};
use lists::ListColumn;
use pages::RowGroup;

/// Rows that a byte of a file may stand for: a table names a file in every row.
const MOST_ROWS: u64 = 1024;

/// Bytes that the text of a table may take.
const MOST_TEXT: usize = 1 << 30;

/// Bytes that the files in a table may take.
const MOST_FILES: usize = 4 << 30;

/// Reads the bytes of a file that errors call `name`. Only in `nested` columns may cells be lists.
///
/// # Errors
/// [`Error::Data`] with the row or column at fault.
pub(super) fn read(name: &str, bytes: Vec<u8>, nested: Nested<'_>) -> Result<Table> {
    // The crate has asserted its way through damaged files before, and may again.
    catch_unwind(AssertUnwindSafe(|| table(name, &Bytes::from(bytes), nested)))
        .unwrap_or_else(|_| Err(damaged(name, "its values contradict each other")))
}

fn damaged(place: &str, problem: impl std::fmt::Display) -> Error {
    Error::data(place, format!("not a whole Parquet file: {problem}"))
}

fn table(name: &str, bytes: &Bytes, nested: Nested<'_>) -> Result<Table> {
    let broken = |error: ParquetError| damaged(name, error);
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(bytes)
        .map_err(broken)?;
    let schema = metadata.file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields();
    let columns: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let mut table = TableBuilder::new(name, columns)?.with_numbered_rows();
    let mut kept = Vec::new();
    for index in 0..fields.len() {
        match problem(schema, index, nested) {
            None => kept.push(index),
            Some(problem) => table.refuse(index, place(name, 0), problem),
        }
    }
    if kept.is_empty() {
        return Err(Error::data(
            name,
            "found no column of text, numbers or truth values",
        ));
    }
    check(name, &metadata, &kept, bytes.len())?;
    let columns = kept
        .iter()
        .filter(|&&index| nested.has_numbers(fields[index].name()));
    let mut by_column: BTreeMap<usize, ListColumn> = columns
        .filter_map(|&index| Some((index, ListColumn::find(schema, index)?)))
        .collect();
    if by_column.len() == kept.len() {
        // One column at least says where rows begin and end.
        by_column.pop_last();
    }
    let together = kept.len();
    kept.retain(|index| !by_column.contains_key(index));
    let projection = Type::group_type_builder(schema.root_schema().name())
        .with_fields(kept.iter().map(|&index| Arc::clone(&fields[index])).collect())
        .build()
        .map_err(broken)?;
    let mut taken_by_files = 0_usize;
    let mut files: BTreeMap<usize, Vec<Option<Bytes>>> = BTreeMap::new();
    let mut lists: BTreeMap<usize, Lists> = BTreeMap::new();
    for group in metadata.row_groups() {
        let group = RowGroup::new(group, bytes.clone(), together);
        for (&index, column) in &by_column {
            column.read(name, &group, table.len(), lists.entry(index).or_default())?;
        }
        let rows = RowIter::from_row_group(Some(projection.clone()), &group).map_err(broken)?;
        for row in rows {
            let number = table.len();
            let place = || place(name, number);
            let row = row.map_err(|error| damaged(&place(), error))?;
            for (&index, (column, value)) in kept.iter().zip(row.into_columns()) {
                if nested.has_files(&column)
                    && let Some(cell::File { path, bytes }) = cell::file(&value)
                {
                    taken_by_files += bytes.as_ref().map_or(0, Bytes::len);
                    let of_column = files.entry(index).or_default();
                    of_column.resize(table.len(), None);
                    of_column.push(bytes);
                    table.set(index, &path);
                    continue;
                }
                if let Field::ListInternal(list) = &value
                    && nested.has_numbers(&column)
                {
                    // What the values take is said by the file's own counts, which were checked.
                    lists
                        .entry(index)
                        .or_default()
                        .push(table.len(), list.elements(), &item);
                    continue;
                }
                let text = if nested.has_labels(&column) {
                    cell::list(&value).or_else(|| cell::plain(&value))
                } else {
                    cell::plain(&value)
                };
                let text = text.ok_or_else(|| Error::data(place(), format!("`{column}` {NESTED}")))?;
                table.set(index, &text);
            }
            if table.bytes() > MOST_TEXT {
                let most = MOST_TEXT >> 20;
                return Err(Error::data(
                    place(),
                    format!("the table takes more than {most} MiB up to here, expected less"),
                ));
            }
            if taken_by_files > MOST_FILES {
                let most = MOST_FILES >> 20;
                let problem = format!(
                    "the files in the table take more than {most} MiB up to here, expected less: write them beside the \
                     table, with their paths in a column, or into WebDataset shards"
                );
                return Err(Error::data(place(), problem));
            }
            table.end_row(0);
        }
    }
    let mut table = table.finish();
    table.files = files;
    for (column, lists) in lists {
        table.set_lists(column, lists);
    }
    Ok(table)
}

/// An item of a list.
fn item(value: &Field) -> Item<'_, Field> {
    let number = match value {
        Field::Null => return Item::Missing,
        Field::Bool(value) => f64::from(u8::from(*value)),
        Field::Byte(value) => f64::from(*value),
        Field::UByte(value) => f64::from(*value),
        Field::Short(value) => f64::from(*value),
        Field::UShort(value) => f64::from(*value),
        Field::Int(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        Field::Long(value) => *value as f64,
        Field::ULong(value) => *value as f64,
        Field::Float16(value) => value.to_f64(),
        Field::Float(value) => f64::from(*value),
        Field::Double(value) => *value,
        Field::ListInternal(list) => return Item::List(list.elements()),
        Field::Str(text) => return Item::Other(format!("text `{text}`")),
        other => return Item::Other(format!("`{other}`")),
    };
    if number.is_nan() {
        Item::Missing
    } else {
        Item::Number(number)
    }
}

/// Rows have no lines; they count from 1.
fn place(name: &str, row: usize) -> String {
    format!("{name}: row {}", row + 1)
}

/// Why a column cannot become text, if it cannot.
fn problem(schema: &SchemaDescriptor, index: usize, nested: Nested<'_>) -> Option<String> {
    let field = &schema.root_schema().get_fields()[index];
    if nested.has_files(field.name()) && is_file(field) {
        return None;
    }
    let mut leaves = (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == index);
    let (leaf, others) = (leaves.next().map(|leaf| schema.column(leaf)), leaves.next());
    let (Some(leaf), None) = (leaf, others) else {
        return Some(NESTED.to_owned());
    };
    let info = field.get_basic_info();
    let is_list = if field.is_primitive() {
        info.has_repetition() && info.repetition() == Repetition::REPEATED
    } else {
        is_list_group(field)
    };
    let most = match (nested.has_numbers(field.name()), nested.has_labels(field.name())) {
        // Lists of lists are sequences.
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    };
    let depth = leaf.max_rep_level();
    if is_list != (depth > 0) || depth > most || !is_list && !field.is_primitive() {
        return Some(NESTED.to_owned());
    }
    let is_bytes = matches!(
        leaf.physical_type(),
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY
    );
    let is_plain = leaf.converted_type() == ConvertedType::NONE && leaf.logical_type_ref().is_none();
    (is_bytes && is_plain).then(|| "holds bytes, expected text, a number or a truth value".to_owned())
}

/// Whether a group is annotated as a list.
fn is_list_group(field: &Type) -> bool {
    let info = field.get_basic_info();
    info.converted_type() == ConvertedType::LIST || info.logical_type_ref() == Some(&LogicalType::List)
}

/// Whether a column has bytes, alone or as Hugging Face's library `datasets` writes files: with a path, in a group.
fn is_file(field: &Type) -> bool {
    let single = |field: &Type| {
        let info = field.get_basic_info();
        !info.has_repetition() || info.repetition() != Repetition::REPEATED
    };
    let is_bytes = |field: &Type| {
        let info = field.get_basic_info();
        field.is_primitive()
            && single(field)
            && field.get_physical_type() == Physical::BYTE_ARRAY
            && info.converted_type() == ConvertedType::NONE
            && info.logical_type_ref().is_none()
    };
    if field.is_primitive() {
        return is_bytes(field);
    }
    let info = field.get_basic_info();
    let parts = field.get_fields();
    let known = parts.iter().all(|part| match part.name() {
        "bytes" => is_bytes(part),
        "path" => part.is_primitive() && single(part),
        _ => false,
    });
    let plain = info.converted_type() == ConvertedType::NONE && info.logical_type_ref().is_none();
    plain && known && single(field) && parts.iter().any(|part| part.name() == "bytes")
}

/// Holds what the file says of itself against itself.
fn check(name: &str, metadata: &ParquetMetaData, kept: &[usize], length: usize) -> Result<()> {
    let most = MOST_ROWS.saturating_mul(length as u64);
    let mut rows = 0_u64;
    let too_many = |what: &str, found: &dyn std::fmt::Display| {
        damaged(name, format!("{found} {what} cannot be in {length} bytes"))
    };
    for group in metadata.row_groups() {
        let in_group = u64::try_from(group.num_rows()).map_err(|_| too_many("rows", &group.num_rows()))?;
        rows = rows.saturating_add(in_group);
        if rows > most {
            return Err(too_many("rows", &rows));
        }
        for chunk in chunks(group, kept) {
            let column = chunk.column_path().string();
            match chunk.compression() {
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_) => {}
                other => {
                    let problem = format!(
                        "column `{column}` is compressed as {other}, expected snappy, zstd or nothing; write the \
                         table again with one of these"
                    );
                    return Err(Error::data(name, problem));
                }
            }
            let values = u64::try_from(chunk.num_values()).unwrap_or(u64::MAX);
            if chunk.column_descr().max_rep_level() == 0 && values != in_group {
                let problem = format!("column `{column}` has {values} values in a group of {in_group} rows");
                return Err(damaged(name, problem));
            }
            if values > most {
                return Err(too_many("values", &values));
            }
        }
    }
    Ok(())
}

fn chunks<'a>(
    group: &'a RowGroupMetaData,
    kept: &'a [usize],
) -> impl Iterator<Item = &'a parquet::file::metadata::ColumnChunkMetaData> {
    let schema = group.schema_descr();
    let columns = group.columns().iter().enumerate();
    columns
        .filter(|(leaf, _)| kept.contains(&schema.get_column_root_idx(*leaf)))
        .map(|(_, chunk)| chunk)
}
