//! The identity of a segment.

/// The identity of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::data) struct SegmentKey(String);

impl SegmentKey {
    /// The key of samples with these `fingerprints`, prepared by what `preparation` describes.
    pub(in crate::data) fn new<'a>(
        preparation: &'a str,
        fingerprints: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        // Lengths keep two different lists of parts from hashing alike.
        for part in std::iter::once(preparation).chain(fingerprints) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().to_hex().to_string())
    }

    /// As text, to be a part of another key.
    pub(in crate::data) fn text(&self) -> &str {
        &self.0
    }

    /// As the names of a folder and of a file in it.
    pub(super) fn names(&self) -> (&str, &str) {
        self.0.split_at(2)
    }
}
