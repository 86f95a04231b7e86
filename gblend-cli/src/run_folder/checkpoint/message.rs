//! A checkpoint on its way to another process.

use super::contents::{Arrays, Checkpoint, Description};
use crate::error::{Error, Result};
use crate::files::{from_safetensors, to_safetensors};
use crate::ranks::{Ranks, Reader, Writer};

/// What rank 0 goes on from, for all ranks.
///
/// # Errors
/// [`Error::Rank`]; [`Error::Internal`] if it arrives otherwise than it was sent.
pub fn broadcast_checkpoint(ranks: &Ranks, of_first: Option<Checkpoint>) -> Result<Option<Checkpoint>> {
    if !ranks.is_many() {
        return Ok(of_first);
    }
    let message = ranks.broadcast(|| match &of_first {
        None => Ok(Vec::new()),
        Some(checkpoint) => write(checkpoint),
    })?;
    match (ranks.is_first(), message.is_empty()) {
        (true, _) => Ok(of_first),
        (false, true) => Ok(None),
        (false, false) => read(&message).map(Some),
    }
}

fn write(checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let description = serde_json::to_vec(&checkpoint.description);
    let mut message = Writer::default();
    message.bytes(&description.map_err(|error| Error::Internal(error.to_string()))?);
    message.bytes(&to_safetensors(&checkpoint.arrays.to_state())?);
    message.number(usize::from(checkpoint.best.is_some()));
    if let Some(best) = &checkpoint.best {
        message.bytes(&to_safetensors(best)?);
    }
    Ok(message.finish())
}

fn read(message: &[u8]) -> Result<Checkpoint> {
    let mut message = Reader::new(message);
    let description: Description =
        serde_json::from_slice(message.bytes()?).map_err(|error| Error::Internal(error.to_string()))?;
    let arrays = from_safetensors(message.bytes()?).map_err(Error::Internal)?;
    let best = match message.number()? {
        0 => None,
        _ => Some(from_safetensors(message.bytes()?).map_err(Error::Internal)?),
    };
    Ok(Checkpoint {
        description,
        arrays: Arrays::from_state(arrays).map_err(Error::Internal)?,
        best,
    })
}
