//! Checksums of changed files, so that what lies behind them is reached, too.

/// The checksum of every chunk of a png.
pub(crate) fn png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let end = at + 8 + length;
        let Some(covered) = bytes.get(at + 4..end) else {
            return;
        };
        let checksum = crc32fast::hash(covered).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else {
            return;
        };
        place.copy_from_slice(&checksum);
        at = end + 4;
    }
}

/// The checksum of every member of a zip file that is stored as it is, by the directory at its end; a stream that is packed
/// needs what it unpacks to.
pub(crate) fn zip(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize, length: usize| {
        let field = bytes.get(at..at + length)?;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |number, &byte| number << 8 | usize::from(byte)),
        )
    };
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(4).position(|four| four == b"PK\x01\x02") {
        let entry = at + found;
        at = entry + 4;
        let (Some(0), Some(length), Some(member)) = (
            number(bytes, entry + 10, 2),
            number(bytes, entry + 20, 4),
            number(bytes, entry + 42, 4),
        ) else {
            continue;
        };
        let names = number(bytes, member + 26, 2).zip(number(bytes, member + 28, 2));
        let Some(start) = names.map(|(name, extra)| member + 30 + name + extra) else {
            continue;
        };
        let Some(checksum) = bytes
            .get(start..start.saturating_add(length))
            .map(crc32fast::hash)
        else {
            continue;
        };
        for place in [entry + 16, member + 14] {
            if let Some(place) = bytes.get_mut(place..place + 4) {
                place.copy_from_slice(&checksum.to_le_bytes());
            }
        }
    }
}

/// The checksum of every block of a tar file that looks like a header.
pub(crate) fn tar(bytes: &mut [u8]) {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let (blocks, _) = bytes.as_chunks_mut::<512>();
    for block in blocks {
        if block[257..262] != *b"ustar" {
            continue;
        }
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// The hash in the header of a segment of the cache.
pub(crate) fn segment(bytes: &mut [u8]) {
    const HASH: usize = 64;
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let before = lines.next().map_or(0, <[u8]>::len) + lines.next().map_or(0, <[u8]>::len);
    let hash = blake3::hash(&bytes[before..]).to_hex();
    let key = b"\"blake3\":\"";
    let Some(at) = bytes[..before]
        .windows(key.len())
        .position(|window| window == key)
    else {
        return;
    };
    if let Some(place) = bytes[..before].get_mut(at + key.len()..at + key.len() + HASH) {
        place.copy_from_slice(hash.as_bytes());
    }
}
