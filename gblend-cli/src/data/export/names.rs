//! Names of files and folders.

use std::collections::BTreeSet;

/// The given names, if they are good as names of files on any system and can be told apart there; their numbers,
/// from 1, if one of them is not.
pub(super) fn file_names(given: Vec<String>) -> Vec<String> {
    const LONGEST: usize = 100;
    let plain = |name: &String| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=LONGEST).contains(&name.len()) && name.chars().all(letter)
    };
    let different: BTreeSet<String> = given.iter().map(|name| name.to_ascii_lowercase()).collect();
    if given.iter().all(plain) && different.len() == given.len() {
        given
    } else {
        (1..=given.len()).map(|number| number.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_elsewhere_or_meet_are_replaced_by_numbers() {
        let names = |given: [&str; 2]| file_names(given.map(str::to_owned).to_vec());
        assert_eq!(names(["scene-1", "Scene_2"]), ["scene-1", "Scene_2"]);
        for odd in [
            "../a",
            "/a",
            "a/b",
            "",
            ".",
            "a.b",
            "A",
            "ä",
            "a\0",
            &"x".repeat(101),
        ] {
            assert_eq!(names(["a", odd]), ["1", "2"], "{odd}");
        }
    }
}
