//! The cross entropy of similarities.

use crate::device::Chosen;
use crate::engine::{Candidates, Engine};
use crate::error::{Error, Result};
use crate::tensor::{Dims1, Logits, Taped};

/// How surprising it is that the right place of each row of `[rows, places]` is the greatest of those that are candidates:
/// `−log softmax(row)[right]`, `[rows]`. The logarithm of the softmax, what it is weighed with and what is left out are never
/// matrices of their own, as they are in [`cross_entropy`](super::cross_entropy).
///
/// # Errors
/// [`Error::Shape`] if the candidates are those of another number of rows, or a place is right that there is not,
/// [`Error::Device`].
pub fn surprises(similarities: Logits, candidates: &Candidates) -> Result<Taped<Dims1>> {
    let &(rows, places) = similarities.shape();
    if candidates.rows() != rows {
        let expected = format!("the candidates of {rows} rows");
        return Err(Error::shape("a surprise", expected, [candidates.rows()]));
    }
    if let Some(last) = candidates.last_right().filter(|&last| last >= places) {
        let expected = format!("a right place below {places}");
        return Err(Error::shape("a surprise", expected, [last]));
    }
    Chosen::surprises(similarities.into_engine(), candidates).map(Taped::from)
}
