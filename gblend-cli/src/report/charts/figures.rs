//! Figures as people read them.

/// `71.4 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `71.4 ± 1.0 %`.
pub(crate) fn plus_minus(share: f64, half: Option<f64>) -> String {
    match half {
        Some(half) => format!("{:.1} ± {:.1} %", 100.0 * share, 100.0 * half),
        None => percent(share),
    }
}

/// A difference of shares in percentage points, with its sign.
pub(crate) fn points(difference: f64) -> String {
    let text = format!("{:+.1}", 100.0 * difference);
    if text.ends_with("0.0") && text.len() == 4 {
        "0.0".to_owned()
    } else {
        text.replace('-', "−")
    }
}

/// A figure of any size with some three digits.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size == 0.0 => "0".to_owned(),
        _ if !(1e-4..1e6).contains(&size) => format!("{value:.2e}"),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    };
    text.replacen('-', if text.contains('e') { "-" } else { "−" }, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_proper_sign() {
        assert_eq!(figure(-0.1234), "−0.123");
        assert_eq!(figure(0.0), "0");
        assert_eq!(figure(1234.5), "1234");
        assert_eq!(figure(-1e-7), "-1.00e-7");
        assert_eq!(points(0.0123), "+1.2");
        assert_eq!(points(-0.0123), "−1.2");
        assert_eq!(points(-0.0001), "0.0");
        assert_eq!(plus_minus(0.714, Some(0.01)), "71.4 ± 1.0 %");
    }
}
