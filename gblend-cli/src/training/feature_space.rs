//! The feature spaces of a network with its data: computed for whoever asks what they tell.

use gblend_core::{Pass, Seed};
use rand::seq::SliceRandom;

use super::session::Session;
use super::shown_neighbors::shown_neighbors;
use crate::data::{Plan, SampleIndex};
use crate::error::{Error, Result};
use crate::evaluation::{ReadLabel, Spaces, Tower, Vectors};
use crate::network::{ActiveHeads, Inputs, Multimodal};
use crate::records::{FeatureSpace, Neighbors};

/// The most samples that are looked at: of more, as many are drawn, since neighbors take a time that grows with their square.
const MOST: usize = 4000;

/// How many nearest neighbors are asked unless someone says so.
pub const NEIGHBORS: usize = 5;

/// The networks whose feature spaces are compared.
pub struct SpaceModels<'a> {
    /// As trained.
    pub trained: &'a mut Multimodal,
    /// As training began.
    pub initial: &'a mut Multimodal,
    /// By modality, one with its encoder as trained alone.
    pub alone: Vec<Option<&'a mut Multimodal>>,
    /// Whether the joint head was trained.
    pub joint_is_trained: bool,
}

/// Feature vectors of samples in several states of the encoders.
pub struct LookedAt<'s, 'c> {
    session: &'s Session<'c>,
    samples: Vec<SampleIndex>,
    labels: Vec<ReadLabel>,
    towers: Vec<Tower>,
}

impl<'s, 'c> LookedAt<'s, 'c> {
    /// Computes the features of these samples; `labels` are names of further labels, or of all if there are none.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such label; the first sample that cannot be loaded, a failure of the device.
    pub fn compute(
        session: &'s Session<'c>,
        models: &mut SpaceModels<'_>,
        samples: &[SampleIndex],
        labels: &[String],
    ) -> Result<Self> {
        let mut samples = samples.to_vec();
        if samples.len() > MOST {
            samples.shuffle(&mut Seed::new(0).derive("feature space").rng());
            samples.truncate(MOST);
            samples.sort_unstable();
        }
        let labels = read_labels(session, &samples, labels)?;
        let names = &session.heads.names()[..session.heads.joint()];
        let trained = features(session, models.trained, &samples, models.joint_is_trained)?;
        let initial = features(session, models.initial, &samples, false)?;
        let mut towers = Vec::with_capacity(names.len());
        for (modality, ((name, trained), initial)) in names.iter().zip(trained).zip(initial).enumerate() {
            let alone = match models.alone.get_mut(modality) {
                Some(Some(model)) => {
                    let mut alone = features(session, model, &samples, false)?;
                    Some(alone.swap_remove(modality).features)
                }
                _ => None,
            };
            towers.push(Tower {
                name: name.clone(),
                samples: trained.samples,
                trained: trained.features,
                initial: initial.features,
                alone,
                projections: trained.projections,
            });
        }
        Ok(Self {
            session,
            samples,
            labels,
            towers,
        })
    }

    /// What the features tell, so many nearest neighbors being asked.
    ///
    /// # Errors
    /// As [`Spaces::measure`].
    pub fn measure(&self, neighbors: usize) -> Result<FeatureSpace> {
        let sameness = self.session.objectives.joint().sameness();
        let identities = self.session.prepared.identities(&sameness);
        let identities: Option<Vec<u64>> = identities.map(|all| {
            let own = self.samples.iter();
            own.map(|&sample| all[sample as usize]).collect()
        });
        let spaces = Spaces {
            samples: self.samples.len(),
            identities: identities.as_deref(),
            labels: &self.labels,
            towers: &self.towers,
            neighbors,
        };
        Ok(spaces.measure()?)
    }

    /// What is nearest to some of the samples, with something to see of each.
    pub fn neighbors(&self) -> Neighbors {
        shown_neighbors(self.session, &self.samples, &self.towers)
    }
}

/// The labels of these names, of these samples.
fn read_labels(session: &Session<'_>, samples: &[SampleIndex], names: &[String]) -> Result<Vec<ReadLabel>> {
    let further = session.source.further_labels();
    let known: Vec<&str> = further.iter().map(|label| label.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let there = match known.is_empty() {
            true => "none, as data.further_labels names no column".to_owned(),
            false => known.join(", "),
        };
        return Err(Error::Usage(format!(
            "there is no further label `{unknown}`: expected one of {there}"
        )));
    }
    let wanted = further
        .iter()
        .filter(|label| names.is_empty() || names.contains(&label.name));
    let labels = wanted.map(|label| ReadLabel {
        name: label.name.clone(),
        of_samples: samples
            .iter()
            .map(|&sample| label.of_samples[sample as usize])
            .collect(),
    });
    Ok(labels.collect())
}

/// What a network makes of one modality.
struct Features {
    /// The samples that have it, as positions among all.
    samples: Vec<usize>,
    features: Vectors,
    projections: Option<Vectors>,
}

/// The features of every modality, in evaluation mode, and the projections that a joint head of the objective's own compares.
fn features(
    session: &Session<'_>,
    model: &mut Multimodal,
    samples: &[SampleIndex],
    projected: bool,
) -> Result<Vec<Features>> {
    let modalities = session.heads.joint();
    let projected = projected && model.has_own_joint_head();
    let active = ActiveHeads::only(modalities + 1, modalities);
    let loader = session.loader(vec![true; modalities]);
    let plan = Plan::evaluation(samples, session.batch_size());
    let mut having: Vec<Vec<usize>> = vec![Vec::new(); modalities];
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); modalities];
    let mut parts: Vec<Vec<f32>> = vec![Vec::new(); modalities];
    let (mut done, mut width) = (0, 0);
    loader.for_each(&plan, |_, batch| -> Result<()> {
        let count = batch.samples.len();
        let inputs = Inputs::new(&session.device, count, batch.inputs)?;
        let projections = match projected {
            true => {
                let mut heads = model.forward(&inputs, &Pass::evaluate(), &active)?;
                heads.pop().flatten().map(|joint| joint.to_array()).transpose()?
            }
            false => None,
        };
        for modality in 0..modalities {
            let Some((batch, rows)) = inputs.modality(modality).and_then(|input| input.present()) else {
                continue;
            };
            let present: Vec<usize> = rows.map_or_else(|| (0..count).collect(), <[usize]>::to_vec);
            values[modality].extend(model.encode(modality, batch)?.into_values());
            if let Some(projections) = &projections {
                let length = projections.shape().last().copied().unwrap_or(0);
                width = length / modalities;
                for &row in &present {
                    let from = row * length + modality * width;
                    parts[modality].extend(&projections.values()[from..from + width]);
                }
            }
            having[modality].extend(present.into_iter().map(|row| done + row));
        }
        done += count;
        Ok(())
    })?;
    let of_each = having.into_iter().zip(values).zip(parts).enumerate();
    let features = of_each.map(|(modality, ((samples, values), parts))| Features {
        samples,
        features: Vectors::new(&values, model.feature_dim(modality)),
        projections: (projected && width > 0).then(|| Vectors::new(&parts, width)),
    });
    Ok(features.collect())
}
