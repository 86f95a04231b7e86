//! The video transformer: the answers of PyTorch, what order does to it, and what is refused.

use gblend_core::params::{load_state, parameter_count, state_of};
use gblend_core::{Array, AutoDevice, Batch, BuildContext, Encoder, Fitted, Modality, Pass, Result, Seed};
use gblend_modalities::encoder::EncoderSettings;
use proptest::prelude::*;
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::{Answer, close, gradients, parameter_gradients};

fn build(table: &Value, sample_shape: &[usize]) -> Result<Box<dyn Encoder>> {
    let settings: EncoderSettings = serde_json::from_value(table.clone()).unwrap();
    settings.build(&BuildContext {
        device: &AutoDevice::default(),
        sample_shape,
        fitted: Fitted::nothing(),
        seed: Seed::new(3),
    })
}

fn batch(samples: &[Array]) -> Batch {
    Batch::stack(&AutoDevice::default(), &samples.iter().collect::<Vec<_>>()).unwrap()
}

fn noise(shape: [usize; 4], samples: usize, seed: u64) -> Vec<Array> {
    let mut rng = Seed::new(seed).rng();
    let mut sample = || {
        let values = (0..shape.iter().product::<usize>()).map(|_| rng.random_range(-1.0..1.0));
        Array::new(shape, values.collect()).unwrap()
    };
    (0..samples).map(|_| sample()).collect()
}

fn evaluate(encoder: &mut dyn Encoder, samples: &[Array]) -> Vec<f32> {
    encoder
        .encode(&batch(samples), &Pass::evaluate())
        .unwrap()
        .to_vec()
}

#[derive(Deserialize)]
struct Stored {
    encoder: Value,
    shape: [usize; 4],
    samples: Vec<Vec<f32>>,
    #[serde(flatten)]
    answer: Answer,
}

#[test]
fn a_transformer_has_the_output_and_the_gradients_of_pytorch() {
    let stored: Vec<Stored> = serde_json::from_str(include_str!("../fixtures/encoders.json")).unwrap();
    assert!(stored.len() >= 7);
    for stored in stored {
        let (name, answer) = (stored.encoder.to_string(), &stored.answer);
        let mut encoder = build(&stored.encoder, &stored.shape).unwrap();
        answer.load_into(encoder.as_mut());
        let samples = stored.samples.iter();
        let samples: Vec<_> = samples
            .map(|values| Array::new(stored.shape, values.clone()).unwrap())
            .collect();
        let pass = Pass::train(Seed::new(0));
        let features = encoder.encode(&batch(&samples), &pass).unwrap();
        answer.check_output(&name, &features);
        let gradients = gradients(features, answer.projection.clone());
        answer.check_gradients(&name, encoder.as_mut(), gradients);
    }
}

/// Sets the position embeddings to zeros.
fn forget_positions(encoder: &mut dyn Encoder) {
    let mut state = state_of(encoder).unwrap();
    let positions = state.iter_mut().filter(|(path, _)| path.starts_with("position."));
    let mut count = 0;
    for (_, table) in positions {
        table.values_mut().fill(0.0);
        count += 1;
    }
    assert_eq!(count, 2);
    load_state(encoder, &state).unwrap();
}

/// The clip with patches of 2 × 2 × 1 moved so that place and frame `(p, t)` shows what was at `source(p, t)`.
fn rearranged(clip: &Array, source: impl Fn(usize, usize) -> (usize, usize)) -> Array {
    let &[channels, height, width, frames] = clip.shape() else {
        unreachable!()
    };
    let mut moved = clip.clone();
    let across = width / 2;
    for channel in 0..channels {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for t in 0..frames {
                let (place, frame) = source(y / 2 * across + x / 2, t);
                let (row, column) = (place / across * 2 + y % 2, place % across * 2 + x % 2);
                let at = |y: usize, x: usize, t: usize| ((channel * height + y) * width + x) * frames + t;
                moved.values_mut()[at(y, x, t)] = clip.values()[at(row, column, frame)];
            }
        }
    }
    moved
}

const SMALL: [usize; 4] = [2, 4, 6, 4];

