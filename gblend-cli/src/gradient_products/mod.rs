//! The inner products that the gradient estimator is made of: of each batch's gradient with the mean of others.
//!
//! On the CPU they are added up in float64; on a GPU where the gradients are, in float32, and only the sums are read.

#[cfg(any(feature = "cuda", test))]
mod device;
#[cfg(any(not(feature = "cuda"), test))]
mod host;

use gblend_core::ParamMut;
use gblend_core::tensor::Gradients;

#[cfg(feature = "cuda")]
pub(crate) use device::{OnDevice as HeadGradient, products};
#[cfg(not(feature = "cuda"))]
pub(crate) use host::{OnHost as HeadGradient, products};

/// The gradient of one head's loss, parameter after parameter.
pub(crate) trait Collected: Default {
    /// Appends the gradient of the next parameter.
    fn append(&mut self, param: &ParamMut<'_>, gradients: &mut Gradients) -> gblend_core::Result<()>;
}

/// One batch's gradient of each head's loss.
pub(crate) struct BatchGradients<G> {
    /// The samples that each head sees.
    pub(crate) samples: Vec<usize>,
    pub(crate) heads: Vec<G>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gblend_core::AutoDevice;
    use gblend_core::dfdx::tensor::TensorFromVec;
    use gblend_core::ogr::InnerProducts;
    use proptest::prelude::*;

    use super::BatchGradients;
    use super::device::{self, OnDevice};
    use super::host::{self, OnHost};

    /// Batches of two heads; the first may see nothing.
    fn batches(
        count: std::ops::Range<usize>,
        elements: usize,
    ) -> impl Strategy<Value = Vec<(Vec<usize>, Vec<Vec<f32>>)>> {
        let gradient = prop::collection::vec(-1.0_f32..1.0, elements);
        let batch = ((0_usize..4, 1_usize..4), prop::collection::vec(gradient, 2));
        let batch = batch.prop_map(|((first, second), heads)| (vec![first, second], heads));
        prop::collection::vec(batch, count)
    }

    fn on_host(batches: &[(Vec<usize>, Vec<Vec<f32>>)]) -> Vec<BatchGradients<OnHost>> {
        let batches = batches.iter().map(|(samples, heads)| BatchGradients {
            samples: samples.clone(),
            heads: heads.iter().map(|values| OnHost(values.clone())).collect(),
        });
        batches.collect()
    }

    /// Each gradient as that of two parameters.
    fn on_device(batches: &[(Vec<usize>, Vec<Vec<f32>>)]) -> Vec<BatchGradients<OnDevice>> {
        let device = AutoDevice::default();
        let tensor = |values: &[f32]| device.tensor_from_vec(values.to_vec(), (values.len(),));
        let batches = batches.iter().map(|(samples, heads)| {
            let heads = heads.iter().map(|values| {
                let (first, second) = values.split_at(values.len() / 2);
                OnDevice(vec![tensor(first), tensor(second)])
            });
            BatchGradients {
                samples: samples.clone(),
                heads: heads.collect(),
            }
        });
        batches.collect()
    }

    proptest! {
        #[test]
        fn the_device_finds_what_the_host_finds(
            train in batches(1..6, 8),
            held_out in batches(1..4, 8),
            epoch in 1_usize..9,
        ) {
            let host = host::products(&on_host(&train), &on_host(&held_out), epoch);
            let device = device::products(&on_device(&train), &on_device(&held_out), epoch);
            match (host, device) {
                (Ok(host), Ok(device)) => {
                    let values = |products: &InnerProducts| {
                        let movements = products.movements();
                        let mut values = [movements.delta_o, movements.delta_g].concat();
                        values.extend([(0, 0), (0, 1), (1, 1)].map(|(j, k)| movements.covariance.get(j, k)));
                        values
                    };
                    let (host, device) = (values(&host), values(&device));
                    for (a, b) in host.iter().zip(&device) {
                        prop_assert!((a - b).abs() < 1e-4, "{} {}", a, b);
                    }
                }
                (host, device) => prop_assert_eq!(host.is_err(), device.is_err()),
            }
        }
    }
}
