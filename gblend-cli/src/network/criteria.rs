//! What each head is asked.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use gblend_core::nn::scale;
use gblend_core::objective::{losses_of_all, losses_of_all_scores};
use gblend_core::params::{Module, ParamPath, ParamVisitor, parameter_count};
use gblend_core::tensor::Loss;
use gblend_core::{
    Array, AutoDevice, ClassWeights, Criterion, Error, JOINT, Keys, Labels, Logits, ObjectiveContext, Result,
    Role, Seed, Targets,
};

use crate::config::{Config, Objectives, Sampling};
use crate::records::ObjectiveDescription;

/// What objectives are started with, whatever the head.
#[derive(Clone, Copy, Debug)]
pub struct LabelContext<'a> {
    /// The names of the classes.
    pub classes: &'a [String],
    /// The labels of the training split alone.
    pub labels: &'a Labels,
}

/// The criterion of each head, the joint one's last.
pub struct Criteria(Vec<HeadCriterion>);

/// The criterion of one head.
pub struct HeadCriterion {
    kind: &'static str,
    needs_label: bool,
    criterion: Box<dyn Criterion>,
    /// How much more often than as they are samples are drawn in training, by their classes.
    sampling: Option<ClassWeights>,
    unit: Unit,
}

/// The unit in which a head's loss is blended with those of others: the loss of one that knows nothing, over that of the joint
/// head. It is 1 where all heads have objectives of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unit {
    /// Among the samples of a batch.
    training: f64,
    /// Among as many as losses are measured among in evaluation.
    evaluation: f64,
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            training: 1.0,
            evaluation: 1.0,
        }
    }
}

impl Criteria {
    /// Starts the objective of every head.
    ///
    /// # Errors
    /// What an objective refuses, with the modality it is about; [`Error::Setting`] if classes are to be balanced twice, by
    /// how samples are drawn and by what their losses count.
    pub fn start(
        config: &Config,
        objectives: &Objectives<'_>,
        of: LabelContext<'_>,
        device: &AutoDevice,
        seed: Seed,
    ) -> Result<Self> {
        let names = config.modalities.iter().map(|modality| modality.name.as_str());
        let heads = names.chain([JOINT]).enumerate().map(|(head, name)| {
            let objective = objectives.of_head(head);
            let started = objective.start(&ObjectiveContext {
                head: name,
                classes: of.classes,
                labels: of.labels,
                device,
                seed: seed.derive(name).derive("objective"),
            });
            let table = match objectives.own(head) {
                Some(_) => format!("modality.{name}.objective"),
                None => Role::Objective.to_string(),
            };
            let criterion = started.map_err(|error| error.of_plugin(objective, &table))?;
            let sampling = match config.run.sampler {
                Sampling::Shuffled => None,
                Sampling::Balanced if criterion.class_weights().is_some() => return Err(twice(&table)),
                Sampling::Balanced => Some(ClassWeights::balanced(of.labels, of.classes.len())?),
            };
            Ok(HeadCriterion {
                kind: objective.typetag_name(),
                needs_label: objective.needs_label(),
                criterion,
                sampling,
                unit: Unit::default(),
            })
        });
        let mut criteria = Self(heads.collect::<Result<_>>()?);
        let queue = objectives.joint().queue().map_or(0, |queue| queue.size.get());
        criteria.set_units(config.run.batch_size, queue);
        Ok(criteria)
    }

    /// Of batches of so many samples, which the joint head tells from so many of earlier ones, too.
    fn set_units(&mut self, batch: usize, queue: usize) {
        let chances = |head: &HeadCriterion, earlier: usize| {
            let block = head.criterion.block().map_or(batch, NonZeroUsize::get);
            [batch + earlier, block].map(|samples| head.criterion.chance(samples))
        };
        let joint = self.0.len() - 1;
        let of_joint = chances(self.joint(), queue);
        for (position, head) in self.0.iter_mut().enumerate() {
            let [training, evaluation] = chances(head, if position == joint { queue } else { 0 });
            head.unit = Unit {
                training: training / of_joint[0],
                evaluation: evaluation / of_joint[1],
            };
        }
    }

    /// Heads that are all asked the same.
    #[cfg(test)]
    pub(crate) fn alike(heads: usize, criterion: impl Fn() -> Box<dyn Criterion>) -> Self {
        let head = |_| HeadCriterion {
            kind: "alike",
            needs_label: true,
            criterion: criterion(),
            sampling: None,
            unit: Unit::default(),
        };
        Self((0..heads).map(head).collect())
    }

    /// The number of heads.
    pub fn heads(&self) -> usize {
        self.0.len()
    }

    /// That of a head.
    pub fn of(&self, head: usize) -> &HeadCriterion {
        &self.0[head]
    }

    /// That of the joint head.
    pub fn joint(&self) -> &HeadCriterion {
        &self.0[self.0.len() - 1]
    }

