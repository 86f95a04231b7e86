//! Lists of numbers, a column at a time: the crate's interface of rows makes a value of its own of every number first, which
//! takes several times as long as reading them.

use gblend_core::Result;
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::RowGroupReader;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::super::numbers::{Item, Lists};
use super::{damaged, is_list_group};

/// Rows that are decoded at once.
const ROWS: usize = 256;

/// A column whose cells are lists of plain numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListColumn {
    /// Which of the file's leaves has the numbers.
    leaf: usize,
    /// The definition level from which on there is a list, though it be empty.
    list: i16,
    /// The level of a number.
    number: i16,
}

impl ListColumn {
    /// The column at a position of the schema, if it has such cells: a list as writers have written them since version 2.4 of
    /// the format, of floats or signed integers. Others are for the interface of rows.
    pub(super) fn find(schema: &SchemaDescriptor, index: usize) -> Option<Self> {
        let field = schema.root_schema().get_fields().get(index)?;
        let info = field.get_basic_info();
        let repeated = only_part(field).filter(|part| part.get_basic_info().has_repetition())?;
        let element = only_part(repeated)?;
        let is_current = repeated.get_basic_info().repetition() == Repetition::REPEATED
            // Files of older writers: what is repeated is the element itself.
            && repeated.name() != "array"
            && !repeated.name().ends_with("_tuple");
        if !is_list_group(field)
            || !is_current
            || info.repetition() == Repetition::REPEATED
            || !is_number(element)
        {
            return None;
        }
        let mut leaves = (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == index);
        let list = i16::from(info.repetition() == Repetition::OPTIONAL);
        let is_optional = element.get_basic_info().repetition() == Repetition::OPTIONAL;
        Some(Self {
            leaf: leaves.next()?,
            list,
            number: list + 1 + i16::from(is_optional),
        })
    }

    /// Adds the lists of a group's rows, the first of which is row `first` of the table that errors call `name`.
    ///
    /// # Errors
    /// [`Error::Data`](gblend_core::Error::Data).
    pub(super) fn read(
        self,
        name: &str,
        group: &dyn RowGroupReader,
        first: usize,
        lists: &mut Lists,
    ) -> Result<()> {
        let broken = |error: ParquetError| {
            let column = group.metadata().column(self.leaf).column_path().string();
            damaged(name, format!("column `{column}`: {error}"))
        };
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let found = match group.get_column_reader(self.leaf).map_err(broken)? {
            ColumnReader::FloatColumnReader(reader) => self.rows(reader, f64::from, first, lists),
            ColumnReader::DoubleColumnReader(reader) => self.rows(reader, |value| value, first, lists),
            ColumnReader::Int32ColumnReader(reader) => self.rows(reader, f64::from, first, lists),
            ColumnReader::Int64ColumnReader(reader) => self.rows(reader, |value| value as f64, first, lists),
            _ => Ok(0),
        };
        match found.map_err(broken)? {
            found if found == rows => Ok(()),
            found => Err(broken(ParquetError::General(format!(
                "{found} lists in a group of {rows} rows"
            )))),
        }
    }

    /// Returns how many rows there were.
    fn rows<T: DataType>(
        self,
        mut reader: ColumnReaderImpl<T>,
        number: impl Fn(T::T) -> f64,
        first: usize,
        lists: &mut Lists,
    ) -> Result<usize, ParquetError>
    where
        T::T: Copy,
    {
        let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut list: Vec<Option<f64>> = Vec::new();
        let mut row = 0;
        loop {
            definitions.clear();
            repetitions.clear();
            values.clear();
            let (rows, _, levels) =
                reader.read_records(ROWS, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
            if levels == 0 {
                return Ok(row);
            }
            let starts = repetitions.iter().filter(|&&level| level == 0).count();
            if starts != rows || repetitions.first() != Some(&0) || definitions.len() != repetitions.len() {
                return Err(ParquetError::General("lists without a beginning".to_owned()));
            }
            let mut numbers = values.iter().copied();
            let mut at = 0;
            while at < levels {
                let others = repetitions[at + 1..].iter().take_while(|&&level| level > 0);
                let end = at + 1 + others.count();
                list.clear();
                for &level in &definitions[at..end] {
                    if level == self.number {
                        let value = numbers.next();
                        let value = value
                            .ok_or_else(|| ParquetError::General("fewer numbers than places".to_owned()))?;
                        list.push(Some(number(value)));
                    } else if level > self.list {
                        list.push(None);
                    }
                }
                if definitions[at] >= self.list {
                    lists.push(first + row, &list, &item);
                }
                row += 1;
                at = end;
            }
        }
    }
}

/// A number of a list; what is none is missing.
fn item(number: &Option<f64>) -> Item<'_, Option<f64>> {
    match number {
        Some(number) if !number.is_nan() => Item::Number(*number),
        _ => Item::Missing,
    }
}

/// The part of a group that has one alone.
fn only_part(field: &Type) -> Option<&Type> {
    // What is no group panics where it is asked for its parts.
    match field.is_group().then(|| field.get_fields())? {
        [part] => Some(part),
        _ => None,
    }
}

