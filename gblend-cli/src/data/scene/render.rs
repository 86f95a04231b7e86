//! Pictures of a thing: color, optical flow and depth of the same pixels.

use std::f64::consts::{PI, TAU};

use gblend_core::media::{DepthMaps, FlowFields, Frames, SequenceShape};
use gblend_core::{Result, Seed};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::thing::Thing;
use super::{CLASSES, Scene};

/// Distance of the wall in meters.
const WALL: f64 = 6.0;

/// How far the object's front stands out of its middle, in meters.
const THICKNESS: f64 = 0.8;

/// Side of a cell of the clutter at a picture of 24 pixels.
const CELL: f64 = 3.0;

fn shape(scene: &Scene, channels: usize) -> SequenceShape {
    SequenceShape {
        frames: scene.frames,
        height: scene.size,
        width: scene.size,
        channels,
    }
}

/// Visits every pixel: frame, the pixel's place on the wall, and its place on the object in radii from the
/// center if the object covers it.
fn each_pixel(scene: &Scene, thing: &Thing, mut visit: impl FnMut(usize, [f64; 2], Option<[f64; 2]>)) {
    for frame in 0..scene.frames {
        let center = thing.center_at(frame, scene.frames);
        let camera = thing.camera[frame];
        for row in 0..scene.size {
            for column in 0..scene.size {
                let at = [column as f64 + 0.5, row as f64 + 0.5];
                let wall = [at[0] - camera[0], at[1] - camera[1]];
                let place = [0, 1].map(|axis| (at[axis] - center[axis]) / thing.radius);
                let covered = place[0].hypot(place[1]) <= 1.0;
                visit(frame, wall, covered.then_some(place));
            }
        }
    }
}

/// A random smooth texture of three channels, different in every sample.
struct Clutter {
    cells: usize,
    cell: f64,
    /// `[rows, columns, 3]`, wrapped around.
    values: Vec<[f64; 3]>,
}

impl Clutter {
    fn new(seed: Seed, size: usize) -> Self {
        const CELLS: usize = 16;
        let mut rng = seed.rng();
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        Self {
            cells: CELLS,
            cell: CELL * size as f64 / 24.0,
            values: (0..CELLS * CELLS)
                .map(|_| [normal(), normal(), normal()])
                .collect(),
        }
    }

    /// Linear interpolation between cells.
    fn at(&self, x: f64, y: f64) -> [f64; 3] {
        let (x, y) = (x / self.cell, y / self.cell);
        let (left, top) = (x.floor(), y.floor());
        let (u, v) = (x - left, y - top);
        let wrap = |value: f64| value.rem_euclid(self.cells as f64) as usize % self.cells;
        let corner = |dx: f64, dy: f64| self.values[wrap(top + dy) * self.cells + wrap(left + dx)];
        let corners = [
            corner(0.0, 0.0),
            corner(1.0, 0.0),
            corner(0.0, 1.0),
            corner(1.0, 1.0),
        ];
        let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
        [0, 1, 2].map(|c| corners.iter().zip(weights).map(|(corner, w)| corner[c] * w).sum())
    }
}

/// A saturated color of this angle on the color circle, around 0.
fn color(angle: f64) -> [f64; 3] {
    [0.0, 1.0, 2.0].map(|third| (angle - TAU * third / 3.0).cos())
}

/// Strength of the object's color and stripes, and of the clutter at noise 1, in parts of full white.
const COLOR: f64 = 0.16;
const STRIPES: f64 = 0.16;
const CLUTTER: f64 = 0.22;
const GRAIN: f64 = 0.03;

/// Where the outline of a thing that is drawn begins, in radii, how bright it is, and the steps of flat colors from black to white.
const OUTLINE: f64 = 0.88;
const INK: f64 = 0.25;
const FLAT: f64 = 8.0;

