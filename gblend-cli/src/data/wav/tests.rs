//! wav files of every coding, put together byte by byte, and what other readers make of them.
#![allow(clippy::unwrap_used)]

use super::*;
use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;

fn chunk_of(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let pad = &[0][..body.len() % 2];
    [id, &(body.len() as u32).to_le_bytes()[..], body, pad].concat()
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let size = (chunks.len() as u32 + 4).to_le_bytes();
    [b"RIFF".as_slice(), &size, b"WAVE", &chunks].concat()
}

/// The chunk `fmt ` of so many bits at 8000 Hz, and what more there is in it.
fn format(tag: u16, channels: u16, block: u16, bits: u16, more: &[u8]) -> Vec<u8> {
    let mut body = [tag, channels].map(u16::to_le_bytes).concat();
    body.extend(
        [8000, 8000 * u32::from(block)]
            .iter()
            .flat_map(|word: &u32| word.to_le_bytes()),
    );
    body.extend([block, bits].iter().flat_map(|half| half.to_le_bytes()));
    body.extend(more);
    chunk_of(b"fmt ", &body)
}

/// What an extensible format says more: valid bits, and the coding as a GUID.
fn extension(valid: u16, tag: u16) -> Vec<u8> {
    let mut more = [22, valid].map(u16::to_le_bytes).concat();
    more.extend([0; 4]);
    more.extend(tag.to_le_bytes());
    more.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    more
}

/// Sound of 16 bits and one channel.
fn plain(samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    riff(&[format(1, 1, 2, 16, &[]), chunk_of(b"data", &data)])
}

fn read(bytes: &[u8]) -> Result<Vec<f32>, WavFault> {
    Wav::parse(bytes)?.decode().map(|sound| sound.samples)
}

const SAMPLES: [i16; 5] = [0, 1, -32768, 32767, 12345];

fn expected() -> Vec<f32> {
    SAMPLES
        .iter()
        .map(|&sample| f32::from(sample) / 32768.0)
        .collect()
}

#[test]
fn chunks_of_any_length_before_the_sound_are_passed_over_with_their_pad_byte() {
    for length in [0, 1, 2, 15, 603] {
        for id in [b"LIST", b"bext", b"JUNK", b"id3 "] {
            let whole = plain(&SAMPLES);
            let chunk = chunk_of(id, &vec![7; length]);
            for at in [12, 36] {
                let bytes = [&whole[..at], &chunk, &whole[at..]].concat();
                assert_eq!(read(&bytes).unwrap(), expected(), "{length} at {at}");
                // Some programs forget the pad byte.
                let bytes = [&whole[..at], &chunk[..8 + length], &whole[at..]].concat();
                assert_eq!(
                    read(&bytes).unwrap(),
                    expected(),
                    "{length} at {at}, without padding"
                );
            }
            let behind = [&whole[..], &chunk].concat();
            assert_eq!(read(&behind).unwrap(), expected());
        }
    }
}

#[test]
fn fewer_valid_bits_stand_at_the_upper_end() {
    // soundfile 0.14 reads 0x12345600 of 32 bits, 24 of them valid, as 0.14222216606140137; so does SciPy 1.17.
    let data = [0x1234_5600_i32, -0x1234_5600].map(i32::to_le_bytes).concat();
    let bytes = riff(&[
        format(0xFFFE, 1, 4, 32, &extension(24, 1)),
        chunk_of(b"data", &data),
    ]);
    assert_eq!(read(&bytes).unwrap(), [0.142_222_17, -0.142_222_17]);
    // 12 bits in 16, as a recorder of long ago has them.
    let data = [0x1230_i16, -0x1230].map(i16::to_le_bytes).concat();
    let bytes = riff(&[format(1, 1, 2, 12, &[]), chunk_of(b"data", &data)]);
    assert_eq!(read(&bytes).unwrap(), [0.142_089_84, -0.142_089_84]);
    // Nothing says which three of four bytes count.
    let bytes = riff(&[format(1, 1, 4, 24, &[]), chunk_of(b"data", &[0; 8])]);
    assert!(read(&bytes).unwrap_err().to_string().contains("24 bits, 4 bytes"));
}

