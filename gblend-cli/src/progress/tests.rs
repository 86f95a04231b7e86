use std::time::Instant;

use gblend_core::MetricFormat;
use indicatif::{InMemoryTerm, ProgressDrawTarget};

use super::*;
use crate::records::Figure;

fn terminal() -> (InMemoryTerm, View) {
    let terminal = InMemoryTerm::new(24, 80);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 10);
    (terminal, View::on(target, || 80))
}

/// What the terminal shows once it shows what was waited for, or has had time enough to.
fn shown(terminal: &InMemoryTerm, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let began = Instant::now();
    while !wanted(&terminal.contents()) && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    terminal.contents().lines().map(str::to_owned).collect()
}

fn heads(count: usize, loss: f64) -> Vec<HeadProgress> {
    let names = (1..count).map(|number| format!("modality-{number}"));
    let heads = names.chain(["joint".to_owned()]).map(|name| HeadProgress {
        name,
        weight: 1.0 / count as f64,
        loss: Some(loss),
        validation: Some(Figure {
            value: 0.5,
            format: MetricFormat::Percent,
        }),
    });
    heads.collect()
}

/// Steps until the rows show the last one.
fn step_until_shown(reporter: &Reporter, terminal: &InMemoryTerm, heads: &[HeadProgress], wanted: &str) {
    let began = Instant::now();
    while !terminal.contents().contains(wanted) && began.elapsed() < Duration::from_secs(20) {
        reporter.step(2, 3, || heads.to_vec());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_terminal_has_one_bar_and_the_rows_under_it_whatever_is_said_meanwhile_and_nothing_in_the_end() {
    let (terminal, view) = terminal();
    let reporter = Reporter::with(Style::Bar, Arc::new(view), None);
    reporter.training(0, 3, 100_000);
    for step in 0..200 {
        reporter.step(1, 3, || heads(4, 2.0));
        if step % 50 == 0 {
            reporter.warn(&format!("number {step}"));
        }
    }
    reporter.probing(0, 20);
    reporter.probing(20, 20);
    step_until_shown(&reporter, &terminal, &heads(4, 1.25), "loss 1.250");
    let lines = shown(&terminal, |text| text.contains("probing 20/20"));
    assert_eq!(lines.len(), 4 + 1 + 4 + 1, "{lines:#?}");
    for (line, step) in lines.iter().zip([0, 50, 100, 150]) {
        assert_eq!(line.trim_end(), format!("warning: number {step}"));
    }
    assert!(
        lines[4].starts_with("epoch 2/3 ") && lines[4].contains("/300000 "),
        "{lines:#?}"
    );
    assert!(lines[5].starts_with("  modality-1  weight 0.250  loss 1.250  validation 50.0 %"));
    assert!(lines[8].starts_with("  joint       weight 0.250"));
    reporter.aside_is_over();
    let lines = shown(&terminal, |text| !text.contains("probing"));
    assert_eq!(lines.len(), 9, "{lines:#?}");
    drop(reporter);
    let lines = terminal.contents();
    assert_eq!(lines.lines().count(), 4, "{lines}");
}

#[test]
fn runs_side_by_side_have_a_row_each_that_is_cut_to_the_terminals_width() {
    let (terminal, view) = terminal();
    let board = Board::with(Style::Bar, view);
    board.overall(3, 12);
    let (first, second) = (board.cell("ogr, seed 0"), board.cell("equal, seed 1"));
    std::thread::scope(|scope| {
        scope.spawn(|| step_until_shown(&first, &terminal, &heads(12, 1.0), "ogr, seed 0"));
        scope.spawn(|| step_until_shown(&second, &terminal, &heads(3, 1.0), "equal, seed 1"));
    });
    second.line("a table");
    second.warn("odd");
    let lines = shown(&terminal, |text| text.contains("ogr") && text.contains("odd"));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(lines[0].trim_end(), "warning: equal, seed 1: odd");
    assert!(
        lines[1].starts_with("runs ") && lines[1].contains(" 3/12 "),
        "{lines:#?}"
    );
    assert!(lines[2].starts_with("  ogr, seed 0  epoch 2/3  joint 50 % (0.08)  modality-1 50 % (0.08)"));
    assert!(
        lines[2].ends_with('…') && lines[2].chars().count() == 80,
        "{lines:#?}"
    );
    assert_eq!(
        lines[3].trim_end(),
        "  equal, seed 1  epoch 2/3  joint 50 % (0.33)  modality-1 50 % (0.33)  modality…"
    );
    drop(first);
    board.cell_done("ogr, seed 0", "71.6 %");
    let lines = shown(&terminal, |text| !text.contains("ogr") && text.contains(" 4/12 "));
    assert_eq!(lines.len(), 3, "{lines:#?}");
    drop(second);
    drop(board);
    assert_eq!(terminal.contents().lines().count(), 1);
}

#[test]
fn rows_that_nobody_sees_are_not_made() {
    for style in [Style::Lines, Style::Quiet] {
        let reporter = Reporter::with(style, Arc::new(View::hidden()), None);
        reporter.step(1, 2, || unreachable!("nothing is drawn"));
    }
}
