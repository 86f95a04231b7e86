//! Gradient-Blending on the command line: train, evaluate and predict with multimodal classifiers.
