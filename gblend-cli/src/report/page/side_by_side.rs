//! Several runs in one table.

use maud::{Markup, html};

use super::figure::{Names, figure};
use crate::error::Result;
use crate::report::charts::{duration, mebibytes, of_runs, percent};
use crate::report::reading::Run;

/// The table, and the accuracies beside each other.
pub(super) fn section(names: &mut Names, runs: &[&Run]) -> Result<Markup> {
    let several = runs.iter().any(|run| run.several_labels());
    let or_dash = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), percent);
    let chart = of_runs(runs)?;
    Ok(html! {
        div.scroll tabindex="0" {
            table.runs {
                thead { tr {
                    th scope="col" { "run" } th scope="col" { "strategy" } th.number scope="col" { "seed" }
                    th.number scope="col" { "epochs" } th scope="col" { "predicts from" }
                    th.number scope="col" { "accuracy" } th.number scope="col" { "macro F1" }
                    @if several { th.number scope="col" { "mAP" } }
                    th scope="col" { "best single head" }
                    th.number scope="col" { "time" } th.number scope="col" { "memory" }
                } }
                tbody { @for run in runs {
                    tr data-run=(run.name) {
                        th scope="row" { (run.name) }
                        td { (run.summary.strategy) }
                        td.number { (run.summary.seed) }
                        td.number { (run.summary.epochs) }
                        td { (run.summary.predict.name()) }
                        td.number { (or_dash(run.prediction().map(|rule| rule.test_accuracy))) }
                        td.number { (or_dash(run.prediction().map(|rule| rule.test_macro_f1))) }
                        @if several {
                            td.number { (or_dash(run.prediction().and_then(|rule| rule.test_mean_average_precision))) }
                        }
                        td { @if let Some((_, head)) = run.best_single() { (head.name) ", " (percent(head.test_accuracy)) } @else { "–" } }
                        td.number { (duration(run.summary.seconds.total)) }
                        td.number { (run.summary.peak_rss_bytes.map_or_else(|| "–".to_owned(), mebibytes)) }
                    }
                } }
            }
        }
        @if let Some(chart) = chart { (figure(names, &chart)) }
    })
}
