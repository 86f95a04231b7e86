//! What to try next, in words, each with the figure that it comes from.
//!
//! What is found, the report says. What to do about it says the strategy, which knows its own settings; see
//! [`Advice`]. Where it says nothing, there is a word for any strategy.

mod beside_equal;
mod comparison;
mod learning;

use gblend_core::{Advice, BlendReport, Finding, WeightSource};

use super::charts::{duration, figure, percent};
use super::reading::Run;
use crate::records::{Counts, PredictionRule};
pub(super) use comparison::of_comparison;
use learning::Learning;

/// A head with less of the loss hardly learns.
const STARVED: f64 = 0.02;

/// A head with more of the loss leaves nothing to the others.
const DOMINANT: f64 = 0.9;

/// An interval of a weight that is wider says little about the weight.
const WIDE: f64 = 0.5;

/// Training that waits longer, as a share of its time, is worth a look at the data.
const WAITING: f64 = 0.1;

/// A class that has so many times fewer test samples than another one is rare beside it.
const RARE: u64 = 10;

/// Rare classes are found less often if the mean over classes is lower than the accuracy by so much.
const FOUND_LESS: f64 = 0.1;

/// A validation loss that rose by more, as a share of its lowest, is no noise.
const RISEN: f64 = 0.05;

/// What the figures of a run suggest; nothing if nothing stands out.
pub(super) fn of_run(run: &Run) -> Vec<String> {
    let learning = Learning::of(run);
    let mut advice = Vec::new();
    advice.extend(learning.sentences(run));
    // Of a network that has learned nothing, no figure about its heads means anything.
    if !learning.is_nothing() {
        advice.extend(weights(run));
        if let Some(last) = run.summary.blends.last() {
            advice.extend(gains(&run.advice, last));
            let uncertain = uncertain(&run.advice, last);
            let of_estimates = run.advice.weights == WeightSource::Estimated;
            let expected = beside_equal::expected(last).filter(|_| uncertain.is_none() && of_estimates);
            advice.extend(uncertain);
            advice.extend(expected);
        }
        if learning.joint_can_be_judged(run) {
            advice.extend(joint(run));
        }
        advice.extend(overfitting(run));
        advice.extend(rules(run));
        advice.extend(rare_classes(run));
    }
    advice.extend(run.advice.remarks.iter().cloned());
    advice.extend(waiting(run));
    advice.extend(recomputing(run));
    if !run.has_validation() && run.epochs.len() > 1 {
        advice.push(
            "No sample is set aside for validation (run.validation), so nothing tells when training has gone on for too \
             long; set some aside while you look for settings."
                .to_owned(),
        );
    }
    advice
}

/// What to do about a finding: the strategy's word, else one that is good for any strategy.
fn remedy(advice: &Advice, finding: Finding) -> String {
    advice.remedy(finding).unwrap_or_else(|| {
        match finding {
            Finding::StarvedHead => "Compare with blend.kind = \"ogr\", and with the modality left out.",
            Finding::StarvedJoint => "Compare with blend.kind = \"ogr\", which keeps a part for it.",
            Finding::DominantHead => "Compare with blend.kind = \"ogr\", and with that modality alone.",
            Finding::NoGain => {
                "Augmentation or a smaller learning rate leaves a gain to measure; if the network has learned all it can, \
                 stop there."
            }
            Finding::HeadsWithoutGain => {
                "Augmentation or a smaller encoder for them would tell whether they have anything to learn."
            }
            Finding::WideInterval => "More samples to estimate on measure more.",
            Finding::JointBelowSingle => {
                "Compare with blend.kind = \"ogr\", which weighs the losses by how heads overfit."
            }
            Finding::BelowSingle => "Look at the weights of the runs, and at some of the modalities alone.",
            Finding::BelowEqual => "Take blend.kind = \"equal\".",
            Finding::BelowFixed => "Fix them (blend.kind = \"fixed\").",
            _ => "",
        }
        .to_owned()
    })
}

/// Half the width of the 95 % interval of the difference of two shares, of so many samples each, by the normal
/// distribution. Where both are of the same samples, the true one is narrower. A mean average precision is no share, but
/// varies no less than one.
fn noise((one, samples): (f64, usize), (other, of_other): (f64, usize)) -> f64 {
    let variance = |share: f64, samples: usize| share * (1.0 - share) / samples as f64;
    1.96 * (variance(one, samples) + variance(other, of_other)).sqrt()
}

