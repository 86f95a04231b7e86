//! Which samples of a batch have a modality.

use std::sync::Arc;

use crate::graph::{self, Operand, Operation};

/// For each sample of a batch whether it has a modality.
///
/// Operations that leave out what is not there take it as it is ([`mask_rows`](crate::nn::mask_rows)), so that a network which is
/// exported can be told of each sample. Who reads it ([`to_host`](Self::to_host)) decides on the host, and is trained like any
/// other, but cannot be written down for samples that lack modalities.
#[derive(Clone, Debug)]
pub struct PresenceMask {
    present: Arc<[bool]>,
    /// Of a pass that is traced: the input that it is told of.
    input: Option<Arc<str>>,
}

impl PresenceMask {
    /// One answer for each sample.
    pub fn new(present: impl Into<Arc<[bool]>>) -> Self {
        Self {
            present: present.into(),
            input: None,
        }
    }

    /// For a pass that is [traced](crate::trace::trace) with so many samples: whoever carries the graph out says which of them have
    /// this input.
    pub fn of_input(input: &str, samples: usize) -> Self {
        Self {
            present: std::iter::repeat_n(true, samples).collect(),
            input: Some(input.into()),
        }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// The answers, to decide something by them.
    pub fn to_host(&self) -> &[bool] {
        graph::not_traceable("reads on the host which samples have a modality");
        &self.present
    }

    /// As [`to_host`](Self::to_host), for operations that tell a trace what they make of it.
    pub(crate) fn answers(&self) -> &[bool] {
        &self.present
    }

    /// What an operation that is traced takes it as.
    pub(crate) fn operand(&self) -> Operand {
        graph::operand_of_input(&[self.len()], || {
            let input = self.input.as_deref();
            if input.is_none() {
                graph::not_traceable("leaves out samples by a mask that no input tells");
            }
            Operation::Presence(input.unwrap_or_default().to_owned())
        })
    }
}

impl From<Vec<bool>> for PresenceMask {
    fn from(present: Vec<bool>) -> Self {
        Self::new(present)
    }
}
