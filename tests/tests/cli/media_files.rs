//! Files of pictures and sound as people have them: whatever they are called, one odd one among others, parts that lack.

use std::process::Command;

use gblend_tests::{Playground, ffmpeg, write_wav};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

use crate::playground;

/// Twelve samples `0` to `11` of two classes, the last four for the test, with these streams and modalities.
fn dataset(streams: &str, file: impl Fn(usize) -> String) -> Playground {
    samples(12, streams, file)
}

/// So many samples, two thirds of them for training.
fn samples(count: usize, streams: &str, file: impl Fn(usize) -> String) -> Playground {
    let p = playground();
    let mut table = "id,label,split,file\n".to_owned();
    for number in 0..count {
        let split = if 3 * number < 2 * count { "train" } else { "test" };
        table += &format!("{number},{},{split},{}\n", number % 2, file(number));
    }
    p.write("table.csv", table);
    let config = format!(
        "[run]\nepochs = 1\nbatch_size = 4\nvalidation = 0\n\
         [data]\nkind = \"manifest\"\ntable = \"table.csv\"\nid = \"id\"\nlabel = \"label\"\nsplit = \"split\"\n\
         {streams}\n[blend]\nkind = \"equal\"\n"
    );
    p.write("m.toml", config);
    p
}

const PICTURES: &str = r#"
[data.streams.camera]
column = "file"
media = "frames"
[modality.camera]
kind = "rgb"
encoder.channels = [4]
"#;

const SOUNDS: &str = r#"
[data.streams.microphone]
column = "file"
media = "waveform"
[modality.microphone]
kind = "audio"
sample_rate = 8000
seconds = 0.2
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder.channels = [4]
"#;

const SKIP: &str = "data.on_bad_sample=skip";

fn made(p: &Playground, arguments: &[&str]) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-y"])
        .args(arguments)
        .current_dir(p.path(""));
    assert!(command.status().unwrap().success(), "{arguments:?}");
}

/// Writes a file of moving bars, a tone, or both.
fn clip(p: &Playground, name: &str, arguments: &[&str]) {
    let sources = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=32x24:rate=25:duration=1",
        "-f",
        "lavfi",
        "-i",
        "sine=sample_rate=16000:duration=1",
        "-threads",
        "1",
    ];
    made(p, &[&sources[..], arguments, &[name]].concat());
}

fn color(number: usize) -> RgbImage {
    RgbImage::from_fn(8, 6, |x, y| {
        image::Rgb([x as u8 * 30, y as u8 * 40, number as u8 * 20])
    })
}

fn gray(number: usize) -> GrayImage {
    GrayImage::from_fn(8, 6, |x, y| image::Luma([x as u8 * 30 + y as u8 + number as u8]))
}

/// Pictures of which these are made otherwise.
fn pictures(odd: impl Fn(usize) -> Option<DynamicImage>) -> Playground {
    let p = dataset(PICTURES, |number| format!("{number}.png"));
    for number in 0..12 {
        let picture = odd(number).unwrap_or_else(|| color(number).into());
        picture.save(p.path(&format!("{number}.png"))).unwrap();
    }
    p
}

#[test]
fn a_gray_picture_among_color_ones_has_three_channels_wherever_it_is() {
    for odd in [0, 5, 11] {
        let p = pictures(|number| (number == odd).then(|| gray(number).into()));
        let checked = p.succeed(&["check", "m.toml", "--quiet"]);
        assert!(checked.contains("[3, 6, 8, 1]"), "{checked}");
        for set in ["data.on_bad_sample=error", SKIP] {
            // In memory, and from the cache.
            for memory in ["run.memory=100", "run.memory=0"] {
                let out = format!("{set}-{memory}").replace('.', "-");
                let arguments = [
                    "train", "m.toml", "--quiet", "--json", "--out", &out, "--set", set, "--set", memory,
                ];
                assert_eq!(p.json(&arguments)["samples_skipped"], 0, "{odd}");
            }
        }
    }
    // The same samples as if all had been stored in color.
    let p = pictures(|number| (number % 2 == 0).then(|| gray(number).into()));
    let q = pictures(|number| (number % 2 == 0).then(|| DynamicImage::from(gray(number)).to_rgb8().into()));
    let model = |p: &Playground| {
        p.succeed(&["train", "m.toml", "--quiet", "--out", "run"]);
        std::fs::read(p.path("run/model.safetensors")).unwrap()
    };
    assert!(model(&p) == model(&q));
    // A model of color pictures takes gray ones alone, too.
    for number in 0..12 {
        gray(number).save(p.path(&format!("{number}.png"))).unwrap();
    }
    p.succeed(&["predict", "run", "8"]);
    let p = pictures(|number| Some(gray(number).into()));
    let checked = p.succeed(&["check", "m.toml", "--quiet"]);
    assert!(checked.contains("[1, 6, 8, 1]"), "{checked}");
}

