//! Input without variation: a silent recording, a black picture, a sensor that was not plugged in.
//!
//! What normalizes by a spread divides by zero there, and the derivative of a square root at zero is infinite. A modality
//! gets it as media, so that its encoder sees what `prepare` makes of them and nothing else: a mask of steps that are there, or
//! the ids of tokens, are no values that could be any others.

use super::built::{Built, each_parameter};
use super::difference::all_finite;
use super::tensors::{finite, gradients_of};
use super::{Rule, Violation};
use crate::array::Array;
use crate::error::Result;
use crate::media::{DepthMaps, FlowFields, Frames, Media, Waveform};
use crate::params::Module;
use crate::pass::Pass;
use crate::seed::Seed;

/// The values that all of an input has: constants, the smallest normal number, and denormal ones.
pub(super) const VALUES: [f32; 6] = [0.0, 1.0, -1.0, f32::MIN_POSITIVE, 1e-40, -1e-45];

/// Media of the kind and size of `like` without variation, each with what messages call it.
pub(super) fn media(like: &Media) -> Result<Vec<(String, Media)>> {
    let named = |what: &str, media: Media| (format!("{what} alone"), media);
    match like {
        Media::Frames(frames) => [0, 1, 255]
            .into_iter()
            .map(|value| {
                let pixels = vec![value; frames.pixels().len()];
                let frames = Frames::new(frames.shape(), pixels)?;
                Ok(named(&format!("pixels of {value}"), Media::Frames(frames)))
            })
            .collect(),
        Media::Flow(fields) => VALUES
            .into_iter()
            .map(|value| {
                let fields = FlowFields::new(fields.shape(), vec![value; fields.vectors().len()])?;
                Ok(named(&format!("flow of {value:e}"), Media::Flow(fields)))
            })
            .collect(),
        Media::Depth(maps) => VALUES
            .into_iter()
            .filter(|&value| value >= 0.0)
            .map(|value| {
                let maps = DepthMaps::new(maps.shape(), vec![value; maps.meters().len()])?;
                Ok(named(&format!("depth of {value:e} m"), Media::Depth(maps)))
            })
            .collect(),
        Media::Waveform(sound) => {
            let flat = |value| Waveform {
                sample_rate: sound.sample_rate,
                samples: vec![value; sound.samples.len()],
            };
            let named = |value| named(&format!("sound of {value:e}"), Media::Waveform(flat(value)));
            Ok(VALUES.map(named).to_vec())
        }
        Media::Array(array) => VALUES
            .into_iter()
            .map(|value| {
                let array = Array::new(array.shape(), vec![value; array.len()])?;
                Ok(named(&format!("values of {value:e}"), Media::Array(array)))
            })
            .collect(),
        Media::Text(text) => {
            let one = "a".repeat(text.chars().count());
            Ok(vec![
                ("an empty text".to_owned(), Media::Text(String::new())),
                named("the letter a", Media::Text(one)),
            ])
        }
    }
}

impl<M: Module + ?Sized> Built<'_, M> {
    /// Output and gradients of parameters are finite in every mode.
    pub(super) fn check_finite(&self, rule: Rule) -> Result<(), Violation> {
        let samples: Vec<usize> = (0..self.samples).collect();
        let mut module = self.module(Seed::new(1))?;
        let module = module.as_mut();
        // After a training pass running statistics tell of no variation either.
        for pass in [Pass::evaluate(), Pass::train(Seed::new(2)), Pass::evaluate()] {
            let what = || format!("a pass to {:?}", pass.mode());
            let features = rule.works(what(), (self.run)(module, &samples, &pass))?;
            let (batch, length) = *features.shape();
            all_finite(rule, "the output", &[batch, length], &features.to_vec())?;
        }
        let pass = Pass::train(Seed::new(3));
        let features = rule.works("a training pass", (self.run)(module, &samples, &pass))?;
        let mut gradients = rule.works("the backward pass", gradients_of(features))?;
        let mut odd = Vec::new();
        each_parameter(module, |path, param| {
            if !finite(param.gradient(&mut gradients)?.values()) {
                odd.push(path.to_string());
            }
            Ok(())
        })?;
        rule.holds(
            odd.is_empty(),
            "finite gradients",
            format!("others for {}", odd.join(", ")),
        )
    }
}
