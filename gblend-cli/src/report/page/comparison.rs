//! One comparison.

use gblend_core::{Better, MetricFormat, MetricKind};
use maud::{Markup, html};

use super::figure::{Names, figure};
use super::{advice, config, facts, feature_space, run};
use crate::error::Result;
use crate::records::{Difference, FigureDifference, Row, settled_by};
use crate::report::advice;
use crate::report::charts::{
    self, ClassGain, duration, of_comparison, of_kind_within, per_class, simplex, subsets_trained,
    time_of_comparison,
};
use crate::report::reading::{Compared, Run, label};

/// The section about a comparison.
pub(super) fn section(names: &mut Names, compared: &Compared) -> Result<Markup> {
    let result = &compared.result;
    let accuracies = of_comparison(result)?;
    let main = result.main();
    let search = result.simplex.as_ref().map(|found| simplex(found, main));
    let search = search.transpose()?.flatten();
    let representative = compared.representative().and_then(|row| {
        let cell = compared.cells[row].iter().find(|cell| cell.run.is_some())?;
        Some((&result.rows[row], cell.seed, cell.run.as_ref()?))
    });
    let whole = representative.filter(|(row, ..)| compared.has_all(row));
    let trained = subsets_trained(result, whole.map(|(row, ..)| row.method.as_str()))?;
    let mut groups = vec![(None, advice::of_comparison(compared))];
    groups.extend(representative.map(|(row, seed, run)| {
        let about = format!(
            "In the run of {} with seed {seed}, which is shown below:",
            label(row, result)
        );
        (Some(about), advice::of_run(run))
    }));
    let first = [
        ("modalities", result.modalities.join(", ")),
        (
            "fusion",
            result
                .rows
                .first()
                .map_or_else(|| "–".to_owned(), |row| row.fusion.clone()),
        ),
        ("methods", result.rows.len().to_string()),
        (
            "runs",
            result
                .rows
                .iter()
                .map(|row| row.seeds.len())
                .sum::<usize>()
                .to_string(),
        ),
        ("predicts from", result.predict.name().to_owned()),
        ("test samples", result.test_samples.to_string()),
    ];
    Ok(html! {
        (facts(&first))
        (advice(&groups))
        h3 { (if result.objective.is_none() { "Accuracy" } else { "How good methods are" }) }
        (methods(compared))
        @if let Some(chart) = accuracies { (figure(names, &chart)) }
        (gain(names, compared)?)
        (feature_space::of_comparison(names, result)?)
        @if let Some(chart) = trained { (figure(names, &chart)) }
        @if let Some(chart) = search { (figure(names, &chart)) }
        @match representative {
            Some((row, seed, one)) => {
                p.note {
                    "What follows is of one run: " strong { (label(row, result)) ", " (result.draw(seed)) }
                    ". The other runs of the comparison are in their folders, each with figures of its own."
                }
                (run::details(names, one)?)
            }
            None => p.note { "No run folder of this comparison is left, so its curves and confusions are not here." },
        }
        h3 { "Time and memory" }
        @if let Some(chart) = time_of_comparison(compared)? { (figure(names, &chart)) }
        @match &compared.config {
            Some(text) => (config(text)),
            None => @if let Some((_, _, one)) = representative { (config(&one.config)) },
        }
    })
}

