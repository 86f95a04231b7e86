//! AV-MNIST: pictures of handwritten digits and recordings of spoken ones.
//!
//! MNIST pictures and recordings of the Free Spoken Digit Dataset are paired by label (Vielzeuf et al.,
//! "CentralNet", ECCV workshops 2018). Pictures keep MNIST's division into train and test; recordings are
//! divided by speaker, so that no voice of the test set was heard in training. Two knobs make the task as
//! hard as the benchmark: the share of the pictures' energy that a principal component analysis keeps, and
//! noise in the recordings.

mod energy;
pub(crate) mod idx;
pub(crate) mod recordings;

use std::path::{Path, PathBuf};

use gblend_core::media::{Frames, Media, MediaKind, SequenceShape, Waveform};
use gblend_core::{
    Dataset, Error, FurtherLabel, OpenContext, Partition, Result, Sample, Seed, Source, Stream,
};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use energy::EnergyFilter;
use idx::{Pictures, read_labels, read_pictures};
use recordings::Recordings;

/// Digits.
const CLASSES: usize = 10;

/// MNIST digits paired with spoken digits of the Free Spoken Digit Dataset, from their original files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvMnist {
    /// Folder with MNIST's four IDX files, gzipped or not.
    pub mnist: PathBuf,
    /// Folder with the recordings, `{digit}_{speaker}_{number}.wav`.
    pub fsdd: PathBuf,
    /// Speakers whose recordings are for the final evaluation only.
    #[serde(default = "test_speakers")]
    pub test_speakers: Vec<String>,
    /// Samples to train on, validation included: the first ones of MNIST. Default: all 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_samples: Option<usize>,
    /// Samples for the final evaluation: the first ones of MNIST. Default: all 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_samples: Option<usize>,
    /// Share of the pictures' energy (variance) that is kept, by as many principal components as reach it:
    /// 1 keeps the pictures as they are, the benchmark's 0.25 keeps four components.
    #[serde(default = "whole")]
    pub image_energy: f64,
    /// Signal-to-noise ratio of the recordings in decibels, by added white noise. Default: none is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_snr: Option<f64>,
    /// Seed of the pairing and of the noise.
    #[serde(default)]
    pub seed: u64,
}

fn test_speakers() -> Vec<String> {
    ["theo", "yweweler"].map(str::to_owned).to_vec()
}

fn whole() -> f64 {
    1.0
}

#[typetag::serde(name = "avmnist")]
impl Dataset for AvMnist {
    fn open(&self, cx: &OpenContext<'_>) -> Result<Box<dyn Source>> {
        if !(self.image_energy > 0.0 && self.image_energy <= 1.0) {
            return Err(Error::setting(
                "image_energy",
                self.image_energy,
                "above 0, at most 1",
            ));
        }
        if let Some(ratio) = self.audio_snr
            && !(-100.0..=200.0).contains(&ratio)
        {
            return Err(Error::setting("audio_snr", ratio, "-100 to 200 decibels"));
        }
        let mnist = cx.base.join(&self.mnist);
        let train = Digits::open(&mnist, "train", self.train_samples, "train_samples")?;
        let test = Digits::open(&mnist, "t10k", self.test_samples, "test_samples")?;
        if (train.pictures.height, train.pictures.width) != (test.pictures.height, test.pictures.width) {
            let found = format!("pictures of {}x{}", test.pictures.height, test.pictures.width);
            let expected = format!(
                "{}x{} as in training",
                train.pictures.height, train.pictures.width
            );
            return Err(Error::data(
                mnist.display(),
                format!("{found} for the test, expected {expected}"),
            ));
        }
        let recordings = Recordings::open(&cx.base.join(&self.fsdd), &self.test_speakers)?;
        let seed = Seed::new(self.seed).derive("avmnist");
        let mut pairs = Vec::with_capacity(train.labels.len() + test.labels.len());
        for (partition, digits) in [(Partition::Train, &train), (Partition::Test, &test)] {
            let mut rng = seed.derive(&format!("{partition:?}")).rng();
            for (picture, &label) in digits.labels.iter().enumerate() {
                let spoken = recordings.of(label, partition == Partition::Test)?;
                let recording = spoken[rng.random_range(0..spoken.len())];
                pairs.push(Pair {
                    partition,
                    picture,
                    label,
                    recording,
                });
            }
        }
        let filter = (self.image_energy < 1.0)
            .then(|| EnergyFilter::fit(&train.pictures, train.labels.len(), self.image_energy));
        let stream = |name: &str, media| Stream {
            name: name.to_owned(),
            media,
        };
        Ok(Box::new(Opened {
            settings: format!("{} {:?} {}", self.image_energy, self.audio_snr, self.seed),
            audio_snr: self.audio_snr,
            seed,
            classes: (0..CLASSES).map(|digit| digit.to_string()).collect(),
            streams: vec![
                stream("image", MediaKind::Frames),
                stream("audio", MediaKind::Waveform),
            ],
            filter,
            further_labels: further_labels(&pairs, &recordings, [&train.pictures, &test.pictures]),
            recordings,
            pairs,
            train: train.pictures,
            test: test.pictures,
        }))
    }
}

gblend_core::register!(Data, "avmnist" => AvMnist);

/// One part of MNIST, cut to the asked number of samples.
struct Digits {
    pictures: Pictures,
    labels: Vec<usize>,
}

