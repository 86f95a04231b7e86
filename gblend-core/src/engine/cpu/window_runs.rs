//! Windows whose rows are at one distance from those of the window before, so that they are a matrix as they lie.

use std::ops::Range;

use crate::engine::row_sources::RowSources;

/// Some windows, each as far from the one before, and the rows under some taps of each, which follow each other and are as far from
/// those of the window before, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WindowRun {
    pub(super) tap: usize,
    pub(super) taps: usize,
    /// The first window.
    pub(super) window: usize,
    pub(super) window_step: usize,
    /// The row under the first tap in the first window.
    pub(super) row: usize,
    pub(super) row_step: usize,
    pub(super) length: usize,
}

impl WindowRun {
    /// Whether a window with this row under the same taps goes on with it. One with the same row as the last does not: a matrix has
    /// each row once.
    fn takes(&mut self, window: usize, row: usize) -> bool {
        let last = (self.length - 1) * self.window_step + self.window;
        let last_row = (self.length - 1) * self.row_step + self.row;
        let Some(row_step) = row.checked_sub(last_row).filter(|step| *step > 0) else {
            return false;
        };
        if self.length == 1 {
            (self.window_step, self.row_step) = (window - last, row_step);
        } else if (self.window_step, self.row_step) != (window - last, row_step) {
            return false;
        }
        self.length += 1;
        true
    }
}

/// Divides some of the windows of `taps` rows into runs of at most so many. Each window's taps are in the order of their runs.
pub(super) fn window_runs(
    sources: &RowSources,
    taps: usize,
    windows: Range<usize>,
    longest: usize,
) -> Vec<WindowRun> {
    let mut runs: Vec<WindowRun> = Vec::new();
    // The run that was begun last at each tap.
    let mut open: Vec<Option<usize>> = vec![None; taps];
    let mut rows = sources.slice(windows.start * taps..windows.end * taps);
    let mut of_window: Vec<Option<usize>> = Vec::with_capacity(taps);
    for window in windows {
        of_window.clear();
        of_window.extend(rows.by_ref().take(taps));
        let mut tap = 0;
        while tap < taps {
            let Some(row) = of_window[tap] else {
                tap += 1;
                continue;
            };
            let following = of_window[tap..].iter().zip(row..);
            let together = following.take_while(|(found, row)| **found == Some(*row)).count();
            let run = open[tap].map(|at| &mut runs[at]);
            let goes_on =
                run.is_some_and(|run| run.taps == together && run.length < longest && run.takes(window, row));
            if !goes_on {
                open[tap] = Some(runs.len());
                runs.push(WindowRun {
                    tap,
                    taps: together,
                    window,
                    window_step: 1,
                    row,
                    row_step: 1,
                    length: 1,
                });
            }
            tap += together;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_under_a_window_is_in_one_run(
            taps in 1_usize..4, rows in prop::collection::vec(prop::option::weighted(0.8, 0_usize..12), 0..40),
            longest in 1_usize..6,
        ) {
            let count = rows.len() / taps;
            let sources = RowSources::new(rows[..count * taps].iter().copied(), 12).unwrap();
            let first = count / 3;
            let runs = window_runs(&sources, taps, first..count, longest);
            let mut found = Vec::new();
            for run in &runs {
                prop_assert!(run.row_step > 0 && run.window_step > 0);
                prop_assert!((1..=longest).contains(&run.length) && (1..=taps).contains(&run.taps));
                for (at, tap) in (0..run.length).flat_map(|at| (0..run.taps).map(move |tap| (at, tap))) {
                    found.push((run.window + at * run.window_step, run.tap + tap, run.row + at * run.row_step + tap));
                }
            }
            found.sort_unstable();
            let places = (first..count).flat_map(|window| (0..taps).map(move |tap| (window, tap)));
            let expected: Vec<_> = places.filter_map(|(window, tap)| Some((window, tap, rows[window * taps + tap]?))).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_convolution_without_padding_is_one_run(taps in 1_usize..4, stride in 1_usize..4, count in 2_usize..20) {
            let rows = (0..count).flat_map(|window| (0..taps).map(move |tap| Some(window * stride + tap)));
            let sources = RowSources::new(rows, count * stride + taps).unwrap();
            let runs = window_runs(&sources, taps, 0..count, usize::MAX);
            let expected = WindowRun { tap: 0, taps, window: 0, window_step: 1, row: 0, row_step: stride, length: count };
            prop_assert_eq!(runs, vec![expected]);
        }
    }
}
