//! A survey as the text of a configuration.

use std::path::Path;

use toml::Value;

use crate::data::manifest::survey::{Content, Frames, Survey};
use crate::data::manifest::{BadSample, LabelColumn, Split};

/// Longest line of a comment.
const WIDTH: usize = 116;
/// Pixels of the longer side that pictures keep.
const MOST_PIXELS: usize = 64;
/// Pictures of one size that are so small stay as they are.
const SMALL_PIXELS: usize = 96;
/// Seconds that are kept of sounds.
const MOST_SECONDS: f64 = 5.0;
/// Steps that are kept of sequences as they are; longer ones are resampled to them.
const MOST_STEPS: usize = 512;
/// Frames that are taken of each sample.
const MOST_FRAMES: usize = 8;

/// The text of a configuration that trains on what was found, with what was guessed in comments.
pub(super) fn configuration(survey: &Survey, from: &Path) -> String {
    let mut text = Text::default();
    text.comment(&format!(
        "Written by `gblend init --from` after a look at {}. What is wrong can be changed: every key is described in \
         docs/config.md, and `gblend check` shows what becomes of the data.",
        from.display()
    ));
    run(&mut text, survey);
    data(&mut text, survey);
    for (name, settings) in &survey.manifest.streams {
        text.table(&["data", "streams", name]);
        if let Some(stream) = survey.streams.iter().find(|stream| stream.name == *name) {
            text.comment(&stream.why);
        }
        let Ok(settings) = toml::Table::try_from(settings) else {
            continue;
        };
        // What it is stands first, whatever the order of the settings.
        for (key, value) in settings.iter().filter(|(key, _)| *key == "media") {
            text.key(key, value.clone());
        }
        let others = settings
            .iter()
            .filter(|(key, _)| *key != "media" && *key != "max_mib");
        others.for_each(|(key, value)| text.key(key, value.clone()));
    }
    for stream in &survey.streams {
        text.table(&["modality", &stream.name]);
        text.comment(&described(&stream.content));
        modality(&mut text, &stream.content, survey.samples);
    }
    text.table(&["fusion"]);
    text.key("kind", "concat");
    text.line("head = { hidden = [64] }");
    objective(&mut text, survey);
    text.table(&["blend"]);
    text.comment(
        "How the losses of the heads are weighed: ogr by how much each generalizes for how much it overfits. `joint` is plain \
         late fusion, `equal` weighs all alike.",
    );
    text.key("kind", "ogr");
    if survey.samples < FEW_SAMPLES {
        let say = "How much each head has its say is fitted on samples that it was not trained on.";
        match (&survey.manifest.group, &survey.manifest.split) {
            // Whether a column leaves two groups to train on is not known here; of groups that are divided it does.
            (Some(_), Split::Column(_)) => {
                text.comment(&format!(
                    "{say} There are few: with two groups and more to train on, \"cross\" trains five further networks, or as many as there are \
                     groups, each without a part of them."
                ));
                text.line("# pool = \"cross\"");
            }
            _ => {
                text.comment(&format!(
                    "{say} There are few, so five further networks are trained, each without a fifth of them; \"validation\" takes the \
                     validation samples alone, in no time."
                ));
                text.key("pool", "cross");
            }
        }
    }
    text.table(&["optimizer"]);
    text.key("kind", "adamw");
    text.key("learning_rate", 0.001);
    text.0
}

/// With fewer rows than this, the validation samples are too few to fit a pool of heads on.
const FEW_SAMPLES: usize = 500;

fn run(text: &mut Text, survey: &Survey) {
    let samples = survey.samples;
    text.table(&["run"]);
    text.key("seed", 0);
    text.key(
        "epochs",
        match samples {
            0..1000 => 40,
            1000..10_000 => 30,
            10_000..100_000 => 15,
            _ => 5,
        },
    );
    text.key("batch_size", batch_size(samples) as i64);
    if !survey.has_validation {
        text.comment("Of the training samples: no column says which are for validation.");
        text.key("validation", if samples < 10_000 { 0.2 } else { 0.1 });
    }
    text.comment("Once the epoch is found, trains again with the validation samples, which takes as long once more at most.");
    text.key("refit", true);
}

