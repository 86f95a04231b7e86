//! The formats of files, each with a number that changes with it.

/// Whether this version reads a file of the format `found`: it reads `known`.
///
/// # Errors
/// The format, if it does not.
pub(super) fn check_format(file: &str, found: &str, known: &str) -> Result<(), String> {
    match found == known {
        true => Ok(()),
        false => Err(format!(
            "{file} has the format `{found}`, this gblend reads `{known}`"
        )),
    }
}
