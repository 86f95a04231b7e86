//! The modalities and fusions that come with gblend, and their media front ends.
