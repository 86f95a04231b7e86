//! Video and its sound, through the program `ffmpeg`: decoding video is as much work as the rest of gblend,
//! and nothing that is written anew would read what it reads.
//!
//! Files are not trusted. The program may open nothing but the one file, in one of the formats that are nothing but one file, so
//! that a playlist in disguise cannot have it read others.

mod formats;
mod words;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use gblend_core::media::Waveform;

use super::super::blob::Blob;
use super::picture::over_black;
use super::whole::cut_short;
use super::{Fault, Picture, portable, too_large};

use formats::DEMUXERS;
use formats::TAKEN;
pub(in super::super) use formats::{SOUNDS, VIDEOS};
use words::Words;

/// The release that brought `-fps_mode`.
const OLDEST: (u32, u32) = (5, 1);

/// Bytes of a line that ffmpeg says.
const LONGEST_LINE: u64 = 4096;

/// The program cannot be used; that says nothing about the file.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{file}: cannot run `ffmpeg`, which decodes video and its sound: {problem}; install ffmpeg 5.1 or later and \
     see that it is on the PATH"
)]
pub(in super::super) struct ProgramError {
    file: String,
    problem: String,
}

/// The frames of a video in time order, in color. What is transparent lies over black, as in pictures.
pub(super) fn frames(blob: &Blob, limit: usize) -> Result<Vec<Picture<u8>>, Fault> {
    // Every GIF may be transparent somewhere.
    let is_gif = blob.head(4)? == b"GIF8";
    let (pictures, words) = if is_gif {
        frames_over_black(blob, None, limit)?
    } else {
        let (bytes, words) =
            run(blob, &[], &video_output("rgb24", "ppm"), limit).map_err(lacking("pictures"))?;
        if words.has_alpha || words.alpha_decoder.is_some() {
            frames_over_black(blob, words.alpha_decoder, limit)?
        } else {
            (portable::pixmaps(&bytes)?, words)
        }
    };
    if pictures.is_empty() {
        return Err("found no frame in the video".into());
    }
    match words.frames {
        Some(frames) if frames != pictures.len() => Err(Fault::Media(format!(
            "ffmpeg decoded {frames} frames and handed over {}: {}",
            pictures.len(),
            words.output.unwrap_or_default()
        ))),
        _ => Ok(pictures),
    }
}

/// The frames of a video with opacity, which `decoder` reads if ffmpeg's own leaves it aside.
fn frames_over_black(
    blob: &Blob,
    decoder: Option<&str>,
    limit: usize,
) -> Result<(Vec<Picture<u8>>, Words), Fault> {
    let input: Vec<&str> = decoder.map_or_else(Vec::new, |decoder| vec!["-c:v", decoder]);
    // A fourth value for each pixel, which no sample keeps.
    let with_alpha = limit.saturating_add(limit / 3);
    let ran = run(blob, &input, &video_output("rgba", "pam"), with_alpha);
    let (bytes, words) = ran
        .map_err(lacking("pictures"))
        .map_err(|fault| match (fault, decoder) {
            (Fault::Media(problem), Some(decoder)) if problem.contains("Unknown decoder") => program(
                blob,
                format!("it is transparent in places, which ffmpeg reads with {decoder}, and this one was built without"),
            ),
            (fault, _) => fault,
        })?;
    let pictures = portable::maps_with_alpha(&bytes)?
        .into_iter()
        .map(|frame| Picture {
            channels: 3,
            values: over_black::<3, 4>(&frame.values),
            ..frame
        });
    Ok((pictures.collect(), words))
}

/// How a video's frames are asked for, in this format of pixels and by this coder.
fn video_output<'a>(pixels: &'a str, coder: &'a str) -> [&'a str; 10] {
    [
        "-map",
        // The picture on the cover of a sound is no video.
        "0:V:0",
        "-fps_mode",
        "passthrough",
        "-pix_fmt",
        pixels,
        "-c:v",
        coder,
        "-f",
        "image2pipe",
    ]
}

/// The first sound track of a video, or of a sound; several channels are averaged.
pub(super) fn sound(blob: &Blob, limit: usize) -> Result<Waveform, Fault> {
    let output = ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au"];
    let (bytes, _) = run(blob, &[], &output, limit).map_err(lacking("sound"))?;
    portable::au(&bytes)
}

/// Says what a file has none of.
fn lacking(what: &str) -> impl Fn(Fault) -> Fault + '_ {
    move |fault| match fault {
        Fault::NoStream(_) => Fault::NoStream(format!(
            "has no {what} in it; if samples may lack them, the stream's `optional = true` makes that a missing modality"
        )),
        other => other,
    }
}

/// The first line of `ffmpeg -version`: other versions may decode to other pixels.
pub(in super::super) fn version(blob: &Blob) -> Result<&'static str, Fault> {
    static VERSION: OnceLock<Result<String, String>> = OnceLock::new();
    let version = VERSION.get_or_init(|| {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-version"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next().unwrap_or_default();
        match release(line) {
            Some(found) if found < OLDEST => Err(format!("found \"{line}\"")),
            _ => Ok(line.to_owned()),
        }
    });
    version.as_deref().map_err(|problem| program(blob, problem))
}

