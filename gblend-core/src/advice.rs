//! What a strategy says to whoever reads the report of a run.
//!
//! A report is made from the files of a run alone: later, without the model, and perhaps by a binary that does not have
//! the strategy. So a run leaves in its folder what its strategy has to say: where the weights come from, what to change
//! where a figure calls for it, and figures and sentences of its own.

use serde::{Deserialize, Serialize};

/// What a strategy says of a run; see [`Blend::advice`](crate::Blend::advice).
///
/// The report finds out whether a [`Finding`] is there, and says so with its figures; the strategy, which knows its own
/// settings, says what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Advice {
    /// Where the weights come from.
    pub weights: WeightSource,
    /// What to do about findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    /// Figures of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<HeadFigures>,
    /// Sentences of its own, which are shown whatever the figures of the run say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// Where the weights of a run come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightSource {
    /// They are what was chosen before training, whatever the run shows: no figure calls them into question.
    Given,
    /// They follow what the steps or epochs of the run show.
    #[default]
    Adapted,
    /// They come from estimates, which the run's summary has with their intervals.
    Estimated,
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// What it is against.
    pub finding: Finding,
    /// What to try: a sentence that follows the one about the finding, as in `Raise blend.smoothing.`
    pub remedy: String,
}

/// What a report may find out about a run, or about a row of a comparison, that its strategy can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The head of a modality has so little weight that it hardly learns.
    StarvedHead,
    /// The joint head has.
    StarvedJoint,
    /// One head has so much weight that the others hardly learn.
    DominantHead,
    /// No head gains at the last estimate.
    NoGain,
    /// Some heads gain nothing at the last estimate, beyond what its interval leaves open.
    HeadsWithoutGain,
    /// The interval of a weight is so wide that it tells heads hardly apart.
    WideInterval,
    /// The joint head is worse than that of a modality that was trained beside it, by more than chance.
    JointBelowSingle,
    /// In a comparison: worse than the best modality alone.
    BelowSingle,
    /// In a comparison: worse than equal weights, beyond chance.
    BelowEqual,
    /// In a comparison: worse than the best fixed weights, beyond chance.
    BelowFixed,
}

impl Finding {
    /// Every finding.
    pub const ALL: [Self; 10] = [
        Self::StarvedHead,
        Self::StarvedJoint,
        Self::DominantHead,
        Self::NoGain,
        Self::HeadsWithoutGain,
        Self::WideInterval,
        Self::JointBelowSingle,
        Self::BelowSingle,
        Self::BelowEqual,
        Self::BelowFixed,
    ];

    /// Weights that lean too far to one side.
    pub const UNEVEN_WEIGHTS: [Self; 3] = [Self::StarvedHead, Self::StarvedJoint, Self::DominantHead];
}

/// A figure of each head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadFigures {
    /// What it is, as in `log variance s`.
    pub name: String,
    /// One per head in their order, the joint one last, or one per modality; `None` where it is not finite.
    pub values: Vec<Option<f64>>,
}

impl Advice {
    /// Of weights from this source, with nothing more to say.
    #[must_use]
    pub fn of(weights: WeightSource) -> Self {
        Self {
            weights,
            ..Self::default()
        }
    }

    /// Adds what to do about a finding.
    #[must_use]
    pub fn against(mut self, finding: Finding, remedy: impl Into<String>) -> Self {
        let remedy = remedy.into();
        self.remedies.push(Remedy { finding, remedy });
        self
    }

    /// Adds the same against several findings.
    #[must_use]
    pub fn against_each(self, findings: impl IntoIterator<Item = Finding>, remedy: &str) -> Self {
        findings
            .into_iter()
            .fold(self, |advice, finding| advice.against(finding, remedy))
    }

    /// Adds a figure of each head, or of each modality.
    #[must_use]
    pub fn with_figures(mut self, name: impl Into<String>, values: &[f64]) -> Self {
        let values = values.iter().map(|&value| value.is_finite().then_some(value));
        self.figures.push(HeadFigures {
            name: name.into(),
            values: values.collect(),
        });
        self
    }

    /// Adds a sentence that is shown in any case.
    #[must_use]
    pub fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// What to do about a finding: every remedy against it, one after the other; `None` if there is none.
    pub fn remedy(&self, finding: Finding) -> Option<String> {
        let remedies = self.remedies.iter().filter(|one| one.finding == finding);
        let remedies: Vec<&str> = remedies.map(|one| one.remedy.as_str()).collect();
        (!remedies.is_empty()).then(|| remedies.join(" "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn advice_survives_json_and_figures_that_are_not_finite_are_left_out() {
        let advice = Finding::ALL
            .into_iter()
            .fold(Advice::of(WeightSource::Given), |advice, finding| {
                advice.against(finding, format!("{finding:?}."))
            })
            .with_figures("log variance s", &[0.1, f64::NAN, f64::INFINITY])
            .with_remark("It rained.");
        let json = serde_json::to_string(&advice).unwrap();
        assert_eq!(serde_json::from_str::<Advice>(&json).unwrap(), advice);
        assert_eq!(advice.figures[0].values, [Some(0.1), None, None]);
    }

    #[test]
    fn a_finding_has_every_remedy_against_it_and_no_other() {
        let advice = Advice::default()
            .against(Finding::NoGain, "First.")
            .against(Finding::StarvedJoint, "Another.")
            .against(Finding::NoGain, "Second.");
        assert_eq!(advice.remedy(Finding::NoGain).unwrap(), "First. Second.");
        assert_eq!(advice.remedy(Finding::DominantHead), None);
    }

    #[test]
    fn a_strategy_that_says_nothing_has_adapted_weights() {
        assert_eq!(
            serde_json::from_str::<Advice>("{}").unwrap(),
            Advice::of(WeightSource::Adapted)
        );
    }
}
