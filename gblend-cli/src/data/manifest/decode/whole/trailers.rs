//! Formats with something of their own at the end.

use std::io::{BufReader, Read, Seek};

/// Bytes of an Ogg page at most: a head with 255 segments of 255 bytes.
const LONGEST_PAGE: u64 = 27 + 255 + 255 * 255;

/// An Ogg file (RFC 3533) ends with a whole page that says that it is its stream's last.
pub(in super::super) fn ogg_cut<R: Read + Seek>(
    reader: &mut BufReader<R>,
    _: &[u8],
    length: u64,
) -> Option<String> {
    const LAST: u8 = 4;
    // Something may lie behind it, such as a tag.
    let tail = tail(reader, length, 2 * LONGEST_PAGE)?;
    let pages = tail.windows(4).rposition(|window| window == b"OggS");
    let page = pages.map_or(&[][..], |at| &tail[at..]);
    let segments = page.get(26).map_or(0, |count| usize::from(*count));
    let sizes = page.get(27..27 + segments);
    let body: Option<usize> = sizes.map(|sizes| sizes.iter().map(|size| usize::from(*size)).sum());
    let whole = body.is_some_and(|body| page.len() >= 27 + segments + body);
    (!whole || page[5] & LAST == 0).then(|| "cut short: the ogg file has no last page".to_owned())
}

/// A GIF ends with a semicolon, behind which some writers leave zeros.
pub(super) fn gif_cut<R: Read + Seek>(reader: &mut BufReader<R>, _: &[u8], length: u64) -> Option<String> {
    let tail = tail(reader, length, 1024)?;
    let last = tail.iter().rfind(|byte| **byte != 0);
    (last != Some(&b';')).then(|| "cut short: the gif has no end".to_owned())
}

/// A png, animated or not, ends with a chunk that says so.
pub(super) fn png_cut<R: Read + Seek>(reader: &mut BufReader<R>, _: &[u8], length: u64) -> Option<String> {
    // Its length, its name and its checksum, behind which some writers leave something.
    const END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";
    let tail = tail(reader, length, 1024)?;
    let ends = tail.windows(END.len()).any(|window| window == END);
    (!ends).then(|| "cut short: the png has no end".to_owned())
}

/// The last bytes of a file, `most` of them if there are as many.
fn tail<R: Read + Seek>(reader: &mut BufReader<R>, length: u64, most: u64) -> Option<Vec<u8>> {
    let count = length.min(most);
    reader.seek_relative(i64::try_from(length - count).ok()?).ok()?;
    let mut bytes = Vec::new();
    reader.by_ref().take(count).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
