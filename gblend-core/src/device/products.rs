//! Inner products of gradients, however a device has them.

use std::fmt::Debug;

use super::{Chosen, Store};
use crate::engine::ParamOn;
use crate::error::Result;
use crate::shape::Shape;

/// How a device collects a gradient and multiplies it with others.
pub(crate) trait Collected: Debug + Default {
    /// A sum of such gradients; empty if nothing was added.
    type Sum: Debug + Default;
    /// An inner product that may be on the device still.
    type Product;

    /// Appends the gradient of the next parameter.
    fn append<S: Shape>(&mut self, tensor: &ParamOn<S, Chosen>, store: &mut Store) -> Result<()>;

    /// Adds it `samples` times.
    fn add_to(&self, sum: &mut Self::Sum, samples: usize) -> Result<()>;

    /// The inner products of each batch's gradient; of a batch without samples they are of no account.
    fn products(
        batches: &[Batch<'_, Self>],
        on_train: &Self::Sum,
        on_held_out: &Self::Sum,
    ) -> Result<Vec<Products<Self::Product>>>;

    /// Reads an inner product.
    fn read(product: &Self::Product) -> f64;
}

/// One head's part of a batch.
pub(crate) struct Batch<'a, G> {
    pub(crate) samples: usize,
    pub(crate) gradient: &'a G,
}

/// The inner products of one batch's gradient.
pub(crate) struct Products<P> {
    /// With itself.
    pub(crate) own: P,
    /// With the sum over all training batches, each times its samples.
    pub(crate) on_train: P,
    /// With the same over the held-out batches.
    pub(crate) on_held_out: P,
}

/// A sum of one head's gradients, each times its samples.
#[derive(Debug)]
pub(crate) struct Sum<G: Collected> {
    samples: usize,
    sum: G::Sum,
}

impl<G: Collected> Default for Sum<G> {
    fn default() -> Self {
        Self {
            samples: 0,
            sum: G::Sum::default(),
        }
    }
}

impl<G: Collected> Sum<G> {
    pub(crate) fn add(&mut self, samples: usize, gradient: &G) -> Result<()> {
        // Of a head that has no loss on the batch there may be no gradient at all.
        if samples == 0 {
            return Ok(());
        }
        self.samples += samples;
        gradient.add_to(&mut self.sum, samples)
    }
}

/// `o` and `b` of each batch of one head, see [`inner_products`](crate::gradient_products::inner_products); none of a batch
/// of which it sees nothing. Everything is computed before anything is read.
pub(crate) fn of_head<G: Collected>(
    train: &[Batch<'_, G>],
    held_out: &Sum<G>,
    epoch: usize,
) -> Result<Vec<(Option<f64>, Option<f64>)>> {
    let mut on_train = Sum::default();
    for batch in train {
        on_train.add(batch.samples, batch.gradient)?;
    }
    let products = G::products(train, &on_train.sum, &held_out.sum)?;
    let batches = train.iter().zip(products).map(|(batch, products)| {
        if batch.samples == 0 {
            return (None, None);
        }
        let own = G::read(&products.own);
        let others = match on_train.samples - batch.samples {
            0 => 0.0,
            rest => (G::read(&products.on_train) - batch.samples as f64 * own) / rest as f64,
        };
        let share = if train.len() == 1 { 1.0 } else { 1.0 / epoch as f64 };
        let on_train = share * own + (1.0 - share) * others;
        let gain = G::read(&products.on_held_out) / held_out.samples.max(1) as f64;
        (Some(on_train - gain), Some(gain))
    });
    Ok(batches.collect())
}