/// Major and minor number in the first line of `ffmpeg -version`; builds between releases have none.
fn release(line: &str) -> Option<(u32, u32)> {
    let version = line.strip_prefix("ffmpeg version ")?;
    let version = version.strip_prefix('n').unwrap_or(version);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let major = numbers.next()?.ok()?;
    Some((major, numbers.next().and_then(Result::ok).unwrap_or(0)))
}

fn program(blob: &Blob, problem: impl std::fmt::Display) -> Fault {
    Fault::Program(ProgramError {
        file: blob.name().to_owned(),
        problem: problem.to_string(),
    })
}

/// What ffmpeg writes in the format that `output` asks for of a file read as `input` asks, and what it says.
fn run(blob: &Blob, input: &[&str], output: &[&str], limit: usize) -> Result<(Vec<u8>, Words), Fault> {
    version(blob)?;
    if let Some(problem) = cut_short(&mut blob.reader()?, blob.length()) {
        return Err(Fault::Media(problem));
    }
    let mut child = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-nostats", "-v", "level+verbose"])
        .args(["-protocol_whitelist", blob.protocols()])
        .args(["-format_whitelist", &DEMUXERS.join(",")])
        // Samples are decoded side by side already.
        .args(["-threads", "1"])
        .args(input)
        .arg("-i")
        .arg(blob.address()?)
        .args(output)
        .args(["-threads", "1", "pipe:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| program(blob, error))?;
    let result = collect(&mut child, limit);
    // Past the limit it would write on, or wait for a reader forever.
    let _ = child.kill();
    let status = child.wait().map_err(|error| program(blob, error))?;
    let (bytes, words) = result.map_err(|error| program(blob, error))?;
    if bytes.len() > limit {
        return Err(Fault::Media(too_large(limit)));
    }
    match &words {
        // With the exit code alone, half a video would pass for a whole one.
        Words {
            damage: Some(line), ..
        } if line.contains("not on whitelist") => Err(Fault::Media(format!(
            "ffmpeg cannot decode it: a format that may lead to other files, or of single pictures; taken are {TAKEN}, and what else of one file \
             ffmpeg knows"
        ))),
        Words {
            damage: Some(line), ..
        } if status.success() => Err(Fault::Media(format!("ffmpeg cannot decode all of it: {line}"))),
        Words {
            damage: Some(line), ..
        } => Err(Fault::Media(format!(
            "ffmpeg cannot decode it: {line}; taken are {TAKEN}, and what else of one file ffmpeg knows"
        ))),
        Words { no_stream: true, .. } => Err(Fault::NoStream(String::new())),
        _ if status.success() => Ok((bytes, words)),
        Words {
            output: Some(line), ..
        } => Err(Fault::Media(format!("ffmpeg cannot decode it: {line}"))),
        _ => Err(Fault::Media(format!("ffmpeg cannot decode it: {status}"))),
    }
}

/// Output, at most one byte more than `limit`, and words.
fn collect(child: &mut Child, limit: usize) -> std::io::Result<(Vec<u8>, Words)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // Both pipes are emptied side by side: ffmpeg stops when either is full.
        let gather = move || stderr.map(listen).unwrap_or_default();
        let words = std::thread::Builder::new().spawn_scoped(scope, gather);
        let words = words.inspect_err(|_| drop(child.kill()))?;
        let mut bytes = Vec::new();
        let mut read = Ok(0);
        if let Some(stdout) = stdout {
            read = stdout.take(limit as u64 + 1).read_to_end(&mut bytes);
        }
        if bytes.len() > limit || read.is_err() {
            let _ = child.kill();
        } else {
            // Its status is asked for only after it has ended by itself.
            child.wait()?;
        }
        read?;
        Ok((bytes, words.join().unwrap_or_default()))
    })
}

/// Hears line after line, none of them longer than a line is.
fn listen(stderr: impl Read) -> Words {
    let mut words = Words::default();
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        // What cannot be read ends it, as the program's end does; the rest of a line that is too long is one of its own.
        match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(1..) => words.hear(String::from_utf8_lossy(&line).trim_end()),
            _ => return words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn releases_are_read_and_other_builds_have_none() {
        for (line, expected) in [
            ("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright", Some((4, 4))),
            ("ffmpeg version 5.1.6-0+deb12u1 Copyright", Some((5, 1))),
            ("ffmpeg version n7.1 Copyright", Some((7, 1))),
            ("ffmpeg version 8 Copyright", Some((8, 0))),
            (
                "ffmpeg version 2024-05-06-git-96449cfeae-full_build",
                Some((2024, 5)),
            ),
            ("ffmpeg version N-109542-g9f1cf33ba4 Copyright", None),
            ("ffmpeg version git-2020-01-01", None),
            ("", None),
        ] {
            assert_eq!(release(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(version in ".*") {
            let _ = release(&format!("ffmpeg version {version}"));
        }
    }
}
