//! A step that several ranks take together, each on its part of the batch.
//!
//! Everybody sees the outputs of the heads for the whole batch, and computes its losses: what a loss, a score or a strategy makes of them
//! is the same everywhere, and right however samples, labels and modalities are divided. The outputs of the other ranks are data, so
//! the backward pass gives this part's share of the gradient of the whole batch's loss. The shares are added up before anybody looks
//! at them.

use std::cell::RefCell;
use std::rc::Rc;

use gblend_core::batch_parts::BatchParts;
use gblend_core::nn::{add, scatter_rows};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::{Gradients, Plain};
use gblend_core::{Array, AutoDevice, Logits, ParamMut, Pass, Seed};
use gblend_optim::each_gradient;
use gblend_optim::network::{Network, Part};

use super::StepContext;
use crate::config::BatchNormOver;
use crate::data::WholeBatch;
use crate::error::{Error, Result};
use crate::network::{ActiveHeads, Inputs, Multimodal};
use crate::ranks::Ranks;

/// The ranks that take a step.
pub(super) struct Together<'a> {
    ranks: &'a Ranks,
    batch_norm: BatchNormOver,
    /// What went wrong where nothing could be returned.
    failure: Failure,
}

type Failure = Rc<RefCell<Option<Error>>>;

/// Those who have samples that a head sees.
#[derive(Debug)]
struct Members {
    ranks: Ranks,
    members: Vec<usize>,
    failure: Failure,
}

impl BatchParts for Members {
    fn add_up(&self, sums: &mut [f64]) {
        if self.failure.borrow().is_some() {
            return;
        }
        if let Err(error) = self.ranks.sum_among(&self.members, sums) {
            self.failure.replace(Some(error));
        }
    }
}

impl<'a> Together<'a> {
    pub(super) fn new(context: StepContext<'a>) -> Self {
        Self {
            ranks: context.ranks,
            batch_norm: context.batch_norm,
            failure: Failure::default(),
        }
    }

    /// The random stream of a part of a step: each rank drops others.
    pub(super) fn seed(&self, step: Seed) -> Seed {
        match self.ranks.is_many() {
            true => step.derive("rank").nth(self.ranks.rank() as u64),
            false => step,
        }
    }

    /// The inputs of a part, which normalize with the other parts if that is set.
    pub(super) fn in_parts(&self, inputs: Inputs, whole: &WholeBatch, heads: usize) -> Inputs {
        if !self.ranks.is_many() || self.batch_norm == BatchNormOver::EachRank {
            return inputs;
        }
        let parts = (0..heads).map(|head| {
            let members = whole.members(head);
            let together = members.len() > 1 && members.contains(&self.ranks.rank());
            together.then(|| {
                Rc::new(Members {
                    ranks: self.ranks.clone(),
                    members,
                    failure: Rc::clone(&self.failure),
                }) as Rc<dyn BatchParts>
            })
        });
        inputs.in_parts(parts.collect())
    }

    /// What went wrong in a pass that could not tell.
    ///
    /// # Errors
    /// That.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Outputs for the whole batch, in which only those of this part have a history.
    pub(super) fn join(
        &self,
        logits: Vec<Option<Logits>>,
        whole: &WholeBatch,
        device: &AutoDevice,
        pass: &Pass,
    ) -> Result<Vec<Option<Logits>>> {
        self.check()?;
        if !self.ranks.is_many() {
            return Ok(logits);
        }
        let all = self.gather(super::on_host(&logits)?)?;
        let heads = logits.into_iter().zip(all).enumerate();
        let joined = heads.map(|(head, (own, all))| {
            let Some(all) = all else { return Ok(None) };
            let (rows, width) = (all.shape()[0], all.shape()[1]);
            let places = whole.own_places(head);
            let mut values = all.into_values();
            if own.is_some() {
                for &place in &places {
                    values[place * width..][..width].fill(0.0);
                }
            }
            let others = Plain::new(device, (rows, width), values)?.enter(pass.recorder());
            Ok(Some(match own {
                Some(own) => add(scatter_rows(own, &places, rows)?, others)?,
                None => others,
            }))
        });
        joined.collect()
    }

    /// Rows for the whole batch.
    pub(super) fn gather(&self, own: Vec<Option<Array>>) -> Result<Vec<Option<Array>>> {
        self.check()?;
        self.ranks.gather_rows(own)
    }

