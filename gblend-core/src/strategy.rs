//! Blend strategies: which weight each head's loss gets, and when.

use std::fmt::Debug;

use crate::error::{Error, Result};
use crate::weights::BlendWeights;

/// The name of the joint head; no modality may take it.
pub const JOINT: &str = "joint";

/// The heads whose losses are blended: one per modality, then the joint one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    names: Vec<String>,
}

impl Heads {
    /// The heads of these modalities and the joint head.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no modality, a name is taken twice, has other characters than letters,
    /// digits, `-` and `_`, or is `joint`.
    pub fn new(modalities: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for name in modalities {
            if name == JOINT {
                let expected = "another name: the joint head is called so";
                return Err(Error::setting("modality", name, expected));
            }
            if names.contains(&name) {
                return Err(Error::setting(
                    "modality",
                    name,
                    "a name that no other modality has",
                ));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                let expected = "letters, digits, `-` and `_`: the name becomes part of parameter paths";
                return Err(Error::setting("modality", name, expected));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(Error::setting(
                "modality",
                "nothing",
                "at least one [modality.NAME] table",
            ));
        }
        names.push(JOINT.to_owned());
        Ok(Self { names })
    }

    /// All names, the joint head's last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of heads, K+1.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no head; never true.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The position of the joint head, K.
    pub fn joint(&self) -> usize {
        self.names.len() - 1
    }

    /// The position of the head called `name`.
    ///
    /// # Errors
    /// [`Error::Setting`] with every name there is, if there is no such head.
    pub fn find(&self, key: &str, name: &str) -> Result<usize> {
        self.names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| Error::setting(key, name, format!("one of the heads {}", self.names.join(", "))))
    }
}

/// A blend strategy as configured: plain data, read from the `[blend]` table.
#[typetag::serde(tag = "kind")]
pub trait BlendStrategy: Debug + Send + Sync {
    /// Starts a run with these heads.
    ///
    /// # Errors
    /// [`Error::Setting`] if the configuration does not fit the heads.
    fn start(&self, heads: &Heads) -> Result<Box<dyn Blend>>;
}

/// A blend strategy at work: its weights and whatever it has learned so far.
pub trait Blend: Debug + Send {
    /// The weights of the next step.
    fn weights(&self) -> &BlendWeights;

    /// What a checkpoint must keep of it.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Goes on from what a checkpoint kept.
    ///
    /// # Errors
    /// If the state is not one that [`state`](Self::state) made.
    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn heads(names: &[&str]) -> Result<Heads> {
        Heads::new(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn the_joint_head_is_the_last() {
        let heads = heads(&["camera", "microphone"]).unwrap();
        assert_eq!(heads.names(), ["camera", "microphone", "joint"]);
        assert_eq!(heads.joint(), 2);
    }

    #[test]
    fn heads_need_a_modality_distinct_names_and_the_joint_name_free() {
        assert!(heads(&[]).is_err());
        assert!(heads(&["a", "a"]).is_err());
        assert!(heads(&["a", "joint"]).is_err());
        assert!(heads(&["a.b"]).is_err());
        assert!(heads(&[""]).is_err());
    }

    #[test]
    fn an_unknown_head_is_answered_with_the_known_ones() {
        let error = heads(&["camera"])
            .unwrap()
            .find("blend.head", "camrea")
            .unwrap_err();
        assert!(error.to_string().contains("camera, joint"), "{error}");
    }
}
