//! What a modality has to know of the training samples before its network is built: means and deviations of columns, the
//! words of a text.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::array::Array;
use crate::error::{Error, Result};

/// What a modality has fitted to training samples, see [`Modality::fit`](crate::Modality::fit). By default that is nothing.
///
/// It is kept in the run folder, so that a model is evaluated with the figures that it was trained with.
///
/// ```
/// use gblend_core::Fitted;
///
/// let fitted = Fitted::new(&vec![0.5, 2.0])?.with_summary("means of 2 columns");
/// assert_eq!(*fitted.get::<Vec<f64>>()?, [0.5, 2.0]);
/// # Ok::<_, gblend_core::Error>(())
/// ```
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// As JSON.
    value: Value,
    /// What [`summary`](Self::summary) returns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    summary: Vec<String>,
    /// The value as it was asked for first. Samples ask for it one by one.
    #[serde(skip)]
    parsed: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Fitted {
    /// Nothing, for modalities that fit nothing.
    pub fn nothing() -> &'static Self {
        static NOTHING: Fitted = Fitted {
            value: Value::Null,
            summary: Vec::new(),
            parsed: OnceLock::new(),
        };
        &NOTHING
    }

    /// A value that survives JSON. Numbers of 64 bits do, to the bit, if they are finite.
    ///
    /// # Errors
    /// [`Error::Plugin`] if it cannot be written as JSON.
    pub fn new(value: &impl Serialize) -> Result<Self> {
        Ok(Self {
            value: serde_json::to_value(value).map_err(Error::plugin)?,
            ..Self::default()
        })
    }

    /// The same with another line of summary.
    #[must_use]
    pub fn with_summary(mut self, line: impl Into<String>) -> Self {
        self.summary.push(line.into());
        self
    }

    /// Whether nothing was fitted.
    pub fn is_nothing(&self) -> bool {
        self.value.is_null()
    }

    /// What `gblend check` shows of it.
    pub fn summary(&self) -> &[String] {
        &self.summary
    }

    /// The value. It is read from JSON once, so this may be asked for with every sample.
    ///
    /// # Errors
    /// [`Error::Data`] if it is another value than a `T`.
    pub fn get<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        if let Some(parsed) = self.parsed.get()
            && let Ok(value) = Arc::clone(parsed).downcast()
        {
            return Ok(value);
        }
        let value = T::deserialize(&self.value).map_err(|error| {
            let problem = format!("is not what this modality fits: {error}");
            Error::data("what was fitted to the training samples", problem)
        })?;
        let value = Arc::new(value);
        // Another thread may have been first, with the same value.
        let shared: Arc<dyn Any + Send + Sync> = value.clone();
        let _ = self.parsed.set(shared);
        Ok(value)
    }
}

impl PartialEq for Fitted {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.summary == other.summary
    }
}

impl fmt::Debug for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fitted")
            .field("value", &self.value)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

/// The training samples of one modality, one at a time.
#[derive(Clone, Copy)]
pub struct FitContext<'a> {
    /// The folder that relative paths start from: that of the configuration file.
    pub base: &'a Path,
    count: usize,
    read: &'a dyn Fn(usize) -> Result<Array>,
}

impl<'a> FitContext<'a> {
    /// So many samples, each of which `read` loads by its number.
    pub fn new(base: &'a Path, count: usize, read: &'a dyn Fn(usize) -> Result<Array>) -> Self {
        Self { base, count, read }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The samples as [`Modality::prepare`](crate::Modality::prepare) made them, in the order of the dataset. Every call
    /// goes through them anew, and none is kept in memory for it.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Result<Array>> + use<'a> {
        (0..self.count).map(self.read)
    }
}

impl fmt::Debug for FitContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FitContext")
            .field("base", &self.base)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back_from_a_file_to_the_bit(values in proptest::collection::vec(-1e300_f64..1e300, 0..9)) {
            let fitted = Fitted::new(&values).unwrap().with_summary("numbers");
            let text = serde_json::to_string(&fitted).unwrap();
            let back: Fitted = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, &fitted);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&back.get::<Vec<f64>>().unwrap()), bits(&values));
        }
    }

    #[test]
    fn the_value_is_read_once_and_another_type_is_refused() {
        let fitted = Fitted::new(&vec![1.0, 2.0]).unwrap();
        let first = fitted.get::<Vec<f64>>().unwrap();
        assert!(Arc::ptr_eq(&first, &fitted.get::<Vec<f64>>().unwrap()));
        assert_eq!(*fitted.get::<Vec<f32>>().unwrap(), [1.0, 2.0]);
        let error = fitted.get::<String>().unwrap_err().to_string();
        assert!(error.contains("training samples"), "{error}");
        assert!(Fitted::nothing().get::<Vec<f64>>().is_err());
        assert!(Fitted::nothing().is_nothing() && !fitted.is_nothing());
    }

    #[test]
    fn samples_can_be_gone_through_more_than_once() {
        let read = |index: usize| Array::new([1], vec![index as f32]);
        let cx = FitContext::new(Path::new("."), 3, &read);
        for _ in 0..2 {
            let values: Vec<f32> = cx.samples().map(|sample| sample.unwrap().values()[0]).collect();
            assert_eq!(values, [0.0, 1.0, 2.0]);
        }
    }
}