/// Whether the interface of rows would say the number as it is stored.
fn is_number(element: &Type) -> bool {
    let info = element.get_basic_info();
    let is_integer = |signed: &[ConvertedType]| {
        let logical = match info.logical_type_ref() {
            None => true,
            Some(LogicalType::Integer(integer)) => integer.is_signed,
            Some(_) => false,
        };
        logical && (info.converted_type() == ConvertedType::NONE || signed.contains(&info.converted_type()))
    };
    element.is_primitive()
        && info.repetition() != Repetition::REPEATED
        && match element.get_physical_type() {
            Physical::FLOAT | Physical::DOUBLE => {
                info.converted_type() == ConvertedType::NONE && info.logical_type_ref().is_none()
            }
            Physical::INT32 => {
                is_integer(&[ConvertedType::INT_8, ConvertedType::INT_16, ConvertedType::INT_32])
            }
            Physical::INT64 => is_integer(&[ConvertedType::INT_64]),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use parquet::data_type::{DoubleType, FloatType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::super::super::{Nested, Table};
    use super::*;

    /// A list, no list, or a list with numbers that are missing.
    type Cell = Option<Vec<Option<i16>>>;

    /// A file with `id`, `list` and `other`, a row group for each part.
    fn written<T: DataType>(
        kind: &str,
        parts: &[Vec<Cell>],
        number: fn(i16) -> T::T,
        dictionary: bool,
    ) -> Vec<u8> {
        let list = |name: &str| {
            format!("optional group {name} (LIST) {{ repeated group list {{ optional {kind} element; }} }}")
        };
        let message = format!(
            "message t {{ required int32 id; {} {} }}",
            list("list"),
            list("other")
        );
        let schema = Arc::new(parse_message_type(&message).unwrap());
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(dictionary)
            .set_data_page_row_count_limit(3)
            .set_write_batch_size(2);
        let mut file = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(properties.build())).unwrap();
        for part in parts {
            let mut group = writer.next_row_group().unwrap();
            let mut ids = group.next_column().unwrap().unwrap();
            let numbers: Vec<i32> = (0..part.len() as i32).collect();
            ids.typed::<Int32Type>()
                .write_batch(&numbers, None, None)
                .unwrap();
            ids.close().unwrap();
            let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
            for cell in part {
                let levels: Vec<i16> = match cell {
                    None => vec![0],
                    Some(list) if list.is_empty() => vec![1],
                    Some(list) => list
                        .iter()
                        .map(|number| if number.is_some() { 3 } else { 2 })
                        .collect(),
                };
                repetitions.extend((0..levels.len()).map(|at| i16::from(at > 0)));
                definitions.extend(levels);
                values.extend(cell.iter().flatten().flatten().map(|&value| number(value)));
            }
            for _ in 0..2 {
                let mut lists = group.next_column().unwrap().unwrap();
                lists
                    .typed::<T>()
                    .write_batch(&values, Some(&definitions), Some(&repetitions))
                    .unwrap();
                lists.close().unwrap();
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
        file
    }

    fn read(bytes: &[u8]) -> Result<Table> {
        let nested = Nested {
            numbers: &["list", "other"],
            ..Nested::default()
        };
        Table::parquet("t.parquet", bytes.to_vec(), nested)
    }

    fn file(kind: usize, parts: &[Vec<Cell>], dictionary: bool) -> Vec<u8> {
        match kind {
            0 => written::<FloatType>("float", parts, f32::from, dictionary),
            1 => written::<DoubleType>("double", parts, f64::from, dictionary),
            2 => written::<Int32Type>("int32", parts, i32::from, dictionary),
            _ => written::<Int64Type>("int64", parts, i64::from, dictionary),
        }
    }

    fn cells() -> impl Strategy<Value = Vec<Vec<Cell>>> {
        let cell = prop::option::of(prop::collection::vec(prop::option::of(any::<i16>()), 0..6));
        prop::collection::vec(prop::collection::vec(cell, 1..20), 1..4)
    }

    proptest! {
        #[test]
        fn lists_are_those_that_were_written(parts in cells(), kind in 0_usize..4, dictionary: bool) {
            let table = read(&file(kind, &parts, dictionary)).unwrap();
            let rows: Vec<&Cell> = parts.iter().flatten().collect();
            prop_assert_eq!(table.len(), rows.len());
            for name in ["list", "other"] {
                let column = table.column(name, "column").unwrap();
                for (row, cell) in rows.iter().enumerate() {
                    let found = table.list(row, column);
                    match cell {
                        None => prop_assert!(found.is_err()),
                        Some(list) if list.is_empty() => prop_assert!(found.unwrap_err().contains("empty list")),
                        Some(list) => {
                            let (shape, values) = found.unwrap();
                            prop_assert_eq!(shape, [list.len()]);
                            for (found, expected) in values.iter().zip(list) {
                                match expected {
                                    Some(expected) => prop_assert_eq!(*found, f32::from(*expected)),
                                    None => prop_assert!(found.is_nan()),
                                }
                            }
                        }
                    }
                }
            }
        }

        #[test]
        fn damaged_lists_are_lists_or_an_error(
            parts in cells(),
            kind in 0_usize..4,
            dictionary: bool,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = file(kind, &parts, dictionary);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = read(&bytes);
        }
    }
}