#[test]
fn a_size_that_was_never_filled_in_means_the_rest_of_the_file() {
    let whole = plain(&SAMPLES);
    // ffmpeg, Python's `wave`, SoX, arecord, and programs that leave room for the header.
    for size in [u32::MAX, 0, 0x7FFF_F000, 1 << 31, i32::MAX as u32, u32::MAX - 36] {
        for all in [u32::MAX, 0, 36, size] {
            let mut bytes = whole.clone();
            bytes[4..8].copy_from_slice(&all.to_le_bytes());
            bytes[40..44].copy_from_slice(&size.to_le_bytes());
            assert_eq!(read(&bytes).unwrap(), expected(), "{size} {all}");
        }
    }
    // A sound that is empty, and says so.
    let empty = riff(&[
        format(1, 1, 2, 16, &[]),
        chunk_of(b"data", &[]),
        chunk_of(b"LIST", &[1; 20]),
    ]);
    assert!(read(&empty).unwrap().is_empty());
    // A file beyond 4 GiB has its sizes elsewhere.
    let sizes = [100_u64, 10, 5].map(u64::to_le_bytes).concat();
    let mut long = [
        &whole[..12],
        &chunk_of(b"ds64", &sizes),
        &whole[12..],
        &chunk_of(b"LIST", &[1; 4]),
    ]
    .concat();
    long[..4].copy_from_slice(b"RF64");
    let at = 12 + 8 + 24 + 24;
    assert_eq!(&long[at..at + 4], b"data");
    long[at + 4..at + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read(&long).unwrap(), expected());
    long.truncate(at + 8 + 9);
    assert!(matches!(
        read(&long),
        Err(WavFault::CutShort {
            found: 9,
            expected: 10
        })
    ));
}

#[test]
fn the_size_of_the_whole_file_is_not_believed() {
    for all in [1_u32, 20, 36, 46, 54, 1_000_000] {
        let mut bytes = plain(&SAMPLES);
        bytes[4..8].copy_from_slice(&all.to_le_bytes());
        assert_eq!(read(&bytes).unwrap(), expected(), "{all}");
    }
}

#[test]
fn every_coding_is_decoded() {
    // Those of A-law and mu-law, by 2¹⁵, are what soundfile 0.14 reads.
    let codes = [0x00, 0x55, 0x80, 0xD5, 0x7F, 0xFF];
    for (tag, expected) in [
        (6, [-5504.0, -8.0, 5504.0, 8.0, -848.0, 848.0]),
        (7, [-32124.0, -716.0, 32124.0, 716.0, 0.0, 0.0]),
    ] {
        let found = read(&riff(&[format(tag, 1, 1, 8, &[0, 0]), chunk_of(b"data", &codes)])).unwrap();
        assert_eq!(found, expected.map(|value| value / 32768.0), "{tag}");
        let extended = format(0xFFFE, 1, 1, 8, &extension(8, tag));
        assert_eq!(
            read(&riff(&[extended, chunk_of(b"data", &codes)])).unwrap(),
            found
        );
    }
    let data = [0.25_f64, -1.5, 1e-9].map(f64::to_le_bytes).concat();
    for format in [
        format(3, 1, 8, 64, &[]),
        format(0xFFFE, 1, 8, 64, &extension(64, 3)),
    ] {
        let bytes = riff(&[format, chunk_of(b"data", &data)]);
        assert_eq!(read(&bytes).unwrap(), [0.25, -1.5, 1e-9]);
    }
    let bytes = riff(&[format(1, 2, 2, 8, &[]), chunk_of(b"data", &[0, 128, 255, 129])]);
    assert_eq!(read(&bytes).unwrap(), [-0.5, 0.5]);
}

#[test]
fn blocks_of_differences_are_decoded_whole() {
    // A block of IMA ADPCM: a first sample, step 7, and differences of 0, which are an eighth of a step.
    let block = [&1000_i16.to_le_bytes()[..], &[0, 0], &[0; 8]].concat();
    let more = [2_u16, 17].map(u16::to_le_bytes).concat();
    let with = |data: &[u8]| {
        // What libsndfile says there of two channels is half of it.
        let fact = chunk_of(b"fact", &20_u32.to_le_bytes());
        read(&riff(&[
            format(0x11, 1, 12, 4, &more),
            fact,
            chunk_of(b"data", data),
        ]))
    };
    let found = with(&block.repeat(2)).unwrap();
    assert_eq!(
        (found.len(), found[0], found[17]),
        (34, 1000.0 / 32768.0, 1000.0 / 32768.0)
    );
    assert!(matches!(
        with(&block[..11]),
        Err(WavFault::Remainder { found: 11, block: 12 })
    ));
    // The samples of a block follow from its bytes.
    let other = [2_u16, 18].map(u16::to_le_bytes).concat();
    let stated = riff(&[format(0x11, 1, 12, 4, &other), chunk_of(b"data", &block)]);
    assert!(read(&stated).unwrap_err().to_string().contains("expected 17"));
}

