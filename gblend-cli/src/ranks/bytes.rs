//! Numbers and arrays as the bytes of a message.

use gblend_core::Array;

use crate::error::{Error, Result};

/// A message that is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn values(&mut self, values: &[f32]) {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// An array of two axes, or that there is none.
    pub(crate) fn rows(&mut self, rows: Option<&Array>) {
        let Some(array) = rows else {
            self.number(0);
            self.number(0);
            return;
        };
        let width = array.shape().last().copied().unwrap_or(0);
        self.number(array.len() / width.max(1));
        self.number(width);
        self.values(array.values());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A message that is being read.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(bytes) else {
            return Err(Error::Internal("a message between ranks ends too early".into()));
        };
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn number(&mut self) -> Result<usize> {
        let bytes = self.take(8)?.first_chunk().copied().unwrap_or_default();
        usize::try_from(u64::from_le_bytes(bytes))
            .map_err(|_| Error::Internal("a message between ranks has a number that is too large".into()))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let count = self.number()?;
        self.take(count)
    }

    pub(crate) fn values(&mut self, count: usize) -> Result<Vec<f32>> {
        Ok(of_bytes(self.take(count.saturating_mul(4))?).collect())
    }

    /// Rows, their number, and their width.
    pub(crate) fn rows(&mut self) -> Result<(Vec<f32>, usize, usize)> {
        let (rows, width) = (self.number()?, self.number()?);
        Ok((self.values(rows.saturating_mul(width))?, rows, width))
    }
}

/// The values that these are the bytes of.
pub(crate) fn of_bytes(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    let values = bytes.chunks_exact(4);
    values.map(|bytes| f32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default()))
}
