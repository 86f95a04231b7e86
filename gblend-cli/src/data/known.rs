//! A dataset of labels and groups alone, for tests of how samples are divided.

use gblend_core::dataset::{Sample, Stream};
use gblend_core::media::Media;
use gblend_core::{Error, Result, Source};

/// Samples without media.
pub(super) struct Known {
    pub(super) classes: Vec<String>,
    pub(super) samples: Vec<Sample>,
}

impl Source for Known {
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn streams(&self) -> &[Stream] {
        &[]
    }
    fn len(&self) -> usize {
        self.samples.len()
    }
    fn sample(&self, index: usize) -> Sample {
        self.samples[index].clone()
    }
    fn read(&self, _: usize, _: usize) -> Result<Media> {
        Err(Error::data("labels", "no media"))
    }
    fn fingerprint(&self, _: usize, _: usize) -> Result<String> {
        Ok(String::new())
    }
}
