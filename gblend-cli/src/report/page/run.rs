//! One run.

use maud::{Markup, html};

use super::figure::{Names, figure, table};
use super::{advice, config, facts};
use crate::error::Result;
use crate::report::advice;
use crate::report::charts::{
    ClassGain, Table, blend_weights, confusion_table, confusions, duration, estimates, figure as figure_of,
    loss_curves, mebibytes, of_run, per_class, percent, subsets_of_run, time_of_run, wilson,
};
use crate::report::reading::Run;

/// The section about a run.
pub(super) fn section(names: &mut Names, run: &Run) -> Result<Markup> {
    let time = time_of_run(run)?;
    Ok(html! {
        (facts(&first(run)))
        (advice(&[(None, advice::of_run(run))]))
        h3 { "Accuracy" }
        (heads(run))
        @if let Some(chart) = of_run(run)? { (figure(names, &chart)) }
        (gain(names, run)?)
        (details(names, run)?)
        h3 { "Time and memory" }
        @if let Some(chart) = time { (figure(names, &chart)) }
        (config(&run.config))
    })
}

/// What a run and the run that stands for a comparison have in common: how training went, and what was said.
pub(super) fn details(names: &mut Names, run: &Run) -> Result<Markup> {
    let curves = loss_curves(run)?;
    let weights = blend_weights(run)?;
    let estimate = estimates(run)?;
    Ok(html! {
        h3 { "Training" }
        @match curves {
            Some(chart) => (figure(names, &chart)),
            None => p { "The run has no losses that can be drawn." },
        }
        @if let Some(chart) = weights { (figure(names, &chart)) }
        @match estimate {
            Some(chart) => (figure(names, &chart)),
            None => p.note {
                "The strategy " code { (run.summary.strategy) } " measures no head, so there is no ΔO, ΔG or OGR to show; "
                code { "gblend estimate" } " measures them for any configuration."
            },
        }
        @if !run.advice.figures.is_empty() {
            h4 { "What the strategy " code { (run.summary.strategy) } " has found out" }
            (table(&strategy_figures(run)))
        }
        h3 { "What was said of the test samples" }
        @match &run.test {
            None => p.note { "The run folder has no test.json: an older gblend wrote it." },
            Some(test) => {
                @match confusions(test)? {
                    Some(chart) => (figure(names, &chart)),
                    None => {
                        p.note { "With " (test.classes.len()) " classes a matrix has no cell that can be seen; these are the most frequent confusions." }
                        @if let Some(rows) = confusion_table(test) { (table(&rows)) }
                    }
                }
            }
        }
        @match subsets_of_run(run)? {
            Some(chart) => (figure(names, &chart)),
            None => p.note { "The joint head was not run on subsets of the modalities; it was not trained, or there are too many." },
        }
    })
}

/// The strategy's own figures, a row each.
fn strategy_figures(run: &Run) -> Table {
    let names = run.summary.heads.iter().map(|head| head.name.as_str());
    let header: Vec<&str> = ["as training ended"].into_iter().chain(names).collect();
    let mut table = Table::new(1, &header);
    for figures in &run.advice.figures {
        let values = figures.values.iter();
        let values = values.map(|value| value.map_or_else(|| "∞".to_owned(), figure_of));
        let mut row: Vec<String> = [figures.name.clone()].into_iter().chain(values).collect();
        // The joint head has none where the figure is of modalities.
        row.resize(header.len(), String::new());
        table.rows.push(row);
    }
    table
}

fn first(run: &Run) -> Vec<(&'static str, String)> {
    let summary = &run.summary;
    let mut facts = vec![
        ("strategy", summary.strategy.clone()),
        ("seed", summary.seed.to_string()),
        (
            "epochs",
            format!(
                "{}, parameters of epoch {}",
                summary.epochs, summary.selected_epoch
            ),
        ),
        ("predicts from", summary.predict.name().to_owned()),
    ];
    if let Some(rule) = run.prediction() {
        facts.push(("test accuracy", percent(rule.test_accuracy)));
        facts.push(("macro F1", percent(rule.test_macro_f1)));
        facts.extend(
            rule.test_mean_average_precision
                .map(|map| ("mean average precision", percent(map))),
        );
    }
    facts.push(("test samples", run.test_samples().to_string()));
    if summary.samples_skipped > 0 {
        facts.push(("samples skipped", summary.samples_skipped.to_string()));
    }
    facts.push(("time", duration(summary.seconds.total)));
    facts.extend(summary.peak_rss_bytes.map(|bytes| ("memory", mebibytes(bytes))));
    facts
}

