//! Videos of every kind that the installed ffmpeg writes beside what ffprobe says of them.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use gblend_core::Media;
use serde_json::Value;

use super::tests::read;

/// Container, codec of the pictures, codec of the sound, frames per second that it can have.
const KINDS: [(&str, &str, &str, &[&str]); 15] = [
    ("mp4", "libx264", "aac", &["25", "30000/1001", "vary"]),
    ("mp4", "mpeg4", "aac", &["10", "vary"]),
    ("mov", "mjpeg", "pcm_s16le", &["12"]),
    ("mov", "libx264", "alac", &["60"]),
    ("mkv", "libx264", "libvorbis", &["25", "vary"]),
    ("mkv", "ffv1", "flac", &["15"]),
    ("webm", "libvpx", "libopus", &["25", "vary"]),
    ("avi", "mpeg4", "pcm_s16le", &["25"]),
    ("avi", "huffyuv", "libmp3lame", &["24"]),
    ("flv", "flv1", "libmp3lame", &["25"]),
    ("wmv", "wmv2", "wmav2", &["25"]),
    ("3gp", "libx264", "aac", &["15"]),
    ("ts", "libx264", "aac", &["25"]),
    ("mpg", "mpeg2video", "mp2", &["25"]),
    ("ogv", "libtheora", "libvorbis", &["25"]),
];

/// One of them.
struct Clip {
    name: String,
    turned: bool,
}

fn ran(program: &str, folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// Writes a clip; `None` if this ffmpeg lacks a coder.
fn write(folder: &Path, number: usize) -> Option<Clip> {
    let (container, codec, sound, rates) = KINDS[number % KINDS.len()];
    let round = number / KINDS.len();
    let rate = rates[round % rates.len()];
    let name = format!("{number}.{container}");
    let (with_sound, turned) = (
        round.is_multiple_of(2),
        round >= 2 && matches!(container, "mp4" | "mov"),
    );
    let frames = 5 + 3 * (number % 4);
    let steady = if rate == "vary" { "25" } else { rate };
    let pictures = format!("testsrc=size=48x32:rate={steady}");
    let count = frames.to_string();
    let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &pictures];
    if with_sound {
        arguments.extend([
            "-f",
            "lavfi",
            "-i",
            "sine=sample_rate=44100:duration=0.4",
            "-c:a",
            sound,
        ]);
    }
    arguments.extend(["-threads", "1", "-frames:v", &count, "-c:v", codec]);
    if rate == "vary" {
        // Milliseconds, a little early or late.
        arguments.extend([
            "-vf",
            "settb=1/1000,setpts=33*N+16*mod(N\\,3)",
            "-enc_time_base",
            "1:1000",
        ]);
        arguments.extend(["-fps_mode", "passthrough"]);
    }
    arguments.push(&name);
    ran("ffmpeg", folder, &arguments)?;
    if turned {
        turn(&folder.join(&name));
    }
    Some(Clip { name, turned })
}

/// Turns the pictures of an mp4 by a quarter, with the matrix in the head of its first track.
fn turn(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let track = bytes.windows(4).position(|window| window == b"tkhd").unwrap();
    let matrix = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000_i32]
        .map(i32::to_be_bytes)
        .concat();
    bytes[track + 44..track + 80].copy_from_slice(&matrix);
    std::fs::write(path, bytes).unwrap();
}

fn probed(folder: &Path, name: &str, more: &[&str]) -> Value {
    let arguments = [&["-v", "error", "-of", "json"], more, &[name]].concat();
    serde_json::from_slice(&ran("ffprobe", folder, &arguments).unwrap()).unwrap()
}

#[test]
fn clips_have_the_frames_sizes_and_samples_that_ffprobe_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if ran("ffprobe", folder, &["-version"]).is_none() {
        #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
        {
            eprintln!("skipped: the program `ffprobe` is not on the PATH");
        }
        return;
    }
    let clips: Vec<Clip> = (0..60).filter_map(|number| write(folder, number)).collect();
    assert!(clips.len() > 20, "{} clips", clips.len());
    let names: Vec<&str> = clips.iter().map(|clip| clip.name.as_str()).collect();
    let pictures = read(folder, &names, "media = \"frames\"");
    let sounds = read(folder, &names, "media = \"waveform\"");
    let mut silent = 0;
    for ((clip, pictures), sound) in clips.iter().zip(pictures).zip(sounds) {
        let name = &clip.name;
        let stream = [
            "-count_frames",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=nb_read_frames,width,height",
        ];
        let expected = &probed(folder, name, &stream)["streams"][0];
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap();
        let Ok(Media::Frames(frames)) = pictures else {
            unreachable!("{name}: {pictures:?}")
        };
        let mut size = (number(&expected["width"]), number(&expected["height"]));
        if clip.turned {
            size = (size.1, size.0);
        }
        let shape = frames.shape();
        assert_eq!((shape.width as u64, shape.height as u64), size, "{name}");
        assert_eq!(shape.frames as u64, number(&expected["nb_read_frames"]), "{name}");
        let entries = [
            "-select_streams",
            "a:0",
            "-show_entries",
            "frame=nb_samples:stream=sample_rate",
        ];
        let expected = probed(folder, name, &entries);
        if expected["streams"].as_array().unwrap().is_empty() {
            silent += 1;
            let problem = sound.unwrap_err().to_string();
            assert!(
                problem.contains("has no sound in it") && problem.contains("optional"),
                "{name}: {problem}"
            );
            continue;
        }
        let samples = expected["frames"].as_array().unwrap().iter();
        let samples: u64 = samples.map(|frame| number(&frame["nb_samples"])).sum();
        let Ok(Media::Waveform(sound)) = sound else {
            unreachable!("{name}: {sound:?}")
        };
        assert_eq!(
            u64::from(sound.sample_rate),
            number(&expected["streams"][0]["sample_rate"]),
            "{name}"
        );
        assert_eq!(sound.samples.len() as u64, samples, "{name}");
    }
    assert!(
        silent > 0 && silent < clips.len(),
        "{silent} of {} clips are silent",
        clips.len()
    );
}
