//! What the intervals of a comparison are over, and what would settle what is open, in words.

use gblend_core::{LEAST_GROUPS, MetricFormat, MetricKind};

use super::{
    Comparison, Difference, FigureDifference, Folds, OtherSamples, Row, Settles, VarianceParts, most_seeds,
};

impl Comparison {
    /// How often a method was trained, as in `5 seeds` or `3 × 10 folds`.
    pub fn repeats(&self) -> String {
        match (&self.folds, self.rows.iter().map(|row| row.seeds.len()).max()) {
            (Some(folds), _) => self.folds_and_deals(folds),
            (None, Some(1)) => "one seed".to_owned(),
            (None, seeds) => format!("{} seeds", seeds.unwrap_or(0)),
        }
    }

    /// What one run of a method is of.
    pub fn repeat(&self) -> &'static str {
        match self.folds {
            Some(_) => "fold",
            None => "seed",
        }
    }

    /// What intervals are over, as in `5 seeds and 416 test samples`.
    pub fn intervals_are_over(&self) -> String {
        let seeds = self.repeats();
        if let (Some(_), Some(parts)) = (&self.folds, self.largest()) {
            let groups = parts
                .groups
                .map_or_else(String::new, |groups| format!(" in {groups} groups"));
            return format!("{seeds} of {} samples{groups}", parts.samples);
        }
        match self.largest() {
            None if self.rows.iter().all(|row| row.ci95.is_none()) => {
                format!("{seeds} alone, which leaves none")
            }
            None => format!("{seeds} alone"),
            Some(parts) => match parts.groups {
                None => format!("{seeds} and {} test samples", parts.samples),
                Some(groups) => format!("{seeds} and {groups} groups of {} test samples", parts.samples),
            },
        }
    }

    /// What they do not know, in sentences.
    pub fn intervals_do_not_know(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some((parts, groups)) = self.largest().and_then(|parts| Some((parts, parts.few_groups?))) {
            sentences.push(format!(
                "The {} test samples are of {groups} group(s): with fewer than {LEAST_GROUPS} nobody knows how groups \
                 differ, so samples count as independent, and intervals do not hold for new groups.",
                parts.samples
            ));
        }
        if let [OtherSamples { method, than, seed }, others @ ..] = &self.other_samples[..] {
            let others = match others.len() {
                0 => String::new(),
                others => format!(", and so it is of {others} other method(s)"),
            };
            sentences.push(format!(
                "With {} {method} was not tested on the samples of {than}{others}: a setting of its own decides which samples there are, or \
                 the dataset is another one than when some of the runs were made. Differences are of unlike samples then.",
                self.draw(*seed)
            ));
        }
        let alone: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.parts.is_none())
            .map(|row| self.label(row))
            .collect();
        let several = self.rows.iter().any(|row| row.seeds.len() > 1);
        if !alone.is_empty() && (several || alone.len() < self.rows.len()) {
            let which = match alone.len() < self.rows.len() {
                true => format!(
                    "Intervals of {}, and of differences to them, are",
                    alone.join(", ")
                ),
                false => "Intervals are".to_owned(),
            };
            let mut why: Vec<String> = self
                .seeds_alone
                .iter()
                .map(|alone| format!("{} ({} run(s))", alone.problem, alone.runs))
                .collect();
            if why.is_empty() {
                why.push("nothing is known sample by sample".to_owned());
            }
            sentences.push(format!(
                "{which} over seeds alone, and do not know what other test samples would say: {}.",
                why.join("; ")
            ));
        }
        sentences
    }

    /// The first question that is open about the best method that has every modality, and what would settle it.
    pub fn open_question(&self) -> Option<String> {
        let gain = |row: &Row| self.main().better.gain(row.mean);
        let whole = self.rows.iter().filter(|row| row.single().is_none());
        let whole = whole.filter(|row| row.modalities.len() == self.modalities.len());
        let best = whole.max_by(|a, b| gain(a).total_cmp(&gain(b)))?;
        let differences = [
            &best.paired_difference_to_best_single,
            &best.paired_difference_to_joint,
            &best.paired_difference_to_equal,
        ];
        let open = differences
            .into_iter()
            .flatten()
            .find(|difference| !difference.significant)?;
        let words = settled_by(open, self.main())?;
        let figure = FigureDifference::new(open.mean, self.main());
        let half = open
            .ci95
            .map_or_else(String::new, |half| format!(" ± {}", figure.width(half)));
        Some(format!(
            "{} to {}, {}{half}: {words}",
            self.label(best),
            open.to,
            figure.signed()
        ))
    }

    /// As in `5 folds`, `3 × 5 folds` or `4 of 5 folds`.
    fn folds_and_deals(&self, folds: &Folds) -> String {
        let seeds = self.rows.iter().map(|row| row.seeds.len()).max().unwrap_or(0);
        let all = match folds.deals {
            1 => format!("{} folds", folds.of),
            deals => format!("{deals} × {} folds", folds.of),
        };
        match seeds == folds.of * folds.deals {
            true => all,
            false => format!("{seeds} of {all}"),
        }
    }

    /// The parts of the row that has the most test samples.
    fn largest(&self) -> Option<&VarianceParts> {
        let parts = self.rows.iter().filter_map(|row| row.parts.as_ref());
        parts.max_by_key(|parts| parts.samples)
    }
}

