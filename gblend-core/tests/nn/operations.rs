//! The operations that plugins are made of: their values and gradients against the definitions in `f64`, and what they
//! refuse.

use gblend_core::nn::{self, RowIndex};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{
    AutoDevice, Dims1, Dims2, Dims3, Dims4, Features, Loss, Plain, Shape, Taped, reshape,
};
use gblend_core::{Array, Error, Result, Seed};
use proptest::prelude::*;
use rand::RngExt;

use crate::operation::relative_l2;

/// The bound for values and gradients of single operations.
const TOLERANCE: f64 = 2e-5;

/// Values from 0.3 to 1.7 in size, so that nothing is near a kink or a pole.
fn draw(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = Seed::new(seed).rng();
    let mut value = || {
        let size = rng.random_range(0.3..1.7);
        if rng.random_bool(0.5) { size } else { -size }
    };
    (0..count).map(|_| value()).collect()
}

fn tensor<S: Shape>(shape: S, values: &[f32]) -> Plain<S> {
    Plain::new(&AutoDevice::default(), shape, values.to_vec()).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn projected(output: &[f64], projection: &[f64]) -> f64 {
    output.iter().zip(projection).map(|(y, r)| y * r).sum()
}

/// Holds an operation of two tensors against its definition.
fn holds<S: Shape, R: Shape, T: Shape>(
    name: &str,
    (left, right): (&Plain<S>, &Plain<R>),
    operation: impl FnOnce(Taped<S>, Taped<R>) -> Result<Taped<T>>,
    definition: impl Fn(&[f64], &[f64]) -> Vec<f64>,
) {
    let output = operation(left.parameter(), right.parameter()).unwrap();
    let mut values = [wide(&left.to_vec()), wide(&right.to_vec())];
    let expected = definition(&values[0], &values[1]);
    let found = wide(&output.to_vec());
    assert_eq!(found.len(), expected.len(), "{name}");
    let differences: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
    let error = norm(&differences);
    // Where summands cancel, what is left is as uncertain as they are large.
    let rounding =
        2.0 * f64::from(f32::EPSILON) * values.iter().flatten().map(|value| value.abs()).sum::<f64>();
    let most = TOLERANCE * norm(&expected) + rounding;
    assert!(
        error < most,
        "{name} output: {error:e}, expected less than {most:e}"
    );
    let weights = draw(output.to_vec().len(), 99);
    let projection = tensor(*output.shape(), &weights).enter(Recorder::for_data());
    let loss = nn::sum(nn::multiply(output, projection).unwrap()).unwrap();
    let mut gradients = nn::backward(loss).unwrap();
    let found = [gradients.get(left).unwrap(), gradients.get(right).unwrap()];
    for (argument, found) in found.iter().enumerate() {
        let mut expected = Vec::new();
        for index in 0..values[argument].len() {
            let before = values[argument][index];
            let mut at = |step: f64| {
                values[argument][index] = before + step;
                projected(&definition(&values[0], &values[1]), &wide(&weights))
            };
            let (step, above, below) = (1e-5, at(1e-5), at(-1e-5));
            expected.push((above - below) / (2.0 * step));
            values[argument][index] = before;
        }
        let error = relative_l2(found.values(), &expected);
        assert!(
            error < TOLERANCE,
            "{name} gradient of argument {argument}: {error:e}"
        );
    }
}

/// Holds an operation of one tensor against its definition.
fn holds_of_one<S: Shape, T: Shape>(
    name: &str,
    input: &Plain<S>,
    operation: impl FnOnce(Taped<S>) -> Result<Taped<T>>,
    definition: impl Fn(&[f64]) -> Vec<f64>,
) {
    let nothing: Plain<Dims1> = tensor((1,), &[1.0]);
    holds(
        name,
        (input, &nothing),
        |input, _| operation(input),
        |input, _| definition(input),
    );
}

/// For each element of a tensor of these extents its index.
fn indices(extents: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &extent in extents {
        let longer = all
            .iter()
            .flat_map(|index: &Vec<usize>| (0..extent).map(move |at| [index.as_slice(), &[at]].concat()));
        all = longer.collect();
    }
    all
}

fn place(extents: &[usize], index: &[usize]) -> usize {
    index
        .iter()
        .zip(extents)
        .fold(0, |place, (at, extent)| place * extent + at)
}

/// The sums over one axis of what `each` makes of the elements.
fn sums(extents: &[usize], axis: usize, values: &[f64], each: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut less = extents.to_vec();
    less.remove(axis);
    let mut sums = vec![0.0; less.iter().product()];
    for (index, &value) in indices(extents).iter().zip(values) {
        let mut kept = index.clone();
        kept.remove(axis);
        sums[place(&less, &kept)] += each(value);
    }
    sums
}

/// The probabilities along one axis.
fn softmax(extents: &[usize], axis: usize, values: &[f64]) -> Vec<f64> {
    let sums = sums(extents, axis, values, f64::exp);
    let mut less = extents.to_vec();
    less.remove(axis);
    let share = |(index, &value): (&Vec<usize>, &f64)| {
        let mut kept = index.clone();
        kept.remove(axis);
        value.exp() / sums[place(&less, &kept)]
    };
    indices(extents).iter().zip(values).map(share).collect()
}

/// Checks everything along every axis of one rank.
macro_rules! along_axes {
    ($input:expr) => {
        let input = $input;
        let extents = input.shape().extents();
        for axis in 0..extents.len() {
            let count = extents[axis] as f64;
            holds_of_one(
                "sum_axis",
                &input,
                |x| nn::sum_axis(x, axis),
                |x| sums(&extents, axis, x, |x| x),
            );
            holds_of_one(
                "mean_axis",
                &input,
                |x| nn::mean_axis(x, axis),
                |x| sums(&extents, axis, x, |x| x / count),
            );
            holds_of_one(
                "softmax",
                &input,
                |x| nn::softmax(x, axis),
                |x| softmax(&extents, axis, x),
            );
            holds_of_one(
                "log_softmax",
                &input,
                |x| nn::log_softmax(x, axis),
                |x| softmax(&extents, axis, x).into_iter().map(f64::ln).collect(),
            );
        }
        assert!(refused(nn::sum_axis(input.parameter(), extents.len())).contains(&format!("{extents:?}")));
        assert!(refused(nn::softmax(input.parameter(), extents.len())).contains(&format!("{extents:?}")));
    };
}

/// Checks every new axis of one rank.
macro_rules! repeated {
    ($input:expr, $count:expr) => {
        let (input, count) = ($input, $count);
        let extents = input.shape().extents();
        for axis in 0..=extents.len() {
            let mut more = extents.clone();
            more.insert(axis, count);
            let define = |values: &[f64]| {
                let all = indices(&more);
                let source = |index: &Vec<usize>| {
                    let mut kept = index.clone();
                    kept.remove(axis);
                    values[place(&extents, &kept)]
                };
                all.iter().map(source).collect()
            };
            holds_of_one("repeat", &input, |x| nn::repeat(x, axis, count), define);
            let repeated = nn::repeat(input.parameter(), axis, count).unwrap();
            assert_eq!(repeated.shape().extents(), more);
            // Its elements are its own: what reads memory as it lies can read it.
            nn::relu(repeated).unwrap();
        }
        assert!(
            refused(nn::repeat(input.parameter(), extents.len() + 1, 2)).contains(&format!("{extents:?}"))
        );
    };
}

/// Every order of so many axes.
fn orders(axes: usize) -> Vec<Vec<usize>> {
    let all = indices(&vec![axes; axes]);
    let once = |order: &Vec<usize>| (0..axes).all(|axis| order.contains(&axis));
    all.into_iter().filter(once).collect()
}

/// Checks every order of the axes of one rank.
macro_rules! permuted {
    ($input:expr) => {
        let input = $input;
        let extents = input.shape().extents();
        for order in orders(extents.len()) {
            let target: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
            let define = |values: &[f64]| {
                let source = |index: &Vec<usize>| {
                    let mut from = vec![0; extents.len()];
                    order.iter().zip(index).for_each(|(&axis, &at)| from[axis] = at);
                    values[place(&extents, &from)]
                };
                indices(&target).iter().map(source).collect()
            };
            let order = order.clone().try_into().unwrap();
            holds_of_one("permute", &input, |x| nn::permute(x, order), define);
            let permuted = nn::permute(input.parameter(), order).unwrap();
            assert_eq!(permuted.shape().extents(), target);
            nn::relu(permuted).unwrap();
        }
    };
}

fn refused<T>(result: Result<T>) -> String {
    match result {
        Err(error @ Error::Shape { .. }) => error.to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("no error"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn arithmetic_is_that_of_each_pair_of_elements(a in 1_usize..4, b in 1_usize..4, c in 1_usize..4, seed: u64) {
        let (left, right) = (draw(a * b * c, seed), draw(a * b * c, seed ^ 1));
        let (left, right) = (tensor((a, b, c), &left), tensor((a, b, c), &right));
        let pairs = |f: fn(f64, f64) -> f64| move |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect();
        holds("add", (&left, &right), nn::add, pairs(|x, y| x + y));
        holds("subtract", (&left, &right), nn::subtract, pairs(|x, y| x - y));
        holds("multiply", (&left, &right), nn::multiply, pairs(|x, y| x * y));
        holds("divide", (&left, &right), nn::divide, pairs(|x, y| x / y));
    }

    #[test]
    fn functions_of_each_element_are_those_of_mathematics(rows in 1_usize..5, columns in 1_usize..5, seed: u64) {
        let input = tensor((rows, columns), &draw(rows * columns, seed));
        let sizes = tensor((rows, columns), &draw(rows * columns, seed).iter().map(|v| v.abs()).collect::<Vec<_>>());
        let each = |f: fn(f64) -> f64| move |x: &[f64]| x.iter().copied().map(f).collect::<Vec<f64>>();
        holds_of_one("scale", &input, |x| nn::scale(x, -2.5), each(|x| -2.5 * x));
        holds_of_one("offset", &input, |x| nn::offset(x, 0.25), each(|x| x + 0.25));
        holds_of_one("relu", &input, nn::relu, each(|x| x.max(0.0)));
        holds_of_one("sigmoid", &input, nn::sigmoid, each(|x| 1.0 / (1.0 + (-x).exp())));
        holds_of_one("tanh", &input, nn::tanh, each(f64::tanh));
        holds_of_one("exp", &input, nn::exp, each(f64::exp));
        holds_of_one("ln", &sizes, nn::ln, each(f64::ln));
        holds_of_one("sqrt", &sizes, nn::sqrt, each(f64::sqrt));
        holds_of_one("abs", &input, nn::abs, each(f64::abs));
        holds_of_one("square", &input, nn::square, each(|x| x * x));
        for exponent in [-2, -1, 0, 1, 2, 3] {
            let power = |x: &[f64]| x.iter().map(|x| x.powi(exponent)).collect::<Vec<f64>>();
            holds_of_one("powi", &input, |x| nn::powi(x, exponent), power);
        }
    }

    #[test]
    fn sums_means_and_softmax_go_along_any_axis(
        extents in prop::array::uniform4(1_usize..4), seed: u64
    ) {
        let [a, b, c, d] = extents;
        let values = draw(a * b * c * d, seed);
        along_axes!(tensor((a,), &values[..a]));
        along_axes!(tensor((a, b), &values[..a * b]));
        along_axes!(tensor((a, b, c), &values[..a * b * c]));
        along_axes!(tensor((a, b, c, d), &values));
        let input: Plain<Dims4> = tensor((a, b, c, d), &values);
        let count = values.len() as f64;
        holds_of_one("sum", &input, nn::sum, |x| vec![x.iter().sum()]);
        holds_of_one("mean", &input, nn::mean, |x| vec![x.iter().sum::<f64>() / count]);
    }

    #[test]
    fn a_tensor_repeats_itself_along_a_new_axis_anywhere(
        extents in prop::array::uniform4(1_usize..4), seed: u64
    ) {
        let [a, b, c, count] = extents;
        let values = draw(a * b * c, seed);
        repeated!(tensor((), &values[..1]), count);
        repeated!(tensor((a,), &values[..a]), count);
        repeated!(tensor((a, b), &values[..a * b]), count);
        repeated!(tensor((a, b, c), &values), count);
    }

    #[test]
    fn axes_come_in_any_order(extents in prop::array::uniform4(1_usize..4), seed: u64) {
        let [a, b, c, d] = extents;
        let values = draw(a * b * c * d, seed);
        permuted!(tensor((a, b), &values[..a * b]));
        permuted!(tensor((a, b, c), &values[..a * b * c]));
        permuted!(tensor((a, b, c, d), &values));
    }

    #[test]
    fn products_of_matrices_are_sums_of_products(
        [batch, m, k, n] in prop::array::uniform4(1_usize..4), seed: u64
    ) {
        let (left, right) = (draw(batch * m * k, seed), draw(batch * k * n, seed ^ 1));
        let product = |x: &[f64], y: &[f64], of: usize| -> Vec<f64> {
            let (x, y) = (&x[of * m * k..], &y[of * k * n..]);
            let element = |i: usize, j: usize| (0..k).map(|p| x[i * k + p] * y[p * n + j]).sum();
            (0..m).flat_map(|i| (0..n).map(move |j| element(i, j))).collect()
        };
        let one = (&tensor((m, k), &left[..m * k]), &tensor((k, n), &right[..k * n]));
        holds("matmul", one, nn::matmul, |x, y| product(x, y, 0));
        let each = (&tensor((batch, m, k), &left), &tensor((batch, k, n), &right));
        holds("matmul_of_each", each, nn::matmul_of_each, |x, y| {
            (0..batch).flat_map(|of| product(x, y, of)).collect()
        });
        let rows = (&tensor((m, k), &left[..m * k]), &tensor((n, k), &right[..k * n]));
        holds("inner_products", rows, nn::inner_products, |x, y| {
            let element = |i: usize, j: usize| (0..k).map(|p| x[i * k + p] * y[j * k + p]).sum();
            (0..m).flat_map(|i| (0..n).map(move |j| element(i, j))).collect()
        });
    }

    #[test]
    fn rows_are_taken_by_number_and_stand_side_by_side(
        [rows, columns, others] in prop::array::uniform3(1_usize..4),
        named in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        seed: u64,
    ) {
        let (input, other) = (draw(rows * columns, seed), draw(rows * others, seed ^ 1));
        let (input, other) = (tensor((rows, columns), &input), tensor((rows, others), &other));
        let named: Vec<usize> = named.iter().map(|row| row.index(rows)).collect();
        let index = RowIndex::new(&AutoDevice::default(), named.clone()).unwrap();
        holds_of_one("take_rows", &input, |x| nn::take_rows(x, &index), |x| {
            named.iter().flat_map(|row| x[row * columns..][..columns].to_vec()).collect()
        });
        let side_by_side = |x: &[f64], y: &[f64]| {
            let row = |row: usize| [&x[row * columns..][..columns], &y[row * others..][..others]].concat();
            (0..rows).flat_map(row).collect()
        };
        holds("concatenate", (&input, &other), |x, y| nn::concatenate(vec![x, y]), side_by_side);
        let beyond = RowIndex::new(&AutoDevice::default(), vec![0, rows]).unwrap();
        let error = refused(nn::take_rows(input.parameter(), &beyond));
        prop_assert!(error.contains(&format!("[{rows}, {columns}]")), "{error}");
    }
}

#[test]
fn operands_of_two_shapes_are_an_error_that_names_both() {
    let (wide, tall) = (tensor((2, 3), &draw(6, 1)), tensor((3, 2), &draw(6, 2)));
    type Binary = fn(Features, Features) -> Result<Features>;
    let operations: [(Binary, [&str; 2]); 6] = [
        (nn::add, ["[2, 3]", "[3, 2]"]),
        (nn::subtract, ["[2, 3]", "[3, 2]"]),
        (nn::multiply, ["[2, 3]", "[3, 2]"]),
        (nn::divide, ["[2, 3]", "[3, 2]"]),
        (nn::inner_products, ["[2, 3]", "[3, 2]"]),
        (|x, y| nn::concatenate(vec![x, y]), ["[2, 3]", "[3, 2]"]),
    ];
    for (operation, shapes) in operations {
        let error = refused(operation(wide.parameter(), tall.parameter()));
        assert!(shapes.iter().all(|shape| error.contains(shape)), "{error}");
    }
    let error = refused(nn::matmul(wide.parameter(), wide.parameter()));
    assert!(
        error.contains("left one is [2, 3]") && error.ends_with("found [2, 3]"),
        "{error}"
    );
    let cubes: [Plain<Dims3>; 2] = [tensor((1, 2, 3), &draw(6, 1)), tensor((2, 3, 1), &draw(6, 2))];
    let error = refused(nn::matmul_of_each(cubes[0].parameter(), cubes[1].parameter()));
    assert!(
        error.contains("[1, 2, 3]") && error.contains("[2, 3, 1]"),
        "{error}"
    );
    let error = refused(reshape(wide.parameter(), (5,)));
    assert!(error.contains("[5]") && error.contains("[2, 3]"), "{error}");
    assert!(refused(nn::permute(wide.parameter(), [1, 1])).contains("[1, 1]"));
    assert!(refused(nn::concatenate(vec![])).contains("at least one part"));
    assert!(refused(nn::mean(tensor((0, 2), &[]).parameter())).contains("[0, 2]"));
    assert!(refused(nn::mean_axis(tensor((0, 2), &[]).parameter(), 0)).contains("[0, 2]"));
    assert!(nn::powi(wide.parameter(), i32::MIN).is_err());
}

/// `Σ a · b`, with `b` what `second` makes of a tensor and `a` the tensor, which `make` makes of the input.
fn gradient_of_a_product(
    make: impl FnOnce(Features) -> Features,
    second: impl FnOnce(Features) -> (Features, Features),
    input: &Plain<Dims2>,
) -> Vec<f32> {
    let (left, right) = second(make(input.parameter()));
    let loss = nn::sum(nn::multiply(left, right).unwrap()).unwrap();
    nn::backward(loss).unwrap().get(input).unwrap().into_values()
}

#[test]
fn no_gradient_goes_through_a_detached_tensor_whatever_made_it() {
    let input = tensor((2, 2), &[0.5, 1.0, 1.5, 2.0]);
    let detached = |x: Features| (nn::detach(&x).unwrap(), x);
    let half = [1.0, 2.0, 3.0, 4.0];
    // An operation of the engine's own, and one of gblend's, whose gradients take another way.
    for make in [
        |x| nn::scale(x, 2.0).unwrap(),
        |x| nn::scale(nn::relu(x).unwrap(), 2.0).unwrap(),
    ] {
        let found = gradient_of_a_product(make, detached, &input);
        assert_eq!(found, half.map(|value| 2.0 * value));
        let whole = gradient_of_a_product(make, nn::fork, &input);
        assert_eq!(whole, half.map(|value| 4.0 * value));
    }
    let found = gradient_of_a_product(|x| nn::relu(x).unwrap(), detached, &input);
    assert_eq!(found, input.to_vec());
}

#[test]
fn a_tensor_meets_itself_in_one_operation() {
    let input = tensor((2, 2), &[0.5, 1.0, 1.5, 2.0]);
    let gradient = |make: fn(&Plain<Dims2>) -> Features| {
        let loss = nn::sum(make(&input)).unwrap();
        nn::backward(loss).unwrap().get(&input).unwrap().into_values()
    };
    let twice = input
        .to_vec()
        .iter()
        .map(|value| 2.0 * value)
        .collect::<Vec<f32>>();
    assert_eq!(
        gradient(|x| nn::multiply(x.parameter(), x.parameter()).unwrap()),
        twice
    );
    assert_eq!(
        gradient(|x| {
            let (left, right) = nn::fork(nn::relu(x.parameter()).unwrap());
            let flat = |x: Features| reshape(x, (4,)).unwrap();
            reshape(nn::multiply(flat(left), flat(right)).unwrap(), (2, 2)).unwrap()
        }),
        twice
    );
    assert_eq!(
        gradient(|x| nn::add(x.parameter(), x.parameter()).unwrap()),
        [2.0; 4]
    );
    // Each row sum and each column sum of the other operand.
    let squares = gradient(|x| nn::matmul(x.parameter(), x.parameter()).unwrap());
    assert_eq!(squares, [1.5 + 2.0, 3.5 + 2.0, 1.5 + 3.0, 3.5 + 3.0]);
    let one = tensor((1, 3), &[1.0, 2.0, 3.0]);
    let norm = nn::inner_products(one.parameter(), one.parameter()).unwrap();
    let mut gradients = nn::backward(nn::sum(norm).unwrap()).unwrap();
    assert_eq!(gradients.get(&one).unwrap().values(), [2.0, 4.0, 6.0]);
}

#[test]
fn a_detached_tensor_is_data_of_the_same_pass() {
    let input = tensor((1, 2), &[0.5, -1.0]);
    let recorded = nn::detach(&input.parameter()).unwrap();
    assert!(recorded.is_recording() && !recorded.requires_grad());
    assert_eq!(recorded.to_vec(), input.to_vec());
    assert!(!nn::detach(&input.enter(Recorder::off())).unwrap().is_recording());
}

#[test]
fn what_is_made_of_unrecorded_tensors_is_not_recorded() {
    let (data, parameter) = (tensor((1, 2), &[0.5, -1.0]), tensor((1, 2), &[2.0, 3.0]));
    let product = nn::multiply(data.enter(Recorder::off()), parameter.parameter()).unwrap();
    assert!(!product.is_recording());
    assert!(nn::backward(nn::sum(product).unwrap()).is_err());
    let product = nn::multiply(data.enter(Recorder::for_data()), parameter.parameter()).unwrap();
    assert!(product.requires_grad());
}

#[test]
fn a_loss_that_takes_over_a_history_has_the_gradient_of_it() {
    let input = tensor((1, 2), &[0.5, 1.0]);
    let gradient = |take_over: bool| {
        let features = nn::relu(input.parameter()).unwrap();
        let (unread, read) = nn::fork(features);
        let loss: Loss = nn::sum(nn::square(read).unwrap()).unwrap();
        let loss = if take_over {
            nn::with_history(loss, unread)
        } else {
            loss
        };
        nn::backward(loss).unwrap().get(&input).unwrap().into_values()
    };
    assert_eq!(gradient(true), [1.0, 2.0]);
    assert_eq!(gradient(false), [0.0, 0.0]);
}

#[test]
fn arrays_come_to_the_device_and_back_as_they_were() {
    let device = AutoDevice::default();
    let array = Array::new([2, 1, 3], draw(6, 4)).unwrap();
    let tensor = Plain::<Dims3>::from_array(&device, &array).unwrap();
    assert_eq!(*tensor.shape(), (2, 1, 3));
    assert_eq!(tensor.to_array().unwrap(), array);
    let entered = tensor.enter(Recorder::off());
    assert_eq!(entered.to_array().unwrap(), array);
    assert_eq!(entered.snapshot().to_array().unwrap(), array);
    assert_eq!(Plain::filled(&device, (2,), 0.5).unwrap().to_vec(), [0.5, 0.5]);
    let error = refused(Plain::<Dims2>::from_array(&device, &array));
    assert!(error.contains("2 axes") && error.contains("[2, 1, 3]"), "{error}");
    let error = refused(Plain::new(&device, (2, 2), vec![0.0; 3]));
    assert!(error.contains("[2, 2]") && error.contains("[3]"), "{error}");
}

#[test]
fn shapes_are_tuples_of_extents() {
    assert_eq!(<Dims2 as Shape>::of(&[3, 4]), Some((3, 4)));
    assert_eq!(<Dims2 as Shape>::of(&[3, 4, 5]), None);
    assert_eq!(<() as Shape>::of(&[]), Some(()));
    assert_eq!((2, 3, 4).extents(), [2, 3, 4]);
    assert_eq!(((2, 3, 4).elements(), ().elements()), (24, 1));
}

#[test]
fn an_empty_batch_goes_through_as_an_empty_batch_or_an_error() {
    let empty = || tensor((0, 3), &[]).parameter();
    type Unary = fn(Features) -> Result<Features>;
    let operations: [Unary; 10] = [
        nn::relu,
        nn::tanh,
        |x| nn::scale(x, 2.0),
        |x| nn::softmax(x, 1),
        |x| nn::softmax(x, 0),
        nn::transpose,
        |x| {
            let (left, right) = nn::fork(x);
            nn::add(left, right)
        },
        |x| nn::concatenate(vec![x]),
        |x| nn::detach(&x),
        |x| nn::repeat(nn::sum_axis(x, 1)?, 1, 3),
    ];
    for (position, operation) in operations.into_iter().enumerate() {
        if let Ok(output) = operation(empty()) {
            assert_eq!(output.to_vec(), [0.0; 0], "operation {position}");
        }
    }
    assert!(refused(nn::sum(empty())).contains("[0, 3]"));
    assert!(refused(nn::repeat(empty(), 0, 0)).contains("[0, 0, 3]"));
}
