//! What PyTorch answered in float64, stored by `xtask/peers`, and how far an answer from here is from it.

use std::collections::BTreeMap;

use gblend_core::nn::{backward, multiply, sum};
use gblend_core::params::{Module, load_state, state_of};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Features, Gradients, Plain};
use gblend_core::{Array, ParamMut, ParamPath, ParamVisitor, Result};
use serde::Deserialize;

/// A norm of differences that is no more of the answer's is single precision.
const TOLERANCE: f64 = 1e-5;

/// What a network with these parameters gives, and the gradients of `Σ output · projection`.
#[derive(Deserialize)]
pub(crate) struct Answer {
    parameters: BTreeMap<String, StoredParameter>,
    pub(crate) projection: Vec<f32>,
    output: Vec<f64>,
    #[serde(alias = "gradients")]
    parameter_gradients: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct StoredParameter {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Answer {
    /// Gives a network the parameters. Running statistics, which training does not read, stay as they are.
    pub(crate) fn load_into(&self, module: &mut (impl Module + ?Sized)) {
        let mut state = state_of(module).unwrap();
        for (path, parameter) in &self.parameters {
            let array = Array::new(parameter.shape.as_slice(), parameter.values.clone());
            assert!(state.insert(path.clone(), array.unwrap()).is_some(), "{path}");
        }
        load_state(module, &state).unwrap();
    }

    /// Holds an output against PyTorch's; `name` is what messages call the network.
    pub(crate) fn check_output(&self, name: &str, output: &Features) {
        check(&format!("{name} output"), &output.to_vec(), &self.output);
    }

    /// Holds the gradient of every parameter against PyTorch's.
    pub(crate) fn check_gradients(
        &self,
        name: &str,
        module: &mut (impl Module + ?Sized),
        gradients: Gradients,
    ) {
        let found = parameter_gradients(module, gradients);
        let paths = |paths: &mut dyn Iterator<Item = &String>| paths.cloned().collect::<Vec<_>>();
        assert_eq!(
            paths(&mut found.keys()),
            paths(&mut self.parameters.keys()),
            "{name}"
        );
        for (path, found) in &found {
            let expected = &self.parameter_gradients[path];
            check(&format!("{name} gradient of {path}"), found, expected);
        }
    }
}

/// Holds values against PyTorch's.
pub(crate) fn check(what: &str, found: &[f32], expected: &[f64]) {
    let error = relative_l2(found, expected);
    assert!(error < TOLERANCE, "{what}: {error:e}");
}

/// Whether values are the same but for rounding.
pub(crate) fn close(a: &[f32], b: &[f32]) -> bool {
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    relative_l2(a, &wide(b)) < TOLERANCE
}

fn relative_l2(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let mut differences = found.iter().zip(expected).map(|(&a, b)| f64::from(a) - b);
    norm(&mut differences) / norm(&mut expected.iter().copied()).max(1e-12)
}

/// The gradients of `Σ output · projection`.
pub(crate) fn gradients(output: Features, projection: Vec<f32>) -> Gradients {
    let projection = Plain::new(&output.device(), *output.shape(), projection).unwrap();
    let product = multiply(output, projection.enter(Recorder::for_data())).unwrap();
    backward(sum(product).unwrap()).unwrap()
}

/// The gradient of every parameter by its path.
pub(crate) fn parameter_gradients(
    module: &mut (impl Module + ?Sized),
    gradients: Gradients,
) -> BTreeMap<String, Vec<f32>> {
    struct Collect(BTreeMap<String, Vec<f32>>, Gradients);
    impl ParamVisitor for Collect {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            let gradient = param.gradient(&mut self.1)?;
            self.0.insert(path.to_string(), gradient.into_values());
            Ok(())
        }
    }
    let mut collect = Collect(BTreeMap::new(), gradients);
    module.visit_params(&ParamPath::root(), &mut collect).unwrap();
    collect.0
}
