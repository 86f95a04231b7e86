//! Small networks of operations of gblend and of dfdx, put together in every way that a tensor can be read more than once:
//! whichever way the parts of a gradient take, they must all arrive.

use dfdx::prelude::{Cpu, PutTape, SplitTape, SumTo, Tensor, TensorFromVec, TryAdd, TryMul};
use gblend_core::engine::composed;
use gblend_core::engine::{Engine, RecorderOn, TapedOn, backward};
use gblend_core::nn;
use gblend_core::tensor::Dims2;
use gblend_core::{Result, Seed};
use proptest::prelude::*;
use rand::RngExt;

use crate::operation::relative_l2;

type Rows = TapedOn<Dims2, Cpu>;
type Plain = Tensor<Dims2, f32, Cpu>;

const BATCH: usize = 5;
const FEATURES: usize = 4;

/// What happens to the tensor next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Linear,
    Relu,
    /// An operation of dfdx.
    Square,
    /// dfdx's sum of two branches, one of which goes through a layer.
    Branch,
    /// The sum of two branches that both go through layers.
    TwoLayers,
    /// A layer of the tensor times the tensor itself, entered without a recorder.
    Gate,
    /// The same the other way around: the copy is read before the layer.
    GateBefore,
    /// A copy with a recorder of its own.
    Retaped,
    /// The tensor beside a layer of it.
    Concat,
    /// A branch that ends in a loss of its own, whose backward pass runs first.
    LossOfItsOwn,
    /// A branch that nobody reads.
    Unread,
    /// A copy that goes on in the tensor's place, so that no gradient gets past it.
    Detach,
    /// The tensor, after one of its elements was written.
    Write,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::{
        Branch, Concat, Detach, Gate, GateBefore, Linear, LossOfItsOwn, Relu, Retaped, Square, TwoLayers,
        Unread, Write,
    };
    prop_oneof![
        3 => Just(Linear),
        2 => Just(Relu),
        1 => Just(Square),
        1 => Just(Branch),
        1 => Just(TwoLayers),
        1 => Just(Gate),
        1 => Just(GateBefore),
        1 => Just(Retaped),
        1 => Just(Concat),
        1 => Just(LossOfItsOwn),
        1 => Just(Unread),
        1 => Just(Detach),
        1 => Just(Write),
    ]
}

/// The operations by one route.
struct Route {
    linear: fn(Rows, &Plain) -> Result<Rows>,
    relu: fn(Rows) -> Result<Rows>,
    concat: fn(Vec<Rows>) -> Result<Rows>,
}

const FAST: Route = Route {
    linear: |input, weight| Cpu::linear(input, weight, None),
    relu: Cpu::relu,
    concat: Cpu::concat,
};

const COMPOSED: Route = Route {
    linear: |input, weight| composed::linear(input, weight, None),
    relu: composed::relu,
    concat: composed::concat,
};

/// The input and the weights of every step.
struct Parameters {
    input: Plain,
    weights: Vec<[Plain; 2]>,
}

impl Parameters {
    fn random(steps: usize, seed: u64) -> Self {
        let device = Cpu::default();
        let mut rng = Seed::new(seed).rng();
        let mut draw = |rows: usize, columns: usize| -> Plain {
            let values = (0..rows * columns).map(|_| rng.random_range(-0.9..0.9));
            device.tensor_from_vec(values.collect(), (rows, columns))
        };
        Self {
            input: draw(BATCH, FEATURES),
            weights: (0..steps)
                .map(|_| [draw(FEATURES, FEATURES), draw(FEATURES, 2 * FEATURES)])
                .collect(),
        }
    }

