//! What heads say of a batch, of all ranks.

use gblend_core::Array;

use super::{Ranks, Reader, Writer};
use crate::error::Result;

impl Ranks {
    /// Rows of this rank, and those of all ranks one after another, of each of several things; `None` where nobody has any. Of one
    /// thing all ranks have rows of the same width, or none.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank); that of an array that does not fit, which would be a mistake of gblend.
    pub fn gather_rows(&self, own: Vec<Option<Array>>) -> Result<Vec<Option<Array>>> {
        if !self.is_many() {
            return Ok(own);
        }
        let mut message = Writer::default();
        own.iter().for_each(|rows| message.rows(rows.as_ref()));
        let all = self.gather(message.finish())?;
        let mut messages: Vec<Reader<'_>> = all.iter().map(|message| Reader::new(message)).collect();
        let things = own.iter().map(|_| {
            let (mut values, mut count, mut width) = (Vec::new(), 0, 0);
            for message in &mut messages {
                let (further, rows, columns) = message.rows()?;
                values.extend(further);
                count += rows;
                width = width.max(columns);
            }
            if count == 0 {
                return Ok(None);
            }
            Ok(Some(Array::new([count, width], values)?))
        });
        things.collect()
    }
}
