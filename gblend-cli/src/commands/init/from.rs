//! A configuration for the files that there are.

use std::path::{Path, PathBuf};

use super::{rendered, write_new};
use crate::config::Config;
use crate::data::manifest::survey::{Place, Survey, survey};
use crate::error::{Error, Result};
use crate::training::session::check_division;

/// Looks at `from`, writes a configuration that trains on it, and returns what was guessed and why.
///
/// # Errors
/// [`Error::Usage`] if the file is there already; what the files lack to be trained on. Then nothing is written.
pub(super) fn write(from: &Path, file: &Path, label: Option<&str>) -> Result<String> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("gblend");
    let table_name = format!("{stem}-samples.csv");
    check_free(file)?;
    if !folder.is_dir() {
        return Err(Error::Usage(format!(
            "{} is no folder; make it first",
            folder.display()
        )));
    }
    let place = Place {
        folder,
        table: &table_name,
    };
    let mut survey = survey(from, place, label)?;
    let table = survey
        .table
        .as_ref()
        .map(|text| (file.with_file_name(&table_name), text.clone()));
    let table = match table {
        Some((path, text)) => {
            check_free(&path)?;
            super::write_new_bytes(&path, &text)?;
            Some(Written(path))
        }
        None => None,
    };
    let text = checked(&mut survey, from, file, folder)?;
    write_new(file, &text)?;
    let told = told(&survey, file, table.as_ref().map(|written| &*written.0));
    if let Some(table) = table {
        table.keep();
    }
    Ok(told)
}

/// A file that goes again unless it is kept.
struct Written(PathBuf);

impl Written {
    fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// Links that lead nowhere are there as well.
fn check_free(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::Usage(format!(
            "{} is there already, and nothing is overwritten; name another file, as in `gblend init --from PATH other.toml`",
            path.display()
        ))),
        Err(_) => Ok(()),
    }
}

/// The text of a configuration that was read and whose data were opened and divided.
fn checked(survey: &mut Survey, from: &Path, file: &Path, folder: &Path) -> Result<String> {
    let base = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let read = |survey: &Survey| -> Result<(String, Config)> {
        let text = rendered::configuration(survey, from);
        if text.contains("${") {
            let problem = "a name of a column, a file or a class has `${`, which a configuration takes for an environment \
                           variable; rename it";
            return Err(gblend_core::Error::data(from.display(), problem).into());
        }
        let config = Config::parse(&file.display().to_string(), &text, base.clone(), &[]);
        let config =
            config.map_err(|error| Error::Internal(format!("the configuration cannot be read: {error}")))?;
        Ok((text, config))
    };
    let (text, config) = read(survey)?;
    let Err(error) = check_division(&config) else {
        return Ok(text);
    };
    // Whole groups may leave a split without a class.
    let Some(group) = survey.manifest.group.take() else {
        return Err(error);
    };
    for guess in survey.guesses.iter_mut().filter(|guess| guess.key == "group") {
        guess.column = None;
        guess.why = format!("`{group}` cannot be kept whole: {error}");
    }
    let (text, config) = read(survey)?;
    match check_division(&config) {
        Ok(()) => Ok(text),
        Err(_) => Err(error),
    }
}

/// What was guessed and why, a line each, and what to do next.
fn told(survey: &Survey, file: &Path, table: Option<&Path>) -> String {
    let mut lines = vec![survey.what.clone()];
    for guess in &survey.guesses {
        lines.push(match &guess.column {
            Some(column) => format!("{}: `{column}`, {}", guess.key, guess.why),
            None => format!("{}: {}", guess.key, guess.why),
        });
    }
    for stream in &survey.streams {
        let what = rendered::described(&stream.content);
        lines.push(format!("stream {}: {}; {what}", stream.name, stream.why));
    }
    lines.extend(survey.left_out.iter().map(|what| format!("not used: {what}")));
    lines.extend(
        survey
            .skipped
            .iter()
            .map(|why| format!("samples are skipped: {why}")),
    );
    let table = table.map_or_else(String::new, |table| format!("{} and ", table.display()));
    let file = quoted(file);
    lines.push(format!(
        "wrote {table}{file}; next:\n  gblend check {file}\n  gblend train {file}"
    ));
    lines.join("\n")
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./:\\".contains(c);
    match path.chars().all(plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}