/// Weights that left a head hardly anything, or one that took all.
fn weights(run: &Run) -> Vec<String> {
    if run.advice.weights == WeightSource::Given {
        return Vec::new();
    }
    let heads = &run.summary.heads;
    let joint = heads.len() - 1;
    let list = |wanted: &dyn Fn(usize, f64) -> bool| {
        let heads = heads.iter().enumerate();
        let found = heads.filter(|(index, head)| wanted(*index, head.weight));
        let found = found.map(|(_, head)| format!("{} {:.3}", head.name, head.weight));
        found.collect::<Vec<_>>().join(", ")
    };
    let mut advice = Vec::new();
    let starved = list(&|head, weight| head < joint && weight < STARVED);
    if !starved.is_empty() {
        let remedy = remedy(&run.advice, Finding::StarvedHead);
        advice.push(format!(
            "A weight below {STARVED} ({starved}): such a head hardly learns. {remedy}"
        ));
    }
    let starved = list(&|head, weight| head == joint && weight < STARVED);
    if !starved.is_empty() {
        let remedy = remedy(&run.advice, Finding::StarvedJoint);
        let without = match run.summary.predict {
            PredictionRule::Joint => " Or predict without it (blend.predict = \"blend\").",
            PredictionRule::Mean | PredictionRule::Blend | PredictionRule::Pool => "",
        };
        advice.push(format!(
            "A weight below {STARVED} ({starved}): the fusion is hardly trained. {remedy}{without}"
        ));
    }
    let dominant = list(&|_, weight| weight > DOMINANT);
    if !dominant.is_empty() {
        let remedy = remedy(&run.advice, Finding::DominantHead);
        advice.push(format!(
            "A weight above {DOMINANT} ({dominant}): the other heads are hardly trained. {remedy}"
        ));
    }
    advice
}

/// Heads that gain nothing. If some do, it takes an interval to tell that others do not.
fn gains(advice: &Advice, report: &BlendReport) -> Option<String> {
    let list = |wanted: &dyn Fn(&gblend_core::HeadReport) -> bool| -> Vec<String> {
        let found = report.heads.iter().filter(|head| wanted(head));
        found
            .map(|head| format!("{} {}", head.name, figure(head.delta_g)))
            .collect()
    };
    let none = list(&|head| head.delta_g <= 0.0);
    if none.len() == report.heads.len() {
        return Some(format!(
            "No head gains at the estimate after epoch {} (ΔG: {}). {}",
            report.epoch,
            none.join(", "),
            remedy(advice, Finding::NoGain)
        ));
    }
    let surely = list(&|head| {
        head.delta_g <= 0.0 && head.delta_g_interval.is_none_or(|interval| interval.high <= 0.0)
    });
    (!surely.is_empty()).then(|| {
        format!(
            "At the estimate after epoch {} these heads gain nothing on held-out samples (ΔG: {}). {}",
            report.epoch,
            surely.join(", "),
            remedy(advice, Finding::HeadsWithoutGain)
        )
    })
}

/// Weights that were hardly measured.
fn uncertain(advice: &Advice, report: &BlendReport) -> Option<String> {
    let wide = report.heads.iter().filter_map(|head| {
        let (low, high) = (head.weight_low?, head.weight_high?);
        (high - low > WIDE).then(|| format!("{} [{low:.2}, {high:.2}]", head.name))
    });
    let wide: Vec<String> = wide.collect();
    (!wide.is_empty()).then(|| {
        format!(
            "The interval of a weight is wider than {WIDE} ({}): the estimate hardly tells heads apart. {}",
            wide.join(", "),
            remedy(advice, Finding::WideInterval)
        )
    })
}

/// The joint head beside the best single one.
fn joint(run: &Run) -> Option<String> {
    let (joint, (_, single)) = (run.joint()?, run.best_single()?);
    // Of other figures it is not known how far the test samples leave them open.
    if !run.is_classification() || single.objective.is_some() || run.has_weighted_classes() {
        return None;
    }
    let (reached, alone) = (run.measure(joint)?.value, run.measure(single)?.value);
    let noise = noise((reached, joint.test_samples), (alone, single.test_samples));
    // No sample makes the noise no number, which no difference is above.
    let is_above = alone - reached > noise;
    if !is_above {
        return None;
    }
    let by = if run.several_labels() {
        "a mean average precision of "
    } else {
        ""
    };
    Some(format!(
        "The joint head reaches {by}{}, {} alone {}, {:.1} points more where the test samples leave ± {:.1}: what the \
         modalities have in common is lost. {} Where the fusion ({}) cannot ignore a modality, one with gates or attention \
         can.",
        percent(reached),
        single.name,
        percent(alone),
        100.0 * (alone - reached),
        100.0 * noise,
        remedy(&run.advice, Finding::JointBelowSingle),
        joint.kind,
    ))
}

