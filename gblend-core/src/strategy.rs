//! Blend strategies: which weight each head's loss gets, and when.

use std::fmt::Debug;

use crate::advice::Advice;
use crate::error::{Error, Result};
use crate::estimate::{BlendReport, Estimate, EstimateRequest};
#[cfg(doc)]
use crate::evidence::GradientEvidence;
use crate::evidence::{BlendedGradient, ContestedGradient, Evidence, Observation, StepStart};
use crate::weights::BlendWeights;

/// The name of the joint head; no modality may take it.
pub const JOINT: &str = "joint";

/// The heads whose losses are blended: one per modality, then the joint one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    names: Vec<String>,
}

impl Heads {
    /// The heads of these modalities and the joint head.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no modality, a name is taken twice, has other characters than letters,
    /// digits, `-` and `_`, or is `joint`.
    pub fn new(modalities: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for name in modalities {
            if name == JOINT {
                let expected = "another name: the joint head is called so";
                return Err(Error::setting("modality", name, expected));
            }
            if names.contains(&name) {
                return Err(Error::setting(
                    "modality",
                    name,
                    "a name that no other modality has",
                ));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                let expected = "letters, digits, `-` and `_`: the name becomes part of parameter paths";
                return Err(Error::setting("modality", name, expected));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(Error::setting(
                "modality",
                "nothing",
                "at least one [modality.NAME] table",
            ));
        }
        names.push(JOINT.to_owned());
        Ok(Self { names })
    }

    /// Those of the modalities for which `keep` holds, which may be none, and the joint head.
    #[must_use]
    pub fn retaining(&self, keep: impl Fn(usize) -> bool) -> Self {
        let joint = self.joint();
        let names = self.names.iter().enumerate();
        let kept = names.filter(|&(head, _)| head == joint || keep(head));
        Self {
            names: kept.map(|(_, name)| name.clone()).collect(),
        }
    }

    /// All names, the joint head's last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of heads, K+1.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no head; never true.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The position of the joint head, K.
    pub fn joint(&self) -> usize {
        self.names.len() - 1
    }

    /// The position of the head called `name`.
    ///
    /// # Errors
    /// [`Error::Setting`] of this key with every name there is, if there is no such head.
    pub fn find(&self, key: &str, name: &str) -> Result<usize> {
        self.names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| Error::setting(key, name, format!("one of the heads {}", self.names.join(", "))))
    }
}

/// A blend strategy as configured: plain data, read from the `[blend]` table.
#[typetag::serde(tag = "kind")]
pub trait BlendStrategy: Debug + Send + Sync {
    /// Starts a run with these heads.
    ///
    /// # Errors
    /// [`Error::Setting`] if the configuration does not fit the heads; its key as it stands in the table.
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>>;

    /// The share of the training samples that is set aside for estimates, 0 to below 1.
    fn held_out(&self) -> f64 {
        0.0
    }

    /// The strategies that it stands for: the one that the validation samples choose trains the run in its place. Default: none,
    /// and it is itself.
    fn candidates(&self) -> &[Box<dyn BlendStrategy>] {
        &[]
    }
}

/// What the joint loss moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JointReach {
    /// Encoders, fusion and joint head.
    #[default]
    Encoders,
    /// Fusion and joint head alone: they read features whose gradient is stopped, and an encoder learns from its own head.
    JointHead,
}

/// A blend strategy at work: its weights and whatever it has learned so far.
///
/// In each step the pipeline calls [`begin_step`](Self::begin_step), runs the network, and calls
/// [`observe`](Self::observe); then [`modulate`](Self::modulate) or [`combine`](Self::combine), if the
/// strategy wants gradients; then it reads [`weights`](Self::weights) and takes the step; then
/// [`observe_after`](Self::observe_after). Whatever a strategy does not ask for in
/// [`evidence`](Self::evidence) is neither computed nor called.
pub trait Blend: Debug + Send {
    /// The weights of the step at hand.
    ///
    /// A head of weight 0 is not trained, and not computed either unless the strategy wants evidence.
    fn weights(&self) -> &BlendWeights;

    /// Among how many heads it shares the weight, K+1 unless it trains some heads alone: a strategy whose only head with a
    /// weight is the joint one shares it among one. Where weights are scaled by the number of heads, it is this number, and
    /// equal shares among them are plain losses. The same in every step, whatever the weights are.
    fn blended_heads(&self) -> usize {
        self.weights().len()
    }

    /// Shares that heads have whatever the strategy finds, as their objectives ask for; by head, the joint one last. Of them it is
    /// told nothing. Nothing at all if no head has one.
    fn fixed_shares(&self) -> &[Option<f64>] {
        &[]
    }

    /// What the joint loss moves. The same in every step.
    fn joint_reach(&self) -> JointReach {
        JointReach::default()
    }

