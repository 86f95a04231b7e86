//! Where the time went.

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, in_words, reach, rows};
use super::sheet::Scale;
use super::{Chart, Table, figure, percent};
use crate::error::Result;
use crate::report::reading::{Compared, Run, label};

/// As many as fit on a screen; the table has all.
const MOST: usize = 60;

/// Beyond this no machine has run.
const LONGEST: f64 = 1e9;

/// `123 MiB`.
pub(in crate::report) fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

/// `1 h 02 min`, `3 min 20 s`, `4.1 s`.
pub(in crate::report) fn duration(seconds: f64) -> String {
    match seconds {
        _ if seconds < 100.0 => format!("{} s", figure(seconds)),
        _ if seconds < 6000.0 => format!(
            "{:.0} min {:02.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        ),
        _ => format!(
            "{:.0} h {:02.0} min",
            (seconds / 3600.0).floor(),
            (seconds % 3600.0 / 60.0).floor()
        ),
    }
}

fn chart(title: &str, caption: String, mut drawn: Vec<Row>, table: Table) -> Result<Option<Chart>> {
    drawn.truncate(MOST);
    let most = reach(&drawn).fold(0.0, f64::max);
    let fits = reach(&drawn).all(|seconds| (0.0..LONGEST).contains(&seconds));
    if drawn.is_empty() || !fits {
        return Ok(None);
    }
    let axis = Axis {
        range: 0.0..1.05 * most.max(1e-3),
        name: "seconds",
        scale: Scale::Plain,
        line: None,
    };
    let says = format!("{title}: {}.", in_words(&drawn));
    Ok(Some(Chart {
        title: title.to_owned(),
        caption,
        legend: Vec::new(),
        drawings: vec![rows(title, says, &axis, &drawn)?],
        table,
    }))
}

/// The parts of a run.
pub(in crate::report) fn time_of_run(run: &Run) -> Result<Option<Chart>> {
    let seconds = &run.summary.seconds;
    let rest = seconds.total - seconds.prepare - seconds.train - seconds.estimate - seconds.evaluate;
    let parts = [
        ("preparing", seconds.prepare),
        ("training", (seconds.train - seconds.waiting).max(0.0)),
        ("waiting for data", seconds.waiting),
        ("estimates", seconds.estimate),
        ("final evaluation", seconds.evaluate),
        ("the rest", rest.max(0.0)),
    ];
    let mut table = Table::new(1, &["", "time", "share"]);
    let mut drawn = Vec::new();
    for (index, (name, part)) in parts.into_iter().enumerate() {
        let share = if seconds.total > 0.0 {
            percent(part / seconds.total)
        } else {
            "–".to_owned()
        };
        table.rows.push(vec![name.to_owned(), duration(part), share]);
        drawn.push(Row {
            name: name.to_owned(),
            figure: duration(part),
            marks: vec![Mark::Bar(0.0, part, Ink::Series(index))],
        });
    }
    table
        .rows
        .push(vec!["together".to_owned(), duration(seconds.total), percent(1.0)]);
    let memory = match run.summary.peak_rss_bytes {
        Some(bytes) => format!("The largest resident memory was {}.", mebibytes(bytes)),
        None => "How much memory it took is not known: the system does not tell, or other runs shared the process.".to_owned(),
    };
    let caption = format!(
        "{} in all, {:.0} training samples per second on {} threads ({}). {memory}",
        duration(seconds.total),
        run.summary.samples_per_second,
        run.summary.threads,
        run.summary.device,
    );
    chart("Time and memory", caption, drawn, table)
}

/// The methods of a comparison.
pub(in crate::report) fn time_of_comparison(compared: &Compared) -> Result<Option<Chart>> {
    let mut table = Table::new(1, &["method", "time of a run", "largest memory of a run"]);
    let mut drawn = Vec::new();
    for (row, cells) in compared.result.rows.iter().zip(&compared.cells) {
        let name = label(row, &compared.result);
        let memory = cells
            .iter()
            .filter_map(|cell| cell.run.as_ref()?.summary.peak_rss_bytes)
            .max();
        let memory = memory.map_or_else(|| "–".to_owned(), mebibytes);
        table
            .rows
            .push(vec![name.clone(), duration(row.seconds), memory.clone()]);
        drawn.push(Row {
            name,
            figure: format!("{}, {memory}", duration(row.seconds)),
            marks: vec![Mark::Bar(0.0, row.seconds, Ink::Series(0))],
        });
    }
    let caption = format!(
        "Seconds of one run, as a mean over {}s, and the largest resident memory of any. Runs of a comparison may have shared the machine.",
        compared.result.repeat()
    );
    chart("Time and memory", caption, drawn, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_units() {
        assert_eq!(duration(4.12), "4.12 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7320.0), "2 h 02 min");
    }
}
