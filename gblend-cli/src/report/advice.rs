//! What to try next, in words, each with the figure that it comes from.

use gblend_core::BlendReport;

use super::charts::{duration, figure, percent};
use super::reading::{Compared, Run, label, measure};

/// A head with less of the loss hardly learns.
const COLLAPSED: f64 = 0.02;

/// A head with more of the loss leaves nothing to the others.
const DOMINANT: f64 = 0.9;

/// An interval of a weight that is wider says little about the weight.
const WIDE: f64 = 0.5;

/// Training that waits longer, as a share of its time, is worth a look at the data.
const WAITING: f64 = 0.1;

/// A validation loss that rose by more, as a share of its lowest, is no noise.
const RISEN: f64 = 0.05;

/// Strategies whose weights are given and not found.
const GIVEN: [&str; 4] = ["joint", "unimodal", "equal", "fixed"];

/// What the figures of a run suggest; nothing if nothing stands out.
pub(super) fn of_run(run: &Run) -> Vec<String> {
    let mut advice = Vec::new();
    advice.extend(weights(run));
    if let Some(last) = run.summary.blends.last() {
        advice.extend(gains(last));
        advice.extend(uncertain(last));
    }
    advice.extend(joint(run));
    advice.extend(overfitting(run));
    advice.extend(rules(run));
    advice.extend(waiting(run));
    if !run.has_validation() && run.epochs.len() > 1 {
        advice.push(
            "No sample is set aside for validation (run.validation), so nothing tells when training has gone on for too \
             long; set some aside while you look for settings."
                .to_owned(),
        );
    }
    advice
}

/// Weights that collapsed, or one that took all.
fn weights(run: &Run) -> Vec<String> {
    if GIVEN.contains(&run.summary.strategy.as_str()) {
        return Vec::new();
    }
    let ogr = run.summary.strategy == "ogr";
    let heads = &run.summary.heads;
    let joint = heads.len() - 1;
    let list = |wanted: &dyn Fn(usize, f64) -> bool| {
        let heads = heads.iter().enumerate();
        let found = heads.filter(|(index, head)| wanted(*index, head.weight));
        let found = found.map(|(_, head)| format!("{} {:.3}", head.name, head.weight));
        found.collect::<Vec<_>>().join(", ")
    };
    let mut advice = Vec::new();
    let collapsed = list(&|head, weight| head < joint && weight < COLLAPSED);
    if !collapsed.is_empty() {
        let what = if ogr {
            "If it should: raise blend.smoothing, or blend.floor, which keeps the division by a small ΔO in bounds, or \
             measure better, with a larger blend.held_out. If it has nothing to say: leave the modality out, and compare"
        } else {
            "Compare with blend.kind = \"ogr\", and with the modality left out"
        };
        advice.push(format!(
            "A weight below {COLLAPSED} ({collapsed}): such a head hardly learns. {what}."
        ));
    }
    let collapsed = list(&|head, weight| head == joint && weight < COLLAPSED);
    if !collapsed.is_empty() {
        let what = if ogr {
            "Set blend.joint_floor, or predict without it (blend.predict = \"blend\")"
        } else {
            "Compare with blend.kind = \"ogr\", which keeps a part for it, or predict without it (blend.predict = \"blend\")"
        };
        advice.push(format!(
            "A weight below {COLLAPSED} ({collapsed}): the fusion is hardly trained. {what}."
        ));
    }
    let dominant = list(&|_, weight| weight > DOMINANT);
    if !dominant.is_empty() {
        let what = if ogr {
            "Set blend.cap, raise blend.smoothing, or take blend.policy = \"robust\""
        } else {
            "Compare with blend.kind = \"ogr\", and with that modality alone"
        };
        advice.push(format!(
            "A weight above {DOMINANT} ({dominant}): the other heads are hardly trained. {what}."
        ));
    }
    advice
}

/// Heads that gain nothing.
fn gains(report: &BlendReport) -> Vec<String> {
    let none = report.heads.iter().filter(|head| head.delta_g <= 0.0);
    let none: Vec<String> = none
        .map(|head| format!("{} {}", head.name, figure(head.delta_g)))
        .collect();
    if none.is_empty() {
        return Vec::new();
    }
    let list = none.join(", ");
    if none.len() == report.heads.len() {
        return vec![format!(
            "No head gains at the estimate after epoch {} (ΔG: {list}): the weights are a fallback (blend.no_gain) and say \
             nothing about the heads. Shorter probes (blend.probe_epochs), a smaller learning rate or augmentation leave a \
             gain to measure; if the network has learned all it can, stop there.",
            report.epoch
        )];
    }
    vec![format!(
        "At the estimate after epoch {} these heads gain nothing on held-out samples (ΔG: {list}). Shorter probes \
         (blend.probe_epochs), augmentation or a smaller encoder for them would tell whether they have anything to learn.",
        report.epoch
    )]
}

/// Weights that were hardly measured.
fn uncertain(report: &BlendReport) -> Vec<String> {
    let wide = report.heads.iter().filter_map(|head| {
        let (low, high) = (head.weight_low?, head.weight_high?);
        (high - low > WIDE).then(|| format!("{} [{low:.2}, {high:.2}]", head.name))
    });
    let wide: Vec<String> = wide.collect();
    if wide.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "The interval of a weight is wider than {WIDE} ({}): the estimate hardly tells heads apart. A larger \
         blend.held_out, or longer probes (blend.probe_epochs), measure more; blend.policy = \"robust\" leans on it less.",
        wide.join(", ")
    )]
}