    /// What it wants to be told in every step.
    fn evidence(&self) -> Evidence {
        Evidence::default()
    }

    /// A step begins. Called in every step, whatever evidence is wanted.
    ///
    /// # Errors
    /// Whatever makes going on senseless.
    fn begin_step(&mut self, start: StepStart) -> Result<()> {
        let _ = start;
        Ok(())
    }

    /// The losses, scores and coalitions that were asked for. Every loss is finite. Called in steps in which every head sees
    /// samples, see [`Observation`].
    ///
    /// # Errors
    /// Whatever makes going on senseless.
    fn observe(&mut self, observation: &Observation) -> Result<()> {
        let _ = observation;
        Ok(())
    }

    /// With [`GradientEvidence::Blended`]: each encoder's gradient of the blended loss, in the order of the
    /// modalities, to be changed in place before the optimizer follows it.
    ///
    /// # Errors
    /// Whatever makes going on senseless.
    fn modulate(&mut self, encoders: &mut [BlendedGradient]) -> Result<()> {
        let _ = encoders;
        Ok(())
    }

    /// With [`GradientEvidence::PerHead`]: each encoder's two gradients, in the order of the modalities, to
    /// be looked at and changed in place. Afterwards the [`weights`](Self::weights) are read and the encoder
    /// follows `w_own own + w_joint joint`.
    ///
    /// # Errors
    /// Whatever makes going on senseless.
    fn combine(&mut self, encoders: &mut [ContestedGradient]) -> Result<()> {
        let _ = encoders;
        Ok(())
    }

    /// With [`Evidence::losses_after`]: the losses of the same batch once the step is taken, as those of [`Observation::losses`],
    /// in the steps that are observed.
    ///
    /// # Errors
    /// Whatever makes going on senseless.
    fn observe_after(&mut self, losses: &[f64]) -> Result<()> {
        let _ = losses;
        Ok(())
    }

    /// An epoch is over; with [`Evidence::losses`] the mean of each head's losses over the samples of the epoch, the joint head's
    /// last. Nothing without, or if a head saw no sample in it.
    ///
    /// # Errors
    /// Whatever makes going on senseless.
    fn end_epoch(&mut self, losses: &[f64]) -> Result<()> {
        let _ = losses;
        Ok(())
    }

    /// The estimate that it wants once `epoch` epochs are trained, of a run of `epochs`.
    fn estimate_due(&self, epoch: usize, epochs: usize) -> Option<EstimateRequest> {
        let _ = (epoch, epochs);
        None
    }

    /// Takes the estimate that it asked for, and tells what it made of it.
    ///
    /// # Errors
    /// [`Error::Blend`] if no head gains and that is to be an error.
    fn take_estimate(&mut self, epoch: usize, estimate: &Estimate) -> Result<BlendReport> {
        let _ = estimate;
        Err(Error::Strategy(format!(
            "it was given an estimate after epoch {epoch} that it did not ask for"
        )))
    }

    /// Whether samples that were held out for estimates may be trained on from here on, because no further
    /// estimate will come.
    fn releases_held_out(&self) -> bool {
        false
    }

    /// What it has to say to whoever reads the report of the run, asked once training is over: where its weights come
    /// from, what to change where a figure calls for it, figures and sentences of its own.
    ///
    /// The run keeps it in its folder, so that a report has it without the strategy. By default weights follow what the
    /// run shows, and there is no more to say.
    fn advice(&self) -> Advice {
        Advice::default()
    }

    /// What a checkpoint must keep of it.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Goes on from what a checkpoint kept.
    ///
    /// # Errors
    /// If the state is not one that [`state`](Self::state) made.
    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        if state.is_null() {
            Ok(())
        } else {
            let problem = "a stored state for a strategy that keeps none".to_owned();
            Err(Error::Strategy(problem))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn heads(names: &[&str]) -> Result<Heads> {
        Heads::new(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn the_joint_head_is_the_last() {
        let heads = heads(&["camera", "microphone"]).unwrap();
        assert_eq!(heads.names(), ["camera", "microphone", "joint"]);
        assert_eq!(heads.joint(), 2);
    }

    #[test]
    fn heads_need_a_modality_distinct_names_and_the_joint_name_free() {
        assert!(heads(&[]).is_err());
        assert!(heads(&["a", "a"]).is_err());
        assert!(heads(&["a", "joint"]).is_err());
        assert!(heads(&["a.b"]).is_err());
        assert!(heads(&[""]).is_err());
    }

    #[test]
    fn an_unknown_head_is_answered_with_the_known_ones() {
        let error = heads(&["camera"]).unwrap().find("head", "camrea").unwrap_err();
        assert!(error.to_string().contains("camera, joint"), "{error}");
    }
}
