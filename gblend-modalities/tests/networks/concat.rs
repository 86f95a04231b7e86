//! Concatenation.

use gblend_core::tensor::Plain;
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
    let left = Plain::new(&device, (2, 2), vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let right = Plain::new(&device, (2, 1), vec![5.0, 6.0]).unwrap();
    let pass = Pass::evaluate();
    let fused = fusion
        .fuse(
            FusionInputs::of_features(vec![left.parameter(), right.parameter()]),
            &pass,
        )
        .unwrap();
    assert_eq!(fused.to_vec(), [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    let error = fusion
        .fuse(
            FusionInputs::of_features(vec![right.parameter(), left.parameter()]),
            &pass,
        )
        .unwrap_err()
        .to_string();
    assert!(error.contains("[2, 1]") && error.contains("[1, 2]"), "{error}");
}
