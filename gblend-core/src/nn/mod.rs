//! Layers whose shapes are decided at run time.
