//! What a comparison keeps of a run.

use std::path::Path;

use gblend_core::JOINT;

use crate::records::{
    FeatureSpace, Figure, Measured, Metrics, ObjectiveDescription, PredictionRule, PredictionSummary,
    SampleFigures, Selection, Summary, TestSamples, TestedOn,
};
use crate::run_folder::read_test_samples;

/// What a comparison keeps of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Done {
    pub(super) objective: Option<ObjectiveDescription>,
    /// Of what the run predicts from.
    pub(super) metrics: Metrics,
    /// The main figure, sample by sample; or why nothing is known of samples.
    samples: Result<SampleFigures, String>,
    /// The joint head alone, where that was trained and something else predicts.
    joint_head: Option<(f64, Option<SampleFigures>)>,
    /// What the validation samples said of the epoch that was kept.
    pub(super) selection: Option<Selection>,
    pub(super) test_samples: usize,
    pub(super) weights: Vec<f64>,
    pub(super) seconds: f64,
    /// What the features of its modalities tell, if labels say so.
    pub(super) feature_space: Option<FeatureSpace>,
}

impl Done {
    /// Of a run in its folder.
    pub(super) fn of(summary: &Summary, folder: &Path) -> Self {
        let by = |rule: PredictionRule| summary.predictions.iter().find(|of| of.rule == rule);
        let metrics = by(summary.predict)
            .map(PredictionSummary::metrics)
            .unwrap_or_default();
        let main = ObjectiveDescription::main(summary.objective.as_ref());
        let trained = summary.heads.iter().filter(|head| head.weight > 0.0);
        let several = trained.clone().count() > 1 && trained.clone().any(|head| head.name == JOINT);
        let other = several && summary.predict != PredictionRule::Joint;
        let file = read_test_samples(folder);
        let samples = |rule: PredictionRule, figure: Option<f64>| of_samples(&file, &main.name, rule, figure);
        let joint = by(PredictionRule::Joint).filter(|_| other);
        let joint = joint.and_then(|joint| joint.metrics().get(&main.name));
        Self {
            samples: samples(summary.predict, metrics.get(&main.name)),
            joint_head: joint.map(|joint| (joint, samples(PredictionRule::Joint, Some(joint)).ok())),
            objective: summary.objective.clone(),
            selection: summary.selection.clone(),
            metrics,
            test_samples: summary
                .heads
                .iter()
                .map(|head| head.test_samples)
                .max()
                .unwrap_or(0),
            weights: summary.heads.iter().map(|head| head.weight).collect(),
            seconds: summary.seconds.total,
            feature_space: summary.feature_space.clone(),
        }
    }

    /// Its main figure.
    pub(super) fn figure(&self) -> Option<Figure> {
        let main = ObjectiveDescription::main(self.objective.as_ref());
        Some(Figure::new(self.metrics.get(&main.name)?, main))
    }

    /// The main figure on the validation samples.
    pub(super) fn validation_figure(&self) -> Option<Figure> {
        let main = ObjectiveDescription::main(self.objective.as_ref());
        Some(Figure::new(
            self.selection.as_ref()?.validation.get(&main.name)?,
            main,
        ))
    }

    /// A figure, and of its own main figure what it is the mean of.
    pub(super) fn measured(&self, name: &str, tested_on: TestedOn) -> Option<Measured<'_>> {
        let own = ObjectiveDescription::main(self.objective.as_ref());
        Some(Measured {
            figure: self.metrics.get(name)?,
            weight: tested_on.weight(self.test_samples),
            samples: self.samples.as_ref().ok().filter(|_| own.name == name),
        })
    }

    /// The same of the joint head alone.
    pub(super) fn measured_joint_head(&self, tested_on: TestedOn) -> Option<Measured<'_>> {
        let (figure, samples) = self.joint_head.as_ref()?;
        Some(Measured {
            figure: *figure,
            weight: tested_on.weight(self.test_samples),
            samples: samples.as_ref(),
        })
    }

    /// The samples that it was tested on, and their figures by what predicts.
    pub(super) fn tested(&self) -> Option<&SampleFigures> {
        self.samples.as_ref().ok()
    }

    /// Why nothing is known of its samples.
    pub(super) fn lacks_samples(&self) -> Option<&str> {
        self.samples.as_ref().err().map(String::as_str)
    }

    /// Keeps the names of samples once for this and another run, where they are the same.
    pub(super) fn share_samples(&mut self, other: &Self) {
        let Ok(others) = &other.samples else { return };
        let own = self.samples.iter_mut();
        let joint = self
            .joint_head
            .iter_mut()
            .filter_map(|(_, samples)| samples.as_mut());
        own.chain(joint).for_each(|samples| samples.share(others));
    }
}

/// The figures of samples by a rule, if they are those that the summary has the mean of.
fn of_samples(
    file: &Result<Option<TestSamples>, String>,
    name: &str,
    rule: PredictionRule,
    figure: Option<f64>,
) -> Result<SampleFigures, String> {
    let samples = file.as_ref().map_err(Clone::clone)?;
    let samples = samples
        .as_ref()
        .ok_or_else(|| format!("no {}, as of older versions of gblend", TestSamples::FILE))?;
    if samples.rules.is_empty() {
        return Err(format!(
            "their objective does not say what `{name}` is the mean of"
        ));
    }
    let samples = samples.of(name, rule);
    let samples = samples.filter(|samples| figure.is_some_and(|figure| samples.has_mean(figure)));
    samples.ok_or_else(|| format!("{} is not of the `{name}` in summary.json", TestSamples::FILE))
}
