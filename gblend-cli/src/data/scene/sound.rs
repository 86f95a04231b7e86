//! The sound of a thing: a knock and its rolling, colored by the material's resonances, in a noisy room.

use std::f64::consts::TAU;

use gblend_core::media::Waveform;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::thing::{DISTANCE, Thing};
use super::{CLASSES, Scene};

/// Samples per second.
pub(super) const SAMPLE_RATE: u32 = 8000;

/// Frequencies of a free bar's first three modes, relative to the lowest.
const MODES: [f64; 3] = [1.0, 2.756, 5.404];

/// The lowest mode of the deepest and of the highest material, in Hz.
const LOWEST: (f64, f64) = (180.0, 640.0);

/// Spread of the pitch at noise 1, in steps from one material to the next.
const PITCH_SPREAD: f64 = 1.0;

/// Amplitude of the room's noise at noise 1; the knock's is about 0.3.
const ROOM: f64 = 0.1;

/// Speed in pixels per frame of a picture of 24 pixels at which rolling is as loud as it is written.
const ROLLING_SPEED: f64 = 1.5;

/// The sound. Materials differ in pitch and in how long they ring; quick things roll louder, distant ones
/// are quieter.
pub(super) fn waveform(scene: &Scene, thing: &Thing) -> Waveform {
    let mut rng = thing.details.derive("sound").rng();
    let rate = f64::from(SAMPLE_RATE);
    let length = ((scene.seconds * rate).round() as usize).max(1);
    let wobble: f64 = StandardNormal.sample(&mut rng);
    let step = (thing.material as f64 + PITCH_SPREAD * scene.audio_noise * wobble) / (CLASSES - 1) as f64;
    let lowest = LOWEST.0 * (LOWEST.1 / LOWEST.0).powf(step);
    // Every second material rings long, the others are dull.
    let ring = if thing.material.is_multiple_of(2) {
        0.12
    } else {
        0.03
    } * (0.2 * wobble).exp();
    let loudness = DISTANCE / thing.distance;
    let knock = rng.random_range(0.0..0.3) * scene.seconds;
    let rolling = 0.05 * thing.speed() * 24.0 / scene.size as f64 / ROLLING_SPEED;
    let mut resonators: Vec<Resonator> = MODES
        .iter()
        .filter(|&&mode| lowest * mode < 0.45 * rate)
        .map(|&mode| Resonator::new(lowest * mode / rate, ring / mode * rate))
        .collect();
    let knock = (knock * rate) as usize;
    let phase = rng.random_range(0.0..TAU);
    let samples = (0..length)
        .map(|at| {
            let friction: f64 = StandardNormal.sample(&mut rng);
            let hit = if at == knock { 1.0 } else { 0.0 };
            let excitation = hit + 0.2 * rolling * friction;
            let object: f64 = resonators.iter_mut().map(|mode| mode.step(excitation)).sum();
            let room: f64 = StandardNormal.sample(&mut rng);
            let hum = 0.3 * (TAU * 50.0 * at as f64 / rate + phase).sin();
            let value = 0.15 * loudness * object + ROOM * scene.audio_noise * (room + hum);
            value.clamp(-1.0, 1.0) as f32
        })
        .collect();
    Waveform {
        sample_rate: SAMPLE_RATE,
        samples,
    }
}

/// A damped mode: `y[n] = 2r cos(ω) y[n−1] − r² y[n−2] + sin(ω) x[n]`.
struct Resonator {
    feedback: [f64; 2],
    gain: f64,
    last: [f64; 2],
}

impl Resonator {
    /// Of a frequency in cycles per sample that falls by 1/e in `ring` samples.
    fn new(frequency: f64, ring: f64) -> Self {
        let radius = (-1.0 / ring.max(1.0)).exp();
        let omega = TAU * frequency;
        Self {
            feedback: [2.0 * radius * omega.cos(), -radius * radius],
            gain: omega.sin(),
            last: [0.0; 2],
        }
    }

    fn step(&mut self, excitation: f64) -> f64 {
        let [first, second] = self.last;
        let value = self.feedback[0] * first + self.feedback[1] * second + self.gain * excitation;
        self.last = [value, first];
        value
    }
}
