//! What a modality's own head is shown of a sample.

use std::path::PathBuf;

/// What a modality's own head is shown of a sample: feature vectors of its encoder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// That of the sample.
    #[default]
    Once,
    /// Those of two augmentations of the sample, drawn independently: in training anew in each epoch, in evaluation and
    /// estimates once.
    TwoAugmentations,
    /// That of the sample, and that which a frozen encoder of the same architecture makes of it.
    BesideReference(Reference),
}

/// Where a frozen encoder comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// It is the encoder itself as training found it.
    Initial,
    /// It is that of the modality of the same name in another run, whose folder this is.
    Run(PathBuf),
}
