//! How estimates of the blend are shown.

use std::time::Duration;

use gblend_core::BlendReport;
use gblend_core::ogr::Interval;

use super::table;

/// A table of one estimate: what each head did, and the weight that it gets.
pub(crate) fn blend_table(report: &BlendReport, elapsed: Duration) -> String {
    let of = match (report.probe_epochs, report.gradients) {
        (Some(epochs), _) => format!(" of {epochs} epochs"),
        (None, Some(of)) => format!(
            " of {} batches, {} training and {} held-out samples",
            of.batches, of.train, of.held_out
        ),
        (None, None) => String::new(),
    };
    let how = format!("{}{of}", report.estimator);
    format!(
        "blend after epoch {} ({how}, {:.1} s)\n{}",
        report.epoch,
        elapsed.as_secs_f64(),
        estimate_table(report)
    )
}

/// The heads of an estimate, and the OGR of their blend.
pub(crate) fn estimate_table(report: &BlendReport) -> String {
    let rows = report.heads.iter().map(|head| {
        let weight = match (head.weight_low, head.weight_high) {
            (Some(low), Some(high)) => format!("{:.3} [{low:.3}, {high:.3}]", head.weight),
            _ => format!("{:.3}", head.weight),
        };
        vec![
            head.name.clone(),
            with_interval(head.delta_g, head.delta_g_interval),
            with_interval(head.delta_o, head.delta_o_interval),
            head.ogr.map_or("∞".to_owned(), |ogr| format!("{ogr:.3}")),
            weight,
        ]
    });
    let blend = match report.ogr_blend {
        Some(ogr) => format!("OGR of the blend: {ogr:.3}"),
        None => "no head gains".to_owned(),
    };
    format!(
        "{}\n{blend}",
        table(&["head", "ΔG", "ΔO", "OGR", "weight"], 1, rows)
    )
}

fn with_interval(value: f64, interval: Option<Interval>) -> String {
    match interval {
        Some(Interval { low, high }) => format!("{value:.4} [{low:.4}, {high:.4}]"),
        None => format!("{value:.4}"),
    }
}