    /// That of predictions, from the weights of the heads: the joint head's, or without a trained joint head that of the
    /// first trained one.
    pub fn of_predictions(&self, weights: &[f64]) -> &HeadCriterion {
        let joint = self.0.len() - 1;
        let trained = |head: &usize| weights.get(*head).is_some_and(|&weight| weight > 0.0);
        let lead = Some(joint).filter(trained).or_else(|| (0..joint).find(trained));
        self.of(lead.unwrap_or(joint))
    }

    pub(super) fn of_mut(&mut self, head: usize) -> &mut HeadCriterion {
        &mut self.0[head]
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut HeadCriterion> {
        self.0.iter_mut()
    }

    /// How many samples have a loss, of each head, with the targets of the samples that a head sees.
    pub fn counted<'t>(&self, targets_of: impl Fn(usize) -> Cow<'t, Targets>) -> Vec<usize> {
        let heads = self.0.iter().enumerate();
        let counted = heads.map(|(head, criterion)| criterion.counted(&targets_of(head)));
        counted.collect()
    }

    /// The most samples among which one is measured, if an objective compares samples.
    pub fn block(&self) -> Option<NonZeroUsize> {
        self.0.iter().filter_map(|head| head.criterion.block()).max()
    }

    /// Whether a loss has parameters.
    ///
    /// # Errors
    /// Those of the visit.
    pub fn learn(&mut self) -> Result<bool> {
        let mut learned = 0;
        for head in &mut self.0 {
            learned += parameter_count(head)?;
        }
        Ok(learned > 0)
    }
}

/// The error of weights beside draws that do the same.
fn twice(table: &str) -> Error {
    let expected = format!(
        "\"shuffled\" beside class_weights of [{table}]: with both, rare classes would count for more than frequent ones; \
         leave out one of the two"
    );
    Error::setting("run.sampler", "\"balanced\"", expected)
}

impl HeadCriterion {
    /// The kind of the objective.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether a sample without a label tells the head nothing.
    pub fn needs_label(&self) -> bool {
        self.needs_label
    }

    /// What the head's output means.
    pub fn get(&self) -> &dyn Criterion {
        self.criterion.as_ref()
    }

    /// The objective as records tell it.
    pub fn description(&self) -> ObjectiveDescription {
        ObjectiveDescription {
            kind: self.kind.to_owned(),
            metrics: self.criterion.metric_kinds().to_vec(),
            axes: self.criterion.axes(),
        }
    }

    /// The mean loss on the tape, in the unit in which losses are blended; among keys if there are some.
    ///
    /// # Errors
    /// As [`Criterion::loss`] and [`Criterion::loss_among`].
    pub fn loss(&mut self, output: Logits, targets: &Targets, keys: Option<&Keys>) -> Result<Loss> {
        let loss = match keys {
            Some(keys) => self.criterion.loss_among(output, targets, keys)?,
            None => self.criterion.loss(output, targets)?,
        };
        match self.unit.training {
            1.0 => Ok(loss),
            unit => scale(loss, (1.0 / unit) as f32),
        }
    }

    /// A loss of a batch of training in the unit in which losses are blended.
    pub fn in_training_unit(&self, loss: f64) -> f64 {
        loss / self.unit.training
    }

    /// A loss of an evaluation in the unit in which losses are blended.
    pub fn in_evaluation_unit(&self, loss: f64) -> f64 {
        loss / self.unit.evaluation
    }

    /// The loss of each sample of an evaluation, of which the mean is what training makes small: where it draws the samples of
    /// a class more often than as they are, theirs count for as much more.
    ///
    /// # Errors
    /// As [`losses_of_all`].
    pub fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        let losses = losses_of_all(self.get(), output, targets)?;
        Ok(self.as_drawn(losses, targets))
    }

    /// As [`losses`](Self::losses), from scores.
    ///
    /// # Errors
    /// As [`losses_of_all_scores`].
    pub fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        let losses = losses_of_all_scores(self.get(), scores, targets)?;
        Ok(self.as_drawn(losses, targets))
    }

    /// Losses of samples as they are, each times how much more often training draws one of its class.
    pub fn as_drawn(&self, mut losses: Vec<Option<f64>>, targets: &Targets) -> Vec<Option<f64>> {
        if let Some(sampling) = &self.sampling {
            for (loss, label) in losses.iter_mut().zip(&targets.labels) {
                if let Some(loss) = loss {
                    *loss *= sampling.of_label(label);
                }
            }
        }
        losses
    }

    /// How much samples count in these losses by their classes; `None` if all count the same.
    pub fn class_weights(&self) -> Option<&ClassWeights> {
        self.sampling.as_ref().or_else(|| self.criterion.class_weights())
    }

    /// Which figures select the best epoch, as [`Criterion::selection`] has them.
    pub fn selection(&self) -> &[usize] {
        match self.sampling {
            None => self.criterion.selection(),
            Some(_) => self.criterion.balanced_selection(),
        }
    }

    /// The number of samples that have a loss.
    pub fn counted(&self, targets: &Targets) -> usize {
        match targets.labeled() {
            Some(labeled) if self.needs_label => labeled.len(),
            _ => targets.len(),
        }
    }
}

