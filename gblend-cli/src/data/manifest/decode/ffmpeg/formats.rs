//! The formats that `ffmpeg` may open.
//!
//! It knows more, and some of those are lists of other files to open: playlists, scripts, patterns of names, descriptions of
//! streams in a network. A file of the dataset must never make it read another, so none of them is here, nor any
//! that looks for a file beside its own (`mlv`, `vobsub`, `imf`); and what nobody has looked at is not here either.

/// For people: what is taken, by usual extensions.
pub(super) const TAKEN: &str = "mp4, m4v, mov, 3gp, mkv, webm, avi, flv, wmv, asf, mpg, vob, ts, m2ts, ogv, gif, apng, and for sound \
                                          alone m4a, aac, opus, wma, aiff, au, caf, ac3, mp2, amr";

/// Extensions of files with pictures that move.
pub(in super::super::super) const VIDEOS: [&str; 23] = [
    "mp4", "m4v", "mov", "avi", "mpg", "mpeg", "mkv", "webm", "flv", "f4v", "wmv", "asf", "3gp", "3g2", "ts",
    "m2ts", "mts", "vob", "ogv", "mxf", "rm", "gif", "apng",
];

/// Extensions of files with sound alone.
pub(in super::super::super) const SOUNDS: [&str; 18] = [
    "m4a", "m4b", "aac", "opus", "wma", "aiff", "aif", "au", "snd", "caf", "ac3", "eac3", "mp2", "amr",
    "spx", "ape", "wv", "w64",
];

/// Demuxers by ffmpeg's names, each of which reads the one file it is given.
pub(super) const DEMUXERS: &[&str] = &[
    // Both.
    "mov",
    "matroska",
    "avi",
    "flv",
    "live_flv",
    "asf",
    "mpeg",
    "mpegts",
    "mpegvideo",
    "ogg",
    "mxf",
    "nut",
    "rm",
    "wtv",
    "gxf",
    "dv",
    "pva",
    "nsv",
    "ty",
    "dhav",
    "ivf",
    // Pictures that move.
    "gif",
    "apng",
    "h264",
    "hevc",
    "vvc",
    "m4v",
    "h263",
    "h261",
    "mjpeg",
    "mjpeg_2000",
    "av1",
    "obu",
    "vc1",
    "vc1test",
    "cavsvideo",
    "dirac",
    "dnxhd",
    "yuv4mpegpipe",
    "flic",
    // Sound.
    "wav",
    "w64",
    "aiff",
    "au",
    "caf",
    "flac",
    "mp3",
    "aac",
    "loas",
    "ac3",
    "eac3",
    "dts",
    "dtshd",
    "truehd",
    "mlp",
    "amr",
    "amrnb",
    "amrwb",
    "ape",
    "wv",
    "tta",
    "tak",
    "mpc",
    "mpc8",
    "shn",
    "voc",
    "gsm",
    "iff",
    "dsf",
    "xwma",
    "nistsphere",
    "ircam",
    "sox",
    "qcp",
    "avr",
    "pvf",
    "oma",
];
