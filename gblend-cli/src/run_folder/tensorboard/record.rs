//! The framing of TFRecord files,
//! <https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>.

use crc::{CRC_32_ISCSI, Crc, Table};

static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// A record with this payload: its length, the masked checksum of the length, the payload, its masked checksum, all
/// little-endian.
pub(super) fn framed(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(payload.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked(CRC.checksum(&length)).to_le_bytes());
    record.extend_from_slice(payload);
    record.extend_from_slice(&masked(CRC.checksum(payload)).to_le_bytes());
    record
}

/// A checksum of bytes that have checksums among them says little, so those that are stored are changed.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// CRC-32C bit by bit, from its polynomial.
    fn slow(bytes: &[u8]) -> u32 {
        let mut register = u32::MAX;
        for byte in bytes {
            register ^= u32::from(*byte);
            for _ in 0..8 {
                let carry = register & 1 == 1;
                register >>= 1;
                if carry {
                    register ^= 0x82f6_3b78;
                }
            }
        }
        !register
    }

    #[test]
    fn the_checksum_is_that_of_rfc_3720_and_its_mask_that_of_tfrecords() {
        // RFC 3720, B.4.
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC.checksum(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(CRC.checksum(&ascending), 0x46dd_794e);
        assert_eq!(CRC.checksum(b"123456789"), 0xe306_9283);
        // The same as `masked_crc32c` of the tensorboard package.
        assert_eq!(masked(CRC.checksum(b"123456789")), 0xc78a_b0e5);
    }

    proptest! {
        #[test]
        fn a_record_has_its_length_its_payload_and_both_checksums(payload: Vec<u8>) {
            let record = framed(&payload);
            let u32_at = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
            let unmasked = |at: usize| u32_at(at).wrapping_sub(0xa282_ead8).rotate_left(15);
            prop_assert_eq!(record.len(), payload.len() + 16);
            prop_assert_eq!(u64::from_le_bytes(record[..8].try_into().unwrap()), payload.len() as u64);
            prop_assert_eq!(unmasked(8), slow(&record[..8]));
            prop_assert_eq!(&record[12..12 + payload.len()], payload.as_slice());
            prop_assert_eq!(unmasked(12 + payload.len()), slow(&payload));
        }
    }
}
