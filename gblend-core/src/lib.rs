//! The traits, layers and mathematics of Gradient-Blending: everything that a gblend plugin needs.