    /// Adds up the gradients of all parts.
    pub(super) fn add_up(
        &self,
        network: &mut dyn Network,
        gradients: &mut Gradients,
    ) -> gblend_core::Result<()> {
        if !self.ranks.is_many() {
            return Ok(());
        }
        let cannot = |error: Error| {
            let told = gblend_core::Error::Device(error.to_string());
            self.failure.replace(Some(error));
            told
        };
        self.check().map_err(cannot)?;
        let mut values = Vec::new();
        each_gradient(network, gradients, |_, path, mut gradient| {
            // Everybody has that of the whole loss, which counts once.
            let counts = self.ranks.is_first() || !Multimodal::is_of_loss(path);
            gradient.read(|read| match counts {
                true => values.extend_from_slice(read),
                false => values.resize(values.len() + read.len(), 0.0),
            })
        })?;
        self.ranks.sum(&mut values).map_err(cannot)?;
        let mut rest = &values[..];
        each_gradient(network, gradients, |_, path, mut gradient| {
            let count = gradient.shape().iter().product();
            let Some((sums, left)) = rest.split_at_checked(count) else {
                let expected = format!("{count} more values for {path}");
                return Err(gblend_core::Error::shape(
                    "a sum of gradients",
                    expected,
                    [rest.len()],
                ));
            };
            rest = left;
            gradient.set(sums)
        })
    }

    /// Gives all ranks the same running statistics where they do not have them anyway: means, where each normalizes for itself, as it
    /// does in chunks; and those of the ranks that have samples of a modality, where others have none.
    pub(super) fn share_statistics(
        &self,
        model: &mut Multimodal,
        whole: &WholeBatch,
        in_chunks: bool,
    ) -> Result<()> {
        if !self.ranks.is_many() {
            return Ok(());
        }
        let batch_norm = match in_chunks {
            true => BatchNormOver::EachRank,
            false => self.batch_norm,
        };
        let (heads, ranks) = (model.heads(), self.ranks.size());
        let has_all = |head: usize| [0, ranks].contains(&whole.members(head).len());
        let everybody_has_all = (0..heads).all(has_all);
        if batch_norm == BatchNormOver::AllRanks && everybody_has_all {
            return Ok(());
        }
        let own = self.ranks.rank();
        let shares: Vec<f32> = (0..heads)
            .map(|head| match batch_norm {
                BatchNormOver::EachRank => 1.0 / ranks as f32,
                BatchNormOver::AllRanks => {
                    let teller = whole.members(head).first().copied().unwrap_or(0);
                    f32::from(u8::from(teller == own))
                }
            })
            .collect();
        let mut statistics = Statistics::default();
        visit(model, &mut statistics, &shares)?;
        self.ranks.sum(&mut statistics.values)?;
        statistics.written = Some(0);
        visit(model, &mut statistics, &shares)
    }
}

/// Shows the running statistics of all parts, with this rank's share in those of each head.
fn visit(model: &mut Multimodal, statistics: &mut Statistics, shares: &[f32]) -> Result<()> {
    let all = ActiveHeads::all(model.heads());
    let joint = model.heads() - 1;
    let shown = model.active(&all).visit_parts(&mut |part, path, module| {
        let head = match part {
            Part::Encoder(modality) | Part::Head(modality) => modality,
            Part::Joint => joint,
        };
        statistics.share = shares.get(head).copied().unwrap_or(0.0);
        module.visit_params(path, statistics)
    });
    Ok(shown?)
}

/// The running statistics of a network, one after another.
#[derive(Default)]
struct Statistics {
    values: Vec<f32>,
    /// This rank's share in those at hand.
    share: f32,
    /// How many were written back, once they are.
    written: Option<usize>,
}

impl ParamVisitor for Statistics {
    fn param(&mut self, _: &ParamPath, _: ParamMut<'_>) -> gblend_core::Result<()> {
        Ok(())
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> gblend_core::Result<()> {
        // What else is a buffer is a constant.
        let name = path.as_str();
        if !name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with("running_"))
        {
            return Ok(());
        }
        match &mut self.written {
            None => {
                let share = self.share;
                let values = buffer.values().iter();
                self.values
                    .extend(values.map(|value| if share == 0.0 { 0.0 } else { share * value }));
            }
            Some(written) => {
                let count = buffer.len();
                let summed = self.values.get(*written..*written + count).unwrap_or_default();
                buffer.values_mut().copy_from_slice(summed);
                *written += count;
            }
        }
        Ok(())
    }
}