#[test]
fn a_gray_frame_among_color_ones_has_three_channels_and_the_odd_one_is_that_of_another_size() {
    for odd in [1, 2, 3] {
        let p = dataset(PICTURES, |number| format!("clip{number}"));
        let frame = |number: usize, at: usize, picture: DynamicImage| {
            std::fs::create_dir_all(p.path(&format!("clip{number}"))).unwrap();
            picture.save(p.path(&format!("clip{number}/{at}.png"))).unwrap();
        };
        for number in 0..12 {
            for at in 1..=3 {
                let picture = if at == odd {
                    gray(number).into()
                } else {
                    color(number).into()
                };
                frame(number, at, picture);
            }
        }
        let checked = p.succeed(&["check", "m.toml", "--quiet"]);
        assert!(checked.contains("[3, 6, 8, 3]"), "{checked}");
        frame(5, odd, RgbImage::new(9, 6).into());
        let name = format!("clip5/{odd}.png: found a picture of 9x6, expected 8x6 as 2 of 3");
        p.refuse(&["check", "m.toml"], &["sample 5", &name]);
    }
}

#[test]
fn the_odd_one_is_named_by_what_most_are_and_can_be_skipped() {
    for odd in [0, 7] {
        let large = |number: usize| (number == odd).then(|| RgbImage::new(9, 6).into());
        let p = pictures(large);
        let name = format!("sample {odd}, modality camera");
        let parts = [
            &name,
            "[3, 6, 9, 1]",
            "expected [3, 6, 8, 1] as 11 of 12 samples",
            "modality.camera.size",
        ];
        p.refuse(&["train", "m.toml"], &parts);
        p.refuse(&["check", "m.toml"], &parts);
        for _ in 0..2 {
            let arguments = ["train", "m.toml", "--quiet", "--json", "--set", SKIP];
            assert_eq!(p.json(&arguments)["samples_skipped"], 1);
        }
        p.succeed(&[
            "train",
            "m.toml",
            "--quiet",
            "--set",
            "modality.camera.size=[6, 8]",
        ]);
    }
    // Where the others are no more than the odd ones, it is a matter of settings, and nothing is left out.
    let p = pictures(|number| (number % 2 == 0).then(|| RgbImage::new(9, 6).into()));
    p.refuse(
        &["train", "m.toml", "--set", SKIP],
        &["modality.camera.size", "sample "],
    );
    // A sound of another length, the first of all.
    let p = dataset(&SOUNDS.replace("seconds = 0.2\n", ""), |number| {
        format!("{number}.wav")
    });
    for number in 0..12 {
        let length = if number == 0 { 500 } else { 800 };
        write_wav(
            &p.path(&format!("{number}.wav")),
            16,
            (0..length).map(|index| index * 37 % 2000),
        );
    }
    p.refuse(
        &["train", "m.toml"],
        &["sample 0", "as 11 of 12 samples", "modality.microphone.seconds"],
    );
    let summary = p.json(&["train", "m.toml", "--quiet", "--json", "--set", SKIP]);
    assert_eq!(summary["samples_skipped"], 1);
}

#[test]
fn a_video_of_variable_frame_rate_is_read_whole() {
    if !ffmpeg() {
        return;
    }
    for (extension, codec) in [("mp4", "libx264"), ("webm", "libvpx"), ("mkv", "mpeg4")] {
        let name = format!("phone.{extension}");
        let p = samples(4, PICTURES, |_| name.clone());
        // Frames come some milliseconds early or late, as of a phone.
        let times = "settb=1/1000,setpts=33*N+16*mod(N\\,3)";
        let varied = [
            "-an",
            "-vf",
            times,
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "1:1000",
            "-c:v",
            codec,
        ];
        clip(&p, &name, &varied);
        let checked = p.succeed(&["check", "m.toml", "--quiet"]);
        assert!(checked.contains("[3, 24, 32, 25]"), "{extension}: {checked}");
    }
}

