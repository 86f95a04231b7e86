//! The kinds of evidence, one by one.

use super::arbitrary::Step;
use crate::evidence::{Evidence, GradientEvidence};

/// One thing that a strategy can ask for in [`Evidence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EvidenceKind {
    Losses,
    Scores,
    Coalitions,
    LossesAfter,
    Blended,
    PerHead,
}

impl EvidenceKind {
    pub(super) const ALL: [Self; 6] = [
        Self::Losses,
        Self::Scores,
        Self::Coalitions,
        Self::LossesAfter,
        Self::Blended,
        Self::PerHead,
    ];

    /// How to ask for it.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Losses => "losses: true",
            Self::Scores => "scores: true",
            Self::Coalitions => "coalitions: true",
            Self::LossesAfter => "losses_after: true",
            Self::Blended => "gradients: GradientEvidence::Blended",
            Self::PerHead => "gradients: GradientEvidence::PerHead",
        }
    }

    pub(super) fn is_in(self, evidence: Evidence) -> bool {
        match self {
            Self::Losses => evidence.losses,
            Self::Scores => evidence.scores,
            Self::Coalitions => evidence.coalitions,
            Self::LossesAfter => evidence.losses_after,
            Self::Blended => evidence.gradients == GradientEvidence::Blended,
            Self::PerHead => evidence.gradients == GradientEvidence::PerHead,
        }
    }

    pub(super) fn added_to(self, mut evidence: Evidence) -> Evidence {
        match self {
            Self::Losses => evidence.losses = true,
            Self::Scores => evidence.scores = true,
            Self::Coalitions => evidence.coalitions = true,
            Self::LossesAfter => evidence.losses_after = true,
            Self::Blended => evidence.gradients = GradientEvidence::Blended,
            Self::PerHead => evidence.gradients = GradientEvidence::PerHead,
        }
        evidence
    }

    /// Told by [`observe`](crate::Blend::observe), which gets an empty list in place of what is not asked for.
    pub(super) fn is_observed(self) -> bool {
        matches!(self, Self::Losses | Self::Scores | Self::Coalitions)
    }

    pub(super) fn is_gradient(self) -> bool {
        matches!(self, Self::Blended | Self::PerHead)
    }

    /// Makes this of a step what it is in another one.
    pub(super) fn exchange(self, step: &mut Step, other: &Step) {
        let (own, other_own) = (&mut step.observation, &other.observation);
        match self {
            Self::Losses => own.losses.clone_from(&other_own.losses),
            Self::Scores => own.scores.clone_from(&other_own.scores),
            Self::Coalitions => own.coalitions.clone_from(&other_own.coalitions),
            Self::LossesAfter => step.losses_after.clone_from(&other.losses_after),
            Self::Blended | Self::PerHead => step.encoders.clone_from(&other.encoders),
        }
    }
}