/// The table of methods. Its data attributes hold the figures as they are in `compare.json`.
fn methods(compared: &Compared) -> Markup {
    let result = &compared.result;
    let main = result.main();
    let unit = match main.format {
        MetricFormat::Percent => "in percentage points, ",
        _ => "",
    };
    let beside = result.rows.iter().any(|row| !row.joint_head.is_empty());
    let tuned = result.rows.iter().find_map(|row| row.tunings().first());
    let by_joint = |row: &Row| match row.by_joint_head(main) {
        None => "–".to_owned(),
        Some((mean, ci95)) => of_kind_within(mean, ci95, main),
    };
    html! {
        div.scroll tabindex="0" {
            table.methods {
                thead { tr {
                    th scope="col" { "method" }
                    th.number scope="col" { (main.label) }
                    @if beside { th.number scope="col" { "by joint head" } }
                    th.number scope="col" { "to best single" } th.number scope="col" { "to joint" } th.number scope="col" { "to equal" }
                    @if tuned.is_some() { th.number scope="col" { "tuned to" } }
                    th.number scope="col" { (result.repeat()) "s" } th.number scope="col" { "time" }
                } }
                tbody { @for row in &result.rows {
                    tr data-method=(row.method) data-modalities=(row.modalities.join("+")) data-fusion=(row.fusion)
                        data-mean=(row.mean) data-ci95=[row.ci95]
                        data-to-best-single=[row.paired_difference_to_best_single.as_ref().map(|one| one.mean)]
                        data-to-joint=[row.paired_difference_to_joint.as_ref().map(|one| one.mean)]
                        data-to-equal=[row.paired_difference_to_equal.as_ref().map(|one| one.mean)] {
                        th scope="row" { (label(row, result)) }
                        td.number { (of_kind_within(row.mean, row.ci95, main)) }
                        @if beside { td.number { (by_joint(row)) } }
                        (difference(row.paired_difference_to_best_single.as_ref(), main))
                        (difference(row.paired_difference_to_joint.as_ref(), main))
                        (difference(row.paired_difference_to_equal.as_ref(), main))
                        @if tuned.is_some() { td.number { (row.tuned_to().unwrap_or_else(|| "–".to_owned())) } }
                        td.number { (row.seeds.len()) }
                        td.number { (duration(row.seconds)) }
                    }
                } }
            }
        }
        p.note {
            "Means with their 95 % intervals over " (result.intervals_are_over()) ", by Student’s t. Differences are " (unit)
            "seed by seed and sample by sample, to the modality that is best alone, to the joint loss alone (naive late fusion) and to \
             equal weights; “better” and “worse” mark those over three seeds or more whose interval leaves out 0, not corrected for the number of methods."
            @if main.better == Better::Lower { " Of the " (main.label) " less is better." }
            @for sentence in result.intervals_do_not_know() { " " (sentence) }
        }
        @if let Some(tuned) = tuned {
            p.note {
                "Before that each method was tuned (" @for (place, key) in tuned.keys.iter().enumerate() {
                    @if place > 0 { ", " } code { (key) }
                } ") by its own validation samples with " (tuned.seeds.len()) " other seed" @if tuned.seeds.len() != 1 { "s" }
                @if result.folds.is_some() { ", for each fold anew (×, for how many)" } "; test samples had no part in it."
            }
        }
        @if let Some(question) = result.open_question() { p { "Open: " (question) "." } }
        @if !result.left_out.is_empty() {
            p { "Without a result:" }
            ul { @for cell in &result.left_out {
                li { (cell.method) ", " (result.draw(cell.seed)) ": " (cell.problem) }
            } }
        }
    }
}

fn difference(difference: Option<&Difference>, main: &MetricKind) -> Markup {
    let Some(difference) = difference else {
        return html! { td.number { "–" } };
    };
    let figure = FigureDifference::new(difference.mean, main);
    let half = difference.ci95.map(|half| format!(" ± {}", figure.width(half)));
    let settled = settled_by(difference, main).map(|words| format!("; {words}"));
    let title = format!("to {}{}", difference.to, settled.unwrap_or_default());
    html! {
        td.number title=(title) {
            (charts::difference(difference.mean, main)) (half.unwrap_or_default())
            @match (difference.significant, figure.gain() > 0.0) {
                (true, true) => strong.gain { " better" },
                (true, false) => strong.loss { " worse" },
                (false, _) => {},
            }
        }
    }
}

/// Class by class, what the representative method says beside the best single modality, over the seeds that both have.
fn gain(names: &mut Names, compared: &Compared) -> Result<Markup> {
    let (Some(blend), Some(single)) = (compared.representative(), compared.best_single()) else {
        return Ok(html! {});
    };
    if blend == single {
        return Ok(html! {});
    }
    let pairs: Vec<(&Run, &Run)> = compared.cells[blend]
        .iter()
        .filter_map(|cell| {
            let other = compared.cells[single]
                .iter()
                .find(|other| other.seed == cell.seed)?;
            Some((cell.run.as_ref()?, other.run.as_ref()?))
        })
        .collect();
    let tests: Vec<_> = pairs
        .iter()
        .filter_map(|(blend, single)| blend.test.as_ref().zip(single.test.as_ref()))
        .filter(|(blend, single)| blend.classes == single.classes)
        .collect();
    let Some((first, _)) = tests.first() else {
        return Ok(html! { p.note { "No pair of run folders is left to compare class by class." } });
    };
    let said: Vec<_> = tests
        .iter()
        .filter(|(blend, _)| blend.classes == first.classes)
        .map(|(blend, single)| (&blend.prediction, &single.prediction))
        .collect();
    let gains = ClassGain::of(&first.classes, &said);
    let repeat = compared.result.repeat();
    let note = format!(
        "Means over {} {repeat}(s); each small point is one {repeat}.",
        said.len()
    );
    let name = |row: usize| -> String {
        let row: &Row = &compared.result.rows[row];
        label(row, &compared.result)
    };
    let several = pairs.iter().any(|(blend, _)| blend.several_labels());
    let chart = per_class(&gains, &name(blend), &name(single), several, &note)?;
    Ok(html! { @if let Some(chart) = chart { (figure(names, &chart)) } })
}
