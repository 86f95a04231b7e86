#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::data::position::SampleIndex;
use crate::data::split::{Division, Evaluable, LabelUse, Shares, Splits};
use gblend_core::media::{DepthMaps, FlowFields, Frames, SequenceShape, Waveform};
use gblend_core::{Array, Dataset, OpenContext, Seed};
use gblend_optim::objective::SingleLabel;
use proptest::prelude::*;
use rand::RngExt;

const KINDS: [MediaKind; 6] = MediaKind::ALL;

/// A dataset in memory.
struct Memory {
    classes: Vec<String>,
    streams: Vec<Stream>,
    samples: Vec<Sample>,
    /// Of each sample, each stream.
    media: Vec<Vec<Media>>,
}

impl Source for Memory {
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn streams(&self) -> &[Stream] {
        &self.streams
    }
    fn len(&self) -> usize {
        self.samples.len()
    }
    fn sample(&self, index: usize) -> Sample {
        self.samples[index].clone()
    }
    fn read(&self, index: usize, stream: usize) -> gblend_core::Result<Media> {
        Ok(self.media[index][stream].clone())
    }
    fn fingerprint(&self, index: usize, stream: usize) -> gblend_core::Result<String> {
        Ok(format!("{index} {stream}"))
    }
}

/// Any bits that are a number, not above what a .flo file can hold.
fn any_number(rng: &mut impl RngExt) -> f32 {
    let value = f32::from_bits(rng.random());
    if value.abs() < 1e9 { value } else { 1e9 }
}

fn media(kind: MediaKind, farthest: f32, seed: Seed) -> Media {
    let mut rng = seed.rng();
    let mut shape = SequenceShape {
        frames: rng.random_range(1..13),
        height: rng.random_range(1..5),
        width: rng.random_range(1..5),
        channels: 1,
    };
    match kind {
        MediaKind::Frames => {
            shape.channels = [1, 3][rng.random_range(0..2)];
            let pixels = (0..shape.len()).map(|_| rng.random()).collect();
            Media::Frames(Frames::new(shape, pixels).unwrap())
        }
        MediaKind::Flow => {
            shape.channels = 2;
            let vectors = (0..shape.len()).map(|_| any_number(&mut rng)).collect();
            Media::Flow(FlowFields::new(shape, vectors).unwrap())
        }
        MediaKind::Depth => {
            let meters = (0..shape.len()).map(|_| match rng.random_range(0..4) {
                0 => 0.0,
                1 => f32::MIN_POSITIVE,
                _ => rng.random_range(0.0..farthest),
            });
            Media::Depth(DepthMaps::new(shape, meters.collect()).unwrap())
        }
        MediaKind::Waveform => Media::Waveform(Waveform {
            sample_rate: rng.random_range(1..200_000),
            samples: (0..rng.random_range(1..50))
                .map(|_| any_number(&mut rng))
                .collect(),
        }),
        MediaKind::Text => {
            let letters = ['a', ' ', '\n', 'é', '潮', '"', ','];
            let text = (0..rng.random_range(0..20)).map(|_| letters[rng.random_range(0..letters.len())]);
            Media::Text(text.collect())
        }
        _ => {
            let shape: Vec<usize> = (0..rng.random_range(0..4))
                .map(|_| rng.random_range(1..4))
                .collect();
            let values = (0..shape.iter().product())
                .map(|_| any_number(&mut rng))
                .collect();
            Media::Array(Array::new(shape, values).unwrap())
        }
    }
}

fn memory(samples: usize, odd: &str, grouped: bool, farthest: f32, seed: u64) -> Memory {
    let seed = Seed::new(seed);
    let partition = |index| {
        [
            Partition::Train,
            Partition::Test,
            Partition::Train,
            Partition::Validation,
        ][index % 4]
    };
    Memory {
        classes: vec![format!("b{odd}b"), format!("a{odd}a")],
        streams: KINDS
            .iter()
            .map(|&media| Stream {
                name: format!("{media:?}{odd}"),
                media,
            })
            .collect(),
        samples: (0..samples)
            .map(|index| Sample {
                id: format!("{index}{odd}{index}"),
                label: (index / 4 % 2).into(),
                group: grouped.then(|| format!("g{odd}{}", index % 4)),
                partition: partition(index),
            })
            .collect(),
        media: (0..samples as u64)
            .map(|index| {
                KINDS
                    .iter()
                    .map(|&kind| media(kind, farthest, seed.derive(&kind.to_string()).nth(index)))
                    .collect()
            })
            .collect(),
    }
}

