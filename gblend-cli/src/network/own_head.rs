//! A modality's own head, and what it is shown of a sample.

use gblend_core::nn::{Linear, RowIndex, fork, take_rows};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::tensor::{Features, Logits};
use gblend_core::{
    AutoDevice, Batch, BuildContext, Criterion, Encoder, Error, FusionContext, FusionInputs, FusionModule,
    Look, Pass, Result, Seed,
};

use crate::config::ModalityConfig;

/// A modality's own head.
pub(super) struct OwnHead {
    layers: Layers,
    look: Look,
    /// The frozen encoder that the features are shown beside, if they are.
    reference: Option<Box<dyn Encoder>>,
}

enum Layers {
    /// One fully connected layer on the feature vector.
    Linear(Linear),
    /// What the objective brings.
    Own(Box<dyn FusionModule>),
}

impl OwnHead {
    /// Builds the head of a modality whose encoder, built with `cx`, gives feature vectors of this length.
    ///
    /// # Errors
    /// What the objective refuses; [`Error::Setting`] if the modality cannot be shown as it asks.
    pub(super) fn new(
        modality: &ModalityConfig,
        look: Look,
        criterion: &dyn Criterion,
        feature_dim: usize,
        cx: &BuildContext<'_>,
        seed: Seed,
        chunked: bool,
    ) -> Result<Self> {
        let kind = || modality.key("objective.kind");
        let looks = match look {
            Look::Once => 1,
            Look::TwoAugmentations | Look::BesideReference(_) => 2,
        };
        if look == Look::TwoAugmentations && !modality.plugin.augments() && modality.plugin.views().get() == 1
        {
            let expected = format!(
                "another objective, or samples that are augmented, as it compares two augmentations of each: set `augment` in [{}]",
                modality.table()
            );
            return Err(Error::setting(kind(), "\"views\"", expected));
        }
        let reference = match look {
            Look::BesideReference(_) => {
                let freezes = modality
                    .pipeline
                    .freeze
                    .part()
                    .is_some_and(|part| part.stages.is_none());
                if freezes {
                    let expected = format!(
                        "another objective, or an encoder that is trained: {} keeps it where it is",
                        modality.key("freeze")
                    );
                    return Err(Error::setting(kind(), "\"anchor\"", expected));
                }
                if chunked {
                    let expected = "no run.chunk beside it, as its frozen encoder sees a batch as a whole";
                    return Err(Error::setting(kind(), "\"anchor\"", expected));
                }
                Some(modality.build(cx)?)
            }
            _ => None,
        };
        let own = criterion.own_head(&FusionContext {
            device: cx.device,
            feature_dims: &vec![feature_dim; looks],
            stages: &[],
            seed,
        });
        let layers = match own.map_err(|error| error.in_table(&modality.key("objective")))? {
            Some(own) => Layers::Own(own),
            None => Layers::Linear(Linear::new(cx.device, feature_dim, criterion.width(), seed)?),
        };
        Ok(Self {
            layers,
            look,
            reference,
        })
    }

    /// The frozen encoder, if there is one.
    pub(super) fn reference(&mut self) -> Option<&mut dyn Encoder> {
        match &mut self.reference {
            Some(reference) => Some(reference.as_mut()),
            None => None,
        }
    }

    /// Whether it compares two augmentations.
    pub(super) fn compares_augmentations(&self) -> bool {
        self.look == Look::TwoAugmentations
    }

    /// Its output `[samples, width]` of the features of a batch, which has one sample after the other; where two augmentations
    /// are looked at, the last two copies of the samples are these.
    ///
    /// # Errors
    /// [`Error::Shape`] if the features are of another length, [`Error::Device`].
    pub(super) fn forward(
        &mut self,
        features: Features,
        copies: usize,
        batch: Option<&Batch>,
        pass: &Pass,
    ) -> Result<Logits> {
        let device = features.device();
        let shown = match (&self.look, &mut self.reference) {
            (Look::BesideReference(_), Some(reference)) => {
                let Some(batch) = batch else {
                    return Err(Error::shape("a frozen encoder", "a batch of samples", [0]));
                };
                // In the mode of the other, so that both have the statistics of the batch and drop the same: where they have the
                // same parameters they give the same.
                let frozen = reference.encode(batch, pass)?;
                vec![features, frozen.into_data(pass.recorder())]
            }
            (Look::TwoAugmentations, _) => {
                let samples = features.shape().0 / copies.max(1);
                let (first, second) = fork(features);
                // Of a sample that was not augmented there is one copy, which is like itself.
                let starts = [
                    copies.saturating_sub(2) * samples,
                    copies.saturating_sub(1) * samples,
                ];
                let taken = [first, second].into_iter().zip(starts);
                let taken = taken.map(|(features, start)| rows(&device, features, start, samples));
                taken.collect::<Result<_>>()?
            }
            _ => vec![features],
        };
        match &mut self.layers {
            Layers::Own(own) => own.fuse(FusionInputs::of_features(shown), pass),
            Layers::Linear(linear) => {
                let mut shown = shown.into_iter();
                let features = shown.next();
                linear.forward(features.ok_or_else(|| Error::shape("a head", "features", [0]))?)
            }
        }
    }
}

/// So many rows from a place on.
pub(super) fn rows(device: &AutoDevice, features: Features, start: usize, count: usize) -> Result<Features> {
    take_rows(
        features,
        &RowIndex::new(device, (start..start + count).collect())?,
    )
}

impl Module for OwnHead {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        match &mut self.layers {
            Layers::Linear(linear) => linear.visit_params(path, visitor),
            Layers::Own(own) => own.visit_params(path, visitor),
        }
    }
}
