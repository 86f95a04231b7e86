//! A part of a dataset.

use std::ops::Range;
use std::sync::Arc;

use gblend_core::{LabelKind, Media, OnBadSample, Result, Sample, Source, Stream};

/// Some samples of a dataset that follow each other, counted from the first of them.
pub struct Part {
    source: Arc<dyn Source>,
    range: Range<usize>,
}

impl Part {
    /// Those of a range that is inside of the dataset.
    pub fn new(source: Arc<dyn Source>, range: Range<usize>) -> Self {
        Self { source, range }
    }

    fn at(&self, index: usize) -> usize {
        self.range.start + index
    }
}

impl Source for Part {
    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn label_kind(&self) -> LabelKind {
        self.source.label_kind()
    }

    fn streams(&self) -> &[Stream] {
        self.source.streams()
    }

    fn columns(&self, stream: usize) -> Option<Vec<String>> {
        self.source.columns(stream)
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn sample(&self, index: usize) -> Sample {
        self.source.sample(self.at(index))
    }

    fn has(&self, index: usize, stream: usize) -> bool {
        self.source.has(self.at(index), stream)
    }

    fn may_lack(&self, stream: usize) -> bool {
        self.source.may_lack(stream)
    }

    fn read(&self, index: usize, stream: usize) -> Result<Media> {
        self.source.read(self.at(index), stream)
    }

    fn is_direct(&self, stream: usize) -> bool {
        self.source.is_direct(stream)
    }

    fn fingerprint(&self, index: usize, stream: usize) -> Result<String> {
        self.source.fingerprint(self.at(index), stream)
    }

    fn on_bad_sample(&self) -> OnBadSample {
        self.source.on_bad_sample()
    }
}