/// Color frames. The look is the object's color and the direction of its stripes; wall and object are
/// covered by clutter that is the sample's own.
pub(super) fn frames(scene: &Scene, thing: &Thing) -> Result<Frames> {
    let mut rng = thing.details.derive("look").rng();
    let wall = Clutter::new(thing.details.derive("wall"), scene.size);
    let dirt = Clutter::new(thing.details.derive("dirt"), scene.size);
    let base: f64 = rng.random_range(0.4..0.6);
    let step = 1.0 / CLASSES as f64;
    let spread = 0.5 * scene.rgb_noise * step;
    let wobble: f64 = StandardNormal.sample(&mut rng);
    let tint = color(TAU * (thing.look as f64 * step + spread * wobble));
    let wobble: f64 = StandardNormal.sample(&mut rng);
    // Five kinds on is a different turn of the stripes than of the color, so that neighbors in one differ
    // in the other.
    let turn = PI * ((thing.look * 3 % CLASSES) as f64 * step + spread * wobble);
    let (phase, stripes) = (rng.random_range(0.0..TAU), rng.random_range(2.0..3.0));
    let clutter = CLUTTER * scene.rgb_noise;
    let drawn = scene.captions && thing.drawn;
    let mut pixels = Vec::with_capacity(shape(scene, 3).len());
    each_pixel(scene, thing, |_, place, object| {
        let value = match object {
            None => wall.at(place[0], place[1]).map(|c| base + clutter * c),
            Some([x, y]) => {
                let wave = (TAU * stripes / 2.0 * (x * turn.cos() + y * turn.sin()) + phase).sin();
                let dirt = dirt.at(x * thing.radius, y * thing.radius);
                [0, 1, 2].map(|c| base + COLOR * tint[c] + STRIPES * wave + clutter * dirt[c])
            }
        };
        let outlined = object.is_some_and(|[x, y]| x.hypot(y) > OUTLINE);
        for channel in value {
            let grain: f64 = StandardNormal.sample(&mut rng);
            let seen = match (drawn, outlined) {
                (false, _) => channel + GRAIN * grain,
                (true, true) => INK,
                (true, false) => (channel * FLAT).round() / FLAT,
            };
            pixels.push((255.0 * seen).round().clamp(0.0, 255.0) as u8);
        }
    });
    Frames::new(shape(scene, 3), pixels)
}

/// The exact displacement of every pixel to the next frame.
pub(super) fn flow(scene: &Scene, thing: &Thing) -> Result<FlowFields> {
    let mut vectors = Vec::with_capacity(shape(scene, 2).len());
    each_pixel(scene, thing, |frame, _, object| {
        for axis in [0, 1] {
            let shake = thing.camera[frame + 1][axis] - thing.camera[frame][axis];
            let own = if object.is_some() {
                thing.velocity[axis]
            } else {
                0.0
            };
            vectors.push((own + shake) as f32);
        }
    });
    FlowFields::new(shape(scene, 2), vectors)
}

/// Height of the object's front over its middle, at a place in radii from its center, for each kind.
fn relief(kind: usize, [x, y]: [f64; 2]) -> f64 {
    let r = x.hypot(y);
    match kind {
        0 => (1.0 - r * r).max(0.0).sqrt(),
        1 => 1.0 - r,
        2 => x,
        3 => y,
        4 => r * r,
        5 => 1.0 - x.abs().max(y.abs()),
        6 => -x,
        _ => (PI * r).cos(),
    }
}

/// Spread of the sensor's error at noise 1, in meters.
const SENSOR: f64 = 0.6;

/// Depth of every pixel in meters. The shape is the relief of the object's front; the sensor errs, and
/// misses some pixels.
pub(super) fn depth(scene: &Scene, thing: &Thing) -> Result<DepthMaps> {
    let mut rng = thing.details.derive("sensor").rng();
    let tilt: [f64; 2] = [rng.random_range(-0.3..0.3), rng.random_range(-0.3..0.3)];
    let missing = (0.05 * scene.depth_noise).min(0.5);
    let mut meters = Vec::with_capacity(shape(scene, 1).len());
    each_pixel(scene, thing, |_, place, object| {
        let side = scene.size as f64;
        let exact = match object {
            None => {
                WALL + (0..2)
                    .map(|axis| tilt[axis] * (2.0 * place[axis] / side - 1.0))
                    .sum::<f64>()
            }
            Some(place) => thing.distance - THICKNESS * relief(thing.shape, place),
        };
        let error: f64 = StandardNormal.sample(&mut rng);
        let measured = exact + SENSOR * scene.depth_noise * error;
        let missed = rng.random::<f64>() < missing;
        meters.push(if missed { 0.0 } else { measured.max(0.1) as f32 });
    });
    DepthMaps::new(shape(scene, 1), meters)
}
