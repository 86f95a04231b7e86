//! How many parameters the parts of a network have.

use gblend_core::params::{Module, ParamMut, ParamPath, ParamVisitor};

use super::Multimodal;
use crate::error::Result;

/// How many values the parameters of each modality, of the fusion and of the joint head have, frozen ones among them, in the order of the
/// network.
///
/// # Errors
/// What a part says that cannot be looked at.
pub fn part_sizes(model: &mut Multimodal) -> Result<Vec<(String, usize)>> {
    #[derive(Default)]
    struct Sizes(Vec<(String, usize)>);
    impl ParamVisitor for Sizes {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> gblend_core::Result<()> {
            let path = path.to_string();
            let part = path.split('.').next().unwrap_or_default();
            let values: usize = param.shape().iter().product();
            match self.0.iter_mut().find(|(known, _)| known == part) {
                Some((_, sum)) => *sum += values,
                None => self.0.push((part.to_owned(), values)),
            }
            Ok(())
        }
    }
    let mut sizes = Sizes::default();
    model.visit_params(&ParamPath::root(), &mut sizes)?;
    Ok(sizes.0)
}
