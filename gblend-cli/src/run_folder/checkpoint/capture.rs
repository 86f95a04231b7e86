//! From a network and its optimizer to arrays, and back.

use std::collections::BTreeMap;

use gblend_core::params::{Module, ParamPath, ParamVisitor, load_state, state_of};
use gblend_core::{Array, OptimizerState, ParamMut, Result};

use super::contents::Arrays;

/// Copies parameters, running statistics and moments.
///
/// # Errors
/// [`Error::Device`](gblend_core::Error::Device).
pub fn capture(model: &mut dyn Module, optimizer: &mut dyn OptimizerState) -> Result<Arrays> {
    struct Moments<'a> {
        optimizer: &'a mut dyn OptimizerState,
        found: BTreeMap<String, BTreeMap<String, Array>>,
    }
    impl ParamVisitor for Moments<'_> {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            let moments = self.optimizer.moments(path, param)?.into_iter();
            let moments = moments.map(|(name, array)| (name.to_owned(), array));
            self.found.insert(path.to_string(), moments.collect());
            Ok(())
        }
    }
    let mut moments = Moments {
        optimizer,
        found: BTreeMap::new(),
    };
    model.visit_params(&ParamPath::root(), &mut moments)?;
    let moments = moments.found;
    Ok(Arrays {
        model: state_of(model)?,
        moments,
    })
}

/// Overwrites parameters, running statistics and moments, and the number of steps taken.
///
/// # Errors
/// [`Error::Parameter`](gblend_core::Error::Parameter) if the arrays are not those of such a network.
pub fn restore(
    arrays: &Arrays,
    steps: u64,
    model: &mut dyn Module,
    optimizer: &mut dyn OptimizerState,
) -> Result<()> {
    struct Moments<'a> {
        optimizer: &'a mut dyn OptimizerState,
        stored: &'a BTreeMap<String, BTreeMap<String, Array>>,
    }
    impl ParamVisitor for Moments<'_> {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            let none = BTreeMap::new();
            let moments = self.stored.get(path.as_str()).unwrap_or(&none);
            self.optimizer.restore_moments(path, param, moments)
        }
    }
    load_state(model, &arrays.model)?;
    optimizer.restore_steps(steps);
    let stored = &arrays.moments;
    model.visit_params(&ParamPath::root(), &mut Moments { optimizer, stored })
}
