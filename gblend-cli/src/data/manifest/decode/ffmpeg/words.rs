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
    /// Whether frames have opacity.
    pub(super) has_alpha: bool,
    /// The decoder for the opacity that the first video with one has in a stream of its own, beside its colors, which
    /// ffmpeg's own decoder of the codec leaves aside.
    pub(super) alpha_decoder: Option<&'static str>,
    /// What the lines now are about.
    section: Section,
}

/// What a line is about by those before it.
#[derive(Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    /// A file of RIFF, in which uncompressed pixels of 32 bits have 8 that mean nothing.
    Avi,
    /// A video stream whose opacity this decoder reads.
    Coded(&'static str),
    /// Uncompressed pixels in such a file.
    Padded,
}

/// How the names of formats of pixels with opacity begin.
const ALPHA: [&str; 12] = [
    "rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya8", "ya16", "ayuv", "vuya", "uyva", "pal8",
];

/// Who complains of what is written: writers and coders by the names of those that are asked for, and what stands between
/// a decoder and them. Before ffmpeg 6 these are names alone.
const OUTPUT: [&str; 7] = [
    "image2pipe",
    "ppm",
    "pam",
    "swscaler",
    "swresampler",
    "SWR",
    "pcm_f32be",
];
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
            // What there is of a file, nobody says.
            "info" if speakers.is_empty() => self.describe(text),
            "verbose" if text.contains("pixfmt:") => {
                let format = text.split("pixfmt:").nth(1).unwrap_or_default();
                self.has_alpha |= self.section != Section::Padded
                    && ALPHA.iter().any(|beginning| format.starts_with(beginning));
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

    /// Hears what there is of a file: its format, and stream after stream what is said of it.
    fn describe(&mut self, text: &str) {
        if let Some((_, video)) = text
            .split_once("Stream #")
            .and_then(|(_, rest)| rest.split_once("Video: "))
        {
            let codec = video.split(|c: char| !c.is_ascii_alphanumeric()).next();
            self.section = match (codec, &self.section) {
                (Some("rawvideo"), Section::Avi | Section::Padded) => Section::Padded,
                (Some("vp8"), _) => Section::Coded("libvpx"),
                (Some("vp9"), _) => Section::Coded("libvpx-vp9"),
                _ => Section::None,
            };
        } else if text.starts_with("Input #0, avi,") {
            self.section = Section::Avi;
        } else if let Some((key, value)) = text.split_once(':')
            && (key.trim().eq_ignore_ascii_case("alpha_mode") && value.trim() == "1")
            && let Section::Coded(decoder) = self.section
        {
            self.alpha_decoder.get_or_insert(decoder);
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
    fn opacity_is_heard_where_it_is_meant() {
        let graph = |format: &str| {
            format!(
                "[graph 0 input from stream 0:0 @ 0x55] [verbose] w:2 h:2 pixfmt:{format} tb:1/5 fr:5/1 sar:0/1"
            )
        };
        let [color, opacity] = [graph("yuv420p"), graph("yuva420p")];
        let stream = |codec: &str| {
            format!("[info]   Stream #0:0: Video: {codec}, 1 reference frame, x(pc), 2x2, 5 fps")
        };
        let (vp9, raw) = (stream("vp9 (Profile 0)"), stream("rawvideo"));
        let alpha = "[info]       alpha_mode      : 1";
        let none = "[info]       alpha_mode      : 0";
        for (lines, expected) in [
            (&[&*opacity][..], (true, None)),
            (&[&*color], (false, None)),
            (&[&*stream("gif"), &*graph("bgra")], (true, None)),
            (&[&*vp9, alpha, &*color], (false, Some("libvpx-vp9"))),
            (
                &[&*stream("vp8"), "[info]     Metadata:", alpha, &*color],
                (false, Some("libvpx")),
            ),
            (&[&*vp9, none, &*color], (false, None)),
            // Of the whole file, not of a stream.
            (&[alpha, &*vp9, &*color], (false, None)),
            (
                &["[info] Input #0, avi, from 'a.avi':", &*raw, &*graph("bgra")],
                (false, None),
            ),
            (
                &["[info] Input #0, nut, from 'a.nut':", &*raw, &*graph("bgra")],
                (true, None),
            ),
            (
                &[
                    "[info] Input #0, avi, from 'a.avi':",
                    &*stream("png"),
                    &*graph("rgba"),
                ],
                (true, None),
            ),
        ] {
            let words = heard(lines);
            assert_eq!((words.has_alpha, words.alpha_decoder), expected, "{lines:?}");
        }
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
