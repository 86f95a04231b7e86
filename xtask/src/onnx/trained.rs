//! Models that the command line trains, exports and predicts with.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::fresh;
use crate::Result;
use crate::process::{output_of, succeed, workspace};

/// A trained model.
pub(super) struct Trained {
    /// What it was trained on.
    pub(super) of: &'static str,
    /// How far ONNX Runtime is from `gblend predict`.
    pub(super) difference: f64,
}

/// Seconds of training, after which heads differ and a pool is fitted; of the camera's clips all are looked at.
const SCENE: [&str; 7] = [
    "run.epochs=6",
    "run.validation=0.25",
    "optimizer.kind=adam",
    "optimizer.learning_rate=0.01",
    "modality.camera.sampling=clip",
    "modality.camera.frames=2",
    "modality.camera.clips=3",
];

/// Validation samples enough for a pool of those that lack the same.
const OPTIONAL: [&str; 3] = [
    "data.streams.camera.optional=true",
    "data.streams.microphone.optional=true",
    "run.validation=0.5",
];

/// Pictures, flow and sound: the built-in scene, cut down, as files.
pub(super) fn of_scene(gblend: &Path, python: &Path) -> Result<Trained> {
    let folder = fresh("scene")?;
    let data = folder.join("data");
    let mut export = Command::new(gblend);
    export.args(["data", "export", "scene", "--quiet"]).arg(&data);
    export.args(["--set", "data.train_samples=160", "--set", "data.test_samples=32"]);
    succeed(&mut export)?;
    let files = Files {
        config: data.join("config.toml"),
        table: data.join("samples.csv"),
        folder,
        missing: false,
    };
    Ok(Trained {
        of: "pictures, flow and sound, three clips of each sample",
        difference: files.difference(gblend, python, &SCENE)?,
    })
}

/// The same, of which a third of the samples lacks the camera and a third the microphone, in training too.
pub(super) fn of_scene_in_part(gblend: &Path, python: &Path) -> Result<Trained> {
    let folder = fresh("scene-in-part")?;
    let data = folder.join("data");
    let mut export = Command::new(gblend);
    export.args(["data", "export", "scene", "--quiet"]).arg(&data);
    export.args(["--set", "data.train_samples=200", "--set", "data.test_samples=32"]);
    succeed(&mut export)?;
    let table = data.join("samples.csv");
    std::fs::write(&table, in_part(&std::fs::read_to_string(&table)?)?)?;
    let files = Files {
        config: data.join("config.toml"),
        table,
        folder,
        missing: true,
    };
    let missing = [&SCENE[..], &OPTIONAL].concat();
    Ok(Trained {
        of: "pictures, flow and sound, one of which two thirds of the samples lack",
        difference: files.difference(gblend, python, &missing)?,
    })
}

/// A table without the cells of one modality in two of three rows.
fn in_part(table: &str) -> Result<String> {
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    let columns: Vec<&str> = header.split(',').collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let Some((camera, microphone)) = place("camera_path").zip(place("microphone_path")) else {
        return Err(format!("the table of the scene has the columns {header}").into());
    };
    let rows = lines.enumerate().map(|(row, line)| {
        let mut cells: Vec<&str> = line.split(',').collect();
        let lacking = [None, Some(camera), Some(microphone)][row % 3];
        if let Some(cell) = lacking.and_then(|column| cells.get_mut(column)) {
            *cell = "";
        }
        cells.join(",")
    });
    let rows: Vec<String> = std::iter::once(header.to_owned()).chain(rows).collect();
    Ok(rows.join("\n"))
}

/// Numbers, categories, texts and sequences, whose inputs Python makes from the metadata as well.
pub(super) fn of_table(gblend: &Path, python: &Path) -> Result<Trained> {
    let folder = fresh("table")?;
    let front_end = |what: &str| {
        let mut command = Command::new(python);
        command.arg(workspace().join("xtask/peers/onnx_front_end.py"));
        command.arg(what).arg(&folder);
        command
    };
    succeed(&mut front_end("make"))?;
    let files = Files {
        config: folder.join("config.toml"),
        table: folder.join("table.csv"),
        folder: folder.clone(),
        missing: false,
    };
    let difference = files.difference(gblend, python, &[])?;
    succeed(&mut front_end("compare"))?;
    Ok(Trained {
        of: "numbers, categories, texts and sequences",
        difference,
    })
}

/// A configuration, a table of its samples, and the folder where everything else comes to lie.
struct Files {
    config: PathBuf,
    table: PathBuf,
    folder: PathBuf,
    /// Whether samples lack modalities.
    missing: bool,
}

impl Files {
    /// Trains, exports and predicts.
    fn difference(&self, gblend: &Path, python: &Path, settings: &[&str]) -> Result<f64> {
        let path = |name: &str| self.folder.join(name);
        let mut train = Command::new(gblend);
        train.args(["train", "--quiet"]).arg(&self.config);
        train.arg("--out").arg(path("run"));
        let cache = format!("run.cache={:?}", path("cache").display().to_string());
        for setting in settings.iter().copied().chain([cache.as_str()]) {
            train.args(["--set", setting]);
        }
        succeed(&mut train)?;
        let mut export = Command::new(gblend);
        export.arg("export").arg(path("run"));
        export.arg("--onnx").arg(path("model.onnx"));
        export.arg("--table").arg(&self.table);
        export.arg("--inputs").arg(path("inputs.npz"));
        export.args(self.missing.then_some("--missing"));
        succeed(&mut export)?;
        let mut predict = Command::new(gblend);
        predict.args(["predict", "--quiet"]).arg(path("run"));
        predict.arg("--table").arg(&self.table);
        predict.arg("--out").arg(path("predictions.jsonl"));
        succeed(&mut predict)?;
        let mut compare = Command::new(python);
        compare.arg(workspace().join("xtask/peers/onnx_models.py"));
        compare.args(["model.onnx", "inputs.npz", "predictions.jsonl"].map(path));
        Ok(output_of(&mut compare)?.trim().parse()?)
    }
}