/// Writes a dataset and opens what was written.
fn exported(source: &dyn Source, folder: &Path) -> Box<dyn Source> {
    let export = Export::new(source).unwrap();
    export.write(folder, "", &|_, _| {}).unwrap();
    let cx = OpenContext {
        base: folder,
        seed: Seed::new(0),
    };
    export.manifest().open(&cx).unwrap()
}

fn splits(source: &dyn Source, seed: u64) -> Vec<Vec<SampleIndex>> {
    let shares = Shares {
        validation: 0.2,
        held_out: 0.3,
    };
    let division = Division {
        test: None,
        shares,
        objective: &SingleLabel::default(),
        labels: LabelUse::EveryHead,
        tested: true,
    };
    let splits = Splits::new(source, division, Seed::new(seed)).unwrap();
    vec![
        splits.train.samples().to_vec(),
        splits.held_out.samples().to_vec(),
        splits.validation.samples().to_vec(),
        splits.into_test().samples().to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read_as_it_was_but_for_the_rounding_of_depth(
        odd in "[a-z]{0,4}|[ -~äλ\n]{1,12}", grouped: bool, farthest in 0.001_f32..60_000.0, seed: u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let before = memory(16, &odd, grouped, farthest, seed);
        let after = exported(&before, folder.path());
        prop_assert!(after.left_out().is_empty());
        prop_assert_eq!(after.classes(), before.classes());
        prop_assert_eq!(after.len(), before.len());
        prop_assert_eq!(splits(after.as_ref(), seed), splits(&before, seed));
        let units = f64::from(Export::new(&before).unwrap().streams[2].units);
        for index in 0..before.len() {
            prop_assert_eq!(after.sample(index), before.sample(index));
            for (stream, described) in before.streams.iter().enumerate() {
                let position = after.streams().iter().position(|s| s == described).unwrap();
                match (before.read(index, stream).unwrap(), after.read(index, position).unwrap()) {
                    (Media::Depth(before), Media::Depth(after)) => {
                        prop_assert_eq!(before.shape(), after.shape());
                        for (&before, &after) in before.meters().iter().zip(after.meters()) {
                            let (before, after) = (f64::from(before), f64::from(after));
                            // Half a unit, or what makes a measured depth the least one; beyond, float32.
                            let most = if before < 0.5 / units { 1.0 } else { 0.5 } / units + 1e-7 * before.max(after);
                            prop_assert!((before - after).abs() <= most, "{} became {}", before, after);
                            prop_assert_eq!(before == 0.0, after == 0.0);
                        }
                    }
                    (before, after) => prop_assert_eq!(before, after),
                }
            }
        }
    }
}

#[test]
fn a_dataset_that_a_table_cannot_hold_is_refused_before_anything_is_written() {
    let refused = |change: fn(&mut Memory), part: &str| {
        let mut memory = memory(8, "", true, 1.0, 0);
        change(&mut memory);
        let error = Export::new(&memory).err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    refused(|memory| memory.samples[3].id = " x".into(), "a sample's id ` x`");
    refused(|memory| memory.classes[0].clear(), "a class");
    refused(|memory| memory.samples[3].group = None, "sample 33");
    refused(|memory| memory.samples[3].group = Some("x\n".into()), "a group");
    refused(
        |memory| memory.media[5][2] = media(MediaKind::Flow, 1.0, Seed::new(0)),
        "sample 55, stream Depth",
    );
    refused(
        |memory| memory.media[5][2] = media(MediaKind::Depth, 1e6, Seed::new(0)),
        "16 bits",
    );
}
