//! Files that nobody means: what systems leave beside those of people, such as `._0000.png` and `.DS_Store`.

/// Whether a path, or a folder on it, is hidden. Whoever lists files passes such over; a path that a table names is read.
pub(super) fn is_hidden(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.any(|part| part.starts_with('.') && !matches!(part, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn a_dot_in_front_of_a_file_or_a_folder_hides_it() {
        for path in ["._0.png", "a/.DS_Store", ".git/config", "a/.b/c"] {
            assert!(is_hidden(path), "{path}");
        }
        for path in ["0.png", "a/b.c", "./a", "../a", "a..b", ""] {
            assert!(!is_hidden(path), "{path}");
        }
    }
}
