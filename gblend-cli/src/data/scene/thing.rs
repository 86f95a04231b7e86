//! What a sample shows, drawn from its class and the knobs.

use std::f64::consts::TAU;

use gblend_core::Seed;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::{CLASSES, Scene};

/// One thing and the way it is seen and heard.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    /// The kind that it looks like.
    pub(super) look: usize,
    /// The kind that it is shaped like.
    pub(super) shape: usize,
    /// The kind that it sounds like.
    pub(super) material: usize,
    /// Displacement per frame, x then y, in pixels.
    pub(super) velocity: [f64; 2],
    /// Position of its center in the middle of the clip, in pixels.
    pub(super) center: [f64; 2],
    /// Radius of its outline in pixels.
    pub(super) radius: f64,
    /// Distance of its center in meters.
    pub(super) distance: f64,
    /// Whether its pictures are drawn and not photographed, where captions never mention it.
    pub(super) drawn: bool,
    /// The camera's displacement at each frame and one more, x then y, in pixels.
    pub(super) camera: Vec<[f64; 2]>,
    /// Seed of everything else that is random in its pictures and sounds.
    pub(super) details: Seed,
}

/// The middle of the distances at which things are.
pub(super) const DISTANCE: f64 = 3.0;

/// Spread of the direction of movement at noise 1, in radians: twice the angle between two kinds.
const DIRECTION_SPREAD: f64 = 2.0 * TAU / CLASSES as f64;

/// Spread of the camera's steps at noise 1, in pixels.
const SHAKE: f64 = 0.5;

impl Thing {
    pub(super) fn draw(scene: &Scene, label: usize, seed: Seed) -> Self {
        let cue = |name: &str, distractor: f64| {
            let mut rng = seed.derive(name).rng();
            if rng.random::<f64>() < distractor {
                (label + rng.random_range(1..CLASSES)) % CLASSES
            } else {
                label
            }
        };
        let movement = cue("movement", scene.flow_distractor);
        let mut rng = seed.derive("path").rng();
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let direction =
            TAU * movement as f64 / CLASSES as f64 + normal() * DIRECTION_SPREAD * scene.flow_noise;
        let side = scene.size as f64;
        // The whole path is a third of the picture long, so that the object stays in view.
        let speed = side / 3.0 / scene.frames as f64 * (0.25 * normal()).exp();
        let distance = DISTANCE * (0.15 * normal()).exp();
        let center = [
            0.5 * side + 0.04 * side * normal(),
            0.5 * side + 0.04 * side * normal(),
        ];
        let mut camera = vec![[0.0; 2]];
        for frame in 0..scene.frames {
            let step = SHAKE * scene.flow_noise;
            let [x, y] = camera[frame];
            camera.push([x + step * normal(), y + step * normal()]);
        }
        Self {
            look: cue("look", scene.rgb_distractor),
            shape: cue("shape", scene.depth_distractor),
            material: cue("material", scene.audio_distractor),
            velocity: [speed * direction.cos(), speed * direction.sin()],
            center,
            radius: 0.24 * side * DISTANCE / distance,
            distance,
            camera,
            drawn: seed.derive("style").rng().random::<f64>() < 0.5,
            details: seed.derive("details"),
        }
    }

    /// The center at a frame, the camera's movement included.
    pub(super) fn center_at(&self, frame: usize, frames: usize) -> [f64; 2] {
        let time = frame as f64 - (frames as f64 - 1.0) / 2.0;
        [0, 1].map(|axis| self.center[axis] + self.velocity[axis] * time + self.camera[frame][axis])
    }

    /// Speed in pixels per frame.
    pub(super) fn speed(&self) -> f64 {
        self.velocity[0].hypot(self.velocity[1])
    }
}
