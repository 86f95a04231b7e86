//! Concatenation.
#![allow(clippy::unwrap_used)]

use dfdx::tensor::TensorFromVec;
use gblend_core::tensor::{Dims2, Plain};
use gblend_core::{AutoDevice, Fusion, FusionContext, FusionInputs, Pass, Seed};
use gblend_modalities::fusion::Concat;

#[test]
fn features_stand_side_by_side_in_the_order_of_the_modalities() {
    let device = AutoDevice::default();
    let cx = FusionContext {
        device: &device,
        feature_dims: &[2, 1],
        stages: &[],
        seed: Seed::new(0),
    };
    let mut fusion = Concat {}.build(&cx).unwrap();
    assert_eq!(fusion.fused_dim(), 3);
    let left: Plain<Dims2> = device.tensor_from_vec(vec![1.0, 2.0, 3.0, 4.0], (2, 2));
    let right: Plain<Dims2> = device.tensor_from_vec(vec![5.0, 6.0], (2, 1));
    let pass = Pass::evaluate();
    let fused = fusion
        .fuse(
            FusionInputs::of_features(vec![left.retaped(), right.retaped()]),
            &pass,
        )
        .unwrap();
    assert_eq!(fused.as_vec(), [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    let error = fusion
        .fuse(
            FusionInputs::of_features(vec![right.retaped(), left.retaped()]),
            &pass,
        )
        .unwrap_err()
        .to_string();
    assert!(error.contains("[2, 1]") && error.contains("[1, 2]"), "{error}");
}
