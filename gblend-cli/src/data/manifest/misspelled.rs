//! Paths that lead nowhere because they were written for somewhere else.

/// What to say of a path at which nothing is, where it tells why; `is_there` says whether something is at another one.
pub(super) fn misspelled(path: &str, is_there: impl Fn(&str) -> bool) -> String {
    if let Some((kind, _)) = path.split_once("://") {
        return format!("; that is an address ({kind}), expected a path of files that are here");
    }
    // What leads elsewhere is looked for nowhere.
    let is_there = |path: &str| !path.split('/').any(|part| part == "..") && is_there(path);
    let slashes = path.replace('\\', "/");
    if slashes != path && is_there(&slashes) {
        return format!("; `{slashes}` is there: between folders stands /");
    }
    let cased = path.rsplit_once('.').and_then(|(stem, extension)| {
        let other = [extension.to_uppercase(), extension.to_lowercase()];
        let others = other.into_iter().map(|other| format!("{stem}.{other}"));
        others.into_iter().find(|other| other != path && is_there(other))
    });
    cased.map_or_else(String::new, |cased| {
        format!("; `{cased}` is there, which is another name: small and capital letters differ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn why_a_path_leads_nowhere_is_told_where_it_tells() {
        let there = |path: &str| ["a/0.png", "1.PNG", "../x/2.png"].contains(&path);
        for (path, part) in [
            ("https://example.org/0.png", "an address (https)"),
            ("file:///a/0.png", "an address (file)"),
            ("a\\0.png", "`a/0.png` is there"),
            ("1.png", "`1.PNG` is there"),
            ("a/0.PNG", "`a/0.png` is there"),
        ] {
            assert!(misspelled(path, there).contains(part), "{path}");
        }
        for path in ["b.png", "..\\x\\2.png", "a", ""] {
            assert_eq!(misspelled(path, there), "", "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path: String, there: bool) {
            let _ = misspelled(&path, |_| there);
        }
    }
}
