//! Which parts of a network normalize by their batch.

use gblend_core::params::{Module, ParamMut, ParamPath, ParamVisitor};
use gblend_core::{Array, Encoder, Result};

/// Whether a part has running statistics, which batch normalization keeps.
pub(super) fn has_batch_norm(module: &mut (impl Module + ?Sized)) -> Result<bool> {
    struct Statistics(bool);
    impl ParamVisitor for Statistics {
        fn param(&mut self, _: &ParamPath, _: ParamMut<'_>) -> Result<()> {
            Ok(())
        }

        fn buffer(&mut self, path: &ParamPath, _: &mut Array) -> Result<()> {
            let name = path.as_str();
            self.0 |= name.ends_with("running_variance") || name.ends_with("running_var");
            Ok(())
        }
    }
    let mut found = Statistics(false);
    module.visit_params(&ParamPath::root(), &mut found)?;
    Ok(found.0)
}

/// The fewest values of a channel that a sample of this shape has somewhere in an encoder; none where that is not known.
pub(super) fn fewest_values(encoder: &dyn Encoder, sample_shape: &[usize]) -> Option<usize> {
    let stages = encoder.stages().iter();
    let maps = stages
        .map(|stage| stage.height * stage.width * stage.frames)
        .min();
    // A vector is one value of each of its features.
    maps.or((sample_shape.len() == 1).then_some(1))
}