/// What helps where classes are rare, to be taken or left. Names of classes are not repeated here.
fn objective(text: &mut Text, survey: &Survey) {
    let Some(rare) = &survey.rare_classes else {
        return;
    };
    text.line("");
    text.comment(&format!(
        "The rarest class has {} samples to train on, the most frequent one {}. These lines let each class count as much as \
         any other, which finds more of the rare ones and takes more of the others for them:",
        rare.rarest.1, rare.most_frequent.1
    ));
    text.line("# [objective]");
    let kind = match survey.manifest.label_separator {
        Some(_) => "multi-label",
        None => "single-label",
    };
    text.line(&format!("# kind = \"{kind}\""));
    text.line("# class_weights = \"balanced\"");
}

/// A power of two, so that an epoch has several steps.
fn batch_size(samples: usize) -> usize {
    let most = samples / 16;
    [64, 32, 16, 8]
        .into_iter()
        .find(|&size| size <= most)
        .unwrap_or(4)
}

fn data(text: &mut Text, survey: &Survey) {
    let manifest = &survey.manifest;
    text.table(&["data"]);
    text.key("kind", "manifest");
    for (key, path) in [("table", &manifest.table), ("root", &manifest.root)] {
        if let Some(path) = path {
            text.key(key, path.to_string_lossy().into_owned());
        }
    }
    if !manifest.shards.is_empty() {
        let shards = manifest
            .shards
            .iter()
            .map(|path| path.to_string_lossy().into_owned());
        let lines: String = shards
            .map(|path| format!("    {},\n", Value::from(path)))
            .collect();
        text.line(&format!("shards = [\n{lines}]"));
    }
    let why = |text: &mut Text, key: &str| {
        if let Some(guess) = survey.guesses.iter().find(|guess| guess.key == key) {
            text.comment(&format!("{key}: {}.", guess.why));
        }
    };
    why(text, "id");
    if let Some(id) = &manifest.id {
        text.key("id", id.clone());
    }
    why(text, "label");
    if let Some(label) = &manifest.label {
        text.key("label", label.clone());
    }
    if manifest.label_kind == LabelColumn::Number {
        text.key("label_kind", "number");
    }
    if let Some(separator) = &manifest.label_separator {
        text.key("label_separator", separator.clone());
    }
    why(text, "split");
    match &manifest.split {
        Split::Column(column) => text.key("split", column.clone()),
        Split::Shares(shares) => text.line(&format!("split = {{ test = {} }}", shares.test)),
    }
    why(text, "group");
    if let Some(group) = &manifest.group {
        text.key("group", group.clone());
    }
    if manifest.on_bad_sample == BadSample::Skip {
        for why in &survey.skipped {
            text.comment(&format!("{why}."));
        }
        text.key("on_bad_sample", "skip");
    }
    for what in &survey.left_out {
        text.comment(&format!("Not used: {what}."));
    }
}

/// What a stream has in it, in words.
pub(super) fn described(content: &Content) -> String {
    let between = |least: usize, most: usize| match least == most {
        true => format!("{least}"),
        false => format!("{least} to {most}"),
    };
    let pictures = |what: &str, frames: &Frames| {
        let size = format!("{} by {} pixels", frames.width, frames.height);
        let size = if frames.alike {
            size
        } else {
            format!("different sizes, {size} in the middle")
        };
        match frames.frames {
            (1, 1) => format!("{what} of {size}"),
            (least, most) => format!("{} {what} for each sample, of {size}", between(least, most)),
        }
    };
    match content {
        Content::Vector { columns } => format!("vectors of {columns} numbers"),
        Content::Sequence {
            features,
            steps,
            transposed,
        } => {
            let order = if *transposed { ", steps last" } else { "" };
            let each = match features {
                1 => format!("a number each{order}"),
                features => format!("{features} features{order}"),
            };
            format!("sequences of {} steps with {each}", between(steps.0, steps.1))
        }
        Content::Text { bytes } => format!("texts of up to {bytes} bytes"),
        Content::Pictures(frames) => pictures("pictures", frames),
        Content::Depth(frames) => pictures("maps of depth", frames),
        Content::Flow(frames) => pictures("fields of optical flow", frames),
        Content::Sound {
            sample_rate,
            seconds: (least, most),
        } => {
            format!("sounds of {least:.1} to {most:.1} seconds, {sample_rate} samples per second")
        }
    }
}

