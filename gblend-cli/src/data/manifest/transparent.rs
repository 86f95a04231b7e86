//! What is transparent lies over black, whoever decodes it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use gblend_core::Media;
use gblend_core::media::Frames;

use super::tests::read;

/// One color, which is opaque on the left, invisible in the upper right quarter, and half there below it.
const SIDE: usize = 32;
const COLOR: [u8; 3] = [200, 100, 50];
const FRAMES: usize = 3;

fn opacity(x: usize, y: usize) -> u8 {
    match (x < SIDE / 2, y < SIDE / 2) {
        (true, _) => 255,
        (false, true) => 0,
        (false, false) => 128,
    }
}

fn raw(opacity: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let pixels = (0..SIDE * SIDE).flat_map(|at| {
        let [red, green, blue] = COLOR;
        [red, green, blue, opacity(at % SIDE, at / SIDE)]
    });
    pixels.collect::<Vec<u8>>().repeat(FRAMES)
}

/// Writes a clip of these pixels; `false` if this ffmpeg lacks the coder or there is none.
fn clip(folder: &Path, name: &str, pixels: &[u8], arguments: &[&str]) -> bool {
    std::fs::write(folder.join("raw"), pixels).unwrap();
    let size = format!("{SIDE}x{SIDE}");
    Command::new("ffmpeg")
        .args([
            "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgba", "-r", "5",
        ])
        .args(["-s", &size, "-i", "raw"])
        .args(arguments)
        .arg(name)
        .current_dir(folder)
        .status()
        .is_ok_and(|status| status.success())
}

fn frames(folder: &Path, name: &str) -> Frames {
    match read(folder, &[name], "media = \"frames\"")
        .swap_remove(0)
        .unwrap()
    {
        Media::Frames(frames) => frames,
        _ => unreachable!(),
    }
}

/// The values of a pixel in each frame.
fn at(frames: &Frames, x: usize, y: usize) -> Vec<[u8; 3]> {
    let pixels = frames.pixels().chunks(SIDE * SIDE * 3);
    let pixel = pixels.map(|frame| frame[(y * SIDE + x) * 3..][..3].try_into().unwrap());
    pixel.collect()
}

#[test]
fn what_is_transparent_in_a_clip_lies_over_black() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = 0;
    for (name, tolerance, arguments) in [
        ("a.apng", 0, &["-f", "apng"][..]),
        // Called as a picture, which it is not.
        ("a.png", 0, &["-f", "apng"]),
        ("ffv1.mkv", 0, &["-c:v", "ffv1", "-pix_fmt", "bgra"]),
        ("qtrle.mov", 0, &["-c:v", "qtrle"]),
        (
            "prores.mov",
            3,
            &["-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"],
        ),
        ("vp9.webm", 4, &["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"]),
        (
            "vp8.webm",
            4,
            &["-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0"],
        ),
    ] {
        if !clip(folder.path(), name, &raw(opacity), arguments) {
            continue;
        }
        written += 1;
        let found = frames(folder.path(), name);
        let quarter = SIDE / 4;
        for (x, y, expected) in [
            (quarter, quarter, COLOR),
            (3 * quarter, quarter, [0; 3]),
            // 128 of 255ths, rounded.
            (3 * quarter, 3 * quarter, [100, 50, 25]),
        ] {
            let pixels = at(&found, x, y);
            assert_eq!(pixels.len(), FRAMES, "{name}");
            for (found, expected) in pixels.iter().flatten().zip(expected.iter().cycle()) {
                assert!(
                    found.abs_diff(*expected) <= tolerance,
                    "{name} at {x}, {y}: {pixels:?}"
                );
            }
        }
    }
    // Without ffmpeg there are none; with it there are those of its own coders.
    let is_there = Command::new("ffmpeg").arg("-version").output().is_ok();
    assert!(written >= if is_there { 4 } else { 0 }, "{written}");
}

#[test]
fn what_is_transparent_in_a_gif_lies_over_black() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A pixel of the color and one that is not there, whose place in the table of colors has white. The codes of three bits
    // are: clear, 0, 1, end.
    let gif = [
        b"GIF89a\x02\0\x01\0\x80\0\0".as_slice(),
        &COLOR,
        &[255; 3],
        b"\x21\xF9\x04\x01\0\0\x01\0\x2C\0\0\0\0\x02\0\x01\0\0\x02\x02\x44\x0A\0;",
    ]
    .concat();
    std::fs::write(folder.path().join("a.gif"), gif).unwrap();
    let found = frames(folder.path(), "a.gif");
    assert_eq!(found.pixels(), [&COLOR[..], &[0; 3]].concat());
}

#[test]
fn the_fourth_byte_of_uncompressed_pixels_in_an_avi_is_no_opacity() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["-c:v", "rawvideo", "-pix_fmt", "bgra"];
    // As programs leave it that record a screen.
    if clip(folder.path(), "a.avi", &raw(|_, _| 0), &arguments) {
        let found = frames(folder.path(), "a.avi");
        assert_eq!(at(&found, 3, 3), [COLOR; FRAMES]);
    }
}
