//! What padding, company, order, threads and flat input do to layers of sequences.

use std::collections::BTreeMap;

use gblend_core::nn::{Embedding, Mask, RowBatchNorm, Steps, steps_of, tokens_of};
use gblend_core::params::{Module, load_state, state_of};
use gblend_core::tensor::{AutoDevice, Batch};
use gblend_core::{Array, Pass, Seed};
use proptest::prelude::*;
use rand::RngExt;

use crate::sequence_layer::{Description, Layer, WIDTH, is_of_sequences, layers, output_and_gradients, rows};

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = Seed::new(seed).rng();
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Samples `[WIDTH + 1, time]` of sequences with these steps, and `garbage` in the padding.
fn padded(sequences: &[Vec<bool>], seed: u64, time: usize, garbage: f32) -> Batch {
    let sample = |(sample, present): (usize, &Vec<bool>)| {
        let values = noise(WIDTH * present.len(), seed ^ (sample as u64 + 1));
        let mut array = Array::zeros([WIDTH + 1, time]);
        for (channel, row) in array.values_mut().chunks_exact_mut(time.max(1)).enumerate() {
            for (at, value) in row.iter_mut().enumerate() {
                let there = present.get(at) == Some(&true);
                *value = match (channel, there) {
                    (WIDTH, there) => f32::from(u8::from(there)),
                    (_, true) => values[channel * present.len() + at],
                    (_, false) => garbage,
                };
            }
        }
        array
    };
    let samples: Vec<Array> = sequences.iter().enumerate().map(sample).collect();
    Batch::stack(&AutoDevice::default(), &samples.iter().collect::<Vec<_>>()).unwrap()
}

/// Sequences with holes, some without a step.
fn sequences() -> impl Strategy<Value = Vec<Vec<bool>>> {
    prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.8), 0..7), 1..5)
}

/// The bits of an output, of all gradients and of what the layer keeps, of one step of training with dropout.
fn train(description: &Description, batch: &Batch, seed: u64) -> (Vec<u32>, BTreeMap<String, Vec<u32>>) {
    let pass = Pass::train(Seed::new(seed));
    let (data, steps) = steps_of(batch, &pass).unwrap();
    let mut layer = Layer::build(description, WIDTH, 12, 0.3, seed).unwrap();
    let mut input = rows(data.to_vec(), WIDTH);
    let output = layer.forward(input.parameter(), &steps, &pass).unwrap();
    let (output, gradients) = output_and_gradients(&mut layer, output, |count| noise(count, 9), &mut input);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut all: BTreeMap<_, _> = gradients
        .iter()
        .map(|(path, values)| (path.clone(), bits(values)))
        .collect();
    for (path, array) in state_of(&mut layer).unwrap() {
        all.insert(format!("state {path}"), bits(array.values()));
    }
    (bits(&output), all)
}

/// The output of a layer in evaluation, sample by sample.
fn evaluate(description: &Description, batch: &Batch, seed: u64) -> Vec<Vec<f32>> {
    let pass = Pass::evaluate();
    let (rows, steps) = steps_of(batch, &pass).unwrap();
    let mut layer = Layer::build(description, WIDTH, 12, 0.3, seed).unwrap();
    let kept = match (&mut layer, description) {
        (Layer::Residual(block), _) => {
            let (output, kept) = block.forward(rows, &steps, &pass).unwrap();
            return by_sample(&output.to_vec(), &kept);
        }
        (layer, _) => layer.forward(rows, &steps, &pass).unwrap().to_vec(),
    };
    if is_of_sequences(description) {
        let width = kept.len() / steps.batch();
        return kept.chunks_exact(width).map(<[f32]>::to_vec).collect();
    }
    by_sample(&kept, &steps)
}

