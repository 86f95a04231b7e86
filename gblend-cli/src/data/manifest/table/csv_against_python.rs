//! A hundred tables as people's programs write them, beside what Python's `csv` module reads in them.
#![allow(clippy::unwrap_used, clippy::panic)]

use gblend_core::{SampleRng, Seed};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::Table;

const TABLES: u64 = 100;

/// A stored table, and what Python says of it: see `xtask/peers/csv_tables.py`.
#[derive(Serialize, Deserialize)]
struct Stored {
    separator: char,
    /// In hexadecimal digits.
    bytes: String,
    #[serde(skip_serializing)]
    python: Option<Answer>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Read {
        header: Vec<String>,
        rows: Vec<Vec<String>>,
        lines: Vec<u64>,
    },
    Refused {
        refused: String,
        line: Option<u64>,
    },
}

/// Whether one of so many times.
fn one_in(rng: &mut SampleRng, times: u32) -> bool {
    rng.random_range(0..times) == 0
}

fn pick<'a>(rng: &mut SampleRng, all: &[&'a str]) -> &'a str {
    all[rng.random_range(0..all.len())]
}

/// A cell: plain, with white space around it, or in quotes with what needs them.
fn cell(rng: &mut SampleRng, separator: char, end: &str) -> String {
    let words = [
        "a", "b7", "Zoë", "1.0", "-3e4", "x y", "", "日本", "it's", "a\"b", "NaN", "[1, 2]",
    ];
    let word = pick(rng, &words);
    match rng.random_range(0..6) {
        0 => {
            let inner = word.replace('"', "\"\"");
            let more = [
                "".to_owned(),
                separator.to_string(),
                end.to_owned(),
                "\"\"".to_owned(),
            ];
            let more = &more[rng.random_range(0..more.len())];
            format!("\"{inner}{more}{}\"", pick(rng, &words).replace('"', "\"\""))
        }
        1 => format!(" {} ", word.replace(',', ";").replace('"', "'")),
        // Text behind a closing quote, which both take.
        2 if one_in(rng, 4) => "\"q\"r".to_owned(),
        _ => word.replace([separator, ','], ";"),
    }
}

/// A table of some rows, perhaps with something wrong, and its separator.
fn generated(seed: u64) -> (char, Vec<u8>) {
    let rng = &mut Seed::new(seed).derive("csv").rng();
    let separator = if one_in(rng, 4) { '\t' } else { ',' };
    let ends = ["\n", "\r\n", "\r"];
    let end = pick(rng, &ends);
    let mixed = one_in(rng, 6);
    let (columns, rows) = (rng.random_range(1..5_usize), rng.random_range(0..8_usize));
    let mut text = String::new();
    let wrong = one_in(rng, 4).then(|| rng.random_range(0..=rows));
    for row in 0..=rows {
        let mut cells: Vec<String> = match row {
            0 => (0..columns)
                .map(|column| format!("{}{column}", pick(rng, &["n", "größe ", "\"q\"\"r\""])))
                .collect(),
            _ => (0..columns).map(|_| cell(rng, separator, end)).collect(),
        };
        if wrong == Some(row) {
            match rng.random_range(0..3) {
                0 => cells.push("more".to_owned()),
                1 => drop(cells.pop()),
                _ => cells[0] = "\"open".to_owned(),
            }
        }
        text += &cells.join(&separator.to_string());
        let end = if mixed { pick(rng, &ends) } else { end };
        text += end;
        if one_in(rng, 6) {
            text += end;
        }
    }
    if one_in(rng, 12) {
        text += &format!("\"open{separator}{end}x{end}");
    }
    if one_in(rng, 3) {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    let marked = one_in(rng, 4);
    let mark = if marked { "\u{FEFF}" } else { "" };
    let bytes = match rng.random_range(0..12) {
        0 => text
            .chars()
            .map(|letter| u8::try_from(letter).unwrap_or(b'?'))
            .collect(),
        1 => format!("{mark}{text}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect(),
        2 => format!("{mark}{text}")
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect(),
        _ => format!("{mark}{text}").into_bytes(),
    };
    (separator, bytes)
}

fn in_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "writes what the peer reads"]
fn writes_the_tables() {
    let tables: Vec<Stored> = (0..TABLES)
        .map(generated)
        .map(|(separator, bytes)| Stored {
            separator,
            bytes: in_digits(&bytes),
            python: None,
        })
        .collect();
    std::fs::write(
        std::env::var("GBLEND_CSV_TABLES").unwrap(),
        serde_json::to_vec(&tables).unwrap(),
    )
    .unwrap();
}

#[test]
fn tables_have_the_values_and_lines_that_python_reads_or_are_refused_for_the_true_reason() {
    let stored = include_str!("../../../../tests/fixtures/csv_tables.json");
    let stored: Vec<Stored> = serde_json::from_str(stored).unwrap();
    assert_eq!(stored.len() as u64, TABLES);
    let (mut read, mut refused) = (0, 0);
    for (seed, stored) in (0..).zip(stored) {
        let (separator, bytes) = generated(seed);
        assert_eq!(
            (separator, in_digits(&bytes)),
            (stored.separator, stored.bytes),
            "another table {seed}"
        );
        let table = Table::separated("t", &bytes[..], separator as u8);
        let shown = String::from_utf8_lossy(&bytes);
        match stored.python.unwrap() {
            Answer::Read { header, rows, lines } => {
                read += 1;
                let table = table.unwrap_or_else(|error| panic!("{seed}: {error}: {shown:?}"));
                assert_eq!(table.columns(), header, "{seed}: {shown:?}");
                assert_eq!(table.len(), rows.len(), "{seed}: {shown:?}");
                for (row, (cells, line)) in rows.iter().zip(lines).enumerate() {
                    let found: Vec<&str> = (0..header.len()).map(|column| table.value(row, column)).collect();
                    assert_eq!(&found, cells, "{seed}: row {row} of {shown:?}");
                    assert_eq!(
                        table.place(row),
                        format!("t:{line}"),
                        "{seed}: row {row} of {shown:?}"
                    );
                }
            }
            Answer::Refused {
                refused: reason,
                line,
            } => {
                refused += 1;
                let error = table.map(|_| ()).unwrap_err().to_string();
                assert!(
                    error.contains(&reason),
                    "{seed}: {error}, expected {reason}: {shown:?}"
                );
                let place = line.map_or_else(String::new, |line| format!("t:{line}: "));
                assert!(
                    error.contains(&place),
                    "{seed}: {error}, expected {place}: {shown:?}"
                );
            }
        }
    }
    assert!(read >= 50 && refused >= 15, "{read} read, {refused} refused");
}
