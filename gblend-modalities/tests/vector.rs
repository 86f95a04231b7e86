//! What becomes of the columns of vectors.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use gblend_core::{Array, FitContext, Fitted, Media, Modality};
use gblend_modalities as _;
use proptest::prelude::*;
use serde_json::{Value, json};

fn vector(mut settings: Value) -> Box<dyn Modality> {
    settings["kind"] = json!("vector");
    serde_json::from_value(settings).unwrap()
}

fn prepare(vector: &dyn Modality, values: &[f32]) -> Array {
    let media = Media::Array(Array::new([values.len()], values.to_vec()).unwrap());
    vector.prepare(&media).unwrap()
}

fn fit(vector: &dyn Modality, rows: &[Vec<f32>]) -> Fitted {
    let samples: Vec<Array> = rows.iter().map(|row| prepare(vector, row)).collect();
    let read = |index: usize| Ok(samples[index].clone());
    vector
        .fit(&FitContext::new(Path::new("."), samples.len(), &read))
        .unwrap()
}

fn applied(vector: &dyn Modality, fitted: &Fitted, row: &[f32]) -> Vec<f32> {
    vector.apply(prepare(vector, row), fitted).unwrap().into_values()
}

/// A number, two categories, a constant, and a column with a gap.
const ROWS: [[f32; 4]; 4] = [
    [1.0, 5.0, 7.0, 2.0],
    [3.0, 9.0, 7.0, f32::NAN],
    [1.0, 5.0, 7.0, 4.0],
    [3.0, 5.0, 7.0, 6.0],
];

fn rows() -> Vec<Vec<f32>> {
    ROWS.iter().map(|row| row.to_vec()).collect()
}

#[test]
fn each_kind_of_column_becomes_what_its_settings_say() {
    let one_hot = vector(json!({ "categorical": [1], "clip": 3 }));
    let fitted = fit(one_hot.as_ref(), &rows());
    // The number, the constant, the gap's column, its indicator, and the two categories.
    assert_eq!(applied(one_hot.as_ref(), &fitted, &ROWS[0])[..2], [-1.0, 0.0]);
    assert_eq!(applied(one_hot.as_ref(), &fitted, &ROWS[0])[3..], [0.0, 1.0, 0.0]);
    assert_eq!(
        applied(one_hot.as_ref(), &fitted, &ROWS[1])[2..],
        [0.0, 1.0, 0.0, 1.0]
    );
    // What no training sample has: an extreme, another constant, a category of its own, a gap where there was none.
    assert_eq!(
        applied(one_hot.as_ref(), &fitted, &[1e9, 6.0, 8.0, 4.0]),
        [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(
        applied(one_hot.as_ref(), &fitted, &[f32::NAN, 5.0, 7.0, 4.0])[0],
        0.0
    );

    let learned = vector(json!({ "categorical": [1], "category_width": 2, "indicators": false }));
    let fitted = fit(learned.as_ref(), &rows());
    let number = |category: f32| {
        *applied(learned.as_ref(), &fitted, &[1.0, category, 7.0, 4.0])
            .last()
            .unwrap()
    };
    assert_eq!([5.0, 9.0, 6.0, f32::NAN].map(number), [1.0, 2.0, 0.0, 0.0]);
    assert_eq!(applied(learned.as_ref(), &fitted, &ROWS[1]).len(), 4);

    let plain = vector(json!({ "scaling": "none" }));
    let fitted = fit(plain.as_ref(), &rows());
    assert_eq!(
        applied(plain.as_ref(), &fitted, &ROWS[1]),
        [3.0, 9.0, 7.0, 0.0, 1.0]
    );
}

#[test]
fn a_missing_category_is_one_if_training_samples_have_it() {
    let vector = vector(json!({ "categorical": [0] }));
    let fitted = fit(vector.as_ref(), &[vec![2.0], vec![f32::NAN], vec![1.0]]);
    for (category, expected) in [
        (f32::NAN, [1.0, 0.0, 0.0]),
        (1.0, [0.0, 1.0, 0.0]),
        (2.0, [0.0, 0.0, 1.0]),
        (3.0, [0.0; 3]),
    ] {
        assert_eq!(applied(vector.as_ref(), &fitted, &[category]), expected);
    }
}

#[test]
fn too_many_categories_for_columns_of_their_own_are_refused_by_column() {
    let rows: Vec<Vec<f32>> = (0..1001).map(|category| vec![0.0, category as f32]).collect();
    let samples: Vec<Array> = rows
        .iter()
        .map(|row| Array::new([2], row.clone()).unwrap())
        .collect();
    let read = |index: usize| Ok(samples[index].clone());
    let cx = FitContext::new(Path::new("."), samples.len(), &read);
    let error = vector(json!({ "categorical": [1] }))
        .fit(&cx)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("column 1") && error.contains("category_width"),
        "{error}"
    );
    assert!(
        vector(json!({ "categorical": [1], "category_width": 2 }))
            .fit(&cx)
            .is_ok()
    );
}

proptest! {
    #[test]
    fn training_columns_have_mean_zero_and_deviation_one(
        rows in proptest::collection::vec(proptest::collection::vec(-1e6_f32..1e6, 3), 2..40),
    ) {
        let vector = vector(json!({ "clip": 1e9 }));
        let fitted = fit(vector.as_ref(), &rows);
        let applied: Vec<Vec<f32>> = rows.iter().map(|row| applied(vector.as_ref(), &fitted, row)).collect();
        for column in 0..3 {
            let values = || applied.iter().map(|row| f64::from(row[column]));
            let count = rows.len() as f64;
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            prop_assert!(mean.abs() < 1e-4, "{mean}");
            prop_assert!((variance - 1.0).abs() < 1e-4 || variance == 0.0, "{variance}");
        }
    }
}

#[test]
fn figures_that_name_a_column_beyond_the_vector_are_refused() {
    let vector = vector(json!({}));
    let fitted = serde_json::to_string(&fit(vector.as_ref(), &rows())).unwrap();
    let damaged: Fitted = serde_json::from_str(&fitted.replace("\"column\":3", "\"column\":7")).unwrap();
    let error = vector
        .apply(prepare(vector.as_ref(), &ROWS[0]), &damaged)
        .unwrap_err();
    assert!(error.to_string().contains("column 7 of 4"), "{error}");
}