fn by_sample(values: &[f32], steps: &Steps) -> Vec<Vec<f32>> {
    let width = values.len() / steps.rows().max(1);
    let sequences = steps.sequences();
    sequences
        .map(|rows| values[rows.start * width..rows.end * width].to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn padding_changes_no_bit_of_an_output_a_gradient_or_a_statistic(
        sequences in sequences(), more in 1_usize..6, seed: u64,
    ) {
        let time = sequences.iter().map(Vec::len).max().unwrap().max(1);
        for description in layers() {
            let short = train(&description, &padded(&sequences, seed, time, 0.0), seed);
            for garbage in [0.0, 1e30, f32::NAN] {
                let long = train(&description, &padded(&sequences, seed, time + more, garbage), seed);
                prop_assert!(short == long, "{:?}", description);
            }
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_its_company_and_follows_its_place(
        (sequences, order) in sequences().prop_flat_map(|sequences| {
            let order: Vec<usize> = (0..sequences.len()).collect();
            (Just(sequences), Just(order).prop_shuffle())
        }),
        seed: u64,
    ) {
        let time = sequences.iter().map(Vec::len).max().unwrap().max(1);
        let arrays = |order: &[usize]| {
            let all = padded(&sequences, seed, time, 0.0);
            let (values, count) = (all.to_host(), all.len());
            let samples: Vec<Array> = order
                .iter()
                .map(|&sample| {
                    let column = values.iter().skip(sample).step_by(count).copied().collect();
                    Array::new([WIDTH + 1, time], column).unwrap()
                })
                .collect();
            Batch::stack(&AutoDevice::default(), &samples.iter().collect::<Vec<_>>()).unwrap()
        };
        for description in layers() {
            let together = evaluate(&description, &padded(&sequences, seed, time, 0.0), seed);
            let moved = evaluate(&description, &arrays(&order), seed);
            for (place, &sample) in order.iter().enumerate() {
                prop_assert!(moved[place] == together[sample], "{:?} moved", description);
                let alone = &evaluate(&description, &arrays(&[sample]), seed)[0];
                prop_assert_eq!(alone.len(), together[sample].len());
                // A product of few rows takes its sums in another order.
                for (a, b) in alone.iter().zip(&together[sample]) {
                    prop_assert!((a - b).abs() < 1e-5, "{:?}: {} {}", description, a, b);
                }
            }
        }
    }

    #[test]
    fn padding_changes_no_bit_of_a_mean_of_embeddings(
        texts in prop::collection::vec(prop::collection::vec(1_usize..7, 0..6), 1..5), more in 1_usize..5, seed: u64,
    ) {
        let run = |time: usize| {
            let device = AutoDevice::default();
            let sample = |text: &Vec<usize>| {
                let ids = text.iter().map(|&id| id as f32).chain(std::iter::repeat(0.0));
                Array::new([time], ids.take(time).collect()).unwrap()
            };
            let samples: Vec<Array> = texts.iter().map(sample).collect();
            let batch = Batch::stack(&device, &samples.iter().collect::<Vec<_>>()).unwrap();
            let mut layer = Embedding::new(&device, 7, 3, Some(0), Seed::new(seed)).unwrap();
            let output = layer.forward_mean(&batch, &Pass::train(Seed::new(seed))).unwrap();
            output_and_gradients(&mut layer, output, |count| noise(count, seed), &mut rows(vec![0.0], 1))
        };
        let time = texts.iter().map(Vec::len).max().unwrap().max(1);
        let (output, gradients) = run(time);
        prop_assert!((output.clone(), gradients.clone()) == run(time + more));
        for (text, output) in texts.iter().zip(output.chunks_exact(3)) {
            prop_assert!(!text.is_empty() || output == [0.0; 3]);
        }
        prop_assert!(gradients["table"][..3] == [0.0; 3], "padding is trained");
        for (id, gradient) in gradients["table"].chunks_exact(3).enumerate() {
            let read = texts.iter().any(|text| text.contains(&id));
            prop_assert!(read || gradient == [0.0; 3]);
        }
    }

    #[test]
    fn nothing_of_flat_input_is_not_a_number(
        sequences in sequences(), level in prop_oneof![Just(0.0_f32), Just(1.0), Just(-1e6), Just(1e18)], seed: u64,
    ) {
        let time = sequences.iter().map(Vec::len).max().unwrap().max(1);
        let present: Vec<bool> = (0..time)
            .flat_map(|at| sequences.iter().map(move |sequence| sequence.get(at) == Some(&true)))
            .collect();
        let steps = Steps::new(&Mask::new(present, sequences.len()).unwrap());
        for description in layers() {
            let mut layer = Layer::build(&description, WIDTH, 12, 0.0, seed).unwrap();
            let mut input = rows(vec![level; steps.rows() * WIDTH], WIDTH);
            let pass = Pass::train(Seed::new(seed));
            let output = layer.forward(input.parameter(), &steps, &pass).unwrap();
            let (output, gradients) = output_and_gradients(&mut layer, output, |count| noise(count, 3), &mut input);
            prop_assert!(output.iter().all(|value| value.is_finite()), "{:?}", description);
            for (path, gradient) in gradients {
                prop_assert!(gradient.iter().all(|value| value.is_finite()), "{:?} {}", description, path);
            }
        }
    }
}

#[test]
fn the_same_bits_come_out_at_any_number_of_threads() {
    // More steps than one task of any operation takes, and more sequences than one of the recurrence.
    let lengths: Vec<Vec<bool>> = (0..70).map(|sample| vec![true; 20 + sample % 40]).collect();
    let batch = padded(&lengths, 5, 60, 0.0);
    let mut all = layers();
    all.push(Description::Gru {
        hidden: 24,
        layers: 1,
        bidirectional: false,
        last: false,
    });
    for description in all {
        let at = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let (rows, _) = steps_of(&batch, &Pass::evaluate()).unwrap();
            let (values, steps) = (rows.to_vec(), steps_of(&batch, &Pass::evaluate()).unwrap().1);
            pool.install(|| {
                let mut layer = Layer::build(&description, WIDTH, 60, 0.3, 2).unwrap();
                let mut input = crate::sequence_layer::rows(values, WIDTH);
                let output = layer
                    .forward(input.parameter(), &steps, &Pass::train(Seed::new(4)))
                    .unwrap();
                output_and_gradients(&mut layer, output, |count| noise(count, 3), &mut input)
            })
        };
        let one = at(1);
        for threads in [2, 4] {
            assert!(at(threads) == one, "{description:?} at {threads} threads");
        }
    }
}

#[test]
fn an_embedding_gives_the_same_bits_at_any_number_of_threads() {
    let ids: Vec<usize> = (0..5000).map(|i| i * 7919 % 613).collect();
    let at = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut layer = Embedding::new(&AutoDevice::default(), 613, 5, None, Seed::new(1)).unwrap();
            let output = layer.forward(&ids, &Pass::train(Seed::new(1))).unwrap();
            output_and_gradients(
                &mut layer,
                output,
                |count| noise(count, 3),
                &mut rows(vec![0.0], 1),
            )
        })
    };
    assert!(at(1) == at(2) && at(1) == at(4));
}

