//! Signs of a video file cut short that `ffmpeg` passes over without a word.

/// What is wrong with a file of `length` bytes that begins with `head`; `None` if nothing is known to be.
pub(super) fn cut_short(head: &[u8], length: u64) -> Option<String> {
    // An avi is one RIFF chunk or several, and each says its size; a writer that could not go back to fill
    // it in leaves 0 or the largest number.
    let size = head.strip_prefix(b"RIFF")?.first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size);
    let expected = u64::from(size) + 8;
    (size != 0 && size != u32::MAX && expected > length)
        .then(|| format!("cut short: found {length} bytes, expected the {expected} that its header says"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_size_beyond_the_end_is_seen() {
        let head = [b"RIFF".as_slice(), &100_u32.to_le_bytes()].concat();
        assert_eq!(cut_short(&head, 108), None);
        assert!(cut_short(&head, 107).is_some());
        assert_eq!(cut_short(b"\x00\x00\x01\xba....", 3), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, length: u64) {
            let _ = cut_short(&bytes, length);
            let _ = cut_short(&[b"RIFF", &bytes[..]].concat(), length);
        }
    }
}
