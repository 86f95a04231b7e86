//! What of an encoder is frozen: it gets no update, and computes as in evaluation.

use std::collections::BTreeSet;

use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::pass::Mode;
use gblend_core::{Array, Encoder, EncoderHalf, Error, ParamMut, Pass, Result};

use crate::config::{FrozenPart, ModalityConfig};

/// What of an encoder is frozen in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frozen {
    Nothing,
    Whole,
    /// Its stages up to this one, counted from 1.
    UpTo(usize),
}

/// What of an encoder is frozen, and whether it is in the epoch at hand.
#[derive(Debug, Default)]
pub(super) struct Freezing {
    part: Option<FrozenPart>,
    /// The paths of the parameters and statistics that are frozen in the epoch at hand.
    paths: Option<BTreeSet<String>>,
    /// A hash of the encoder's parameters and statistics, until someone may have changed them.
    fingerprint: Option<blake3::Hash>,
}

impl Freezing {
    /// Of a modality's encoder.
    ///
    /// # Errors
    /// [`Error::Setting`] if it has not so many stages.
    pub(super) fn new(modality: &ModalityConfig, encoder: &dyn Encoder) -> Result<Self> {
        let part = modality.pipeline.freeze.part();
        let (stages, asked) = (encoder.stages().len(), part.and_then(|part| part.stages));
        if let Some(asked) = asked
            && asked > stages
        {
            let expected = match stages {
                0 => format!(
                    "no number of stages, as the encoder of kind `{}` has none; freeze = true freezes all of it",
                    modality.plugin.typetag_name()
                ),
                _ => format!("1 to {stages}, the stages of the encoder"),
            };
            return Err(Error::setting(modality.key("freeze.stages"), asked, expected));
        }
        Ok(Self {
            part,
            ..Self::default()
        })
    }

    /// A fusion that takes maps out of the middle of an encoder divides it where it is frozen, if it is in part.
    ///
    /// # Errors
    /// [`Error::Setting`] if it does not.
    pub(super) fn check_stage(&self, modality: &ModalityConfig, of_fusion: Option<usize>) -> Result<()> {
        match (self.part.and_then(|part| part.stages), of_fusion) {
            (Some(frozen), Some(taken)) if frozen != taken => {
                let expected = format!(
                    "{taken}, the stage whose maps the fusion takes (fusion.stage): an encoder is divided in one place"
                );
                Err(Error::setting(modality.key("freeze.stages"), frozen, expected))
            }
            _ => Ok(()),
        }
    }

    /// Finds out what is frozen in an epoch; `path` is the encoder's.
    ///
    /// # Errors
    /// Never: an encoder shows the stages that it tells of.
    pub(super) fn begin_epoch(
        &mut self,
        epoch: usize,
        encoder: &mut dyn Encoder,
        path: &ParamPath,
    ) -> Result<()> {
        let part = self.part.filter(|part| part.holds_in(epoch));
        let Some(part) = part else {
            self.paths = None;
            self.fingerprint = None;
            return Ok(());
        };
        if self.paths.is_some() {
            return Ok(());
        }
        let mut paths = Paths(BTreeSet::new());
        match part.stages {
            None => encoder.visit_params(path, &mut paths)?,
            Some(stage) => encoder.visit_half(EncoderHalf::UpTo(stage), path, &mut paths)?,
        }
        self.paths = Some(paths.0);
        Ok(())
    }

    /// What is frozen in a pass. An evaluation is the same whether anything is or not.
    pub(super) fn at_hand(&self, pass: &Pass) -> Frozen {
        match (&self.paths, self.part) {
            (Some(_), Some(part)) if pass.mode() != Mode::Evaluate => {
                part.stages.map_or(Frozen::Whole, Frozen::UpTo)
            }
            _ => Frozen::Nothing,
        }
    }

    /// Whether all of it is frozen in every epoch.
    pub(super) fn is_constant(&self) -> bool {
        self.part
            .is_some_and(|part| part.stages.is_none() && part.from <= 1 && part.epochs.is_none())
    }

    /// Whether all of it is frozen in the epoch at hand.
    pub(super) fn is_whole(&self) -> bool {
        self.paths.is_some() && self.part.is_some_and(|part| part.stages.is_none())
    }

    /// A hash of the encoder's parameters and statistics.
    ///
    /// # Errors
    /// Never: an encoder shows its parameters.
    pub(super) fn fingerprint(&mut self, encoder: &mut dyn Encoder) -> Result<blake3::Hash> {
        if let Some(known) = self.fingerprint {
            return Ok(known);
        }
        let mut contents = Contents(blake3::Hasher::new());
        encoder.visit_params(&ParamPath::root(), &mut contents)?;
        let found = contents.0.finalize();
        self.fingerprint = Some(found);
        Ok(found)
    }

    /// The encoder may be another one now.
    pub(super) fn forget_fingerprint(&mut self) {
        self.fingerprint = None;
    }

    /// The paths of what is frozen in the epoch at hand, if anything is.
    pub(super) fn frozen(&self) -> Option<&BTreeSet<String>> {
        self.paths.as_ref()
    }
}

struct Paths(BTreeSet<String>);

impl ParamVisitor for Paths {
    fn param(&mut self, path: &ParamPath, _: ParamMut<'_>) -> Result<()> {
        self.0.insert(path.to_string());
        Ok(())
    }

    fn buffer(&mut self, path: &ParamPath, _: &mut Array) -> Result<()> {
        self.0.insert(path.to_string());
        Ok(())
    }
}

/// Hashes names, shapes and values.
struct Contents(blake3::Hasher);

impl Contents {
    fn add(&mut self, path: &ParamPath, array: &Array) {
        let name = format!("{path} {:?} ", array.shape());
        self.0.update(name.as_bytes());
        let mut bytes = Vec::with_capacity(4 * 1024);
        for values in array.values().chunks(1024) {
            bytes.clear();
            values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            self.0.update(&bytes);
        }
    }
}

impl ParamVisitor for Contents {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        self.add(path, &param.to_array());
        Ok(())
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        self.add(path, buffer);
        Ok(())
    }
}

/// A part of a network without what of it is frozen.
pub(super) struct Trained<'a> {
    pub(super) module: &'a mut dyn Module,
    /// Paths from the root of the network.
    pub(super) frozen: &'a BTreeSet<String>,
}

impl Module for Trained<'_> {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        let frozen = self.frozen;
        self.module.visit_params(path, &mut Others { frozen, visitor })
    }
}

/// Shows what is not frozen.
struct Others<'a> {
    frozen: &'a BTreeSet<String>,
    visitor: &'a mut dyn ParamVisitor,
}

impl ParamVisitor for Others<'_> {
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
        match self.frozen.contains(path.as_str()) {
            true => Ok(()),
            false => self.visitor.param(path, param),
        }
    }

    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        match self.frozen.contains(path.as_str()) {
            true => Ok(()),
            false => self.visitor.buffer(path, buffer),
        }
    }
}
