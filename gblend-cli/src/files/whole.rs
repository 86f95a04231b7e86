//! Files that are whole or not there.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole_by(path, |file| file.write_all(bytes))
}

/// The same, of what is written bit by bit and need not be in memory.
pub(crate) fn write_whole_by(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut buffered = BufWriter::new(&mut file);
        content(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        file.as_file().sync_all()?;
        make_readable(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(Error::write(path))
}

/// Temporary files are for their owner alone; results are for whoever may read the folder.
#[cfg(unix)]
pub(crate) fn make_readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
pub(crate) fn make_readable(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Refuses to write where there is something already.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn check_free(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(taken(path)),
        false => Ok(()),
    }
}

/// What there is to say of a file that nobody wants overwritten.
pub(crate) fn taken(path: &Path) -> Error {
    Error::Usage(format!(
        "{} is there already, and nothing is overwritten; name another file, or remove it",
        path.display()
    ))
}

/// A value as the text of a JSON file.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    json.push(b'\n');
    Ok(json)
}

/// Opens a log to append to what its first `bytes` bytes are.
pub(crate) fn cut(path: &Path, bytes: u64) -> std::io::Result<File> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.set_len(bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}
