//! Matching: what belongs together is to be found among others.

mod among;
mod pairs;
mod projections;
mod recall;

use std::num::NonZeroUsize;

use gblend_core::nn::{Negatives, RowIndex, add, fork, offset, scale, sum, take_rows, with_history};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::{Features, Logits, Loss, reshape};
use gblend_core::{
    Answer, Array, Axes, Criterion, Error, FusionContext, FusionModule, KeyQueue, Keys, MetricKind,
    Objective, ObjectiveContext, Result, Sameness, Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contrast::{
    BuiltTemperature, Contrast, Directions, Temperature, check_sizes, likelihoods, losses_of_rows, rows_of,
    scores_of, surprise, unit_rows,
};
use among::Among;
use pairs::{Pair, Pairs};
use projections::Projections;
use recall::found_among;

/// The modalities of a sample are to be found among those of other samples: the symmetric InfoNCE loss between every two
/// modalities, for the joint head. It needs no label.
///
/// Each modality's feature vector is projected and brought to length 1; in a batch, the loss of a sample is the cross entropy
/// of its cosines to all, over the temperature, both ways (van den Oord, Li, Vinyals, 2018, equation 4; Radford et al., ICML
/// 2021, figure 3). Told are the shares of samples of which a match is the nearest of all, among the nearest 5, and among the
/// nearest 10, in means over both ways and every two modalities; the first selects the best epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Length of each projection.
    pub width: usize,
    /// Widths of the layers between feature vector and projection; none for a linear projection.
    pub hidden: Vec<usize>,
    /// What similarities are divided by.
    pub temperature: Temperature,
    /// What makes two samples the same, so that neither is a wrong match of the other in training and either is a hit in
    /// evaluation: `"text"` (equal texts), `"label"`, `{ column = "…" }` of `data.further_labels`, or `"sample"` (nothing does).
    pub same: Sameness,
    /// Samples among which a loss is measured in evaluation and in estimates by probes, since it depends on their number;
    /// among all where there are fewer. In training that is the batch. Recall is always among all samples of a split.
    pub block: NonZeroUsize,
    /// In training, has samples be found among those of earlier batches as well (MoCo: He et al., CVPR 2020). What they are found
    /// among are keys, made by copies of encoders and projections that follow them slowly. Default: among the batch alone, by the
    /// encoders themselves. Not beside `run.chunk`.
    pub queue: Option<KeyQueue>,
}

impl Default for Match {
    fn default() -> Self {
        Self {
            width: 128,
            hidden: Vec::new(),
            temperature: Temperature::default(),
            same: Sameness::default(),
            block: NonZeroUsize::MIN.saturating_add(127),
            queue: None,
        }
    }
}

#[typetag::serde(name = "match")]
impl Objective for Match {
    fn start(&self, cx: &ObjectiveContext<'_>) -> Result<Box<dyn Criterion>> {
        if !cx.is_joint() {
            let expected = "an objective of the modality's own: \"match\" reads several modalities, and is for the joint head";
            return Err(Error::setting("kind", "\"match\"", expected));
        }
        check_sizes(self.width, &self.hidden)?;
        if self.block.get() < 2 {
            return Err(Error::setting(
                "block",
                self.block,
                "at least 2: among one there is nothing else to find",
            ));
        }
        self.queue.as_ref().map_or(Ok(()), KeyQueue::check)?;
        Ok(Box::new(Matching {
            width: self.width,
            hidden: self.hidden.clone(),
            block: self.block,
            same: self.same.clone(),
            temperature: self.temperature.build(cx.device)?,
        }))
    }

    fn needs_label(&self) -> bool {
        false
    }

    fn sameness(&self) -> Sameness {
        self.same.clone()
    }

    fn queue(&self) -> Option<KeyQueue> {
        self.queue
    }
}

gblend_core::register!(Objective, "match" => Match);

static METRICS: [MetricKind; 3] = [
    MetricKind::share("recall_at_1", "recall@1"),
    MetricKind::share("recall_at_5", "recall@5"),
    MetricKind::share("recall_at_10", "recall@10"),
];

/// Among how many of the nearest a match is looked for, in the same order.
const FIRST: [usize; 3] = [1, 5, 10];

/// The loss. Outputs are projections, `[batch, modalities × width]`; they are the scores, too.
struct Matching {
    width: usize,
    hidden: Vec<usize>,
    block: NonZeroUsize,
    same: Sameness,
    temperature: BuiltTemperature,
}

impl Matching {
    /// The modalities of a batch, which has a row for each sample.
    fn pairs(&self, output: &Array, targets: &Targets) -> Result<Pairs> {
        let pairs = Pairs::of(output, self.width)?;
        if pairs.samples != targets.len() {
            let expected = format!("one row for each of {} samples", targets.len());
            return Err(Error::shape("an output to match", expected, output.shape()));
        }
        Ok(pairs)
    }

