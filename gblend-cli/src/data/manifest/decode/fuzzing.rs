//! Doors to the readers of a manifest's files, for the targets in `fuzz/`; no part of the interface.
//!
//! Each one says whether the bytes were accepted.
#![allow(missing_docs)]

use std::io::{BufReader, Cursor, Write};

use super::super::shards::Shards;
use super::super::table::{Nested, Table};
use super::super::template::Template;
use super::depth_image::DepthConvention;
use super::{flo, npy, picture, portable, sound, video_check};

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
    sound::wav(bytes).is_ok()
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
    video_check::last_packet_cut(&mut reader, length).is_none()
        && video_check::cut_short(bytes, length).is_none()
}

/// What `ffmpeg` hands over: pixmaps, or sound.
pub fn decoded_video(bytes: &[u8]) -> bool {
    portable::pixmaps(bytes).is_ok() || portable::au(bytes).is_ok()
}