fn modality(text: &mut Text, content: &Content, samples: usize) {
    match content {
        Content::Vector { .. } => {
            text.key("kind", "vector");
            text.line("encoder = { widths = [64], dropout = 0.25 }");
        }
        Content::Sequence {
            steps, transposed, ..
        } => {
            text.key("kind", "sequence");
            if *transposed {
                text.key("transposed", true);
            }
            text.comment("Steps: longer ones are cut to their middle, shorter ones padded, and padding is seen by no layer.");
            text.key("length", steps.1.min(MOST_STEPS) as i64);
            if steps.1 > MOST_STEPS {
                text.key("resize", "resample");
            }
            text.line("encoder = { architecture = \"convolution\", channels = [32, 64] }");
        }
        Content::Text { bytes } => {
            text.key("kind", "text");
            // A token that is learned has four bytes or so.
            text.key("length", (bytes / 3).next_power_of_two().clamp(16, 256) as i64);
            text.key("vocabulary", if samples < 2000 { 1024 } else { 4096 });
        }
        Content::Pictures(frames) => {
            text.key("kind", "rgb");
            pictures(text, frames, samples);
        }
        Content::Depth(frames) => {
            text.key("kind", "depth");
            text.comment("A value is taken for millimeters; `depth_scale` of the stream says otherwise.");
            pictures(text, frames, samples);
        }
        Content::Flow(frames) => {
            text.key("kind", "flow");
            pictures(text, frames, samples);
        }
        Content::Sound { sample_rate, seconds } => {
            text.key("kind", "audio");
            let slow = *sample_rate <= 8000;
            text.key("sample_rate", if slow { 8000 } else { 16_000 });
            text.comment("Longer sounds are cut, silence follows shorter ones.");
            let kept = seconds.1.clamp(0.25, MOST_SECONDS);
            text.key("seconds", (kept * 20.0).ceil() / 20.0);
            if slow {
                text.line("spectrogram = { n_fft = 256, hop_length = 80, win_length = 200, n_mels = 40 }");
            }
            text.line(&format!("encoder.channels = {}", channels(samples, 3)));
        }
    }
}

/// Size, frames and encoder of pictures.
fn pictures(text: &mut Text, frames: &Frames, samples: usize) {
    let longer = frames.height.max(frames.width).max(1);
    let [height, width] = if frames.alike && longer <= SMALL_PIXELS {
        [frames.height, frames.width]
    } else {
        let scaled = |pixels: usize| (pixels * MOST_PIXELS / longer).max(8);
        [scaled(frames.height), scaled(frames.width)]
    };
    text.comment("Height and width that they are brought to.");
    text.line(&format!("size = [{height}, {width}]"));
    if frames.frames != (1, 1) {
        text.key("frames", frames.frames.1.min(MOST_FRAMES) as i64);
    }
    let stages = match height.min(width) {
        0..8 => 1,
        8..16 => 2,
        _ => 3,
    };
    text.line(&format!("encoder.channels = {}", channels(samples, stages)));
}

/// Channels of so many stages, more of them where there is more to learn from.
fn channels(samples: usize, stages: usize) -> String {
    let channels = if samples < 2000 {
        ["8", "16", "32"]
    } else {
        ["16", "32", "64"]
    };
    format!("[{}]", channels[..stages.min(3)].join(", "))
}

/// Lines of TOML.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn table(&mut self, path: &[&str]) {
        let keys: Vec<String> = path.iter().map(|key| key_text(key)).collect();
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line(&format!("[{}]", keys.join(".")));
    }

    fn key(&mut self, key: &str, value: impl Into<Value>) {
        self.line(&format!("{} = {}", key_text(key), value.into()));
    }

    /// Whatever the text has in it, it stays a comment.
    fn comment(&mut self, text: &str) {
        let plain: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let mut line = String::from("#");
        for word in plain.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > 1 {
                self.line(&line);
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }
}

/// A key, quoted if it has to be.
fn key_text(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => toml_edit::Key::new(key).to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_a_name_is_it_is_read_as_it_was_written(name in "\\PC{0,12}|[\"'\\\\#\n\t*{}\\[\\]=.]{0,8}") {
            let mut text = Text::default();
            text.comment(&name);
            text.table(&["data", "streams", &name]);
            text.key(&name, name.clone());
            let read: toml::Table = text.0.parse().unwrap();
            prop_assert_eq!(read["data"]["streams"][&name][&name].as_str(), Some(&name[..]));
        }
    }

    #[test]
    fn an_epoch_has_several_steps() {
        for samples in [8, 40, 100, 1000, 100_000] {
            assert!(batch_size(samples) <= (samples / 16).max(4));
        }
    }
}
