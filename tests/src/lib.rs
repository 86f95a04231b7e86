//! What the integration tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod matching;
pub mod towers;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A world and a network so small that an epoch takes milliseconds.
pub const TINY: &str = r#"
[run]
epochs = 2
batch_size = 16

[data]
kind = "scene"
train_samples = 72
test_samples = 40
frames = 3
size = 12
seconds = 0.1

[modality.camera]
kind = "rgb"
encoder.channels = [4, 8]

[modality.motion]
kind = "flow"
limit = 4
encoder.channels = [4, 8]

[modality.microphone]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder.channels = [4, 8]

[fusion]
kind = "concat"
head = { hidden = [16], dropout = 0.2 }

[blend]
kind = "equal"
"#;

/// A folder of its own in which a test runs the binary.
pub struct Playground {
    folder: tempfile::TempDir,
    binary: &'static str,
}

/// What a run of the binary left.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command to its end.
fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Playground {
    /// A folder with the tiny configuration as `tiny.toml`.
    pub fn new(binary: &'static str) -> Self {
        let playground = Self {
            folder: tempfile::tempdir().unwrap(),
            binary,
        };
        playground.write("tiny.toml", TINY);
        playground
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        if let Some(folder) = self.path(name).parent() {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs the binary in the folder.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, &[])
    }

    /// Runs the binary in the folder with these environment variables.
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        outcome(
            self.command(self.binary)
                .args(arguments)
                .envs(environment.iter().copied()),
        )
    }

    /// A program in the folder, without the real data of whoever runs the tests.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_remove("GBLEND_DATA");
        command
    }

    /// Runs the binary in the folder with no more address space than so many kilobytes.
    #[cfg(unix)]
    pub fn run_within(&self, kilobytes: u64, arguments: &[&str]) -> Outcome {
        let limited = format!("ulimit -v {kilobytes} && exec \"$0\" \"$@\"");
        outcome(
            self.command("sh")
                .args(["-c", &limited, self.binary])
                .args(arguments),
        )
    }

    /// Starts the binary in the folder and does not wait for it. What it prints is lost.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(self.binary)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// As [`start`](Self::start), and names the file that its standard error goes to.
    pub fn start_heard(&self, arguments: &[&str]) -> (Child, PathBuf) {
        let path = self.path("stderr");
        let child = self
            .command(self.binary)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&path).unwrap())
            .spawn()
            .unwrap();
        (child, path)
    }

    /// Runs the binary, which must succeed, and returns its standard output.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
        outcome.stdout
    }

    /// Runs the binary, which must succeed, and reads its standard output as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeed(arguments)).unwrap()
    }

    /// Runs the binary, which must end with 2 and say each of `parts`, and leave no run that looks whole.
    pub fn refuse(&self, arguments: &[&str], parts: &[&str]) {
        let outcome = self.run(arguments);
        assert_eq!(
            outcome.code,
            Some(2),
            "{arguments:?}: {} {}",
            outcome.stdout,
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "", "{arguments:?} wrote a result");
        for part in parts {
            assert!(
                outcome.stderr.contains(part),
                "{arguments:?}: `{part}` is not in: {}",
                outcome.stderr
            );
        }
        assert_no_whole_run(&self.path("runs"));
    }
}

impl Playground {
    /// Runs the binary, which must end with 2 and say `part`, in a folder that may have whole runs.
    pub fn refuse_after_run(&self, arguments: &[&str], part: &str) {
        let outcome = self.run(arguments);
        assert_eq!(
            outcome.code,
            Some(2),
            "{arguments:?}: {} {}",
            outcome.stdout,
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains(part),
            "{arguments:?}: `{part}` is not in: {}",
            outcome.stderr
        );
    }
}

impl Playground {
    /// Arguments that choose each registered strategy, with what it cannot do without and with quick estimates, of every
    /// estimator. One of the modalities has to be `camera`. The one that stands for others, and needs validation samples to choose
    /// among them, is left out.
    pub fn strategies(&self) -> Vec<Vec<String>> {
        let listed = self.json(&["plugins", "blend", "--json"]);
        let kinds = listed.as_array().unwrap().iter();
        let mut strategies: Vec<Vec<String>> = Vec::new();
        for kind in kinds.map(|plugin| plugin["kind"].as_str().unwrap()) {
            let settings: &[&[&str]] = match kind {
                "auto" => continue,
                "fixed" => &[&["blend.weights={ camera = 1, joint = 2 }"]],
                "unimodal" => &[&["blend.head=camera"]],
                "ogr" => &[
                    &["blend.probe_epochs=1", "blend.resamples=20"],
                    &["blend.estimator=gradient", "blend.resamples=20"],
                ],
                _ => &[&[]],
            };
            for settings in settings {
                let kind = format!("blend.kind={kind}");
                let all = std::iter::once(kind).chain(settings.iter().map(|&set| set.to_owned()));
                strategies.push(all.flat_map(|set| ["--set".to_owned(), set]).collect());
            }
        }
        assert!(strategies.len() >= 16, "{listed}");
        strategies
    }
}

/// No folder below has a summary or a model.
fn assert_no_whole_run(runs: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        for file in ["summary.json", "model.safetensors"] {
            assert!(!path.join(file).exists(), "{} has {file}", path.display());
        }
    }
}