#[test]
fn a_video_without_sound_lacks_an_optional_sound_and_keeps_its_pictures() {
    if !ffmpeg() {
        return;
    }
    let streams = format!(
        "{PICTURES}{}",
        SOUNDS.replace("column", "optional = true\ncolumn")
    );
    let name = |number: usize| {
        if number.is_multiple_of(3) {
            "silent.mp4"
        } else {
            "both.mp4"
        }
        .to_owned()
    };
    let p = dataset(&streams, name);
    clip(&p, "both.mp4", &["-c:v", "mpeg4", "-c:a", "aac"]);
    clip(&p, "silent.mp4", &["-an", "-c:v", "mpeg4"]);
    p.succeed(&["check", "m.toml", "--quiet"]);
    for set in ["data.on_bad_sample=error", SKIP] {
        // Found out, and remembered.
        for _ in 0..2 {
            let summary = p.json(&["train", "m.toml", "--quiet", "--json", "--set", set]);
            assert_eq!(summary["samples_skipped"], 0);
            let heads = summary["heads"].as_array().unwrap();
            let tested: Vec<u64> = heads
                .iter()
                .map(|head| head["test_samples"].as_u64().unwrap())
                .collect();
            // Of 8 to 11, 9 is silent.
            assert_eq!(tested, [4, 3, 4]);
        }
    }
    p.succeed(&["data", "export", "m.toml", "out", "--quiet"]);
    let table = std::fs::read_to_string(p.path("out/samples.csv")).unwrap();
    let silent = table.lines().filter(|line| line.ends_with(',')).count();
    assert_eq!(silent, 4, "{table}");
    p.succeed(&["check", "out/config.toml", "--quiet"]);
    p.refuse_after_run(
        &[
            "check",
            "m.toml",
            "--set",
            "data.streams.microphone.optional=false",
        ],
        "silent.mp4: has no sound in it; if samples may lack them, the stream's `optional = true`",
    );
    // One that was cut has no sound any more, and is damaged all the same.
    let bytes = std::fs::read(p.path("both.mp4")).unwrap();
    let track = bytes.windows(4).rposition(|window| window == b"trak").unwrap();
    p.write("silent.mp4", &bytes[..track]);
    p.refuse_after_run(&["check", "m.toml"], "silent.mp4: cut short");
}

#[test]
fn an_mp3_cut_short_against_its_own_header_is_refused() {
    if !ffmpeg() {
        return;
    }
    let p = samples(4, SOUNDS, |_| "whole.mp3".into());
    for encoding in [
        &["-b:a", "64k"][..],
        &["-q:a", "4"],
        &["-ac", "2", "-ar", "44100"],
        &["-ar", "16000"],
    ] {
        clip(
            &p,
            "whole.mp3",
            &[&["-vn", "-c:a", "libmp3lame"], encoding].concat(),
        );
        p.succeed(&["check", "m.toml", "--quiet"]);
        let whole = std::fs::read(p.path("whole.mp3")).unwrap();
        for length in [whole.len() / 3, whole.len() * 2 / 3, whole.len() - 50] {
            p.write("whole.mp3", &whole[..length]);
            p.refuse(&["check", "m.toml"], &["whole.mp3: cut short", "its header says"]);
        }
    }
}

#[test]
fn whatever_ffmpeg_decodes_is_taken_whatever_it_is_called_and_cut_short_it_is_refused() {
    if !ffmpeg() {
        return;
    }
    for (extension, arguments) in [
        ("flv", &["-c:v", "flv1", "-an"][..]),
        ("wmv", &["-c:v", "wmv2", "-an"]),
        ("3gp", &["-c:v", "mpeg4", "-an"]),
        ("ts", &["-c:v", "mpeg2video", "-an"]),
        ("ogv", &["-c:v", "libtheora", "-an"]),
        ("gif", &["-an"]),
        ("mxf", &["-c:v", "mpeg2video", "-an"]),
    ] {
        let name = format!("clip.{extension}");
        // A name says nothing.
        let p = samples(4, PICTURES, |number| {
            if number == 3 { "clip".into() } else { name.clone() }
        });
        clip(&p, &name, arguments);
        std::fs::copy(p.path(&name), p.path("clip")).unwrap();
        let checked = p.succeed(&["check", "m.toml", "--quiet"]);
        assert!(checked.contains("[3, 24, 32, "), "{extension}: {checked}");
        let whole = std::fs::read(p.path(&name)).unwrap();
        p.write("clip", &whole[..whole.len() / 2 + 1]);
        p.refuse(&["check", "m.toml"], &["sample 3", "clip: cut short"]);
    }
    for (extension, arguments) in [
        ("m4a", &["-c:a", "aac"][..]),
        ("aac", &["-c:a", "aac"]),
        ("opus", &["-c:a", "libopus"]),
        ("wma", &["-c:a", "wmav2"]),
        ("aiff", &[]),
        ("au", &[]),
        ("caf", &[]),
        // Called like a file of another kind, as people do.
        ("mp3", &["-c:a", "aac", "-f", "mp4"]),
        ("wav", &["-c:a", "libvorbis", "-f", "ogg"]),
    ] {
        let name = format!("sound.{extension}");
        let p = samples(
            4,
            SOUNDS,
            |number| if number == 3 { "sound".into() } else { name.clone() },
        );
        clip(&p, &name, &[&["-vn"], arguments].concat());
        std::fs::copy(p.path(&name), p.path("sound")).unwrap();
        p.succeed(&["check", "m.toml", "--quiet"]);
        let whole = std::fs::read(p.path(&name)).unwrap();
        p.write("sound", &whole[..whole.len() / 2 + 1]);
        p.refuse(&["check", "m.toml"], &["sample 3", "sound: "]);
    }
}

