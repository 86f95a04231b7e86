//! What was taken for what.

use plotters::element::Rectangle;

use super::ink::Ink;
use super::rows::{Axis, Mark, Row, reach, rows};
use super::sheet::{Area, Drawn, LETTERS, Scale, Side, WIDTH, draw, shortened, sized, width, write};
use super::units::{SCALE, units};
use super::{Chart, Drawing, Key, Table, percent};
use crate::error::Result;
use crate::records::{ClassCounts, Counts, TestDetails};

/// More classes make cells that nobody sees.
const MOST_CELLS: usize = 60;

/// Up to so many classes, cells have room for their figures.
const WITH_FIGURES: usize = 12;

/// Up to so many classes, rows have room for their names.
const WITH_NAMES: usize = 40;

/// As many classes with several labels as fit on a screen.
const MOST_ROWS: usize = 40;

/// As many confusions as anyone reads.
const MOST_PAIRS: usize = 30;

/// The chart; `None` if there are too many classes for one.
pub(in crate::report) fn confusions(test: &TestDetails) -> Result<Option<Chart>> {
    if test.classes.is_empty() {
        return Ok(None);
    }
    match &test.prediction.counts {
        Counts::PerClass(each) => several_labels(test, each).map(Some),
        Counts::Matrix(_) if test.classes.len() > MOST_CELLS => Ok(None),
        Counts::Matrix(_) => matrices(test).map(Some),
        Counts::Pairs(_) | Counts::Nothing => Ok(None),
    }
}

/// What the run predicts from, and the heads that are not the same.
fn shown(test: &TestDetails) -> Vec<(String, &Vec<Vec<u64>>)> {
    let mut shown = Vec::new();
    let all = [(true, &test.prediction)]
        .into_iter()
        .chain(test.heads.iter().map(|head| (false, head)));
    for (predicts, confusion) in all {
        let Counts::Matrix(matrix) = &confusion.counts else {
            continue;
        };
        let name = match (predicts, confusion.name.as_str()) {
            (true, "joint") => "joint (predicts)".to_owned(),
            (true, rule) => format!("{rule} of heads (predicts)"),
            (false, name) => name.to_owned(),
        };
        if !shown.iter().any(|(_, one)| *one == matrix) {
            shown.push((name, matrix));
        }
    }
    shown
}

fn matrices(test: &TestDetails) -> Result<Chart> {
    let shown = shown(test);
    let drawings = shown
        .iter()
        .map(|(name, matrix)| heat_map(name, &test.classes, matrix));
    let mut table = Table::new(2, &["", "true class"]);
    table
        .header
        .extend(test.classes.iter().map(|class| format!("predicted {class}")));
    for (name, matrix) in &shown {
        for (number, (class, row)) in test.classes.iter().zip(matrix.iter()).enumerate() {
            let numbered = test.classes.len() > WITH_NAMES;
            let class = if numbered {
                format!("{} {class}", number + 1)
            } else {
                class.clone()
            };
            let mut cells = vec![name.clone(), class];
            cells.extend(row.iter().map(u64::to_string));
            table.rows.push(cells);
        }
    }
    let legend = [(0, "none"), (3, "a third"), (6, "two thirds"), (9, "all")];
    Ok(Chart {
        title: "Confusion matrices".into(),
        caption: format!(
            "A row for each class that test samples have (true), a column for each that was predicted. The stronger the color, the \
             larger the share of the row; what is right is on the diagonal.{}",
            if test.classes.len() > WITH_NAMES {
                " Classes are numbered as in the table."
            } else {
                ""
            }
        ),
        legend: legend
            .map(|(step, share)| Key::area(Ink::Heat(step), &format!("{share} of the row")))
            .into(),
        drawings: drawings.collect::<Result<_>>()?,
        table,
    })
}

