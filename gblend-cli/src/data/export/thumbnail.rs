//! One picture that stands for media.

use gblend_core::Media;

use super::encode::{Encoded, encode};

/// A PNG of the middle frame of pictures or depth; `None` of media that are none.
pub fn picture(media: &Media) -> Option<Vec<u8>> {
    /// Of depth, which a page shows as it is.
    const UNITS: u32 = 1000;
    match encode(media, UNITS).ok()? {
        Encoded::Sequence {
            extension: "png",
            mut files,
        } => {
            let middle = files.len() / 2;
            (!files.is_empty()).then(|| files.swap_remove(middle))
        }
        _ => None,
    }
}