fn small(attention: &str) -> Value {
    json!({
        "architecture": "transformer", "patch": 2, "width": 8, "depth": 2, "heads": 2, "hidden": 12,
        "attention": attention
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_positions_the_order_of_tokens_does_not_matter_and_with_them_it_does(
        places in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        frames in Just((0..4).collect::<Vec<usize>>()).prop_shuffle(),
        all in Just((0..24).collect::<Vec<usize>>()).prop_shuffle(),
        seed: u64,
    ) {
        let clip = noise(SMALL, 1, seed).remove(0);
        // Divided attention knows rows and columns of the grid, so it is blind only to an order of either.
        let by_axis = rearranged(&clip, |place, frame| (places[place], frames[frame]));
        let by_token = rearranged(&clip, |place, frame| (all[place * 4 + frame] / 4, all[place * 4 + frame] % 4));
        prop_assume!(by_axis != clip && by_token != clip);
        for (attention, moved) in [("joint", &by_axis), ("joint", &by_token), ("divided", &by_axis)] {
            let mut encoder = build(&small(attention), &SMALL).unwrap();
            let mut run = |clip: &Array| evaluate(encoder.as_mut(), std::slice::from_ref(clip));
            prop_assert_ne!(run(&clip), run(moved));
            forget_positions(encoder.as_mut());
            let mut run = |clip: &Array| evaluate(encoder.as_mut(), std::slice::from_ref(clip));
            prop_assert!(close(&run(&clip), &run(moved)), "{attention}");
        }
    }

    #[test]
    fn a_sample_has_the_features_that_it_has_alone(seed: u64, samples in 2_usize..5) {
        let clips = noise(SMALL, samples, seed);
        for attention in ["joint", "divided"] {
            let mut encoder = build(&small(attention), &SMALL).unwrap();
            let together = evaluate(encoder.as_mut(), &clips);
            for (clip, features) in clips.iter().zip(together.chunks(8)) {
                let alone = evaluate(encoder.as_mut(), std::slice::from_ref(clip));
                prop_assert!(close(&alone, features));
            }
        }
    }

    #[test]
    fn any_size_is_filled_up_and_every_parameter_learns_from_it(
        shape in (1_usize..4, 1_usize..12, 1_usize..12, 1_usize..7),
        patch in 1_usize..6, tubelet in 1_usize..4, divided: bool,
    ) {
        let shape = [shape.0, shape.1, shape.2, shape.3];
        let attention = if divided { "divided" } else { "joint" };
        let table = json!({
            "architecture": "transformer", "patch": patch, "tubelet": tubelet, "width": 4, "heads": 2, "depth": 1,
            "hidden": 6, "attention": attention
        });
        let tokens = shape[1].div_ceil(patch) * shape[2].div_ceil(patch) * shape[3].div_ceil(tubelet);
        let fits = patch <= shape[1].max(shape[2]) && tubelet <= shape[3] && tokens > 1;
        let encoder = build(&table, &shape);
        prop_assert_eq!(encoder.is_ok(), fits);
        if let Ok(mut encoder) = encoder {
            let features = encoder.encode(&batch(&noise(shape, 2, 1)), &Pass::train(Seed::new(0))).unwrap();
            let projection = (0..8).map(|at| (at as f32 * 1.7).sin()).collect();
            for (path, gradient) in parameter_gradients(encoder.as_mut(), gradients(features, projection)) {
                prop_assert!(gradient.iter().all(|value| value.is_finite()), "{path}");
                prop_assert!(gradient.iter().any(|&value| value != 0.0), "{path}");
            }
        }
    }
}

#[test]
fn the_last_frame_is_repeated_and_a_border_is_zeros() {
    let table = |tubelet: usize| {
        let mut table = small("joint");
        table["tubelet"] = json!(tubelet);
        table
    };
    let clip = noise([2, 4, 6, 3], 1, 5).remove(0);
    let longer = {
        let rows = clip
            .values()
            .chunks(3)
            .flat_map(|row| [row[0], row[1], row[2], row[2]]);
        Array::new([2, 4, 6, 4], rows.collect()).unwrap()
    };
    let mut short = build(&table(2), &[2, 4, 6, 3]).unwrap();
    let mut long = build(&table(2), &[2, 4, 6, 4]).unwrap();
    assert_eq!(
        evaluate(short.as_mut(), &[clip]),
        evaluate(long.as_mut(), &[longer])
    );

    let clip = noise([1, 3, 4, 1], 1, 6).remove(0);
    let mut padded = vec![0.0; 4];
    padded.extend(clip.values());
    let padded = Array::new([1, 4, 4, 1], padded).unwrap();
    let mut cut = build(&table(1), &[1, 3, 4, 1]).unwrap();
    let mut whole = build(&table(1), &[1, 4, 4, 1]).unwrap();
    assert_eq!(
        evaluate(cut.as_mut(), &[clip]),
        evaluate(whole.as_mut(), &[padded])
    );
}

#[test]
fn divided_attention_has_four_matrices_more_and_none_where_there_is_one_frame() {
    let count = |attention: &str, shape: &[usize]| {
        parameter_count(build(&small(attention), shape).unwrap().as_mut()).unwrap()
    };
    // Two blocks of four matrices of 8 × 8 and a normalization.
    assert_eq!(
        count("divided", &SMALL),
        count("joint", &SMALL) + 2 * (4 * 64 + 16)
    );
    assert_eq!(count("divided", &[2, 4, 6, 1]), count("joint", &[2, 4, 6, 1]));
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads() {
    let shape = [3, 24, 24, 6];
    let clips = noise(shape, 16, 7);
    for attention in ["joint", "divided"] {
        let table = json!({"architecture": "transformer", "attention": attention, "dropout": 0.1});
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let mut encoder = build(&table, &shape).unwrap();
                let features = encoder
                    .encode(&batch(&clips), &Pass::train(Seed::new(2)))
                    .unwrap();
                let values = features.to_vec();
                let projection = (0..values.len()).map(|at| (at as f32).sin()).collect();
                (
                    values,
                    parameter_gradients(encoder.as_mut(), gradients(features, projection)),
                )
            })
        };
        let one = run(1);
        for threads in [2, 3] {
            assert!(run(threads) == one, "{attention} at {threads} threads");
        }
    }
}

