//! What `ffmpeg` says while it decodes a file, and which of it is about the file.
//!
//! It complains of what it reads and of what it writes alike. Frames that come at other times than its output counts in are no damage.

/// What was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The first complaint of what is read.
    pub(super) damage: Option<String>,
    /// The first one of what is written.
    pub(super) output: Option<String>,
    /// Whether the file has no stream of the kind that was asked for.
    pub(super) no_stream: bool,
    /// Frames of video that were decoded, if it says so.
    pub(super) frames: Option<usize>,
}

/// Who complains of what is written: writers and coders by the names of those that are asked for, and what stands between
/// a decoder and them. Before ffmpeg 6 these are names alone.
const OUTPUT: [&str; 6] = ["image2pipe", "ppm", "swscaler", "swresampler", "SWR", "pcm_f32be"];
const OUTPUT_PREFIXES: [&str; 16] = [
    "vost#",
    "aost#",
    "ost#",
    "out#",
    "enc:",
    "vf#",
    "af#",
    "fc#",
    "graph",
    "format",
    "auto_",
    "Parsed_",
    "buffersink",
    "abuffersink",
    "scale",
    "ffmpeg_",
];

/// Of what is no more than a warning to ffmpeg, what says that something lacks.
const DAMAGE: [&str; 2] = ["corrupt", "sync lost"];

impl Words {
    /// Hears a line in which the level is told.
    pub(super) fn hear(&mut self, line: &str) {
        let Some(Line {
            speakers,
            level,
            text,
        }) = Line::parse(line)
        else {
            return;
        };
        let is_output = speakers.iter().any(|speaker| {
            OUTPUT.contains(speaker) || OUTPUT_PREFIXES.iter().any(|prefix| speaker.starts_with(prefix))
        });
        match level {
            "panic" | "fatal" | "error" if text.contains("matches no streams") => self.no_stream = true,
            "panic" | "fatal" | "error" => {
                let heard = if is_output {
                    &mut self.output
                } else {
                    &mut self.damage
                };
                heard.get_or_insert_with(|| text.to_owned());
            }
            "warning"
                if !is_output
                    && DAMAGE
                        .iter()
                        .any(|words| text.to_ascii_lowercase().contains(words)) =>
            {
                self.damage.get_or_insert_with(|| text.to_owned());
            }
            "verbose" if text.contains("Input stream") && text.contains("(video)") => {
                self.frames = before(text, " frames decoded").or(self.frames);
                if before(text, " decode errors").is_some_and(|errors| errors > 0) {
                    self.damage.get_or_insert_with(|| text.trim().to_owned());
                }
            }
            _ => {}
        }
    }
}

/// The number that stands before these words.
fn before(text: &str, words: &str) -> Option<usize> {
    let start = &text[..text.find(words)?];
    start.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

struct Line<'a> {
    /// Who speaks, from outside in.
    speakers: Vec<&'a str>,
    level: &'a str,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// `[speaker @ 0x55…] [level] text`, with any number of speakers.
    fn parse(line: &'a str) -> Option<Self> {
        const LEVELS: [&str; 8] = [
            "panic", "fatal", "error", "warning", "info", "verbose", "debug", "trace",
        ];
        let mut speakers = Vec::new();
        let mut rest = line;
        loop {
            let (word, after) = rest.strip_prefix('[')?.split_once(']')?;
            rest = after.strip_prefix(' ').unwrap_or(after);
            if LEVELS.contains(&word) {
                return Some(Self {
                    speakers,
                    level: word,
                    text: rest,
                });
            }
            speakers.push(word.split_once(" @ ")?.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(lines: &[&str]) -> Words {
        let mut words = Words::default();
        lines.iter().for_each(|line| words.hear(line));
        words
    }

    #[test]
    fn complaints_of_what_is_written_are_no_damage() {
        // As ffmpeg 5.1, 6.1 and 7.1 say them.
        for line in [
            "[image2pipe @ 0x55] [error] Application provided invalid, non monotonically increasing dts to muxer in stream 0: 3 >= 3",
            "[vost#0:0/ppm @ 0x55] [error] Non-monotonous DTS; previous: 3, current: 3; changing to 4.",
            "[out#0/image2pipe @ 0x55] [vost#0:0/ppm @ 0x56] [error] Error submitting a packet to the muxer",
            "[swscaler @ 0x55] [warning] deprecated pixel format used, make sure you did set range correctly",
            "[info]     comment         : [error] partial file",
        ] {
            assert_eq!(heard(&[line]).damage, None, "{line}");
        }
    }

    #[test]
    fn complaints_of_what_is_read_are_damage_and_the_first_is_told() {
        for (line, expected) in [
            (
                "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55] [error] stream 0, offset 0x5ed5: partial file",
                "partial file",
            ),
            (
                "[vist#0:0/h264 @ 0x55] [dec:h264 @ 0x56] [error] Error submitting packet to decoder",
                "Error submitting",
            ),
            (
                "[error] Error while decoding stream #0:1: Invalid data found",
                "Error while",
            ),
            (
                "[mxf @ 0x55] [warning] edit unit sync lost on stream 0, jumping from 34 to 41",
                "sync lost",
            ),
            (
                "[mpegts @ 0x55] [warning] Packet corrupt (stream = 1, dts = 374160).",
                "Packet corrupt",
            ),
            (
                "[in#0/mov @ 0x55] [verbose]   Input stream #0:0 (video): 9 packets read (8 bytes); 8 frames decoded; 1 decode errors; ",
                "1 decode errors",
            ),
        ] {
            let damage = heard(&[line, "[error] later"]).damage.unwrap_or_default();
            assert!(damage.contains(expected), "{line}: {damage}");
        }
    }

    #[test]
    fn frames_are_counted_as_they_were_decoded() {
        let line = "[verbose]   Input stream #0:0 (video): 31 packets read (2612 bytes); 30 frames decoded; ";
        assert_eq!(heard(&[line]).frames, Some(30));
        let line = "[verbose]   Input stream #0:1 (audio): 31 packets read (2612 bytes); 47 frames decoded (48000 samples); ";
        assert_eq!(heard(&[line]).frames, None);
    }

    #[test]
    fn a_stream_that_is_not_there_is_no_damage() {
        for line in [
            "[fatal] Stream map '0:a:0' matches no streams.",
            "[out#0/au @ 0x55] [fatal] Stream map '' matches no streams.",
        ] {
            let words = heard(&[line]);
            assert!(
                words.no_stream && words.damage.is_none() && words.output.is_none(),
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line: String, level in "\\[(error|verbose|warning)\\] .*") {
            let _ = heard(&[&line, &level, &format!("[x @ 1] {level}{line}")]);
        }
    }
}
