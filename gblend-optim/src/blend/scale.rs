//! Scaling of gradients.

/// Scales a gradient; a factor that is not finite leaves it as it is.
pub(super) fn scale(gradient: &mut [f32], factor: f64) {
    if factor.is_finite() && factor != 1.0 {
        for value in gradient {
            *value = (f64::from(*value) * factor) as f32;
        }
    }
}
