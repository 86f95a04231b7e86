//! Several runs in one table.

use gblend_core::MetricKind;
use maud::{Markup, html};

use super::figure::{Names, figure};
use crate::error::Result;
use crate::records::ObjectiveDescription;
use crate::report::charts::{duration, mebibytes, of_kind, of_runs};
use crate::report::reading::Run;

/// The table, and the accuracies beside each other.
pub(super) fn section(names: &mut Names, runs: &[&Run]) -> Result<Markup> {
    let mut kinds: Vec<&MetricKind> = Vec::new();
    for kind in runs
        .iter()
        .flat_map(|run| ObjectiveDescription::metrics(run.summary.objective.as_ref()))
    {
        let has = |run: &&Run| {
            run.prediction()
                .is_some_and(|rule| rule.metrics().get(&kind.name).is_some())
        };
        if kinds.iter().all(|known| known.name != kind.name) && runs.iter().any(has) {
            kinds.push(kind);
        }
    }
    let or_dash = |run: &Run, kind: &MetricKind| {
        let value = run.prediction().and_then(|rule| rule.metrics().get(&kind.name));
        value.map_or_else(|| "–".to_owned(), |value| of_kind(value, kind))
    };
    let single = |run: &Run| {
        let (_, head) = run.best_single()?;
        let value = head.metrics()?.get(&run.main().name)?;
        Some(format!("{}, {}", head.name, of_kind(value, run.main())))
    };
    let chart = of_runs(runs)?;
    Ok(html! {
        div.scroll tabindex="0" {
            table.runs {
                thead { tr {
                    th scope="col" { "run" }
                    @for kind in &kinds { th.number scope="col" { (kind.label) } }
                    th scope="col" { "strategy" } th.number scope="col" { "seed" }
                    th.number scope="col" { "epochs" } th scope="col" { "predicts from" }
                    th scope="col" { "best single head" }
                    th.number scope="col" { "time" } th.number scope="col" { "memory" }
                } }
                tbody { @for run in runs {
                    tr data-run=(run.name) {
                        th scope="row" { (run.name) }
                        @for kind in &kinds { td.number { (or_dash(run, kind)) } }
                        td { (run.summary.strategy) }
                        td.number { (run.summary.seed) }
                        td.number { (run.summary.epochs) }
                        td { (run.summary.predict.name()) }
                        td { (single(run).unwrap_or_else(|| "–".to_owned())) }
                        td.number { (duration(run.summary.seconds.total)) }
                        td.number { (run.summary.peak_rss_bytes.map_or_else(|| "–".to_owned(), mebibytes)) }
                    }
                } }
            }
        }
        @if let Some(chart) = chart { (figure(names, &chart)) }
    })
}
