//! What a tiff says of itself that its decoder does not ask: which of its pages are pictures, and what its opacity means.

/// What stands in a directory of a tiff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Directory {
    /// Smaller than another one that is the picture.
    is_reduced: bool,
    /// Of a camera's sensor.
    is_raw: bool,
    /// Whether colors were multiplied by the opacity beside them.
    is_premultiplied: bool,
    /// The extents of a tile, if it has tiles.
    tile: [u64; 2],
}

/// What a tiff has in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tiff {
    /// Pictures that are no smaller copies of others.
    pub(super) pages: usize,
    /// Whether the first of its directories is no picture as it was meant: a preview, or what a sensor measured.
    pub(super) is_raw: bool,
    /// Whether colors lie over black already.
    pub(super) is_premultiplied: bool,
    /// Pixels of a tile, which may be larger than the picture; 0 without any.
    pub(super) tile: u128,
}

/// Pages that are looked at.
const MOST_PAGES: usize = 1000;
/// Smaller copies, color planes of a sensor, and DNG's own version.
const SUBFILE: u16 = 254;
const PHOTOMETRIC: u16 = 262;
const TILE: [u16; 2] = [322, 323];
const EXTRA_SAMPLES: u16 = 338;
const DNG_VERSION: u16 = 50706;

impl Tiff {
    /// Reads the directories of a file, if it is a tiff and they are in it, with all that they lead to.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let reader = Reader::of(bytes)?;
        let mut found = Self::default();
        let mut at = reader.first()?;
        // A file may lead to the same page again.
        for page in 0..MOST_PAGES {
            let (directory, next) = reader.directory(at)?;
            if page == 0 {
                found.is_raw = directory.is_raw || directory.is_reduced;
                found.is_premultiplied = directory.is_premultiplied;
                found.tile = directory.tile.iter().map(|&extent| u128::from(extent)).product();
            }
            found.pages += usize::from(!directory.is_reduced);
            match next {
                0 => break,
                next => at = next,
            }
        }
        Some(found)
    }
}

/// Numbers of a file in its own order of bytes, of 32 or of 64 bits.
struct Reader<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    wide: bool,
}

impl<'a> Reader<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (big_endian, wide) = match bytes.first_chunk::<4>()? {
            b"II*\0" => (false, false),
            b"MM\0*" => (true, false),
            b"II+\0" => (false, true),
            b"MM\0+" => (true, true),
            _ => return None,
        };
        Some(Self {
            bytes,
            big_endian,
            wide,
        })
    }

    fn number(&self, at: u64, count: usize) -> Option<u64> {
        let start = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(count)?)?;
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.big_endian {
            true => bytes.iter().fold(0, shift),
            false => bytes.iter().rev().fold(0, shift),
        })
    }

    fn first(&self) -> Option<u64> {
        match self.wide {
            true => self.number(8, 8),
            false => self.number(4, 4),
        }
    }

    /// A directory, and the place of the next one, or 0.
    fn directory(&self, at: u64) -> Option<(Directory, u64)> {
        let (head, entry, place) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let entries = self.number(at, head)?;
        let first = at.checked_add(head as u64)?;
        let end = first.checked_add(entries.checked_mul(entry)?)?;
        let next = self.number(end, place)?;
        let mut found = Directory::default();
        for index in 0..entries {
            let at = first + index * entry;
            let (tag, kind) = (self.number(at, 2)?, self.number(at + 2, 2)?);
            // A decoder takes memory for as many as it is told of.
            let count = self.number(at + 4, place)?;
            if count.checked_mul(bytes_of(kind))? > self.bytes.len() as u64 {
                return None;
            }
            // Numbers of 16 bits, or of 32.
            let size = if kind == 3 { 2 } else { 4 };
            let value = || self.number(at + 4 + place as u64, size);
            match u16::try_from(tag).ok()? {
                SUBFILE => found.is_reduced = value()? & 1 == 1,
                PHOTOMETRIC => found.is_raw |= matches!(value()?, 32803 | 34892),
                EXTRA_SAMPLES => found.is_premultiplied = value()? == 1,
                tag if tag == TILE[0] => found.tile[0] = value()?,
                tag if tag == TILE[1] => found.tile[1] = value()?,
                DNG_VERSION => found.is_raw = true,
                _ => {}
            }
        }
        Some((found, next))
    }
}

/// Bytes of a value of a kind, at least.
fn bytes_of(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tiff of directories with these numbers.
    fn tiff(directories: &[&[(u16, u32)]]) -> Vec<u8> {
        let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
        for (page, directory) in directories.iter().enumerate() {
            bytes.extend((directory.len() as u16).to_be_bytes());
            for (tag, value) in *directory {
                bytes.extend(tag.to_be_bytes());
                bytes.extend([0, 4, 0, 0, 0, 1]);
                bytes.extend(value.to_be_bytes());
            }
            let next = match page + 1 < directories.len() {
                true => bytes.len() as u32 + 4,
                false => 0,
            };
            bytes.extend(next.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn pages_are_counted_and_smaller_copies_are_none() {
        let (picture, copy): (&[_], &[_]) = (&[(256, 3), (257, 4)], &[(SUBFILE, 1)]);
        let of = |directories: &[&[(u16, u32)]]| {
            Tiff::of(&tiff(directories)).map(|found| (found.pages, found.is_raw, found.is_premultiplied))
        };
        assert_eq!(of(&[picture]), Some((1, false, false)));
        assert_eq!(of(&[picture, picture, copy]), Some((2, false, false)));
        assert_eq!(of(&[picture, copy]), Some((1, false, false)));
        assert_eq!(of(&[copy, picture]), Some((1, true, false)));
        assert_eq!(of(&[&[(DNG_VERSION, 1)]]), Some((1, true, false)));
        assert_eq!(of(&[&[(PHOTOMETRIC, 32803)]]), Some((1, true, false)));
        assert_eq!(of(&[&[(EXTRA_SAMPLES, 1)]]), Some((1, false, true)));
        assert_eq!(of(&[&[(EXTRA_SAMPLES, 2)]]), Some((1, false, false)));
        assert_eq!(Tiff::of(b"\x89PNG"), None);
    }

    #[test]
    fn more_values_than_the_file_has_room_for_are_none() {
        let mut many = tiff(&[&[(256, 3)]]);
        many[14..18].copy_from_slice(&8_000_000_u32.to_be_bytes());
        assert_eq!(Tiff::of(&many), None);
        let tiled = Tiff::of(&tiff(&[&[(TILE[0], 1 << 20), (TILE[1], 1 << 20)]]));
        assert_eq!(tiled.map(|found| found.tile), Some(1 << 40));
    }

    #[test]
    fn a_file_that_leads_in_a_circle_is_read_to_an_end() {
        let mut circle = tiff(&[&[(256, 3)]]);
        let last = circle.len() - 4;
        circle[last..].copy_from_slice(&8_u32.to_be_bytes());
        assert_eq!(Tiff::of(&circle).map(|found| found.pages), Some(MOST_PAGES));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, head in prop::sample::select(vec![b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])) {
            let _ = Tiff::of(&[head.as_slice(), &bytes].concat());
        }
    }
}