/// Heads whose validation loss rises while the training loss falls.
fn overfitting(run: &Run) -> Option<String> {
    let mut found = Vec::new();
    for (index, head) in run.summary.heads.iter().enumerate() {
        let losses: Vec<(usize, f64)> = run
            .validation(index)
            .map(|(epoch, of)| (epoch, of.loss))
            .collect();
        let lowest = losses.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (Some(&(at, lowest)), Some(&(last, loss))) = (lowest, losses.last()) else {
            continue;
        };
        let train = |wanted: usize| {
            let epoch = run.epochs.iter().find(|epoch| epoch.epoch == wanted)?;
            Some(epoch.heads.get(index)?.train?.loss)
        };
        let falls = train(at).zip(train(last)).is_some_and(|(then, now)| now < then);
        if falls && last > at + 1 && loss > lowest * (1.0 + RISEN) {
            found.push(format!(
                "{} after epoch {at} (from {} to {})",
                head.name,
                figure(lowest),
                figure(loss)
            ));
        }
    }
    let shorter = if run.summary.selected_epoch < run.summary.epochs {
        "The best epoch was taken already; augmentation and dropout for these heads may move it on."
    } else {
        "Fewer epochs, run.select = \"best\" with run.patience, or augmentation and dropout for these heads."
    };
    (!found.is_empty()).then(|| {
        format!(
            "The validation loss rises while the training loss falls: {}. {shorter}",
            found.join(", ")
        )
    })
}

/// A way of predicting that is better than the run's.
fn rules(run: &Run) -> Option<String> {
    // With several labels or weighted classes, being exactly right is no measure, and other figures have no such noise.
    let measured = run.is_classification() && !run.several_labels() && !run.has_weighted_classes();
    let own = run.prediction().filter(|_| measured)?;
    // Without a joint head the rules differ in name alone.
    run.joint()?;
    let samples = run.test_samples();
    let others = run
        .summary
        .predictions
        .iter()
        .filter(|rule| rule.rule != own.rule);
    let others = others.filter_map(|rule| Some((rule, rule.test_accuracy?)));
    let (best, reached) = others.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let of_own = own.test_accuracy?;
    let noise = noise((of_own, samples), (reached, samples));
    let difference = reached - of_own;
    let of = |rule: PredictionRule| match rule {
        PredictionRule::Joint => "joint head",
        PredictionRule::Mean => "mean of the heads",
        PredictionRule::Blend => "blend of the heads",
        PredictionRule::Pool => "pool of the heads",
    };
    (difference > noise).then(|| {
        format!(
            "Predicting from the {} reaches {}, {:.1} points more than the {} and more than the noise of the test samples \
             ({:.1}): set blend.predict = \"{}\", and confirm it on samples that did not choose it.",
            of(best.rule),
            percent(reached),
            100.0 * difference,
            of(own.rule),
            100.0 * noise,
            best.rule.name()
        )
    })
}

/// Classes with few samples that are found less often than others, where nothing was done about it.
fn rare_classes(run: &Run) -> Option<String> {
    if run.has_weighted_classes() {
        return None;
    }
    let test = run.test.as_ref()?;
    let Counts::Matrix(matrix) = &test.prediction.counts else {
        return None;
    };
    let metrics = run.prediction()?.metrics();
    let (accuracy, balanced) = (metrics.accuracy?, metrics.get("balanced_accuracy")?);
    let samples = matrix.iter().map(|row| row.iter().sum::<u64>());
    let present: Vec<(usize, u64)> = samples.enumerate().filter(|(_, count)| *count > 0).collect();
    let most = present.iter().map(|(_, count)| *count).max()?;
    let recalls = test.prediction.recalls();
    let rare = present
        .into_iter()
        .filter(|(_, count)| count.saturating_mul(RARE) <= most);
    let found =
        rare.filter_map(|(class, count)| Some((test.classes.get(class)?, count, (*recalls.get(class)?)?)));
    let (class, count, recall) = found.min_by(|a, b| a.2.total_cmp(&b.2))?;
    (accuracy - balanced >= FOUND_LESS).then(|| {
        format!(
            "Rare classes are found less often than frequent ones: the accuracy is {}, its mean over classes {}, that of \
             `{class}`, which {count} of the test samples have, {}. [objective] class_weights = \"balanced\", or \
             run.sampler = \"balanced\", lets each class count as much as any other.",
            percent(accuracy),
            percent(balanced),
            percent(recall),
        )
    })
}

/// Time that was given for memory.
fn recomputing(run: &Run) -> Option<String> {
    let seconds = &run.summary.seconds;
    let share = seconds.recompute / seconds.train;
    (share.is_finite() && share > 0.0).then(|| {
        format!(
            "Backward passes ran stages of encoders again for {} of training ({} of {}), so that steps took less memory: with more \
             memory, or a smaller run.batch_size, run.recompute = \"none\" keeps what they made; the result is the same.",
            percent(share),
            duration(seconds.recompute),
            duration(seconds.train)
        )
    })
}

/// Training that waits for data.
fn waiting(run: &Run) -> Option<String> {
    let seconds = &run.summary.seconds;
    let share = seconds.waiting / seconds.train;
    (share.is_finite() && share > WAITING).then(|| {
        format!(
            "Training waited for data {} of its time ({} of {}): more memory for prepared samples (run.memory), more \
             threads, or smaller media.",
            percent(share),
            duration(seconds.waiting),
            duration(seconds.train)
        )
    })
}