/// The joint head beside the best single one.
fn joint(run: &Run) -> Vec<String> {
    let (Some(joint), Some((_, single))) = (run.joint(), run.best_single()) else {
        return Vec::new();
    };
    let (reached, alone) = (measure(joint), measure(single));
    if reached >= alone {
        return Vec::new();
    }
    let by = if run.several_labels() {
        "a mean average precision of "
    } else {
        ""
    };
    let what = if run.summary.strategy == "ogr" {
        "More weight for the joint head (blend.joint_floor), a fusion that can ignore a modality (gated, attention), or \
         leaving out the modality with the highest OGR may help"
    } else {
        "Compare with blend.kind = \"ogr\", which weighs the losses by how heads overfit"
    };
    vec![format!(
        "The joint head reaches {by}{}, {} alone {}: what the modalities have in common is lost. {what}.",
        percent(reached),
        single.name,
        percent(alone)
    )]
}

/// Heads whose validation loss rises while the training loss falls.
fn overfitting(run: &Run) -> Vec<String> {
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
    if found.is_empty() {
        return found;
    }
    vec![format!(
        "The validation loss rises while the training loss falls: {}. Fewer epochs, run.select = \"best\" with run.patience, \
         or augmentation and dropout for these heads.",
        found.join(", ")
    )]
}

/// A way of predicting that is better than the joint head.
fn rules(run: &Run) -> Vec<String> {
    let samples = run.test_samples() as f64;
    // With several labels, being exactly right is no measure, and others have no such noise.
    let (Some(joint), true) = (run.joint(), samples > 0.0 && !run.several_labels()) else {
        return Vec::new();
    };
    let better = run
        .summary
        .predictions
        .iter()
        .filter(|rule| rule.rule.name() != "joint");
    let Some(best) = better.max_by(|a, b| a.test_accuracy.total_cmp(&b.test_accuracy)) else {
        return Vec::new();
    };
    let variance = |share: f64| share * (1.0 - share) / samples;
    let noise = 1.96 * (variance(joint.test_accuracy) + variance(best.test_accuracy)).sqrt();
    let difference = best.test_accuracy - joint.test_accuracy;
    if difference <= noise {
        return Vec::new();
    }
    vec![format!(
        "Predicting from the {} of the heads reaches {}, {:.1} points more than the joint head and more than the noise of the \
         test samples ({:.1}): set blend.predict = \"{}\", and confirm it on samples that did not choose it.",
        best.rule.name(),
        percent(best.test_accuracy),
        100.0 * difference,
        100.0 * noise,
        best.rule.name()
    )]
}

/// Training that waits for data.
fn waiting(run: &Run) -> Vec<String> {
    let seconds = &run.summary.seconds;
    let share = seconds.waiting / seconds.train;
    if !share.is_finite() || share <= WAITING {
        return Vec::new();
    }
    vec![format!(
        "Training waited for data {} of its time ({} of {}): more memory for prepared samples (run.memory), more threads, \
         or smaller media.",
        percent(share),
        duration(seconds.waiting),
        duration(seconds.train)
    )]
}

/// What the table of a comparison suggests.
pub(super) fn of_comparison(compared: &Compared) -> Vec<String> {
    let mut advice = Vec::new();
    let rows = &compared.result.rows;
    let all = compared.result.modalities.len();
    let blended = rows
        .iter()
        .filter(|row| row.modalities.len() == all && row.method.starts_with("ogr"));
    for row in blended {
        let name = label(row, &compared.result);
        if let Some(single) = row
            .paired_difference_to_best_single
            .as_ref()
            .filter(|one| one.mean < 0.0)
        {
            let sure = if single.significant {
                "beyond chance"
            } else {
                "which chance explains as well"
            };
            advice.push(format!(
                "{name} is {:.1} points below {}, {sure}: the modalities have little to add to each other here, or the \
                 estimate is off. Look at the subsets, at the interval of each weight, and at blend.joint_floor.",
                -100.0 * single.mean,
                single.to
            ));
        }
        let equal = row.paired_difference_to_equal.as_ref();
        if let Some(equal) = equal.filter(|one| one.significant && one.mean < 0.0) {
            advice.push(format!(
                "{name} is {:.1} points below equal weights, beyond chance: take blend.kind = \"equal\", or measure better with \
                 a larger blend.held_out.",
                -100.0 * equal.mean
            ));
        }
    }
    let few = rows.iter().map(|row| row.seeds.len()).min().unwrap_or(0);
    if few < 3 {
        advice.push(format!(
            "Methods have as few seeds as {few}: an interval over so few says little; compare with five (--seeds 5)."
        ));
    }
    let smaller = rows
        .iter()
        .filter(|row| row.modalities.len() < all && !row.method.starts_with("single:"));
    let best = |rows: &mut dyn Iterator<Item = &'_ crate::records::Row>| {
        rows.max_by(|a, b| a.mean.total_cmp(&b.mean))
            .map(|row| (row.mean, label(row, &compared.result)))
    };
    let whole = best(&mut rows.iter().filter(|row| row.modalities.len() == all));
    if let (Some((mean, name)), Some((whole, other))) = (best(&mut { smaller }), whole)
        && mean > whole
    {
        advice.push(format!(
            "{name} reaches {}, more than {other} with every modality ({}): a modality does more harm than good; leave it \
             out, or give it a smaller encoder.",
            percent(mean),
            percent(whole)
        ));
    }
    if let Some(simplex) = &compared.result.simplex
        && simplex.regret.significant
        && simplex.regret.mean > 0.0
    {
        advice.push(format!(
            "The best fixed weights are {:.1} points better than the strategy’s, beyond chance: fix them \
             (blend.kind = \"fixed\"), or measure better with a larger blend.held_out.",
            100.0 * simplex.regret.mean
        ));
    }
    if !compared.result.left_out.is_empty() {
        advice.push(format!(
            "Runs without a result: {}; the list below the table says why.",
            compared.result.left_out.len()
        ));
    }
    advice
}