fn heat_map(name: &str, classes: &[String], matrix: &[Vec<u64>]) -> Result<Drawing> {
    let count = classes.len() as u32;
    let names = classes.len() <= WITH_NAMES;
    let edge = if names {
        classes
            .iter()
            .map(|class| width(class))
            .max()
            .unwrap_or(0)
            .clamp(20, 100)
            + 8
    } else {
        34
    };
    // Cells are as large as the sheet allows; where they would be too small for names, the sheet grows.
    let cell = ((WIDTH - edge - 22) / count).clamp(if names { 13 } else { 8 }, 44);
    let side = cell * count;
    let pixels = (edge + side + 22, edge + side + 22);
    let all: u64 = matrix.iter().flatten().sum();
    let right: u64 = matrix
        .iter()
        .enumerate()
        .filter_map(|(class, row)| row.get(class))
        .sum();
    let says = format!(
        "{name}: {right} of {all} test samples are right. {}",
        match most_confused(classes, matrix, 3).as_slice() {
            [] => "Nothing is confused.".to_owned(),
            pairs => format!("Most often confused: {}.", {
                let pairs = pairs.iter();
                let pairs =
                    pairs.map(|(class, said, times, _)| format!("{class} said to be {said} ({times})"));
                pairs.collect::<Vec<_>>().join(", ")
            }),
        }
    );
    draw(name, says, pixels, |area| {
        let origin = (edge + 16, edge + 16);
        for (row, counts) in matrix.iter().enumerate() {
            let all: u64 = counts.iter().sum();
            for (column, &times) in counts.iter().enumerate() {
                let share = if all > 0 { times as f64 / all as f64 } else { 0.0 };
                let step = (share * 9.0).round() as u8;
                let corner = (origin.0 + column as u32 * cell, origin.1 + row as u32 * cell);
                square(
                    area,
                    corner,
                    cell,
                    step,
                    (classes.len() <= WITH_FIGURES && times > 0).then_some(times),
                )?;
            }
        }
        let axis = sized(Ink::Muted, Side::Middle, LETTERS);
        let middle = units(origin.0 + side / 2);
        write(area, "predicted", (middle, units(7)), axis.clone())?;
        let rotated = axis.transform(plotters::style::FontTransform::Rotate270);
        write(area, "true", (units(7), units(origin.1 + side / 2)), rotated)?;
        for (index, class) in classes.iter().enumerate() {
            // Without room for names, every fifth number stands in their place.
            let text = match names {
                true => shortened(class, edge),
                false if index % 5 == 0 => (index + 1).to_string(),
                false => continue,
            };
            let at = index as u32 * cell + cell / 2;
            let letter = LETTERS.min(cell.max(10));
            let beside = (units(origin.0 - 4), units(origin.1 + at));
            write(area, &text, beside, sized(Ink::Text, Side::Right, letter))?;
            let above = (units(origin.0 + at), units(origin.1 - 4));
            let style = sized(Ink::Text, Side::Left, letter);
            write(
                area,
                &text,
                above,
                style.transform(plotters::style::FontTransform::Rotate270),
            )?;
        }
        Ok(())
    })
}

fn square(area: &Area<'_>, corner: (u32, u32), cell: u32, step: u8, times: Option<u64>) -> Drawn {
    let (left, top) = (units(corner.0), units(corner.1));
    let end = units(cell) - SCALE as i32 / 2;
    area.draw(&Rectangle::new(
        [(left, top), (left + end, top + end)],
        Ink::Heat(step).fill(),
    ))?;
    if let Some(times) = times {
        let text = times.to_string();
        let letter = (LETTERS - 1)
            .min((cell * 17 / 10) / text.len().max(2) as u32)
            .max(6);
        let middle = (left + end / 2, top + end / 2);
        write(
            area,
            &text,
            middle,
            sized(Ink::OnHeat(step), Side::Middle, letter),
        )?;
    }
    Ok(())
}

/// The most frequent confusions: the class, what it was said to be, how often, and that as a share of the class.
pub(super) fn most_confused<'c>(
    classes: &'c [String],
    matrix: &[Vec<u64>],
    most: usize,
) -> Vec<(&'c str, &'c str, u64, f64)> {
    let mut pairs: Vec<(usize, usize, u64)> = Vec::new();
    for (class, row) in matrix.iter().enumerate() {
        let wrong = row
            .iter()
            .enumerate()
            .filter(|(said, times)| *said != class && **times > 0);
        pairs.extend(wrong.map(|(said, &times)| (class, said, times)));
    }
    pairs.sort_by_key(|&(class, said, times)| (std::cmp::Reverse(times), class, said));
    let named = pairs.into_iter().take(most).filter_map(|(class, said, times)| {
        let all: u64 = matrix[class].iter().sum();
        let share = times as f64 / all as f64;
        Some((
            classes.get(class)?.as_str(),
            classes.get(said)?.as_str(),
            times,
            share,
        ))
    });
    named.collect()
}

