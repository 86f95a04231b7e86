//! A procedural world that needs no file.
//!
//! Every sample shows one thing: a textured object that moves in front of a textured wall and sounds. It is
//! rendered to color frames, with the exact optical flow and depth of the same pixels, and a sound made of
//! the resonances of its material. A kind of thing (the class) has a typical look, movement, shape and
//! material; each stream shows one of the four. Two knobs per stream set how hard it is:
//!
//! - `noise` blurs the stream's evidence sample by sample (clutter, wandering directions, sensor noise, a
//!   noisy room);
//! - `distractor` is the share of things that are untypical in this one respect: they look, move, are
//!   shaped or sound like another kind. No single stream can tell those, and no stream carries the label
//!   fully.
//!
//! The label may also be a number, the distance of the thing: it looks and sounds smaller from afar, its movement covers
//! less of the picture, and depth has it outright.
//!
//! The default follows what makes multimodal training hard: frames full of texture that can be memorized
//! sample by sample and yet informative, beside movement and sound, which are low-dimensional, say more, and can
//! hardly be memorized.

mod caption;
mod render;
mod sound;
mod thing;

use gblend_core::media::{Media, MediaKind};
use gblend_core::{
    Dataset, Error, FurtherLabel, Label, LabelKind, OpenContext, Partition, Result, Sample, Seed, Source,
    Stream,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use thing::Thing;

/// Kinds of things.
pub(super) const CLASSES: usize = 8;

/// Their names: what one would call a thing of this look, movement, shape and material.
const NAMES: [&str; CLASSES] = [
    "acorn", "bell", "bottle", "coin", "crate", "drum", "kettle", "marble",
];

/// Changes whenever a sample of the same settings would look different.
const VERSION: u32 = 1;

/// The built-in procedural world: colored frames, exact optical flow, exact depth and sound of a moving object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scene {
    /// Seed of the world. It does not depend on the seed of the run, so runs with different seeds see the
    /// same samples.
    pub seed: u64,
    /// What the label of a sample is.
    #[serde(skip_serializing_if = "Target::is_kind")]
    pub target: Target,
    /// Whether there is a stream `caption`, a text with a coarse vocabulary that says the color of the thing, how far it is and
    /// where it moves to. Then half of the things are drawn and half are photographed, at random, which captions never mention:
    /// what a tower that matches pictures with captions may forget. The labels `style`, `look` and `color` tell it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub captions: bool,
    /// Samples to train on, validation included.
    pub train_samples: usize,
    /// Samples for the final evaluation; 0 for a run that is not tested.
    pub test_samples: usize,
    /// Frames of a sample.
    pub frames: usize,
    /// Height and width of a frame in pixels.
    pub size: usize,
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// What covers the look of things: clutter on the wall and on them, wandering colors. 0 for none, 1 for
    /// about as strong as the look itself.
    pub rgb_noise: f64,
    /// Share of things that look like another kind, 0 to 1.
    pub rgb_distractor: f64,
    /// What covers their movement: wandering directions and a shaking camera.
    pub flow_noise: f64,
    /// Share of things that move like another kind.
    pub flow_distractor: f64,
    /// What covers their shape: errors and gaps of the depth sensor.
    pub depth_noise: f64,
    /// Share of things that are shaped like another kind.
    pub depth_distractor: f64,
    /// What covers their material: wandering pitch and a noisy room.
    pub audio_noise: f64,
    /// Share of things that sound like another kind.
    pub audio_distractor: f64,
}

/// What the label of a sample is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The kind of the thing, one of eight classes.
    #[default]
    Kind,
    /// Its distance in meters, a number, of which every stream tells a part: for regression.
    Distance,
}

impl Target {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference.
    fn is_kind(&self) -> bool {
        *self == Self::Kind
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            seed: 0,
            target: Target::Kind,
            captions: false,
            train_samples: 1000,
            test_samples: 1000,
            frames: 6,
            size: 24,
            seconds: 0.4,
            rgb_noise: 1.1,
            rgb_distractor: 0.3,
            flow_noise: 0.2,
            flow_distractor: 0.2,
            depth_noise: 0.5,
            depth_distractor: 0.2,
            audio_noise: 0.4,
            audio_distractor: 0.25,
        }
    }
}