#[test]
fn what_is_not_read_is_named() {
    for (bytes, expected) in [
        (
            riff(&[format(0x31, 1, 65, 0, &[0; 4]), chunk_of(b"data", &[0; 65])]),
            "GSM 6.10 (0x0031",
        ),
        (
            riff(&[format(0x1234, 1, 2, 16, &[]), chunk_of(b"data", &[0; 2])]),
            "0x1234",
        ),
        (
            riff(&[format(0x11, 1, 12, 3, &[0; 4]), chunk_of(b"data", &[0; 12])]),
            "IMA ADPCM (0x0011, 3 bits",
        ),
        (
            riff(&[format(0x11, 3, 24, 4, &[0; 4]), chunk_of(b"data", &[0; 24])]),
            "3 channels",
        ),
        (
            riff(&[format(1, 0, 2, 16, &[]), chunk_of(b"data", &[0; 2])]),
            "0 channels",
        ),
        (
            riff(&[format(1, 1, 5, 40, &[]), chunk_of(b"data", &[0; 5])]),
            "40 bits",
        ),
        (
            riff(&[format(3, 1, 2, 16, &[]), chunk_of(b"data", &[0; 2])]),
            "16 bits",
        ),
        (riff(&[chunk_of(b"data", &[0; 2])]), "before its format"),
        (
            riff(&[format(0xFFFE, 1, 2, 16, &[]), chunk_of(b"data", &[0; 2])]),
            "expected at least 40",
        ),
        (
            riff(&[format(0xFFFE, 1, 2, 16, &[9; 24]), chunk_of(b"data", &[0; 2])]),
            "unknown GUID",
        ),
        (riff(&[format(1, 1, 2, 16, &[])]), "before its sound"),
        (b"RIFF....AVI ".to_vec(), "no wav file"),
        (Vec::new(), "empty"),
    ] {
        let problem = read(&bytes).unwrap_err().to_string();
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
}

fn written(bits_per_sample: u16, sample_format: SampleFormat, channels: u16, samples: &[i32]) -> Vec<u8> {
    let spec = WavSpec {
        channels,
        sample_rate: 8000,
        bits_per_sample,
        sample_format,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for &sample in samples {
        match sample_format {
            SampleFormat::Float => writer.write_sample(sample as f32 / 2_147_483_648.0).unwrap(),
            SampleFormat::Int => writer.write_sample(sample >> (32 - bits_per_sample)).unwrap(),
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

proptest! {
    #[test]
    fn what_hound_writes_is_read_to_the_bit(
        samples in proptest::collection::vec(any::<i32>(), 1..60),
        channels in 1_u16..4,
        (bits, kind) in prop_oneof![
            Just((8, SampleFormat::Int)), Just((16, SampleFormat::Int)), Just((24, SampleFormat::Int)),
            Just((32, SampleFormat::Int)), Just((32, SampleFormat::Float)),
        ],
    ) {
        let samples = &samples[..samples.len() / usize::from(channels) * usize::from(channels)];
        let bytes = written(bits, kind, channels, samples);
        let numbers = samples.iter().map(|&sample| match kind {
            SampleFormat::Float => sample as f32 / 2_147_483_648.0,
            SampleFormat::Int => (sample >> (32 - bits)) as f32 / 2_f32.powi(i32::from(bits) - 1),
        });
        let numbers: Vec<f32> = numbers.collect();
        let expected = Waveform::mixed(8000, usize::from(channels), &numbers).unwrap();
        let wav = Wav::parse(&bytes).unwrap();
        prop_assert_eq!(wav.frames(), expected.samples.len());
        prop_assert_eq!(wav.decode().unwrap(), expected);
        // However much of it is missing, it is told.
        for length in 0..bytes.len() {
            let problem = read(&bytes[..length]).unwrap_err().to_string();
            let told = ["cut short", "empty", "no wav file"].iter().any(|part| problem.contains(part));
            prop_assert!(told, "{length}: {}", problem);
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, at in 0_usize..80) {
        let mut file = plain(&SAMPLES);
        file.splice(at.min(file.len()).., bytes);
        let _ = read(&file);
    }
}