impl Digits {
    fn open(folder: &Path, part: &str, wanted: Option<usize>, key: &str) -> Result<Self> {
        let mut pictures = read_pictures(folder, &format!("{part}-images-idx3-ubyte"))?;
        let name = format!("{part}-labels-idx1-ubyte");
        let mut labels = read_labels(folder, &name, CLASSES)?;
        if labels.len() != pictures.count {
            let problem = format!(
                "{} labels in {name}, expected one for each of the {} pictures",
                labels.len(),
                pictures.count
            );
            return Err(Error::data(folder.display(), problem));
        }
        match wanted {
            Some(0) => Err(Error::setting(key, 0, "at least 1")),
            Some(wanted) if wanted > labels.len() => Err(Error::setting(
                key,
                wanted,
                format!("at most the {} there are", labels.len()),
            )),
            Some(wanted) => {
                labels.truncate(wanted);
                pictures.truncate(wanted);
                Ok(Self { pictures, labels })
            }
            None => Ok(Self { pictures, labels }),
        }
    }
}

/// A picture and a recording of one digit.
struct Pair {
    partition: Partition,
    picture: usize,
    label: usize,
    recording: usize,
}

struct Opened {
    settings: String,
    audio_snr: Option<f64>,
    seed: Seed,
    classes: Vec<String>,
    streams: Vec<Stream>,
    train: Pictures,
    test: Pictures,
    filter: Option<EnergyFilter>,
    recordings: Recordings,
    pairs: Vec<Pair>,
    further_labels: Vec<FurtherLabel>,
}

/// Labels that no digit tells: who speaks, and how thick the strokes are, in thirds of the ink of the training pictures.
fn further_labels(pairs: &[Pair], recordings: &Recordings, pictures: [&Pictures; 2]) -> Vec<FurtherLabel> {
    let ink_of = |pair: &Pair| -> u64 {
        let pictures = pictures[usize::from(pair.partition == Partition::Test)];
        pictures
            .get(pair.picture)
            .iter()
            .map(|&pixel| u64::from(pixel))
            .sum()
    };
    let training = pairs.iter().filter(|pair| pair.partition == Partition::Train);
    let mut ink: Vec<u64> = training.map(ink_of).collect();
    ink.sort_unstable();
    let third = |number: usize| ink.get(number * ink.len() / 3).copied().unwrap_or(0);
    let (thin, thick) = (third(1), third(2));
    let stroke = pairs.iter().map(|pair| match ink_of(pair) {
        ink if ink < thin => "thin",
        ink if ink < thick => "medium",
        _ => "thick",
    });
    let stroke: Vec<&str> = stroke.collect();
    let speaker = pairs.iter().map(|pair| recordings.name(pair.recording).1);
    vec![
        FurtherLabel::of_values("speaker", speaker),
        FurtherLabel::of_values("stroke", stroke),
    ]
}

impl Opened {
    fn pictures(&self, partition: Partition) -> &Pictures {
        match partition {
            Partition::Test => &self.test,
            Partition::Train | Partition::Validation => &self.train,
        }
    }

    fn image(&self, pair: &Pair) -> Result<Media> {
        let pictures = self.pictures(pair.partition);
        let picture = pictures.get(pair.picture);
        let pixels = match &self.filter {
            Some(filter) => filter.apply(picture),
            None => picture.to_vec(),
        };
        let shape = SequenceShape {
            frames: 1,
            height: pictures.height,
            width: pictures.width,
            channels: 1,
        };
        Frames::new(shape, pixels).map(Media::Frames)
    }

    fn audio(&self, index: usize, pair: &Pair) -> Result<Media> {
        let mut sound = self.recordings.read(pair.recording)?;
        if let Some(ratio) = self.audio_snr {
            add_noise(&mut sound, ratio, self.seed.derive("noise").nth(index as u64));
        }
        Ok(Media::Waveform(sound))
    }
}

/// Adds white noise whose power is `ratio` decibels below that of the sound.
fn add_noise(sound: &mut Waveform, ratio: f64, seed: Seed) {
    let squares: f64 = sound.samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    let power = squares / sound.samples.len().max(1) as f64;
    let deviation = (power / 10_f64.powf(ratio / 10.0)).sqrt();
    let mut rng = seed.rng();
    for sample in &mut sound.samples {
        let noise: f64 = StandardNormal.sample(&mut rng);
        *sample += (deviation * noise) as f32;
    }
}

impl Source for Opened {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn further_labels(&self) -> &[FurtherLabel] {
        &self.further_labels
    }

    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn sample(&self, index: usize) -> Sample {
        let pair = &self.pairs[index];
        let part = if pair.partition == Partition::Test {
            "t10k"
        } else {
            "train"
        };
        let (file, speaker) = self.recordings.name(pair.recording);
        Sample {
            id: format!("{part}[{}]+{file}", pair.picture),
            label: pair.label.into(),
            group: Some(speaker.to_owned()),
            partition: pair.partition,
        }
    }

    fn read(&self, index: usize, stream: usize) -> Result<Media> {
        let pair = &self.pairs[index];
        if stream == 0 {
            self.image(pair)
        } else {
            self.audio(index, pair)
        }
    }

    fn fingerprint(&self, index: usize, stream: usize) -> Result<String> {
        let pair = &self.pairs[index];
        let content = if stream == 0 {
            let fitted = self.filter.as_ref().map_or("", |filter| &filter.identity);
            let picture = self.pictures(pair.partition).get(pair.picture);
            format!("{} {fitted}", blake3::hash(picture).to_hex())
        } else if self.audio_snr.is_some() {
            // The noise is the sample's own.
            format!("{} {index}", self.recordings.fingerprint(pair.recording)?)
        } else {
            self.recordings.fingerprint(pair.recording)?.to_owned()
        };
        Ok(format!("avmnist 1 {} {content}", self.settings))
    }
}

#[cfg(test)]
mod tests;
