//! Stages: the maps inside an encoder, which a fusion can take in place of its feature vector.
//!
//! Stages are counted from 1, as the user counts them in the encoder's configuration. An encoder that has any can be
//! run in two halves, and the halves one after the other are the whole: a fusion takes the maps between them, a
//! modality's own head what the second half makes of the same maps.

use crate::error::{Error, Result};
use crate::tensor::{Dims4, Maps};

/// The maps that a stage leaves of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageShape {
    /// The number of channels.
    pub channels: usize,
    /// Rows of a map.
    pub height: usize,
    /// Columns of a map.
    pub width: usize,
    /// Maps of each channel, one after the other in time.
    pub frames: usize,
}

impl StageShape {
    /// The shape of a whole batch, `[channels, height, width, frames × batch]`.
    pub fn of_batch(self, batch: usize) -> Dims4 {
        (self.channels, self.height, self.width, self.frames * batch)
    }

    /// The number of samples of `maps`; `reader` names who reads them.
    ///
    /// # Errors
    /// [`Error::Shape`] if a sample would have another shape, or there is none.
    pub fn batch(self, reader: &str, maps: &Maps) -> Result<usize> {
        let &(channels, height, width, columns) = maps.shape();
        let batch = columns.checked_div(self.frames).unwrap_or(0);
        if batch > 0 && (channels, height, width, columns) == self.of_batch(batch) {
            return Ok(batch);
        }
        let Self {
            channels: c,
            height: h,
            width: w,
            frames: f,
        } = self;
        let expected = format!("maps of shape [{c}, {h}, {w}, {f} × batch]");
        Err(Error::shape(reader, expected, [channels, height, width, columns]))
    }
}

/// Which stage of every encoder a fusion asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageRequest {
    /// The last but one; of an encoder with a single stage, that one.
    LastButOne,
    /// The one of this number, counted from 1.
    Number(usize),
}

impl StageRequest {
    /// The number of the stage among so many, if there is such a stage.
    pub fn among(self, stages: usize) -> Option<usize> {
        match self {
            Self::LastButOne if stages > 0 => Some((stages - 1).max(1)),
            Self::Number(number) if (1..=stages).contains(&number) => Some(number),
            _ => None,
        }
    }
}

/// One of the two halves of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncoderHalf {
    /// Everything up to this stage, and the stage itself.
    UpTo(usize),
    /// Everything after it.
    After(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_but_one_is_the_only_one_where_there_is_one() {
        let found = [0, 1, 2, 5].map(|stages| StageRequest::LastButOne.among(stages));
        assert_eq!(found, [None, Some(1), Some(1), Some(4)]);
    }

    #[test]
    fn a_stage_that_is_not_there_is_none() {
        let found = [0, 1, 3, 4].map(|number| StageRequest::Number(number).among(3));
        assert_eq!(found, [None, Some(1), Some(3), None]);
    }
}
