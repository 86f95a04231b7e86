//! What the network is given: a batch of each modality, on the device.

use std::borrow::Cow;
use std::rc::Rc;

use gblend_core::batch_parts::BatchParts;
use gblend_core::{AutoDevice, Batch, PresenceMask, Result, Targets};

use crate::data::LoadedInput;

/// The modalities of a batch of samples.
#[derive(Debug)]
pub struct Inputs {
    samples: usize,
    modalities: Vec<Option<Input>>,
    /// Of a part of a batch, those who have the other parts of what each head sees, the joint one last.
    parts: Vec<Option<Rc<dyn BatchParts>>>,
}

/// One modality of a batch of samples.
#[derive(Debug)]
pub struct Input {
    /// Positions in the batch of the samples that have the modality; `None` if all do.
    rows: Option<Vec<usize>>,
    /// Those samples; `None` if there is none.
    batch: Option<Batch>,
    /// Whether they are what the encoder gives.
    encoded: bool,
    /// Where those samples are all of the batch, but some of them are only told to have the modality.
    told: Option<PresenceMask>,
    /// How often each sample is there, one copy of all after the other: as the joint head sees it, and augmented.
    copies: usize,
}

impl Input {
    /// How often each sample is there, one copy of all after the other.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// The samples that have the modality, and their positions unless all do; `None` if there is none.
    pub fn present(&self) -> Option<(&Batch, Option<&[usize]>)> {
        self.batch.as_ref().map(|batch| (batch, self.rows.as_deref()))
    }

    /// Which of the samples there count, if not all do.
    pub fn told(&self) -> Option<&PresenceMask> {
        self.told.as_ref()
    }

    /// Whether the samples are feature vectors that the encoder has given before.
    pub fn is_encoded(&self) -> bool {
        self.encoded
    }
}

impl Inputs {
    /// Moves the loaded modalities of `samples` samples to the device.
    ///
    /// # Errors
    /// If the device has no memory for them.
    pub fn new(device: &AutoDevice, samples: usize, loaded: Vec<Option<LoadedInput>>) -> Result<Self> {
        let move_one = |input: Option<LoadedInput>| {
            let input = input.map(
                |LoadedInput {
                     rows,
                     samples,
                     encoded,
                     copies,
                 }| {
                    let batch = samples
                        .map(|stacked| Batch::from_stacked(device, stacked))
                        .transpose()?;
                    Ok(Input {
                        rows,
                        batch,
                        encoded,
                        told: None,
                        copies,
                    })
                },
            );
            input.transpose()
        };
        Ok(Self {
            samples,
            modalities: loaded.into_iter().map(move_one).collect::<Result<_>>()?,
            parts: Vec::new(),
        })
    }

    /// The same as a part of a batch, with those who have the other parts of what each head sees, the joint one last.
    #[must_use]
    pub fn in_parts(self, parts: Vec<Option<Rc<dyn BatchParts>>>) -> Self {
        Self { parts, ..self }
    }

    /// Those who have other parts of what a head sees, and normalize with this one.
    pub fn parts(&self, head: usize) -> Option<Rc<dyn BatchParts>> {
        self.parts.get(head)?.clone()
    }

    /// Batches of samples that lack no modality.
    pub fn whole(samples: usize, batches: Vec<Batch>) -> Self {
        Self::told(samples, batches.into_iter().map(|batch| (batch, None)).collect())
    }

    /// Batches of all samples, and which of them count. Every head has an output for each sample; the fusion reads zeros of those
    /// that do not count.
    pub fn told(samples: usize, batches: Vec<(Batch, Option<PresenceMask>)>) -> Self {
        let modalities = batches.into_iter().map(|(batch, told)| {
            Some(Input {
                rows: None,
                batch: Some(batch),
                encoded: false,
                told,
                copies: 1,
            })
        });
        Self {
            samples,
            modalities: modalities.collect(),
            parts: Vec::new(),
        }
    }

    /// Samples that have one of so many modalities alone.
    pub fn of_one(modalities: usize, modality: usize, batch: Batch) -> Self {
        let samples = batch.len();
        let mut batch = Some(batch);
        let modalities = (0..modalities).map(|position| {
            let own = position == modality;
            Some(Input {
                rows: (!own).then(Vec::new),
                batch: batch.take_if(|_| own),
                encoded: false,
                told: None,
                copies: 1,
            })
        });
        Self {
            samples,
            modalities: modalities.collect(),
            parts: Vec::new(),
        }
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// One modality; `None` if it was not loaded.
    pub fn modality(&self, modality: usize) -> Option<&Input> {
        self.modalities.get(modality)?.as_ref()
    }

    /// Positions in the batch of the samples that a head sees: of those that have its modality, or of all for the joint
    /// head. `None` if that is all of them.
    pub fn rows(&self, head: usize) -> Option<&[usize]> {
        self.modality(head)?.rows.as_deref()
    }

    /// The number of samples that a head sees.
    pub fn seen(&self, head: usize) -> usize {
        self.rows(head).map_or(self.samples, <[usize]>::len)
    }

    /// Which samples have a modality; `None` if all do.
    pub fn mask(&self, modality: usize) -> Option<PresenceMask> {
        if let Some(told) = self.modality(modality).and_then(Input::told) {
            return Some(told.clone());
        }
        let rows = self.rows(modality)?;
        let mut mask = vec![false; self.samples];
        for &row in rows {
            if let Some(present) = mask.get_mut(row) {
                *present = true;
            }
        }
        Some(PresenceMask::new(mask))
    }

    /// Of the targets of the batch, those of the samples that a head sees.
    pub fn targets_of<'a>(&self, head: usize, targets: &'a Targets) -> Cow<'a, Targets> {
        match self.rows(head) {
            None => Cow::Borrowed(targets),
            Some(rows) => Cow::Owned(targets.select(rows)),
        }
    }
}
