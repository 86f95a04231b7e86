//! Doors to the readers of a manifest's files, for the targets in `fuzz/`; no part of the interface.
//!
//! Each one says whether the bytes were accepted.
#![allow(missing_docs)]

use std::io::{BufReader, Cursor, Write};

use super::super::blob::Blob;
use super::super::shards::Shards;
use super::super::table::{Nested, Table};
use super::super::template::Template;
use super::depth_image::DepthConvention;
use super::{flo, npy, picture, portable, sound, whole};

/// Bytes of decoded media that a sample may have.
const LIMIT: usize = 1 << 26;

pub fn csv(bytes: &[u8]) -> bool {
    Table::csv("fuzz.csv", bytes).is_ok()
}

/// JSON Lines, with a column of lists of text and one of numbers.
pub fn json_lines(bytes: &[u8]) -> bool {
    let nested = Nested {
        labels: Some("labels"),
        numbers: &["numbers"],
        files: &[],
    };
    Table::json_lines("fuzz.jsonl", bytes, nested).is_ok()
}

/// Lists of numbers in the cells of column `numbers`: JSON Lines, or CSV with lists as JSON writes them.
pub fn number_lists(bytes: &[u8]) -> bool {
    let numbers = ["numbers"];
    let nested = Nested {
        numbers: &numbers,
        ..Nested::default()
    };
    let table = match bytes.first() {
        Some(b'{') => Table::json_lines("fuzz.jsonl", bytes, nested),
        _ => Table::bracketed("fuzz.csv", bytes, b',', &numbers),
    };
    table.is_ok_and(|table| any_list(&table))
}

/// Whether a cell of the table has a list of numbers, and every one as many as its shape says.
fn any_list(table: &Table) -> bool {
    let cells = (0..table.columns().len()).flat_map(|column| (0..table.len()).map(move |row| (row, column)));
    let mut any = false;
    for (row, column) in cells.filter(|&(_, column)| table.has_lists(column)) {
        if let Ok((shape, values)) = table.list(row, column) {
            assert_eq!(shape.iter().product::<usize>(), values.len());
            any = true;
        }
    }
    any
}

/// A table in Parquet, with columns of labels, of lists of numbers, and of files: those that the fixtures have.
pub fn parquet(bytes: &[u8]) -> bool {
    let nested = Nested {
        labels: Some("tags"),
        numbers: &[
            "flat", "fixed", "half", "small", "large", "series", "truth", "words",
        ],
        files: &["image", "audio", "plain"],
    };
    let Ok(table) = Table::parquet("fuzz.parquet", bytes.to_vec(), nested) else {
        return false;
    };
    any_list(&table);
    let files = (0..table.columns().len()).filter(|&column| table.has_files(column));
    for (column, row) in files.flat_map(|column| (0..table.len()).map(move |row| (column, row))) {
        if let Some(bytes) = table.file(row, column) {
            let file = Blob::embedded(table.value(row, column), bytes);
            let _ = file.is_ok_and(|file| file.head(16).is_ok());
        }
    }
    true
}

/// A template in the first line, and a CSV table to fill it from.
pub fn template(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return false;
    };
    let (template, table) = (&bytes[..end], &bytes[end + 1..]);
    let (Ok(template), Ok(table)) = (std::str::from_utf8(template), Table::csv("fuzz.csv", table)) else {
        return false;
    };
    let Ok(template) = Template::parse(template, &table, "streams.fuzz") else {
        return false;
    };
    for row in 0..table.len() {
        let filled = template.fill(&table, row);
        assert_eq!(filled.is_ok(), template.is_filled(&table, row));
    }
    true
}

/// A shard, which has to lie in a file.
pub fn shard(bytes: &[u8]) -> bool {
    let Ok(mut file) = tempfile::Builder::new().suffix(".tar").tempfile() else {
        return false;
    };
    if file.write_all(bytes).is_err() {
        return false;
    }
    let mut problems = Vec::new();
    let Ok(shards) = Shards::open(&[file.path().to_owned()], &mut problems) else {
        return false;
    };
    let _ = shards.find("a", &["png"]);
    shards.table().is_ok() && problems.is_empty()
}

pub fn npy(bytes: &[u8]) -> bool {
    npy::decode(bytes).is_ok()
}

pub fn picture(bytes: &[u8]) -> bool {
    picture::decode(bytes, LIMIT).is_ok()
}

pub fn flo(bytes: &[u8]) -> bool {
    flo::decode(bytes).is_ok()
}

/// A depth picture, whose values mean something in every convention.
pub fn depth_image(bytes: &[u8]) -> bool {
    let decode = |convention: DepthConvention| convention.decode(bytes, LIMIT).is_ok();
    let accepted = decode(DepthConvention::Sun);
    assert_eq!(accepted, decode(DepthConvention::Nyu));
    accepted
}

pub fn wav(bytes: &[u8]) -> bool {
    sound::wav(bytes, LIMIT).is_ok()
}

/// Sound of the kind that its first bytes say.
pub fn compressed_sound(bytes: &[u8]) -> bool {
    let extension = match bytes {
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        _ => "mp3",
    };
    sound::compressed(bytes.to_vec(), extension, LIMIT).is_ok()
}

/// The checks of videos before `ffmpeg` gets them.
pub fn video(bytes: &[u8]) -> bool {
    let length = bytes.len() as u64;
    let mut reader = BufReader::new(Cursor::new(bytes));
    whole::cut_short(&mut reader, length).is_none()
}

/// What `ffmpeg` hands over: pixmaps, or sound.
pub fn decoded_video(bytes: &[u8]) -> bool {
    portable::pixmaps(bytes).is_ok() || portable::au(bytes).is_ok()
}