#[test]
fn statistics_are_those_of_the_steps_that_are_there() {
    let device = AutoDevice::default();
    let mut norm = RowBatchNorm::new(&device, 1).unwrap();
    let pass = Pass::train(Seed::new(1));
    norm.forward(rows(vec![1.0, 2.0, 6.0], 1).parameter(), &pass)
        .unwrap();
    let state = state_of(&mut norm).unwrap();
    // Mean 3, unbiased variance 7, each with a share of a tenth.
    assert!((state["running_mean"].values()[0] - 0.3).abs() < 1e-6);
    assert!((state["running_variance"].values()[0] - (0.9 + 0.7)).abs() < 1e-6);
}

#[test]
fn a_batch_without_a_step_moves_no_statistic_and_trains_nothing() {
    for description in layers() {
        if matches!(description, Description::ResidualMlp { .. }) {
            continue;
        }
        let mut layer = Layer::build(&description, WIDTH, 12, 0.0, 1).unwrap();
        let before = state_of(&mut layer).unwrap();
        let (mut input, steps) = (rows(vec![5.0; WIDTH], WIDTH), Steps::of_lengths(&[0, 0]));
        let pass = Pass::train(Seed::new(1));
        let output = layer.forward(input.parameter(), &steps, &pass).unwrap();
        // What comes out of the row that is nobody's is not read.
        let read = f32::from(u8::from(is_of_sequences(&description)));
        let (output, gradients) =
            output_and_gradients(&mut layer, output, |count| vec![read; count], &mut input);
        assert!(
            read == 0.0 || output.iter().all(|&value| value == 0.0),
            "{description:?}"
        );
        for (path, gradient) in gradients {
            assert!(
                gradient.iter().all(|&value| value == 0.0),
                "{description:?} {path}"
            );
        }
        assert_eq!(state_of(&mut layer).unwrap(), before, "{description:?}");
    }
}

