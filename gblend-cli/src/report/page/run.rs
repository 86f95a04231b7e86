//! One run.

use gblend_core::MetricKind;
use maud::{Markup, html};

use super::figure::{Names, figure, table};
use super::{advice, config, facts, feature_space};
use crate::error::Result;
use crate::records::{Counts, Metrics, ObjectiveDescription, TestDetails};
use crate::report::advice;
use crate::report::charts::{
    Chart, ClassGain, Table, blend_weights, confusion_table, confusions, duration, estimates,
    figure as written, loss_curves, mebibytes, of_kind, of_run, per_class, reliability, scatters,
    subsets_of_run, time_of_run, wilson,
};
use crate::report::reading::Run;

/// What is said where a result of the test would be.
const UNTESTED: &str = "Nothing was tested: the run goes without test samples. Nothing here tells how good the model is on samples \
                        that chose nothing; gblend evaluate RUN --table tells it of others.";

/// What is said there of a run that did not end.
const STOPPED: &str = "The run did not end, and was not tested: gblend evaluate RUN tests the model that it has come to, gblend train \
                       --resume RUN goes on.";

/// The section about a run.
pub(super) fn section(names: &mut Names, run: &Run) -> Result<Markup> {
    let time = time_of_run(run)?;
    Ok(html! {
        (facts(&first(run)))
        @if let Some(stopped) = &run.stopped { p.note { (sentence(&stopped.to_string())) } }
        (advice(&[(None, advice::of_run(run))]))
        h3 { (if run.is_classification() { "Accuracy" } else { "How good it is" }) }
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
            None if run.stopped.is_some() => p.note { (STOPPED) },
            None if !run.summary.is_tested() => p.note { (UNTESTED) },
            None => p.note { "The run folder has no test.json: an older gblend wrote it." },
            Some(test) => {
                @match said(run, test)? {
                    Some(chart) => (figure(names, &chart)),
                    None if test.prediction.counts == Counts::Nothing => {
                        p.note { "What is predicted is nothing that a label could say." }
                    }
                    None => {
                        p.note { "With " (test.classes.len()) " classes a matrix has no cell that can be seen; these are the most frequent confusions." }
                        @if let Some(rows) = confusion_table(test) { (table(&rows)) }
                    }
                }
                @if let Some(chart) = reliability(test, run.several_labels())? { (figure(names, &chart)) }
            }
        }
        @match subsets_of_run(run)? {
            Some(chart) => (figure(names, &chart)),
            None if !run.summary.is_tested() => {}
            None => p.note { "The joint head was not run on subsets of the modalities; it was not trained, or there are too many." },
        }
        (feature_space::of_run(names, run)?)
    })
}

/// What was taken for what, or what number for which.
fn said(run: &Run, test: &TestDetails) -> Result<Option<Chart>> {
    match &test.prediction.counts {
        Counts::Pairs(_) => scatters(test, run.summary.objective.as_ref()),
        _ => confusions(test),
    }
}

/// The strategy's own figures, a row each.
fn strategy_figures(run: &Run) -> Table {
    let names = run.summary.heads.iter().map(|head| head.name.as_str());
    let header: Vec<&str> = ["as training ended"].into_iter().chain(names).collect();
    let mut table = Table::new(1, &header);
    for figures in &run.advice.figures {
        let values = figures.values.iter();
        let values = values.map(|value| value.map_or_else(|| "∞".to_owned(), written));
        let mut row: Vec<String> = [figures.name.clone()].into_iter().chain(values).collect();
        // The joint head has none where the figure is of modalities.
        row.resize(header.len(), String::new());
        table.rows.push(row);
    }
    table
}

/// What is said elsewhere in the midst of a line.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