#[test]
fn dropout_falls_on_the_blocks_too_and_in_training_alone() {
    let mut table = small("divided");
    // Of the features nothing is dropped for some seed, if it were of them alone.
    table["dropout"] = json!(0.01);
    let clips = noise(SMALL, 2, 8);
    let mut encoder = build(&table, &SMALL).unwrap();
    let evaluated = evaluate(encoder.as_mut(), &clips);
    let mut partly = 0;
    for seed in 0..8 {
        let pass = Pass::train(Seed::new(seed));
        let trained = encoder.encode(&batch(&clips), &pass).unwrap().to_vec();
        let changed = trained.iter().zip(&evaluated);
        let changed = changed.filter(|&(&trained, &evaluated)| {
            (trained * 0.99 - evaluated).abs() > 1e-4 * evaluated.abs() && trained != 0.0
        });
        partly += usize::from(changed.count() > 0);
    }
    assert_eq!(partly, 8);
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    for (change, key) in [
        (json!({"width": 0}), "encoder.width = 0"),
        (json!({"depth": 0}), "encoder.depth = 0"),
        (json!({"heads": 0}), "encoder.heads = 0"),
        (json!({"hidden": 0}), "encoder.hidden = 0"),
        (json!({"width": 9}), "encoder.width = 9"),
        (json!({"patch": 0}), "encoder.patch = 0"),
        (json!({"patch": 7}), "encoder.patch = 7"),
        (json!({"patch": 6, "tubelet": 4}), "encoder.patch = 6"),
        (json!({"tubelet": 0}), "encoder.tubelet = 0"),
        (json!({"tubelet": 5}), "encoder.tubelet = 5"),
        (json!({"features": 0}), "encoder.features = 0"),
        (json!({"dropout": 1.0}), "encoder.dropout = 1"),
    ] {
        let mut table = small("divided");
        for (key, value) in change.as_object().unwrap() {
            table[key] = value.clone();
        }
        let error = build(&table, &SMALL).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.starts_with(key), "{change}: {error}");
    }
    let error = build(&small("joint"), &[4, 4, 4]).err().unwrap();
    assert!(matches!(error, gblend_core::Error::Shape { .. }), "{error}");
}

#[test]
fn a_setting_of_another_architecture_is_refused_even_with_the_defaults_value() {
    for (table, parts) in [
        (
            json!({"architecture": "transformer", "channels": [16, 32, 64, 128]}),
            ["encoder.channels = [16, 32, 64, 128]", "\"transformer\""],
        ),
        (
            json!({"architecture": "transformer", "blocks": 1}),
            ["encoder.blocks = 1", "depth"],
        ),
        (
            json!({"architecture": "transformer", "pooling": "flatten"}),
            ["encoder.pooling = \"flatten\"", "\"transformer\""],
        ),
        (json!({"depth": 2}), ["encoder.depth = 2", "\"plain\""]),
        (
            json!({"architecture": "residual", "patch": 8}),
            ["encoder.patch = 8", "\"residual\""],
        ),
        (
            json!({"architecture": "factorized", "attention": "joint"}),
            ["encoder.attention = \"joint\"", "channels"],
        ),
    ] {
        let table = json!({"kind": "rgb", "encoder": table});
        let error = serde_json::from_value::<Box<dyn Modality>>(table.clone())
            .unwrap_err()
            .to_string();
        for part in parts {
            assert!(error.contains(part), "{table}: {error}");
        }
    }
}

#[test]
fn what_is_written_has_every_default_of_its_architecture_and_no_other_key() {
    let written = |table: Value| -> Vec<String> {
        let settings: EncoderSettings = serde_json::from_value(table).unwrap();
        let written = serde_json::to_value(&settings).unwrap();
        let again: EncoderSettings = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(again, settings);
        written.as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    assert_eq!(
        sorted(written(json!({}))),
        ["architecture", "blocks", "channels", "dropout", "pooling"]
    );
    assert_eq!(
        sorted(written(json!({"architecture": "transformer", "features": 8}))),
        [
            "architecture",
            "attention",
            "depth",
            "dropout",
            "features",
            "heads",
            "hidden",
            "patch",
            "tubelet",
            "width"
        ]
    );
}
