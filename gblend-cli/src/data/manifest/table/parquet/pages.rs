//! Pages that are looked at before they are unpacked, and again before their values are.
//!
//! A damaged page may say that it unpacks to two gigabytes, or that its dictionary has as many entries; the `parquet`
//! crate sets memory aside for what is said.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

/// Bytes of a page when it is unpacked; writers begin another at a hundredth of it.
const MOST_PAGE: usize = 128 << 20;

/// Bytes of the pages of all columns that are unpacked side by side, and of the lists that a dictionary may make.
const MOST_PAGES: usize = 1 << 30;

/// A group of rows whose pages are checked.
pub(super) struct RowGroup<'a> {
    metadata: &'a RowGroupMetaData,
    bytes: Arc<PageBytes>,
}

impl<'a> RowGroup<'a> {
    /// Of the file `bytes`, of which this many `columns` are read side by side.
    pub(super) fn new(metadata: &'a RowGroupMetaData, bytes: Bytes, columns: usize) -> Self {
        let most = (MOST_PAGES / columns.max(1)).clamp(2 << 20, MOST_PAGE);
        Self {
            metadata,
            bytes: Arc::new(PageBytes { bytes, most }),
        }
    }
}

impl RowGroupReader for RowGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.metadata
    }

    fn num_columns(&self) -> usize {
        self.metadata.num_columns()
    }

    fn get_column_page_reader(&self, index: usize) -> Result<Box<dyn PageReader>> {
        let chunk = self.metadata.column(index);
        let rows = usize::try_from(self.metadata.num_rows())?;
        Ok(Box::new(Pages {
            reader: SerializedPageReader::new(Arc::clone(&self.bytes), chunk, rows, None)?,
            next: None,
            values_left: u64::try_from(chunk.num_values())?,
            physical: chunk.column_type(),
            in_lists: chunk.column_descr().max_rep_level() > 0,
        }))
    }

    fn get_column_bloom_filter(&self, _index: usize) -> Option<&Sbbf> {
        None
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// A file of which a page's header is held against a limit where it is read.
struct PageBytes {
    bytes: Bytes,
    most: usize,
}

impl Length for PageBytes {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl ChunkReader for PageBytes {
    type T = Cursor<Bytes>;

    /// [`Pages`] asks for whole pages alone, so that what begins at `start` is a header.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let length = self.bytes.len();
        let start = usize::try_from(start)?;
        if start > length {
            return Err(damaged(format!("a page at {start} of {length} bytes")));
        }
        let header = self.bytes.slice(start..);
        match unpacked_size(&header) {
            Some(size) if size <= self.most as u64 => Ok(Cursor::new(header)),
            Some(size) => Err(damaged(format!(
                "a page of {size} bytes when unpacked, expected {} at most",
                self.most
            ))),
            None => Err(damaged("a page without a size".to_owned())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(start)?;
        match start.checked_add(length) {
            Some(end) if end <= self.bytes.len() => Ok(self.bytes.slice(start..end)),
            _ => Err(damaged(format!("{length} bytes expected from {start} on"))),
        }
    }
}

fn damaged(problem: String) -> ParquetError {
    ParquetError::General(problem)
}

/// The second field of a page's header, in Thrift's compact protocol: what the page takes when it is unpacked.
pub(super) fn unpacked_size(header: &[u8]) -> Option<u64> {
    const I32: u8 = 5;
    const UNPACKED_SIZE: u8 = 2;
    let mut bytes = header.iter().copied();
    let mut id = 0;
    loop {
        let field = bytes.next()?;
        let step = field >> 4;
        id += step;
        if step == 0 || field & 15 != I32 || id > UNPACKED_SIZE {
            return None;
        }
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = bytes.next()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                break;
            }
        }
        if id == UNPACKED_SIZE {
            // Odd numbers stand for negative ones.
            return (number & 1 == 0).then_some(number >> 1);
        }
    }
}

/// The pages of a column.
struct Pages {
    reader: SerializedPageReader<PageBytes>,
    next: Option<Page>,
    /// Of those that the file's footer announces.
    values_left: u64,
    physical: Physical,
    in_lists: bool,
}

impl Pages {
    fn look_ahead(&mut self) -> Result<()> {
        if self.next.is_none()
            && let Some(page) = self.reader.get_next_page()?
        {
            self.check(&page)?;
            self.next = Some(page);
        }
        Ok(())
    }

    fn check(&mut self, page: &Page) -> Result<()> {
        if let Page::DictionaryPage { buf, num_values, .. } = page {
            if *num_values as usize > buf.len() {
                let problem = format!("a dictionary of {num_values} entries in {} bytes", buf.len());
                return Err(damaged(problem));
            }
            // The elements of a list are all in memory at once, each with a copy of its entry.
            let longest = match self.physical {
                Physical::BYTE_ARRAY if self.in_lists => longest(buf) as u64,
                _ => 0,
            };
            if longest.saturating_mul(self.values_left) > MOST_PAGES as u64 {
                let values = self.values_left;
                return Err(damaged(format!(
                    "{values} values of up to {longest} bytes in lists"
                )));
            }
            return Ok(());
        }
        let encoding = page.encoding();
        match encoding {
            Encoding::PLAIN | Encoding::RLE | Encoding::RLE_DICTIONARY => {}
            #[allow(deprecated)] // That is what the first version of the format calls it.
            Encoding::PLAIN_DICTIONARY => {}
            other => {
                return Err(ParquetError::NYI(format!(
                    "a page is encoded as {other}, expected plain values or a dictionary; write the table again \
                     with one of these"
                )));
            }
        }
        self.values_left = self
            .values_left
            .checked_sub(u64::from(page.num_values()))
            .ok_or_else(|| damaged("more values than the footer says".to_owned()))?;
        Ok(())
    }
}

/// The longest of texts that have their lengths in front.
fn longest(mut texts: &[u8]) -> usize {
    let mut longest = 0;
    while let Some((length, rest)) = texts.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some(rest) = rest.get(length..) else { break };
        longest = longest.max(length);
        texts = rest;
    }
    longest
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.look_ahead()?;
        Ok(self.next.take())
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.look_ahead()?;
        Ok(self.next.as_ref().map(|page| PageMetadata {
            num_rows: match page {
                Page::DataPageV2 { num_rows, .. } => Some(*num_rows as usize),
                _ => None,
            },
            num_levels: page.is_data_page().then(|| page.num_values() as usize),
            is_dict: page.is_dictionary_page(),
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.look_ahead()?;
        self.next = None;
        Ok(())
    }
}