impl Module for HeadCriterion {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        Criterion::visit_params(self.criterion.as_mut(), path, visitor)?;
        match &mut self.sampling {
            Some(sampling) => sampling.visit_params(&path.join("sampling"), visitor),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::objective::mean_of;
    use gblend_core::{Label, LabelKind, Objective};
    use gblend_optim::objective::{ClassWeighting, SingleLabel};
    use proptest::prelude::*;

    const CLASSES: usize = 3;

    fn labels(classes: &[usize]) -> Vec<Label> {
        classes.iter().map(|&class| Label::Class(class)).collect()
    }

    /// The head of a run whose training samples have these classes.
    fn head(classes: &[usize], class_weights: Option<ClassWeighting>, drawn: bool) -> HeadCriterion {
        let names: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
        let labels = Labels::of(LabelKind::Class, &labels(classes)).unwrap();
        let objective = SingleLabel { class_weights };
        let cx = ObjectiveContext {
            head: JOINT,
            classes: &names,
            labels: &labels,
            device: &AutoDevice::default(),
            seed: Seed::new(0),
        };
        HeadCriterion {
            kind: objective.typetag_name(),
            needs_label: objective.needs_label(),
            criterion: objective.start(&cx).unwrap(),
            sampling: drawn.then(|| ClassWeights::balanced(&labels, CLASSES).unwrap()),
            unit: Unit::default(),
        }
    }

    proptest! {
        #[test]
        fn what_is_drawn_evenly_is_judged_as_what_is_weighted(
            training in proptest::collection::vec(0..CLASSES, 1..40),
            judged in proptest::collection::vec((0..CLASSES, proptest::array::uniform3(-5.0_f32..5.0)), 1..20),
        ) {
            let plain = head(&training, None, false);
            let drawn = head(&training, None, true);
            let weighted = head(&training, Some(ClassWeighting::Balanced), false);
            prop_assert_eq!(drawn.class_weights(), weighted.class_weights());
            prop_assert_eq!(drawn.selection(), weighted.selection());
            prop_assert!(plain.class_weights().is_none());
            let targets = Targets::new(labels(&judged.iter().map(|(class, _)| *class).collect::<Vec<_>>()));
            let values = judged.iter().flat_map(|(_, row)| *row).collect();
            let output = Array::new([judged.len(), CLASSES], values).unwrap();
            prop_assert_eq!(drawn.losses(&output, &targets).unwrap(), weighted.losses(&output, &targets).unwrap());
            let scores = plain.get().scores(&output).unwrap();
            prop_assert_eq!(
                drawn.losses_of_scores(&scores, &targets).unwrap(),
                weighted.losses_of_scores(&scores, &targets).unwrap()
            );
            // In training what is drawn counts as it is.
            prop_assert_eq!(drawn.get().losses(&output, &targets).unwrap(), plain.losses(&output, &targets).unwrap());
        }

        #[test]
        fn the_loss_of_the_training_samples_is_that_of_an_epoch_as_it_is_drawn(
            rare in 1_usize..4, times in 1_usize..6, rows in proptest::array::uniform4(proptest::array::uniform3(-5.0_f32..5.0)),
        ) {
            // So many times as many of the first class as of the others.
            let classes = [vec![0; rare * times], vec![1; rare], vec![2; rare]].concat();
            let drawn = head(&classes, None, true);
            let loss = |samples: &[usize], drawn: Option<&HeadCriterion>| {
                let of: Vec<usize> = samples.iter().map(|&sample| classes[sample]).collect();
                let values = samples.iter().flat_map(|&sample| rows[sample % 4]).collect();
                let output = Array::new([samples.len(), CLASSES], values).unwrap();
                let targets = Targets::new(labels(&of));
                let losses = match drawn {
                    Some(head) => head.losses(&output, &targets),
                    None => head(&classes, None, false).losses(&output, &targets),
                };
                mean_of(&losses.unwrap()).unwrap()
            };
            let all: Vec<usize> = (0..classes.len()).collect();
            let epoch: Vec<usize> =
                all.iter().flat_map(|&sample| vec![sample; if classes[sample] == 0 { 1 } else { times }]).collect();
            let (weighted, expected) = (loss(&all, Some(&drawn)), loss(&epoch, None));
            prop_assert!((weighted - expected).abs() < 1e-6 * expected.max(1.0), "{weighted} {expected}");
        }
    }
}