/// A summary without what was measured on the machine.
pub fn without_measurements(mut summary: Value) -> Value {
    for key in ["threads", "seconds", "samples_per_second", "peak_rss_bytes"] {
        summary.as_object_mut().unwrap().remove(key);
    }
    summary
}

/// The folder of real data, if `GBLEND_DATA` names it; says so if not.
pub fn real_data() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("GBLEND_DATA") else {
        #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
        {
            eprintln!("skipped: GBLEND_DATA is not set");
        }
        return None;
    };
    // Tests run in their crate's folder; a relative path is meant from the workspace's.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Some(workspace.join(folder))
}

/// Whether the program `ffmpeg` is there; says so if not.
pub fn ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !found {
        #[allow(clippy::print_stderr)] // For whoever reads the output of the tests.
        {
            eprintln!("skipped: the program `ffmpeg` is not on the PATH");
        }
    }
    found
}

/// The streams of [`write_clips`]'s files by the names of their samples, for a configuration.
#[macro_export]
macro_rules! clip_streams {
    () => {
        r#"
[data.streams.camera]
path = "{id}"
media = "frames"

[data.streams.microphone]
path = "{id}.wav"
media = "waveform"
"#
    };
}

/// Networks for [`write_clips`]'s frames and sounds, for a configuration.
#[macro_export]
macro_rules! clip_modalities {
    () => {
        r#"
[modality.camera]
kind = "rgb"
encoder.channels = [4]

[modality.microphone]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder.channels = [4]

[blend]
kind = "equal"
"#
    };
}

/// Of a summary, or of what `gblend evaluate` prints, the figures of what predicts.
pub fn predicted(report: &Value) -> &Value {
    let rules = report["predictions"].as_array().unwrap();
    rules.iter().find(|one| one["rule"] == report["predict"]).unwrap()
}

/// `gblend evaluate` gives every head the loss that the summary of the run has, to the bit.
pub fn assert_same_losses(summary: &Value, evaluated: &Value) {
    let heads = |report: &Value| report["heads"].as_array().unwrap().clone();
    for (was, is) in heads(summary).iter().zip(heads(evaluated)) {
        assert_eq!(was["test_loss"], is["loss"], "{was} {is}");
    }
}

/// A `.npy` file of `f32`.
pub fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let extents: Vec<String> = shape.iter().map(|extent| format!("{extent},")).collect();
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}\n",
        extents.join(" ")
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

/// Writes a sound of one channel and 8000 samples per second: integers of `bits` bits, or floats.
pub fn write_wav<S: hound::Sample + 'static>(path: &Path, bits: u16, samples: impl IntoIterator<Item = S>) {
    let is_float = std::any::TypeId::of::<S>() == std::any::TypeId::of::<f32>();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: bits,
        sample_format: if is_float {
            hound::SampleFormat::Float
        } else {
            hound::SampleFormat::Int
        },
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples
        .into_iter()
        .for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

/// Writes media of the samples `s1`, `s2` and so on: `s1/9.png` and `s1/10.png` of 8 x 6 pixels, and `s1.wav`.
pub fn write_clips(folder: &Path, count: usize) {
    for number in 1..=count {
        let clip = folder.join(format!("s{number}"));
        std::fs::create_dir(&clip).unwrap();
        for frame in [9, 10] {
            let picture = image::RgbImage::from_fn(8, 6, |x, y| {
                image::Rgb([x as u8 * 30, y as u8 * 40, (number as u8).wrapping_mul(frame)])
            });
            picture.save(clip.join(format!("{frame}.png"))).unwrap();
        }
        let samples = (0..800).map(|index| index * (36 + number as i32) % 2000);
        write_wav(&folder.join(format!("s{number}.wav")), 16, samples);
    }
}

/// Writes an AV-MNIST of 30 training and 10 test digits of 6 x 6 pixels, two recordings each.
pub fn write_avmnist(folder: &Path) {
    for (part, count) in [("train", 30_usize), ("t10k", 10)] {
        let mut images = vec![0, 0, 8, 3, 0, 0, 0, count as u8, 0, 0, 0, 6, 0, 0, 0, 6];
        images.extend((0..count).flat_map(|i| (0..36).map(move |pixel| ((i % 10) * 25 + pixel) as u8)));
        std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let mut labels = vec![0, 0, 8, 1, 0, 0, 0, count as u8];
        labels.extend((0..count).map(|i| (i % 10) as u8));
        std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    for digit in 0..10 {
        for speaker in ["ann", "bob"] {
            let path = folder.join(format!("{digit}_{speaker}_0.wav"));
            write_wav(&path, 16, (0..800).map(|i| (i * (digit + 3)) % 2000));
        }
    }
}

/// A configuration for [`write_avmnist`]'s files in the same folder.
pub const TINY_AVMNIST: &str = r#"
[run]
epochs = 1
batch_size = 8
validation = 0

[data]
kind = "avmnist"
mnist = "."
fsdd = "."
test_speakers = ["bob"]

[modality.image]
kind = "rgb"
encoder.channels = [4]

[modality.audio]
kind = "audio"
sample_rate = 8000
spectrogram = { n_fft = 64, hop_length = 40, win_length = 64, n_mels = 12 }
encoder.channels = [4]

[blend]
kind = "equal"
"#;