/// What would settle a difference that is open, as in `about 9 seeds would settle it`; `None` where that is not known.
pub fn settled_by(difference: &Difference, kind: &MetricKind) -> Option<String> {
    let words = match difference.settles? {
        Settles::TooClose => match kind.format {
            MetricFormat::Percent => "too close to call, by less than 0.2 points".to_owned(),
            _ => "too close to call".to_owned(),
        },
        Settles::Seeds(seeds) => {
            let on = difference.parts.as_ref().map_or("", |_| " on these test samples");
            format!("if it is as large as that, about {seeds} seeds (--seeds {seeds}){on} would settle it")
        }
        Settles::Samples {
            samples,
            groups,
            seeds,
        } => {
            let of = groups.map_or_else(String::new, |groups| format!(" of {groups} groups"));
            format!(
                "no number of seeds would settle it on these test samples; if it is as large as that, about {samples} test \
                 samples{of} would, with {seeds} seeds"
            )
        }
        Settles::OutOfReach => match &difference.parts {
            Some(parts) => format!(
                "more than {} seeds on a thousand times these test samples would not settle it",
                most_seeds(parts.seeds)
            ),
            None => "it would take more than 100 seeds to settle it".to_owned(),
        },
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::records::{COMPARISON_FORMAT, PredictionRule, SeedsAlone};

    fn parts(groups: Option<usize>, few_groups: Option<usize>) -> VarianceParts {
        VarianceParts {
            seeds: 3,
            samples: 416,
            groups,
            few_groups,
            of_seeds: Some(1e-4),
            seed_freedom: None,
            of_samples: 1e-4,
            of_these_seeds: 1e-4,
            sample_freedom: 415.0,
        }
    }

    fn difference(to: &str, settles: Option<Settles>) -> Difference {
        Difference {
            to: to.into(),
            mean: 0.013,
            ci95: Some(0.02),
            significant: settles.is_none(),
            parts: Some(parts(None, None)),
            settles,
            p: None,
        }
    }

    fn row(method: &str, mean: f64, parts: Option<VarianceParts>) -> Row {
        let single = method.strip_prefix(Row::SINGLE);
        let open = |to: &str, settles| single.is_none().then(|| difference(to, settles));
        Row {
            method: method.into(),
            modalities: single.map_or_else(|| vec!["a".into(), "b".into()], |name| vec![name.into()]),
            fusion: "concat".into(),
            tuned: None,
            tuned_by_fold: Vec::new(),
            tested: Vec::new(),
            seeds: vec![0, 1, 2],
            test_accuracy: vec![mean; 3],
            test_metrics: Default::default(),
            joint_head: Vec::new(),
            joint_head_ci95: None,
            mean,
            ci95: Some(0.01),
            parts,
            paired_difference_to_best_single: open("single:a", None),
            paired_difference_to_joint: open("joint", Some(Settles::Seeds(9))),
            paired_difference_to_equal: open("equal", Some(Settles::TooClose)),
            paired_difference_to_equal_joint: None,
            seconds: 1.0,
            runs: vec![String::new(); 3],
        }
    }

    fn comparison(parts: &[Option<VarianceParts>; 3]) -> Comparison {
        let [a, joint, ogr] = parts.clone();
        Comparison {
            format: COMPARISON_FORMAT.into(),
            gblend: "0".into(),
            modalities: vec!["a".into(), "b".into()],
            predict: PredictionRule::Joint,
            objective: None,
            test_samples: 416,
            folds: None,
            rows: vec![
                row("single:a", 0.9, a),
                row("joint", 0.6, joint),
                row("ogr", 0.7, ogr),
            ],
            simplex: None,
            seeds_alone: Vec::new(),
            feature_spaces: Vec::new(),
            other_samples: Vec::new(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn what_intervals_are_over_is_said_of_seeds_samples_and_groups() {
        let known = comparison(&[(); 3].map(|()| Some(parts(None, None))));
        assert_eq!(known.intervals_are_over(), "3 seeds and 416 test samples");
        assert_eq!(known.intervals_do_not_know(), Vec::<String>::new());
        let groups = comparison(&[(); 3].map(|()| Some(parts(Some(14), None))));
        assert_eq!(
            groups.intervals_are_over(),
            "3 seeds and 14 groups of 416 test samples"
        );
        let few = comparison(&[(); 3].map(|()| Some(parts(None, Some(6)))));
        for (of, deals, words) in [
            (3, 1, "3 folds"),
            (5, 1, "3 of 5 folds"),
            (2, 2, "3 of 2 × 2 folds"),
            (1, 3, "3 × 1 folds"),
        ] {
            let dealt = Comparison {
                folds: Some(Folds {
                    of,
                    deals,
                    first_seed: 0,
                }),
                ..groups.clone()
            };
            assert_eq!(
                dealt.intervals_are_over(),
                format!("{words} of 416 samples in 14 groups")
            );
            assert_eq!((&*dealt.repeats(), dealt.repeat()), (words, "fold"));
        }
        assert!(few.intervals_do_not_know()[0].contains("of 6 group(s): with fewer than 10"));
    }

    #[test]
    fn intervals_over_seeds_alone_say_so_and_why() {
        let mut some = comparison(&[Some(parts(None, None)), None, Some(parts(None, None))]);
        some.seeds_alone = vec![SeedsAlone {
            problem: "no file".into(),
            runs: 2,
        }];
        let said = some.intervals_do_not_know().join(" ");
        assert!(
            said.contains("Intervals of joint, and of differences to them, are over seeds alone")
                && said.contains("no file (2 run(s))"),
            "{said}"
        );
        let none = comparison(&[None, None, None]);
        assert_eq!(none.intervals_are_over(), "3 seeds alone");
        assert!(none.intervals_do_not_know()[0].starts_with("Intervals are over seeds alone"));
    }

    #[test]
    fn the_open_question_is_about_the_best_method_with_every_modality() {
        let mut found = comparison(&[None, None, None]);
        let said = found.open_question().unwrap();
        assert_eq!(
            said,
            "ogr to joint, +1.3 ± 2.0: if it is as large as that, about 9 seeds (--seeds 9) on these test samples would settle it"
        );
        found.rows[2].paired_difference_to_joint = Some(difference("joint", None));
        assert!(
            found
                .open_question()
                .unwrap()
                .contains("equal, +1.3 ± 2.0: too close to call")
        );
        found.rows[2].paired_difference_to_equal = None;
        assert_eq!(found.open_question(), None);
    }
}