impl Scene {
    fn check(&self) -> Result<()> {
        let within = |key: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(Error::setting(key, value, format!("{least} to {most}")))
            }
        };
        within("train_samples", self.train_samples, CLASSES, 10_000_000)?;
        if self.has_test() {
            within("test_samples", self.test_samples, CLASSES, 10_000_000)?;
        }
        within("frames", self.frames, 1, 1000)?;
        within("size", self.size, 8, 1024)?;
        if !(self.seconds > 0.0 && self.seconds <= 60.0) {
            return Err(Error::setting("seconds", self.seconds, "above 0, at most 60"));
        }
        for (name, noise, distractor) in [
            ("rgb", self.rgb_noise, self.rgb_distractor),
            ("flow", self.flow_noise, self.flow_distractor),
            ("depth", self.depth_noise, self.depth_distractor),
            ("audio", self.audio_noise, self.audio_distractor),
        ] {
            if !(noise.is_finite() && noise >= 0.0) {
                let key = format!("{name}_noise");
                return Err(Error::setting(key, noise, "a number that is not negative"));
            }
            if !(0.0..=1.0).contains(&distractor) {
                let key = format!("{name}_distractor");
                return Err(Error::setting(key, distractor, "a share from 0 to 1"));
            }
        }
        Ok(())
    }
}

#[typetag::serde(name = "scene")]
impl Dataset for Scene {
    fn has_test(&self) -> bool {
        self.test_samples > 0
    }

    fn open(&self, _: &OpenContext<'_>) -> Result<Box<dyn Source>> {
        self.check()?;
        let stream = |name: &str, media| Stream {
            name: name.to_owned(),
            media,
        };
        // Samples look the same whatever their label is.
        let shown = Self {
            target: Target::Kind,
            ..self.clone()
        };
        let mut streams = vec![
            stream("camera", MediaKind::Frames),
            stream("motion", MediaKind::Flow),
            stream("distance", MediaKind::Depth),
            stream("microphone", MediaKind::Waveform),
        ];
        if self.captions {
            streams.push(stream("caption", MediaKind::Text));
        }
        let samples = 0..self.train_samples + self.test_samples;
        Ok(Box::new(World {
            further_labels: caption::further_labels(self, samples.map(|index| thing(self, index))),
            settings: serde_json::to_string(&shown).map_err(Error::plugin)?,
            scene: self.clone(),
            classes: match self.target {
                Target::Kind => NAMES.map(str::to_owned).to_vec(),
                Target::Distance => Vec::new(),
            },
            streams,
        }))
    }
}

gblend_core::register!(Data, "scene" => Scene);

/// The world as opened.
struct World {
    scene: Scene,
    settings: String,
    classes: Vec<String>,
    streams: Vec<Stream>,
    further_labels: Vec<FurtherLabel>,
}

fn thing(scene: &Scene, index: usize) -> Thing {
    let seed = Seed::new(scene.seed).derive("scene").nth(index as u64);
    Thing::draw(scene, index % CLASSES, seed)
}

impl World {
    fn thing(&self, index: usize) -> Thing {
        thing(&self.scene, index)
    }
}

impl Source for World {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn label_kind(&self) -> LabelKind {
        match self.scene.target {
            Target::Kind => LabelKind::Class,
            Target::Distance => LabelKind::Number,
        }
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn further_labels(&self) -> &[FurtherLabel] {
        &self.further_labels
    }

    fn len(&self) -> usize {
        self.scene.train_samples + self.scene.test_samples
    }

    fn sample(&self, index: usize) -> Sample {
        Sample {
            id: format!("scene-{index}"),
            label: match self.scene.target {
                Target::Kind => Label::Class(index % CLASSES),
                Target::Distance => Label::Number(self.thing(index).distance),
            },
            group: None,
            partition: if index < self.scene.train_samples {
                Partition::Train
            } else {
                Partition::Test
            },
        }
    }

    fn read(&self, index: usize, stream: usize) -> Result<Media> {
        let thing = self.thing(index);
        match self.streams[stream].media {
            MediaKind::Frames => render::frames(&self.scene, &thing).map(Media::Frames),
            MediaKind::Flow => render::flow(&self.scene, &thing).map(Media::Flow),
            MediaKind::Depth => render::depth(&self.scene, &thing).map(Media::Depth),
            MediaKind::Text => Ok(Media::Text(caption::caption(&thing))),
            _ => Ok(Media::Waveform(sound::waveform(&self.scene, &thing))),
        }
    }

    fn fingerprint(&self, index: usize, stream: usize) -> Result<String> {
        Ok(format!(
            "scene {VERSION} {index} {} {}",
            self.streams[stream].name, self.settings
        ))
    }
}

#[cfg(test)]
mod tests;