    /// The gradients of the sum of what the steps make, and those of the losses on the way.
    fn gradients(&self, steps: &[Step], route: &Route) -> Vec<Vec<f32>> {
        let mut losses = Vec::new();
        let mut rows: Rows = self.input.retaped();
        for (step, [square, wide]) in steps.iter().zip(&self.weights) {
            let layer = |rows: Rows| (route.linear)(rows, square).unwrap();
            let (tensor, recorder) = rows.split_tape();
            let branch = |recorder: &RecorderOn<Cpu>| tensor.clone().put_tape(recorder.branch());
            rows = match step {
                Step::Linear => layer(tensor.put_tape(recorder)),
                Step::Relu => (route.relu)(tensor.put_tape(recorder)).unwrap(),
                Step::Square => tensor.put_tape(recorder).square(),
                Step::Branch => {
                    let other = layer(branch(&recorder));
                    tensor.put_tape(recorder).try_add(other).unwrap()
                }
                Step::TwoLayers => {
                    let other = layer(branch(&recorder));
                    layer(tensor.put_tape(recorder)).try_add(other).unwrap()
                }
                Step::Gate => {
                    let gate = layer(tensor.clone().put_tape(recorder));
                    gate.try_mul(tensor).unwrap()
                }
                Step::GateBefore => {
                    let constant = 0.5_f32;
                    let scaled = branch(&recorder) * constant;
                    let product = scaled.try_mul(tensor.clone()).unwrap();
                    layer(tensor.put_tape(recorder)).try_add(product).unwrap()
                }
                Step::Retaped => {
                    let copy: Rows = tensor.retaped();
                    let other = copy.square();
                    layer(tensor.put_tape(recorder)).try_add(other).unwrap()
                }
                Step::Concat => {
                    let other = layer(branch(&recorder));
                    let both = (route.concat)(vec![tensor.put_tape(recorder), other]).unwrap();
                    (route.linear)(both, wide).unwrap()
                }
                Step::LossOfItsOwn => {
                    losses.push(layer(branch(&recorder)).sum());
                    tensor.put_tape(recorder)
                }
                Step::Detach => {
                    let copy: Plain = Cpu::default().tensor_from_vec(tensor.as_vec(), (BATCH, FEATURES));
                    copy.put_tape(recorder)
                }
                Step::Write => {
                    let mut tensor = tensor;
                    tensor[[0, 0]] = 0.25;
                    tensor.put_tape(recorder)
                }
                Step::Unread => {
                    let _ = layer(branch(&recorder));
                    tensor.put_tape(recorder)
                }
            };
        }
        losses.push(rows.sum());
        let parameters = || std::iter::once(&self.input).chain(self.weights.iter().flatten());
        let mut gradients = Vec::new();
        for loss in losses {
            let mut store = backward(loss).unwrap();
            gradients.extend(parameters().map(|tensor| store.get_or_alloc_mut(tensor).unwrap().to_vec()));
        }
        gradients
    }
}

proptest! {
    // They are small, and what goes wrong in a few of them only is what matters.
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn every_part_of_a_gradient_arrives(steps in prop::collection::vec(step(), 1..9), seed: u64) {
        let parameters = Parameters::random(steps.len(), seed);
        let fast = parameters.gradients(&steps, &FAST);
        let composed = parameters.gradients(&steps, &COMPOSED);
        prop_assert_eq!(fast.len(), composed.len());
        for (tensor, (fast, composed)) in fast.iter().zip(&composed).enumerate() {
            let composed: Vec<f64> = composed.iter().map(|&value| f64::from(value)).collect();
            let error = relative_l2(fast, &composed);
            prop_assert!(error < 1e-4, "tensor {}: {:e}", tensor, error);
        }
    }
}

/// The tensors that a store has gradients of.
fn stored(steps: &[Step]) -> usize {
    let parameters = Parameters::random(steps.len(), 3);
    let mut rows: Rows = parameters.input.clone().put_tape(RecorderOn::for_data());
    for (step, [square, _]) in steps.iter().zip(&parameters.weights) {
        rows = match step {
            Step::Linear => Cpu::linear(rows, square, None).unwrap(),
            Step::Branch => {
                let (tensor, recorder) = rows.split_tape();
                let branch = Cpu::linear(tensor.clone().put_tape(recorder.branch()), square, None).unwrap();
                Cpu::concat(vec![tensor.put_tape(recorder), branch]).unwrap()
            }
            _ => Cpu::relu(rows).unwrap(),
        };
    }
    let labels: Vec<usize> = (0..BATCH).map(|row| row % FEATURES).collect();
    let store = nn::backward(nn::cross_entropy(rows.into(), &labels).unwrap()).unwrap();
    format!("{store:?}").matches("UniqueId").count()
}

#[test]
fn gradients_between_operations_of_gblend_never_enter_the_store() {
    // Beside the weights, that of the loss and those of which it is made.
    let others = stored(&[Step::Linear]) - 1;
    assert_eq!(stored(&[Step::Linear, Step::Relu, Step::Linear]), others + 2);
    assert_eq!(
        stored(&[Step::Linear, Step::Relu, Step::Branch, Step::Relu]),
        others + 2
    );
}
