//! Optimisers, learning-rate schedules and blend strategies for gblend.
