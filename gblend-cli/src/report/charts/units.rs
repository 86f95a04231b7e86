//! The units of a drawing.

/// Units of a drawing per pixel: the library places everything on whole ones.
pub(super) const SCALE: u32 = 4;

/// Pixels as units of the drawing.
pub(super) fn units(pixels: u32) -> i32 {
    (pixels * SCALE) as i32
}