/// The table of heads. Its data attributes hold the figures as they are in the summary.
fn heads(run: &Run) -> Markup {
    let several = run.several_labels();
    html! {
        div.scroll tabindex="0" {
            table.heads {
                thead { tr {
                    th scope="col" { "head" } th scope="col" { "kind" }
                    th.number scope="col" { "weight" } th.number scope="col" { "test samples" }
                    th.number scope="col" { "accuracy" } th.number scope="col" { "95 % interval" }
                    th.number scope="col" { "macro F1" }
                    @if several { th.number scope="col" { "mAP" } }
                    th.number scope="col" { "loss" }
                } }
                tbody {
                    @for head in &run.summary.heads {
                        tr data-head=(head.name) data-accuracy=(head.test_accuracy) data-weight=(head.weight) {
                            th scope="row" { (head.name) }
                            td { (head.kind) }
                            @if head.weight > 0.0 {
                                td.number { (format!("{:.3}", head.weight)) }
                                (figures(head.test_accuracy, head.test_samples, head.test_macro_f1,
                                    several.then_some(head.test_mean_average_precision), head.test_loss))
                            } @else {
                                td.number { "0" }
                                td colspan=(if several { 6 } else { 5 }) { "not trained" }
                            }
                        }
                    }
                    @for rule in &run.summary.predictions {
                        tr.rule data-rule=(rule.rule.name()) data-accuracy=(rule.test_accuracy) {
                            th scope="row" {
                                "predicting from: " (rule.rule.name())
                                @if rule.rule == run.summary.predict { " (this run’s)" }
                            }
                            td {} td {}
                            (figures(rule.test_accuracy, run.test_samples(), rule.test_macro_f1,
                                several.then_some(rule.test_mean_average_precision), rule.test_loss))
                        }
                    }
                }
            }
        }
    }
}

fn figures(accuracy: f64, samples: usize, macro_f1: f64, map: Option<Option<f64>>, loss: f64) -> Markup {
    let interval = wilson(accuracy, samples).map_or_else(
        || "–".to_owned(),
        |(low, high)| format!("{:.1} – {:.1} %", 100.0 * low, 100.0 * high),
    );
    html! {
        td.number { (samples) }
        td.number { (percent(accuracy)) }
        td.number { (interval) }
        td.number { (percent(macro_f1)) }
        @if let Some(map) = map { td.number { (map.map_or_else(|| "–".to_owned(), percent)) } }
        td.number { (figure_of(loss)) }
    }
}

/// Class by class, what the run says beside its best single-modality head.
fn gain(names: &mut Names, run: &Run) -> Result<Markup> {
    let pair = run.best_single().and_then(|(_, single)| {
        let test = run.test.as_ref()?;
        Some((test, single, run.confusion(&single.name)?))
    });
    let Some((test, single, confusion)) = pair else {
        return Ok(html! {
            p.note { "No single-modality head was trained beside the joint one, so there is no gain class by class to show." }
        });
    };
    let gains = ClassGain::of(&test.classes, &[(&test.prediction, confusion)]);
    let missing = if confusion.samples < test.prediction.samples {
        " It is judged on the samples that have its modality."
    } else {
        ""
    };
    let note = format!(
        "{} is the head of a single modality that is best on the test samples of this run; it was trained beside the \
         others.{missing}",
        single.name
    );
    let chart = per_class(&gains, "the blend", &single.name, run.several_labels(), &note)?;
    Ok(html! { @if let Some(chart) = chart { (figure(names, &chart)) } })
}
