//! What happens to parameters: each optimizer, and the changes of a gradient that blending needs.

use gblend_core::nn::{Mlp, backward, cross_entropy, multiply, sum};
use gblend_core::params::{Module, ParamVisitor, State, state_of};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Dims2, Gradients, Plain};
use gblend_core::{AutoDevice, Optimizer, OptimizerState, ParamMut, ParamPath, Pass, Result, Seed};
use gblend_optim::optim::{Adam, AdamW, RmsProp, Sgd};

use crate::Case;
use crate::outcome::tensor;

const STEPS: usize = 4;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        optimizer("sgd", Sgd::default()),
        optimizer("adam", Adam::default()),
        optimizer("adamw", AdamW::default()),
        optimizer("rmsprop", RmsProp::default()),
        Case::new("scale_gradient", |device| {
            changed(device, |param, gradients| param.scale_gradient(gradients, 0.3))
        }),
        Case::new("set_gradient", |device| {
            changed(device, |param, gradients| {
                let mut gradient = param.gradient(gradients)?;
                for value in gradient.values_mut() {
                    *value = 1.0 - *value;
                }
                param.set_gradient(gradients, &gradient)
            })
        }),
    ]
}

/// The gradient of a product with random values, after a change.
fn changed(
    device: &AutoDevice,
    change: impl FnOnce(&ParamMut<'_>, &mut Gradients) -> Result<()>,
) -> Result<State> {
    let mut parameter: Plain<Dims2> = tensor(device, "parameter", (6, 5), (-1.0, 1.0))?;
    let factor = tensor(device, "factor", (6, 5), (-1.0, 1.0))?;
    let product = multiply(parameter.parameter(), factor.enter(Recorder::for_data()))?;
    let mut gradients = backward(sum(product)?)?;
    let param = ParamMut::from(&mut parameter);
    change(&param, &mut gradients)?;
    let gradient = param.gradient(&mut gradients)?;
    Ok(State::from([("gradient".to_owned(), gradient)]))
}

/// A network after some steps.
fn optimizer(name: &str, optimizer: impl Optimizer + 'static) -> Case {
    Case::new(name, move |device| {
        let mut network = Mlp::new(device, &[8, 16, 5], 0.0, Seed::new(3))?;
        let input = tensor(device, "input", (12, 8), (-1.0, 1.0))?;
        let labels: Vec<usize> = (0..12).map(|row| row * 3 % 5).collect();
        let mut state = optimizer.start()?;
        for _ in 0..STEPS {
            let logits = network.forward(input.parameter(), &Pass::train(Seed::new(4)))?;
            let mut gradients = backward(cross_entropy(logits, &labels)?)?;
            state.begin_step(optimizer.learning_rate());
            network.visit_params(
                &ParamPath::root(),
                &mut Update {
                    state: state.as_mut(),
                    gradients: &mut gradients,
                },
            )?;
        }
        state_of(&mut network)
    })
}

struct Update<'a> {
    state: &'a mut dyn OptimizerState,
    gradients: &'a mut Gradients,
}

impl ParamVisitor for Update<'_> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        self.state.update(path, param, self.gradients, 1.0)
    }
}