    fn directions(&self, output: &Array, pair: &Pair, modality: usize) -> Directions {
        Directions::of(output, &pair.samples, modality * self.width, self.width)
    }

    /// The mean over samples of their mean over pairs, of which `of_pair` makes the loss both ways: of a pair, how much each of its
    /// samples counts each way, and their unit rows in both modalities.
    fn loss_of_pairs(
        &mut self,
        output: Logits,
        targets: &Targets,
        of_pair: impl Fn(&Self, &Pair, &[f32], [Features; 2]) -> Result<Loss>,
    ) -> Result<Loss> {
        let pairs = self.pairs(&output.to_array()?, targets)?;
        let (samples, modalities) = (pairs.samples, pairs.modalities);
        if samples < 2 {
            let problem = format!(
                "{samples} sample to match, expected at least 2: a match is found among others, so run.batch_size has to be above 1"
            );
            return Err(Error::data("a batch", problem));
        }
        let device = output.device();
        let unmatched = pairs.of_sample.iter().filter(|&&pairs| pairs == 0).count();
        let constant = (unmatched as f64 / samples as f64 * guess(samples)) as f32;
        let mut rows = unit_rows(reshape(output, (samples * modalities, self.width))?)?;
        let mut loss: Option<Loss> = None;
        for pair in pairs.pairs.iter().filter(|pair| !pair.samples.is_empty()) {
            let taken = |modality: usize, rows: Features| {
                let places = pair.samples.iter().map(|sample| sample * modalities + modality);
                let index = RowIndex::new(&device, places.collect())?;
                let (kept, way) = fork(rows);
                Ok::<_, Error>((kept, take_rows(way, &index)?))
            };
            let [a, b] = pair.modalities;
            let (kept, one) = taken(a, rows)?;
            let (kept, other) = taken(b, kept)?;
            rows = kept;
            let weights: Vec<f32> = pair
                .samples
                .iter()
                .map(|&sample| (0.5 / (pairs.of_sample[sample] * samples) as f64) as f32)
                .collect();
            let of_pair = of_pair(self, pair, &weights, [one, other])?;
            loss = Some(match loss {
                None => of_pair,
                Some(loss) => add(loss, of_pair)?,
            });
        }
        let loss = match loss {
            Some(loss) => with_history(loss, rows),
            // No sample has two modalities: nothing follows from them.
            None => scale(sum(rows)?, 0.0)?,
        };
        offset(loss, constant)
    }

    /// The same of each sample on the host; `of_pair` tells how surprising the match of each sample of a pair is, both ways.
    fn losses_of_pairs(
        &self,
        output: &Array,
        targets: &Targets,
        of_pair: impl Fn(&Pair) -> [Vec<f64>; 2],
    ) -> Result<Vec<Option<f64>>> {
        let pairs = self.pairs(output, targets)?;
        let mut losses = vec![0.0; pairs.samples];
        for pair in &pairs.pairs {
            for surprises in of_pair(pair) {
                for (&sample, surprise) in pair.samples.iter().zip(surprises) {
                    losses[sample] += surprise / (2 * pairs.of_sample[sample]) as f64;
                }
            }
        }
        let losses = losses.into_iter().zip(&pairs.of_sample);
        let of_each = losses.map(|(loss, &of_sample)| match of_sample {
            0 => Some(guess(pairs.samples)),
            _ => Some(loss),
        });
        Ok(of_each.collect())
    }

    fn negatives(&self, pair: &Pair, targets: &Targets) -> Negatives {
        let identities = targets.identities(&self.same);
        let of_pair = |numbers: &[u64]| pair.samples.iter().map(|&sample| numbers[sample]).collect();
        Negatives::of_pairs(identities.map(of_pair))
    }
}

/// The loss of a guess among so many.
fn guess(samples: usize) -> f64 {
    (samples.max(1) as f64).ln()
}

impl Criterion for Matching {
    fn width(&self) -> usize {
        2 * self.width
    }

    fn joint_head(&self, cx: &FusionContext<'_>) -> Result<Option<Box<dyn FusionModule>>> {
        if cx.feature_dims.len() < 2 {
            let expected = "another kind, or a second [modality.NAME] table: there is one modality, and nothing to match it with";
            return Err(Error::setting("kind", "\"match\"", expected));
        }
        Ok(Some(Box::new(Projections::new(cx, &self.hidden, self.width)?)))
    }

