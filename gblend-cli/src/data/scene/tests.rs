#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use proptest::prelude::*;
use std::path::Path;

fn open(scene: &Scene) -> Box<dyn Source> {
    scene
        .open(&OpenContext {
            base: Path::new("."),
            seed: Seed::new(0),
        })
        .unwrap()
}

fn small() -> Scene {
    Scene {
        train_samples: 16,
        test_samples: 8,
        ..Scene::default()
    }
}

fn still(noise: f64) -> Scene {
    Scene {
        rgb_noise: noise,
        flow_noise: noise,
        depth_noise: noise,
        audio_noise: noise,
        ..small()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_sample_is_the_same_whenever_it_is_read(index in 0_usize..24, stream in 0_usize..4) {
        let (a, b) = (open(&small()), open(&small()));
        prop_assert_eq!(a.read(index, stream).unwrap(), b.read(index, stream).unwrap());
    }

    #[test]
    fn another_seed_is_another_world(index in 0_usize..24, stream in 0_usize..4, seed in 1_u64..1000) {
        let (a, b) = (open(&small()), open(&Scene { seed, ..small() }));
        prop_assert_ne!(a.read(index, stream).unwrap(), b.read(index, stream).unwrap());
        prop_assert_ne!(a.fingerprint(index, stream).unwrap(), b.fingerprint(index, stream).unwrap());
    }

    #[test]
    fn more_samples_leave_the_first_ones_as_they_are(index in 0_usize..16, stream in 0_usize..4) {
        let (a, b) = (open(&small()), open(&Scene { train_samples: 64, ..small() }));
        prop_assert_eq!(a.read(index, stream).unwrap(), b.read(index, stream).unwrap());
    }

    #[test]
    fn flow_takes_each_pixel_of_the_object_to_the_object(index in 0_usize..16, noise in 0.0..1.0) {
        // Exact flow: a pixel of the object, moved by its vector, lies on the object of the next frame.
        let scene = still(noise);
        let world = open(&scene);
        let (Media::Flow(flow), Media::Depth(depth)) = (world.read(index, 1).unwrap(), world.read(index, 2).unwrap())
        else { panic!("streams 1 and 2 are flow and depth") };
        let thing = Thing::draw(&scene, index % CLASSES, Seed::new(0).derive("scene").nth(index as u64));
        let pixels = scene.size * scene.size;
        let mut moved = 0;
        for frame in 0..scene.frames - 1 {
            let [now, next] = [frame, frame + 1].map(|frame| thing.center_at(frame, scene.frames));
            for pixel in 0..pixels {
                let (x, y) = ((pixel % scene.size) as f64 + 0.5, (pixel / scene.size) as f64 + 0.5);
                if (x - now[0]).hypot(y - now[1]) < 0.95 * thing.radius {
                    let at = 2 * (frame * pixels + pixel);
                    let vector = [flow.vectors()[at], flow.vectors()[at + 1]].map(f64::from);
                    let place = [x + vector[0] - next[0], y + vector[1] - next[1]];
                    prop_assert!((place[0] - (x - now[0])).abs() < 1e-5 && (place[1] - (y - now[1])).abs() < 1e-5);
                    moved += 1;
                }
            }
        }
        prop_assert!(moved > 20 * (scene.frames - 1), "the object is out of view: {}", moved);
        prop_assert!(depth.meters().iter().all(|&meters| (0.0..20.0).contains(&meters)));
    }
}

#[test]
fn without_distractors_every_cue_is_that_of_the_label_and_with_them_the_asked_share_is_not() {
    let share = |distractor: f64| {
        let scene = Scene {
            rgb_distractor: distractor,
            depth_distractor: distractor,
            audio_distractor: distractor,
            ..small()
        };
        let things = (0..4000).map(|i| {
            (
                i % CLASSES,
                Thing::draw(&scene, i % CLASSES, Seed::new(1).nth(i as u64)),
            )
        });
        let wrong = things.map(|(label, thing)| {
            [thing.look != label, thing.shape != label, thing.material != label].map(usize::from)
        });
        wrong.fold([0, 0, 0], |sum, wrong| [0, 1, 2].map(|i| sum[i] + wrong[i]))
    };
    assert_eq!(share(0.0), [0, 0, 0]);
    assert_eq!(share(1.0), [4000, 4000, 4000]);
    for count in share(0.3) {
        assert!((1200 - 120..1200 + 120).contains(&count), "{count}");
    }
}

#[test]
fn a_distractor_in_one_stream_leaves_the_others_alone() {
    let distracted = Scene {
        audio_distractor: 1.0,
        ..small()
    };
    let (plain, distracted) = (open(&small()), open(&distracted));
    for stream in 0..3 {
        assert_eq!(
            plain.read(3, stream).unwrap(),
            distracted.read(3, stream).unwrap()
        );
    }
    assert_ne!(plain.read(3, 3).unwrap(), distracted.read(3, 3).unwrap());
}

#[test]
fn classes_are_balanced_and_partitions_have_the_asked_sizes() {
    let world = open(&small());
    let samples: Vec<Sample> = (0..world.len()).map(|index| world.sample(index)).collect();
    assert_eq!(
        samples.iter().filter(|s| s.partition == Partition::Test).count(),
        8
    );
    for class in 0..CLASSES {
        assert_eq!(samples.iter().filter(|s| s.label == class.into()).count(), 3);
    }
}

#[test]
fn a_distance_in_the_place_of_the_kind_changes_the_label_alone() {
    let far = Scene {
        target: Target::Distance,
        ..small()
    };
    let (kinds, distances) = (open(&small()), open(&far));
    assert_eq!(distances.label_kind(), LabelKind::Number);
    assert!(distances.classes().is_empty());
    for index in 0..distances.len() {
        let (Label::Number(distance), kind) = (distances.sample(index).label, kinds.sample(index)) else {
            panic!("no number")
        };
        assert!((1.0..8.0).contains(&distance), "{distance}");
        let same = Sample {
            label: Label::Number(distance),
            ..kind
        };
        assert_eq!(distances.sample(index), same);
        for stream in 0..4 {
            assert_eq!(
                kinds.fingerprint(index, stream).unwrap(),
                distances.fingerprint(index, stream).unwrap()
            );
        }
    }
    assert_eq!(kinds.read(3, 2).unwrap(), distances.read(3, 2).unwrap());
}

#[test]
fn captions_change_pictures_alone_and_what_they_leave_out_is_a_label() {
    let captioned = Scene {
        captions: true,
        ..small()
    };
    let (plain, world) = (open(&small()), open(&captioned));
    assert!(plain.further_labels().is_empty() && plain.streams().len() == 4);
    let [style, look, color] = world.further_labels() else {
        panic!("three labels")
    };
    assert_eq!(style.classes, ["drawn", "photographed"]);
    assert_eq!((look.classes.len(), color.classes.len()), (8, 4));
    let mut drawn = 0;
    for index in 0..world.len() {
        let Media::Text(caption) = world.read(index, 4).unwrap() else {
            panic!("a caption")
        };
        let named = &color.classes[color.of_samples[index].unwrap() as usize];
        assert!(caption.starts_with(&format!("a {named} thing, ")), "{caption}");
        for never in style.classes.iter().chain(&look.classes) {
            assert!(!caption.contains(never.as_str()), "{caption}");
        }
        let is_drawn = style.of_samples[index] == Some(0);
        drawn += usize::from(is_drawn);
        let same = plain.read(index, 0).unwrap() == world.read(index, 0).unwrap();
        assert_eq!(same, !is_drawn);
        for stream in 1..4 {
            assert_eq!(
                plain.read(index, stream).unwrap(),
                world.read(index, stream).unwrap()
            );
        }
    }
    assert!((6..=18).contains(&drawn), "{drawn}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    for (scene, key) in [
        (
            Scene {
                train_samples: 0,
                ..small()
            },
            "train_samples",
        ),
        (Scene { size: 4, ..small() }, "size"),
        (Scene { frames: 0, ..small() }, "frames"),
        (
            Scene {
                seconds: f64::NAN,
                ..small()
            },
            "seconds",
        ),
        (
            Scene {
                flow_noise: -1.0,
                ..small()
            },
            "flow_noise",
        ),
        (
            Scene {
                audio_distractor: 1.5,
                ..small()
            },
            "audio_distractor",
        ),
    ] {
        let error = scene
            .open(&OpenContext {
                base: Path::new("."),
                seed: Seed::new(0),
            })
            .err()
            .unwrap();
        assert!(error.to_string().contains(key), "{error}");
    }
}