#[test]
fn a_state_stays_over_steps_that_are_not_there() {
    let description = Description::Gru {
        hidden: 3,
        layers: 1,
        bidirectional: false,
        last: true,
    };
    let mut layer = Layer::build(&description, WIDTH, 9, 0.0, 1).unwrap();
    let data = noise(3 * WIDTH, 2);
    let mut run = |present: &[bool]| {
        let steps = Steps::new(&Mask::new(present.to_vec(), 1).unwrap());
        let input = rows(data[..steps.rows() * WIDTH].to_vec(), WIDTH);
        layer
            .forward(input.parameter(), &steps, &Pass::evaluate())
            .unwrap()
            .to_vec()
    };
    let whole = run(&[true, true, true]);
    assert_eq!(run(&[false, true, false, false, true, true, false]), whole);
    assert_eq!(run(&[false, false]), [0.0; 3]);
    assert_ne!(run(&[true, true]), whole);
}

#[test]
fn a_stored_layer_is_found_again_under_the_names_that_it_had() {
    for description in layers() {
        let mut layer = Layer::build(&description, WIDTH, 12, 0.0, 1).unwrap();
        let state = state_of(&mut layer).unwrap();
        let mut other = Layer::build(&description, WIDTH, 12, 0.0, 2).unwrap();
        assert!(state.is_empty() || state_of(&mut other).unwrap() != state);
        load_state(&mut other, &state).unwrap();
        assert_eq!(state_of(&mut other).unwrap(), state);
    }
    let names = |description: &Description| -> Vec<String> {
        let mut layer = Layer::build(description, WIDTH, 12, 0.0, 1).unwrap();
        state_of(&mut layer as &mut dyn Module)
            .unwrap()
            .into_keys()
            .collect()
    };
    let gru = Description::Gru {
        hidden: 3,
        layers: 1,
        bidirectional: true,
        last: false,
    };
    let own = ["input.bias", "input.weight", "state.bias", "state.weight"];
    let backward = own.map(|name| format!("layer0.backward.{name}"));
    let expected = [backward, own.map(|name| format!("layer0.{name}"))].concat();
    assert_eq!(names(&gru), expected);
}