#[test]
fn a_video_whose_middle_is_lost_is_refused() {
    if !ffmpeg() {
        return;
    }
    for (extension, codec) in [
        ("mp4", "mpeg4"),
        ("avi", "mpeg4"),
        ("mkv", "mpeg4"),
        ("webm", "libvpx"),
        ("flv", "flv1"),
        ("wmv", "wmv2"),
        ("ts", "mpeg2video"),
        ("mxf", "mpeg2video"),
    ] {
        let name = format!("clip.{extension}");
        let p = samples(4, PICTURES, |_| name.clone());
        clip(&p, &name, &["-an", "-c:v", codec]);
        let mut bytes = std::fs::read(p.path(&name)).unwrap();
        let (from, to) = (bytes.len() * 45 / 100, bytes.len() * 55 / 100);
        bytes[from..to].fill(0);
        p.write(&name, bytes);
        p.refuse(&["check", "m.toml"], &["sample 0", &name]);
    }
}

#[test]
fn no_file_makes_ffmpeg_open_another() {
    if !ffmpeg() {
        return;
    }
    let p = samples(4, PICTURES, |number| {
        if number == 3 {
            "list".into()
        } else {
            "clip.mkv".into()
        }
    });
    clip(&p, "clip.mkv", &["-an", "-c:v", "mpeg4"]);
    clip(&p, "clip.ts", &["-an", "-c:v", "mpeg2video"]);
    color(0).save(p.path("f1.png")).unwrap();
    let here = p.path("");
    let here = here.display();
    let lists = [
        ("list.mkv", "ffconcat version 1.0\nfile clip.mkv\n".to_owned()),
        ("list.ffconcat", "ffconcat version 1.0\nfile 'clip.mkv'\n".to_owned()),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n".to_owned()),
        ("list.ts", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{here}/clip.ts\n#EXT-X-ENDLIST\n")),
        (
            "list.mpd",
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
             mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet mimeType=\"video/x-matroska\"><Representation id=\"1\" \
             bandwidth=\"1\"><BaseURL>clip.mkv</BaseURL></Representation></AdaptationSet></Period></MPD>"
                .to_owned(),
        ),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n".to_owned()),
        ("list.ism", "<SmoothStreamingMedia MajorVersion=\"2\"></SmoothStreamingMedia>".to_owned()),
        ("list.avs", format!("DirectShowSource(\"{here}/clip.mkv\")\n")),
        ("list.vpy", "import vapoursynth\n".to_owned()),
        ("list.pls", "[playlist]\nFile1=clip.mkv\nNumberOfEntries=1\n".to_owned()),
        ("list.asx", "<asx version=\"3.0\"><entry><ref href=\"clip.mkv\"/></entry></asx>".to_owned()),
        ("list.txt", format!("file:{here}/clip.mkv")),
        ("f%d.dpx", "x".to_owned()),
        ("f*.png.dpx", "x".to_owned()),
        ("list.idx", "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:001, filepos: 000000000\n".to_owned()),
        ("list.imf", "<?xml version=\"1.0\"?><CompositionPlaylist/>".to_owned()),
        ("list.rtsp", "RTSPtext\nrtsp://127.0.0.1/clip\n".to_owned()),
        ("list.graph", "movie=clip.mkv".to_owned()),
    ];
    let table = std::fs::read_to_string(p.path("table.csv")).unwrap();
    for (name, content) in lists {
        p.write(name, content);
        p.write("table.csv", table.replace("list", name));
        let refused = format!("{name}: ffmpeg cannot decode it");
        p.refuse(&["check", "m.toml"], &["sample 3", &refused, "taken are mp4, "]);
    }
    // And no path is anything but the name of a file.
    for path in [
        "concat:clip.mkv|clip.mkv",
        "subfile,,start,0,end,100,,:clip.mkv",
        "pipe:0",
        "http://127.0.0.1/clip.mkv",
        "tee:clip.mkv",
        "data:video/x-matroska;base64,AAAA",
        "cache:clip.mkv",
        "crypto:clip.mkv",
    ] {
        p.write("table.csv", table.replace("list", &format!("\"{path}\"")));
        p.refuse(&["check", "m.toml"], &["sample 3", "not found in"]);
    }
}

#[test]
fn a_model_of_clips_in_color_takes_gray_frames_alone() {
    let p = dataset(PICTURES, |number| format!("c{number}"));
    let frames = |of: fn(usize) -> DynamicImage| {
        for number in 0..12 {
            std::fs::create_dir_all(p.path(&format!("c{number}"))).unwrap();
            for frame in 0..6 {
                of((number + frame) % 12)
                    .save(p.path(&format!("c{number}/{frame}.png")))
                    .unwrap();
            }
        }
    };
    let said = |run: &str| p.succeed(&["predict", run, "8", "--quiet", "--json"]);
    for (run, clips) in [("one", "1"), ("two", "2")] {
        frames(|number| color(number).into());
        let clips = format!("modality.camera.clips={clips}");
        let sets = [
            "--set",
            "modality.camera.frames=2",
            "--set",
            "modality.camera.sampling=clip",
            "--set",
            &clips,
        ];
        p.succeed(&[&["train", "m.toml", "--quiet", "--out", run][..], &sets].concat());
        // What gray frames would be in color.
        frames(|number| DynamicImage::from(gray(number)).to_rgb8().into());
        let expected = said(run);
        frames(|number| gray(number).into());
        assert_eq!(said(run), expected, "{run}");
    }
}

#[test]
fn a_picture_is_what_it_begins_with_and_one_of_another_format_is_named() {
    let p = pictures(|_| None);
    let table = std::fs::read_to_string(p.path("table.csv")).unwrap();
    for (from, to, format) in [
        ("3.png", "3", ImageFormat::Png),
        ("4.png", "4.jfif", ImageFormat::Jpeg),
        ("5.png", "5.tar.gz", ImageFormat::Png),
        ("6.png", "6", ImageFormat::WebP),
        ("6.png", "6.tif", ImageFormat::Tiff),
        ("6.png", "6.bmp", ImageFormat::Bmp),
        ("6.png", "6.tiff", ImageFormat::WebP),
    ] {
        color(3).save_with_format(p.path(to), format).unwrap();
        p.write("table.csv", table.replace(&format!(",{from}"), &format!(",{to}")));
        let rows = std::fs::read_to_string(p.path("table.csv")).unwrap();
        assert_ne!(rows, table);
        p.succeed(&["check", "m.toml", "--quiet"]);
    }
    p.write("table.csv", &table);
    let layers = [b"8BPS\0\x01".as_slice(), &[0; 26]].concat();
    for name in ["3.psd", "3.gone"] {
        p.write("table.csv", table.replace("3.png", name));
        std::fs::write(p.path(name), &layers).unwrap();
        p.refuse(
            &["check", "m.toml"],
            &[
                name,
                "is a picture in Photoshop's format, expected one in png, jpeg, webp, tiff or bmp",
            ],
        );
    }
}

#[test]
fn a_pointer_of_git_lfs_is_told_as_one_in_every_kind_of_file() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n";
    let texts = "[data.streams.t]\npath = \"{file}\"\nmedia = \"text\"\n[modality.t]\nkind = \"text\"\n";
    for (streams, extension) in [
        (PICTURES, "png"),
        (PICTURES, "mp4"),
        (SOUNDS, "wav"),
        (texts, "txt"),
    ] {
        let p = dataset(streams, |number| format!("{number}.{extension}"));
        for number in 0..12 {
            p.write(&format!("{number}.{extension}"), pointer);
        }
        p.refuse(&["check", "m.toml"], &["a pointer of Git LFS", "git lfs pull"]);
    }
    let p = pictures(|_| None);
    p.write("table.csv", pointer);
    p.refuse(&["check", "m.toml"], &["table.csv", "git lfs pull"]);
}
