//! What the main figure is the mean of, test sample by test sample.

use gblend_core::objective::losses_of_all_scores;
use gblend_core::{Label, Source};

use super::{Ensemble, Evaluation, Scored};
use crate::error::Result;
use crate::records::{PredictionRule, TestSample, TestSamples};

impl TestSamples {
    /// Of an evaluation of the samples of a dataset. Rules that predict no sample are left out.
    ///
    /// # Errors
    /// Never for an evaluation of [`evaluate`](crate::evaluation::evaluate()) and the criteria of its network.
    pub fn measured(
        evaluation: &Evaluation,
        ensemble: &Ensemble<'_>,
        scored: &Scored,
        source: &dyn Source,
    ) -> Result<Self> {
        let criterion = ensemble.lead().get();
        let mut rules = Vec::new();
        let mut columns: Vec<Vec<Option<f64>>> = Vec::new();
        for rule in PredictionRule::ALL {
            let (rows, scores) = scored.of_rule(rule);
            let targets = evaluation.targets.select(rows);
            let losses = losses_of_all_scores(criterion, scores, &targets)?;
            let Some(figures) = criterion.main_figure_of_each(scores, &losses, &targets)? else {
                continue;
            };
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let mut column = vec![None; evaluation.samples.len()];
            for (&row, figure) in rows.iter().zip(figures) {
                // What is not finite is no measurement; the rest is not the figure then, and readers see it.
                column[row] = figure.filter(|figure| figure.is_finite());
            }
            rules.push(rule);
            columns.push(column);
        }
        let samples = evaluation.samples.iter().enumerate().map(|(row, &index)| {
            let sample = source.sample(index);
            TestSample {
                name: sample.id,
                group: sample.group,
                label: written(&sample.label, source.classes()),
                figures: columns.iter().map(|column| column[row]).collect(),
            }
        });
        let main = criterion.metric_kinds().first().filter(|_| !rules.is_empty());
        Ok(Self {
            figure: main.map_or_else(String::new, |main| main.name.to_string()),
            rules,
            samples: samples.collect(),
        })
    }
}

/// A label as people read it: classes by name.
fn written(label: &Label, classes: &[String]) -> String {
    match label {
        Label::Number(number) => number.to_string(),
        label => {
            let named = label.classes().iter();
            let named = named.map(|&class| classes.get(class).map_or("?", String::as_str));
            named.collect::<Vec<_>>().join("|")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{criterion, labels};
    use super::*;
    use crate::evaluation::HeadOutput;
    use crate::network::Criteria;
    use gblend_core::dataset::{Sample, Stream};
    use gblend_core::{Array, LabelKind, Media, Partition};

    /// Samples of two people.
    struct People(Vec<String>);

    impl Source for People {
        fn classes(&self) -> &[String] {
            &self.0
        }

        fn streams(&self) -> &[Stream] {
            &[]
        }

        fn len(&self) -> usize {
            4
        }

        fn sample(&self, index: usize) -> Sample {
            Sample {
                id: format!("s{index}"),
                label: match index {
                    3 => Label::Missing,
                    index => Label::Class(index % 2),
                },
                group: (index > 0).then(|| "p1".into()),
                partition: Partition::Test,
            }
        }

        fn read(&self, _: usize, _: usize) -> gblend_core::Result<Media> {
            unreachable!("no sample is read")
        }

        fn fingerprint(&self, _: usize, _: usize) -> gblend_core::Result<String> {
            unreachable!("no sample is read")
        }
    }

    #[test]
    fn a_sample_has_a_figure_by_each_rule_that_predicts_it() {
        let mut targets = labels(&[0, 1, 0, 0]);
        targets.labels[3] = Label::Missing;
        let head = |rows: &[usize], values: &[f32]| {
            Some(HeadOutput {
                rows: rows.to_vec(),
                output: Array::new([rows.len(), 2], values.to_vec()).unwrap(),
            })
        };
        let evaluation = Evaluation {
            samples: vec![0, 1, 2, 3],
            targets,
            heads: vec![
                head(&[0, 1, 2, 3], &[4.0, 0.0, 4.0, 0.0, 0.0, 4.0, 4.0, 0.0]),
                head(&[0, 1], &[0.1, 0.0, 0.0, 0.1]),
            ],
        };
        let criteria = Criteria::alike(2, || criterion(LabelKind::Class, 2));
        let ensemble = Ensemble::unpooled(&criteria, &[0.5, 0.5]);
        let source = People(vec!["cat".into(), "dog".into()]);
        let scored = Scored::of(&evaluation, &ensemble).unwrap();
        let found = TestSamples::measured(&evaluation, &ensemble, &scored, &source).unwrap();
        assert_eq!(
            (found.figure.as_str(), &found.rules[..]),
            ("accuracy", &PredictionRule::ALL[..])
        );
        let of = |rule: usize| {
            found
                .samples
                .iter()
                .map(|sample| sample.figures[rule])
                .collect::<Vec<_>>()
        };
        assert_eq!(of(0), [Some(1.0), Some(1.0), None, None]);
        assert_eq!(of(1), [Some(1.0), Some(0.0), Some(0.0), None]);
        let text = String::from_utf8(found.to_text().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1..3], ["s0,,cat,1,1,1,1", "s1,p1,dog,1,0,0,0"]);
        assert_eq!(lines[4], "s3,p1,,,,,");
        for (rule, metrics) in evaluation.predictions(&ensemble, &scored).unwrap() {
            let figures = found.of("accuracy", rule).unwrap();
            assert!(figures.has_mean(metrics.accuracy.unwrap()), "{rule:?}");
        }
    }
}