#[test]
fn what_does_not_fit_is_a_typed_error() {
    let device = AutoDevice::default();
    let pass = Pass::evaluate();
    let steps = Steps::of_lengths(&[2, 1]);
    for description in layers() {
        let mut layer = Layer::build(&description, WIDTH, 12, 0.0, 1).unwrap();
        let mut run = |count: usize, width: usize| {
            layer
                .forward(rows(vec![0.0; count * width], width).parameter(), &steps, &pass)
                .map(|_| ())
        };
        let is_pool = matches!(description, Description::Pool { .. });
        let is_vector = matches!(description, Description::ResidualMlp { .. });
        assert!(is_pool || run(3, WIDTH + 1).is_err(), "{description:?}");
        assert!(is_vector || run(4, WIDTH).is_err(), "{description:?}");
    }
    let gru = |hidden, layers, dropout| {
        let options = gblend_core::nn::GruOptions {
            hidden,
            layers,
            bidirectional: false,
            dropout,
        };
        gblend_core::nn::Gru::new(&device, 2, &options, Seed::new(1)).is_err()
    };
    assert!(gru(0, 1, 0.0) && gru(1, 0, 0.0) && gru(1, 1, 1.0) && !gru(1, 1, 0.0));
    let residual = |kernel, dilation, stride| {
        let description = Description::Residual {
            outputs: 3,
            kernel,
            dilation,
            stride,
            normalization: Default::default(),
            activation: Default::default(),
        };
        Layer::build(&description, WIDTH, 12, 0.0, 1).is_err()
    };
    assert!(residual(2, 1, 1) && residual(3, 0, 1) && residual(3, 1, 0) && residual(3, 1, 3));
    let transformer = |depth, heads, hidden| {
        let description = Description::Transformer {
            depth,
            heads,
            hidden,
            positions: crate::sequence_layer::Positions::None,
        };
        Layer::build(&description, WIDTH, 12, 0.0, 1).is_err()
    };
    assert!(transformer(0, 2, 3) && transformer(1, 3, 3) && transformer(1, 0, 3) && transformer(1, 2, 0));
    // Longer than there are positions.
    let description = Description::Transformer {
        depth: 1,
        heads: 1,
        hidden: 2,
        positions: crate::sequence_layer::Positions::Learned,
    };
    let mut layer = Layer::build(&description, WIDTH, 2, 0.0, 1).unwrap();
    let long = Steps::of_lengths(&[4]);
    let error = layer.forward(rows(vec![0.0; 4 * WIDTH], WIDTH).parameter(), &long, &pass);
    assert!(error.err().unwrap().to_string().contains("at most 3 steps"));
}

#[test]
fn batches_and_ids_that_are_none_are_typed_errors() {
    let device = AutoDevice::default();
    let batch = |shape: &[usize], values: &[f32]| {
        Batch::stack(&device, &[&Array::new(shape, values.to_vec()).unwrap()]).unwrap()
    };
    let pass = Pass::evaluate();
    assert!(steps_of(&batch(&[2], &[1.0, 1.0]), &pass).is_err());
    assert!(steps_of(&batch(&[1, 2], &[1.0, 1.0]), &pass).is_err());
    let error = steps_of(&batch(&[2, 2], &[1.0, 1.0, 1.0, 0.5]), &pass).unwrap_err();
    assert!(error.to_string().contains("0.5"), "{error}");
    for value in [0.5, -1.0, f32::NAN, f32::INFINITY, 2e7] {
        let error = tokens_of(&batch(&[2], &[1.0, value]), None).unwrap_err();
        assert!(error.to_string().contains("token 1 of sample 0"), "{error}");
    }
    assert!(tokens_of(&batch(&[1, 2], &[1.0, 1.0]), None).is_err());
    assert!(Embedding::new(&device, 3, 0, None, Seed::new(1)).is_err());
    assert!(Embedding::new(&device, 0, 3, None, Seed::new(1)).is_err());
    assert!(Embedding::new(&device, 3, 2, Some(3), Seed::new(1)).is_err());
    let layer = Embedding::new(&device, 3, 2, Some(0), Seed::new(1)).unwrap();
    let error = layer.forward(&[1, 3], &pass).unwrap_err();
    assert!(error.to_string().contains("below 3, found 3"), "{error}");
    assert_eq!(layer.forward(&[0], &pass).unwrap().to_vec(), [0.0, 0.0]);
}