    fn loss(&mut self, output: Logits, targets: &Targets) -> Result<Loss> {
        self.loss_of_pairs(output, targets, |matching, pair, weights, [one, other]| {
            let rights: Vec<usize> = (0..pair.samples.len()).collect();
            let contrast = Contrast {
                rights: &rights,
                negatives: &matching.negatives(pair, targets),
                weights,
            };
            contrast.loss_both_ways(matching.temperature.divide(one)?, other)
        })
    }

    fn loss_among(&mut self, output: Logits, targets: &Targets, keys: &Keys) -> Result<Loss> {
        let among = Among::of(keys, output.shape().1, self.width, targets, &self.same)?;
        self.loss_of_pairs(output, targets, |matching, pair, weights, rows| {
            let [a, b] = pair.modalities;
            let mut both: Option<Loss> = None;
            for (rows, other) in rows.into_iter().zip([b, a]) {
                let rows = matching.temperature.divide(rows)?;
                let loss = among.candidates(pair, other).loss(rows, weights)?;
                both = Some(match both {
                    None => loss,
                    Some(both) => add(both, loss)?,
                });
            }
            both.ok_or_else(|| Error::shape("a pair", "two modalities", [0]))
        })
    }

    fn block(&self) -> Option<NonZeroUsize> {
        Some(self.block)
    }

    fn chance(&self, samples: usize) -> f64 {
        guess(samples.max(2))
    }

    fn losses(&self, output: &Array, targets: &Targets) -> Result<Vec<Option<f64>>> {
        let temperature = self.temperature.value();
        self.losses_of_pairs(output, targets, |pair| {
            let negatives = self.negatives(pair, targets);
            let [one, other] = pair
                .modalities
                .map(|modality| self.directions(output, pair, modality));
            [(&one, &other), (&other, &one)].map(|(rows, others)| {
                rows.compared(others, |place, cosines| {
                    surprise(cosines, temperature, place, place, &negatives)
                })
            })
        })
    }

    fn losses_among(&self, output: &Array, targets: &Targets, keys: &Keys) -> Result<Vec<Option<f64>>> {
        let length = output.shape().last().copied().unwrap_or(0);
        let among = Among::of(keys, length, self.width, targets, &self.same)?;
        let temperature = self.temperature.value();
        self.losses_of_pairs(output, targets, |pair| {
            let [a, b] = pair.modalities;
            [(a, b), (b, a)].map(|(own, other)| {
                let candidates = among.candidates(pair, other);
                candidates.surprises(&self.directions(output, pair, own), temperature)
            })
        })
    }

    fn scores(&self, output: &Array) -> Result<Vec<Vec<f64>>> {
        Pairs::of(output, self.width)?;
        Ok(scores_of(output))
    }

    fn output_of(&self, scores: &[Vec<f64>]) -> Result<Array> {
        rows_of(scores)
    }

    fn losses_of_scores(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        losses_of_rows(self, scores, targets)
    }

    fn confidence(&self, scores: &[Vec<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        Ok(likelihoods(self.losses_of_scores(scores, targets)?))
    }

    /// Projections of several heads are of different spaces.
    fn pool(&self, _: &[(f64, Option<&[f64]>)]) -> Option<Vec<f64>> {
        None
    }

    fn answer(&self, _: &[f64]) -> Answer {
        Answer::Nothing
    }

    fn metric_kinds(&self) -> &[MetricKind] {
        &METRICS
    }

    fn metrics(&self, scores: &[Vec<f64>], _: &[Option<f64>], targets: &Targets) -> Result<Vec<Option<f64>>> {
        if scores.is_empty() {
            return Ok(vec![None; METRICS.len()]);
        }
        let identities = targets.identities(&self.same);
        let found = found_among(&rows_of(scores)?, self.width, identities, FIRST)?;
        let known: Vec<[f64; 3]> = found.into_iter().flatten().collect();
        let mean = |figure: usize| {
            let sum: f64 = known.iter().map(|found| found[figure]).sum();
            (!known.is_empty()).then(|| sum / known.len() as f64)
        };
        Ok((0..METRICS.len()).map(mean).collect())
    }

    fn main_figure_of_each(
        &self,
        scores: &[Vec<f64>],
        _: &[Option<f64>],
        targets: &Targets,
    ) -> Result<Option<Vec<Option<f64>>>> {
        if scores.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let identities = targets.identities(&self.same);
        let found = found_among(&rows_of(scores)?, self.width, identities, [FIRST[0]])?;
        Ok(Some(
            found
                .into_iter()
                .map(|found| found.map(|[first]| first))
                .collect(),
        ))
    }

    fn axes(&self) -> Axes {
        Axes::new("sample", "match")
    }

    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.temperature.visit_params(path, visitor)
    }
}