/// The table in the place of matrices that are too large to see.
pub(in crate::report) fn confusion_table(test: &TestDetails) -> Option<Table> {
    let Counts::Matrix(matrix) = &test.prediction.counts else {
        return None;
    };
    let mut table = Table::new(2, &["class", "said to be", "samples", "share of the class"]);
    for (class, said, times, share) in most_confused(&test.classes, matrix, MOST_PAIRS) {
        table.rows.push(vec![
            class.to_owned(),
            said.to_owned(),
            times.to_string(),
            percent(share),
        ]);
    }
    Some(table)
}

fn several_labels(test: &TestDetails, each: &[ClassCounts]) -> Result<Chart> {
    let mut caption = format!(
        "Samples with several labels have no single confusion: each class is said or not. Of {} test samples, those that \
         have the class and are said to, those that have it and are not said to, and those that are said to without \
         having it.",
        test.prediction.samples
    );
    if each.len() > MOST_ROWS {
        caption = format!(
            "{caption} The first {MOST_ROWS} of {} classes are drawn; the table has all.",
            each.len()
        );
    }
    let drawn: Vec<Row> = test
        .classes
        .iter()
        .zip(each)
        .take(MOST_ROWS)
        .map(|(class, counts)| {
            let (hit, missed, wrong) = (
                counts.true_positives as f64,
                counts.false_negatives as f64,
                counts.false_positives as f64,
            );
            Row {
                name: class.clone(),
                figure: format!(
                    "{} · {} · {}",
                    counts.true_positives, counts.false_negatives, counts.false_positives
                ),
                marks: vec![
                    Mark::Bar(0.0, hit, Ink::Gain),
                    Mark::Bar(hit, hit + missed, Ink::Muted),
                    Mark::Bar(hit + missed, hit + missed + wrong, Ink::Loss),
                ],
            }
        })
        .collect();
    let most = reach(&drawn).fold(1.0, f64::max);
    let axis = Axis {
        range: 0.0..1.05 * most.min(1e15),
        name: "test samples",
        scale: Scale::Plain,
        line: None,
    };
    let all = |of: fn(&ClassCounts) -> u64| each.iter().map(of).fold(0_u64, u64::saturating_add);
    let says = format!(
        "Over all classes {} labels are found, {} missed and {} said wrongly.",
        all(|class| class.true_positives),
        all(|class| class.false_negatives),
        all(|class| class.false_positives)
    );
    let mut table = Table::new(
        2,
        &["", "class", "found", "missed", "said wrongly", "rightly not said"],
    );
    for confusion in [&test.prediction].into_iter().chain(&test.heads) {
        let Counts::PerClass(each) = &confusion.counts else {
            continue;
        };
        for (class, counts) in test.classes.iter().zip(each) {
            table.rows.push(vec![
                confusion.name.clone(),
                class.clone(),
                counts.true_positives.to_string(),
                counts.false_negatives.to_string(),
                counts.false_positives.to_string(),
                counts.true_negatives.to_string(),
            ]);
        }
    }
    let legend = [
        (Ink::Gain, "found"),
        (Ink::Muted, "missed"),
        (Ink::Loss, "said wrongly"),
    ];
    Ok(Chart {
        title: "What was said of each class".into(),
        caption,
        legend: legend.map(|(ink, means)| Key::area(ink, means)).into(),
        drawings: vec![rows("What was said of each class", says, &axis, &drawn)?],
        table,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_confusions_come_first_and_what_is_right_is_none() {
        let classes = ["a", "b", "c"].map(String::from);
        let matrix = [vec![9, 1, 0], vec![3, 5, 2], vec![0, 0, 7]];
        assert_eq!(
            most_confused(&classes, &matrix, 2),
            [("b", "a", 3, 0.3), ("b", "c", 2, 0.2)]
        );
    }
}