fn first(run: &Run) -> Vec<(String, String)> {
    let summary = &run.summary;
    let mut facts = Vec::new();
    let mut add = |name: &str, fact: String| facts.push((name.to_owned(), fact));
    add("strategy", summary.strategy.clone());
    if let Some(contest) = &summary.contest {
        add("chosen", contest.text());
    }
    if let Some(objective) = &summary.objective {
        add("objective", objective.kind.clone());
    }
    add("seed", summary.seed.to_string());
    let (epochs, selected) = (summary.epochs, summary.selected_epoch);
    let before: Vec<String> = summary.ended_before.iter().map(usize::to_string).collect();
    let further = match before.is_empty() {
        true => String::new(),
        false => format!(", trained further after {}", before.join(" and ")),
    };
    add(
        "epochs",
        format!("{epochs}{further}, parameters of epoch {selected}"),
    );
    add("predicts from", summary.predict.name().to_owned());
    if let Some(rule) = run.prediction() {
        let metrics = rule.metrics();
        for (position, kind) in ObjectiveDescription::metrics(summary.objective.as_ref())
            .iter()
            .enumerate()
        {
            let Some(value) = metrics.get(&kind.name) else {
                continue;
            };
            let name = match (position, kind.name.as_ref()) {
                (0, _) => &format!("test {}", kind.label),
                (_, "mean_average_precision") => "mean average precision",
                _ => kind.label.as_ref(),
            };
            add(name, of_kind(value, kind));
        }
    }
    match summary.is_tested() {
        true => add("test samples", run.test_samples().to_string()),
        false if run.stopped.is_some() => add("test samples", "none, the run did not end".to_owned()),
        false => add("test samples", "none, nothing was tested".to_owned()),
    }
    let weights = summary.class_weights.iter().map(|class| class.weight);
    if let Some(least) = weights.clone().reduce(f64::min)
        && let Some(most) = weights.reduce(f64::max)
    {
        add(
            "losses weighted by class",
            format!("{} to {}", written(least), written(most)),
        );
    }
    if summary.samples_skipped > 0 {
        add("samples skipped", summary.samples_skipped.to_string());
    }
    if summary.samples_unlabeled > 0 {
        add("samples without a label", summary.samples_unlabeled.to_string());
    }
    if let Some(begun) = &run.begun {
        add("begun", begun.date());
        add("trained by", format!("gblend {}", begun.gblend));
    }
    add("time", duration(summary.seconds.total));
    if let Some(bytes) = summary.peak_rss_bytes {
        add("memory", mebibytes(bytes));
    }
    facts
}

/// The table of heads. Its data attributes hold the figures as they are in the summary. An accuracy has its interval
/// beside it, and both stand where a telephone shows them.
fn heads(run: &Run) -> Markup {
    let kinds = run.kinds();
    let is_share = |kind: &MetricKind| kind.name == "accuracy";
    let columns = 2 + kinds.len() + kinds.iter().filter(|kind| is_share(kind)).count();
    let figures = |metrics: Option<&Metrics>, samples: usize| {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let figure = |kind: &MetricKind| metrics.and_then(|metrics| metrics.get(&kind.name));
        let share = metrics.and_then(|metrics| metrics.accuracy);
        html! {
            @for kind in &kinds {
                td.number { (or_dash(figure(kind).map(|value| of_kind(value, kind)))) }
                @if is_share(kind) { td.number { (or_dash(share.and_then(|share| interval(share, samples)))) } }
            }
            td.number { (or_dash(metrics.map(|metrics| written(metrics.loss)))) }
            td.number { (samples) }
        }
    };
    html! {
        div.scroll tabindex="0" {
            table.heads {
                thead { tr {
                    th scope="col" { "head" }
                    @for kind in &kinds {
                        th.number scope="col" { (kind.label) }
                        @if is_share(kind) { th.number scope="col" { "95 % interval" } }
                    }
                    th.number scope="col" { "loss" } th.number scope="col" { "test samples" }
                    th.number scope="col" { "weight" } th scope="col" { "kind" }
                } }
                tbody {
                    @for head in &run.summary.heads {
                        tr data-head=(head.name) data-accuracy=[head.test_accuracy] data-weight=(head.weight)
                            data-figure=[head.metrics().and_then(|metrics| figure_of(run, &metrics))] {
                            th scope="row" { (head.name) }
                            @if head.weight > 0.0 {
                                (figures(head.metrics().as_ref(), head.test_samples))
                                td.number { (format!("{:.3}", head.weight)) }
                            } @else {
                                td colspan=(columns) { "not trained" }
                                td.number { "0" }
                            }
                            td { (head.kind) }
                        }
                    }
                    @for rule in &run.summary.predictions {
                        tr.rule data-rule=(rule.rule.name()) data-accuracy=[rule.test_accuracy]
                            data-figure=[figure_of(run, &rule.metrics())] {
                            th scope="row" {
                                "predicting from: " (rule.rule.name())
                                @if rule.rule == run.summary.predict { " (this run’s)" }
                            }
                            (figures(Some(&rule.metrics()), run.test_samples()))
                            td {} td {}
                        }
                    }
                }
            }
        }
    }
}

/// The main figure where that is no accuracy.
fn figure_of(run: &Run, metrics: &Metrics) -> Option<f64> {
    let main = run.main();
    (!run.is_classification())
        .then(|| metrics.get(&main.name))
        .flatten()
}

fn interval(share: f64, samples: usize) -> Option<String> {
    let (low, high) = wilson(share, samples)?;
    Some(format!("{:.1} – {:.1} %", 100.0 * low, 100.0 * high))
}

/// Class by class, what the run says beside its best single-modality head.
fn gain(names: &mut Names, run: &Run) -> Result<Markup> {
    if !run.summary.is_tested() || run.test.as_ref().is_some_and(|test| test.classes.is_empty()) {
        return Ok(html! {});
    }
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
