//! What similarities are divided by.

use gblend_core::nn::{exp, offset, repeat, scale, sigmoid};
use gblend_core::params::{ParamPath, ParamVisitor};
use gblend_core::tensor::{Dims1, Features, Plain, Taped, reshape};
use gblend_core::{AutoDevice, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What similarities are divided by: the smaller it is, the more the nearest of the others counts.
///
/// One that is learned stays between its bounds: `ln τ = ln least + (ln most − ln least) · sigmoid(x)`, where x is the
/// parameter, so that none of them is ever overstepped and the gradient never ends at a bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Temperature {
    /// At the start.
    pub start: f64,
    /// Whether it is learned; if not, it stays.
    pub learned: bool,
    /// The least that a learned one may become.
    pub least: f64,
    /// The most that a learned one may become.
    pub most: f64,
}

impl Default for Temperature {
    fn default() -> Self {
        Self {
            start: 0.07,
            learned: true,
            least: 0.01,
            most: 1.0,
        }
    }
}

impl Temperature {
    /// The same with a parameter, if it is learned.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is no number above 0, or not between its bounds.
    pub(in crate::objective) fn build(&self, device: &AutoDevice) -> Result<BuiltTemperature> {
        let positive = |key: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(value),
            false => Err(Error::setting(
                format!("temperature.{key}"),
                value,
                "a number above 0",
            )),
        };
        let start = positive("start", self.start)?;
        if !self.learned {
            return Ok(BuiltTemperature::Fixed(start));
        }
        let (least, most) = (positive("least", self.least)?, positive("most", self.most)?);
        if least >= most {
            let expected = format!("a number below temperature.most = {most}");
            return Err(Error::setting("temperature.least", least, expected));
        }
        if !(least < start && start < most) {
            let expected = format!(
                "a number between temperature.least = {least} and temperature.most = {most}, or temperature.learned = false"
            );
            return Err(Error::setting("temperature.start", start, expected));
        }
        let share = (start / least).ln() / (most / least).ln();
        let parameter = (share / (1.0 - share)).ln() as f32;
        Ok(BuiltTemperature::Learned {
            least: least.ln(),
            most: most.ln(),
            parameter: Plain::new(device, (1,), vec![parameter])?,
        })
    }
}

/// A temperature at work.
pub(in crate::objective) enum BuiltTemperature {
    Fixed(f64),
    /// The logarithms of its bounds, and the parameter.
    Learned {
        least: f64,
        most: f64,
        parameter: Plain<Dims1>,
    },
}

impl BuiltTemperature {
    /// Its value.
    pub(in crate::objective) fn value(&self) -> f64 {
        match self {
            Self::Fixed(value) => *value,
            Self::Learned {
                least,
                most,
                parameter,
            } => {
                let parameter = parameter.to_vec().first().copied().unwrap_or_default();
                let share = 1.0 / (1.0 + (-f64::from(parameter)).exp());
                (least + (most - least) * share).exp()
            }
        }
    }

    /// `rows / τ`.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(in crate::objective) fn divide(&self, rows: Features) -> Result<Features> {
        match self {
            Self::Fixed(value) => scale(rows, (1.0 / value) as f32),
            Self::Learned {
                least,
                most,
                parameter,
            } => {
                let &(count, width) = rows.shape();
                let parameter: Taped<()> = reshape(parameter.parameter(), ())?;
                let logarithm = scale(sigmoid(parameter)?, (most - least) as f32)?;
                let inverse = exp(scale(offset(logarithm, *least as f32)?, -1.0)?)?;
                let inverse = repeat(repeat(inverse, 0, width)?, 0, count)?;
                gblend_core::nn::multiply(rows, inverse)
            }
        }
    }

    /// Shows the parameter, if there is one.
    ///
    /// # Errors
    /// The visitor's.
    pub(in crate::objective) fn visit_params(
        &mut self,
        path: &ParamPath,
        visitor: &mut dyn ParamVisitor,
    ) -> Result<()> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Learned { parameter, .. } => visitor.param(&path.join("temperature"), parameter.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gblend_core::recorder::Recorder;
    use proptest::prelude::*;

    fn learned(start: f64, least: f64, most: f64) -> Result<BuiltTemperature> {
        let temperature = Temperature {
            start,
            learned: true,
            least,
            most,
        };
        temperature.build(&AutoDevice::default())
    }

    proptest! {
        #[test]
        fn a_learned_temperature_begins_where_it_is_told_and_never_leaves_its_bounds(
            least in 0.001_f64..0.1, share in 0.01_f64..0.99, moved in -1e4_f32..1e4,
        ) {
            let most = 100.0 * least;
            let start = least * (share * 100.0_f64.ln()).exp();
            let mut temperature = learned(start, least, most).unwrap();
            prop_assert!((temperature.value() / start - 1.0).abs() < 1e-5);
            let BuiltTemperature::Learned { parameter, .. } = &mut temperature else { unreachable!() };
            *parameter = Plain::new(&AutoDevice::default(), (1,), vec![moved]).unwrap();
            let value = temperature.value();
            prop_assert!(value >= least * (1.0 - 1e-9) && value <= most * (1.0 + 1e-9), "{value}");
            let rows = Plain::new(&AutoDevice::default(), (1, 2), vec![1.0, -2.0]).unwrap();
            let divided = temperature.divide(rows.enter(Recorder::off())).unwrap().to_vec();
            prop_assert!((f64::from(divided[0]) * value - 1.0).abs() < 1e-4, "{divided:?} {value}");
        }
    }

    #[test]
    fn what_is_no_temperature_is_refused_by_its_key() {
        for (start, least, most, key) in [
            (f64::NAN, 0.01, 1.0, "temperature.start = NaN"),
            (0.0, 0.01, 1.0, "temperature.start = 0"),
            (0.07, -1.0, 1.0, "temperature.least"),
            (0.07, 0.01, f64::INFINITY, "temperature.most"),
            (2.0, 0.01, 1.0, "temperature.start = 2"),
        ] {
            let error = learned(start, least, most).err().unwrap().to_string();
            assert!(error.starts_with(key), "{error}");
        }
        let fixed = |start| Temperature {
            start,
            learned: false,
            ..Temperature::default()
        };
        assert!(fixed(f64::NAN).build(&AutoDevice::default()).is_err());
        // The bounds are those of a learned one.
        assert_eq!(fixed(2.0).build(&AutoDevice::default()).unwrap().value(), 2.0);
    }
}
