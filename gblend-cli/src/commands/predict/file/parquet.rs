//! Predictions as Apache Parquet.

use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use tempfile::NamedTempFile;

use crate::commands::predict::columns::{Columns, Line};

/// A file under way. Every call of [`write`](Self::write) makes a row group.
pub(super) struct ParquetFile(SerializedFileWriter<NamedTempFile>);

impl ParquetFile {
    pub(super) fn create(file: NamedTempFile, columns: &Columns) -> io::Result<Self> {
        let text = |name: &str, repetition| {
            Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_logical_type(Some(LogicalType::String))
                .with_repetition(repetition)
                .build()
        };
        let number = |name: &str| {
            Type::primitive_type_builder(name, Physical::DOUBLE)
                .with_repetition(Repetition::OPTIONAL)
                .build()
        };
        let mut fields = vec![
            text(Columns::ID, Repetition::REQUIRED),
            text(Columns::PREDICTED, Repetition::OPTIONAL),
        ];
        fields.extend(columns.has_probability.then(|| number(Columns::PROBABILITY)));
        fields.extend(columns.scores.iter().map(|name| number(name)));
        fields.push(text(Columns::PROBLEM, Repetition::OPTIONAL));
        let fields: Result<Vec<Arc<Type>>, ParquetError> =
            fields.into_iter().map(|field| field.map(Arc::new)).collect();
        let schema = fields.and_then(|fields| {
            Type::group_type_builder("predictions")
                .with_fields(fields)
                .build()
        });
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer =
            schema.and_then(|schema| SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)));
        Ok(Self(writer?))
    }

    pub(super) fn write(&mut self, lines: &[Line], columns: &Columns) -> io::Result<()> {
        let mut group = self.0.next_row_group()?;
        let ids: Vec<ByteArray> = lines.iter().map(|line| bytes(&line.id)).collect();
        column(&mut group, |writer| {
            writer.typed::<ByteArrayType>().write_batch(&ids, None, None)
        })?;
        texts(&mut group, lines, |line| line.predicted.as_deref())?;
        if columns.has_probability {
            numbers(&mut group, lines, |line| line.probability)?;
        }
        for score in 0..columns.scores.len() {
            numbers(&mut group, lines, |line| line.scores[score])?;
        }
        texts(&mut group, lines, |line| line.problem.as_deref())?;
        group.close()?;
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<NamedTempFile> {
        Ok(self.0.into_inner()?)
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, NamedTempFile>;

/// Writes the next column of a row group.
fn column(
    group: &mut Group<'_>,
    write: impl FnOnce(&mut parquet::file::writer::SerializedColumnWriter<'_>) -> Result<usize, ParquetError>,
) -> io::Result<()> {
    let Some(mut writer) = group.next_column()? else {
        return Err(io::Error::other("there are more columns than the schema has"));
    };
    write(&mut writer)?;
    writer.close()?;
    Ok(())
}

fn numbers(group: &mut Group<'_>, lines: &[Line], of: impl Fn(&Line) -> Option<f64>) -> io::Result<()> {
    let known: Vec<f64> = lines.iter().filter_map(&of).collect();
    let levels: Vec<i16> = lines.iter().map(|line| i16::from(of(line).is_some())).collect();
    column(group, |writer| {
        writer
            .typed::<DoubleType>()
            .write_batch(&known, Some(&levels), None)
    })
}

fn texts(group: &mut Group<'_>, lines: &[Line], of: impl Fn(&Line) -> Option<&str>) -> io::Result<()> {
    let known: Vec<ByteArray> = lines.iter().filter_map(|line| of(line).map(bytes)).collect();
    let levels: Vec<i16> = lines.iter().map(|line| i16::from(of(line).is_some())).collect();
    column(group, |writer| {
        writer
            .typed::<ByteArrayType>()
            .write_batch(&known, Some(&levels), None)
    })
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}
