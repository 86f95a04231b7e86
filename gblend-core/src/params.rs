//! A network's parameters and running statistics, reached by path.
//!
//! A tensor's rank is part of its type, so a network cannot list its parameters in one collection. It hands them to a
//! visitor one by one instead.

use std::collections::BTreeMap;
use std::fmt;

use crate::array::Array;
use crate::device::chosen;
use crate::error::{Error, Result};
use crate::tensor::{Dims1, Dims2, Dims3, Dims4, Gradients, Plain, Shape};

/// Where a parameter stands in the model, such as `camera.encoder.stem.weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamPath(String);

impl ParamPath {
    /// The model itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of the part called `part`.
    #[must_use]
    pub fn join(&self, part: impl fmt::Display) -> Self {
        if self.0.is_empty() {
            Self(part.to_string())
        } else {
            Self(format!("{}.{part}", self.0))
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A parameter of any rank, made with `from` of the tensor.
#[derive(Debug)]
pub struct ParamMut<'a>(pub(crate) Ranked<'a>);

/// The tensor of a parameter.
#[derive(Debug)]
pub(crate) enum Ranked<'a> {
    Rank1(&'a mut Plain<Dims1>),
    Rank2(&'a mut Plain<Dims2>),
    Rank3(&'a mut Plain<Dims3>),
    Rank4(&'a mut Plain<Dims4>),
}

/// Runs one expression on the tensor inside, whatever its rank.
macro_rules! with_param {
    ($ranked:expr, $tensor:ident => $body:expr) => {
        match $ranked {
            $crate::params::Ranked::Rank1($tensor) => $body,
            $crate::params::Ranked::Rank2($tensor) => $body,
            $crate::params::Ranked::Rank3($tensor) => $body,
            $crate::params::Ranked::Rank4($tensor) => $body,
        }
    };
}
pub(crate) use with_param;

impl ParamMut<'_> {
    /// The extents, outermost first.
    pub fn shape(&self) -> Vec<usize> {
        with_param!(&self.0, tensor => tensor.shape().extents())
    }

    /// Which tensor it is.
    pub(crate) fn identity(&self) -> u64 {
        with_param!(&self.0, tensor => tensor.identity())
    }

    /// A copy on the host.
    pub fn to_array(&self) -> Array {
        let mut array = Array::zeros(self.shape());
        with_param!(&self.0, tensor => tensor.0.copy_into(array.values_mut()));
        array
    }

    /// Overwrites the values.
    ///
    /// # Errors
    /// [`Error::Shape`] if `array` has another shape.
    pub fn set(&mut self, array: &Array) -> Result<()> {
        self.check_shape("parameter", array)?;
        with_param!(&mut self.0, tensor => tensor.0.copy_from(array.values()));
        Ok(())
    }

    /// A copy of the parameter's gradient on the host; zeros if the backward pass left none.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn gradient(&self, gradients: &mut Gradients) -> Result<Array> {
        with_param!(&self.0, tensor => gradients.get(tensor))
    }

    /// Overwrites the parameter's entry in `gradients`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `array` has another shape, [`Error::Device`].
    pub fn set_gradient(&self, gradients: &mut Gradients, array: &Array) -> Result<()> {
        self.check_shape("gradient", array)?;
        self.set_gradient_values(gradients, array.values())
    }

    /// Overwrites the parameter's entry in `gradients` with as many values.
    pub(crate) fn set_gradient_values(&self, gradients: &mut Gradients, values: &[f32]) -> Result<()> {
        let shape = self.shape();
        let count: usize = shape.iter().product();
        if values.len() != count {
            let expected = format!("{count} values, for the shape {shape:?}");
            return Err(Error::shape("gradient", expected, [values.len()]));
        }
        with_param!(&self.0, tensor => chosen::set_gradient(&tensor.0, &mut gradients.0, values))
    }

    /// Multiplies the parameter's entry in `gradients`, on the device.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn scale_gradient(&self, gradients: &mut Gradients, factor: f64) -> Result<()> {
        with_param!(&self.0, tensor => {
            chosen::scale_gradient(&tensor.0, &mut gradients.0, factor as f32)
        })
    }

    fn check_shape(&self, what: &str, array: &Array) -> Result<()> {
        let shape = self.shape();
        if array.shape() == shape {
            return Ok(());
        }
        Err(Error::shape(what, format!("{shape:?}"), array.shape()))
    }
}

macro_rules! param_from {
    ($($rank:ident: $dims:ty),*) => {
        $(impl<'a> From<&'a mut Plain<$dims>> for ParamMut<'a> {
            fn from(tensor: &'a mut Plain<$dims>) -> Self {
                Self(Ranked::$rank(tensor))
            }
        })*
    };
}
param_from!(Rank1: Dims1, Rank2: Dims2, Rank3: Dims3, Rank4: Dims4);

/// Something that looks at, or changes, every parameter of a network.
pub trait ParamVisitor {
    /// Called for each parameter that is trained.
    ///
    /// # Errors
    /// Whatever the visitor finds wrong; the visit ends there.
    fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()>;

    /// Called for each array that belongs to the network's state but is not trained, such as running
    /// statistics.
    ///
    /// # Errors
    /// Whatever the visitor finds wrong; the visit ends there.
    fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
        let _ = (path, buffer);
        Ok(())
    }
}

/// A part of a network that owns parameters.
pub trait Module {
    /// Shows every parameter and buffer to `visitor`, always in the same order and under the same paths.
    ///
    /// # Errors
    /// The visitor's.
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()>;
}

/// Every parameter and buffer of a network by path.
pub type State = BTreeMap<String, Array>;

/// Copies the parameters and buffers of `module` to the host.
///
/// # Errors
/// The module's, or [`Error::Parameter`] if two parameters share a path.
pub fn state_of(module: &mut (impl Module + ?Sized)) -> Result<State> {
    struct Collect(State);
    impl Collect {
        fn insert(&mut self, path: &ParamPath, array: Array) -> Result<()> {
            match self.0.insert(path.to_string(), array) {
                None => Ok(()),
                Some(_) => Err(Error::Parameter {
                    path: path.to_string(),
                    problem: "two parameters share this path".into(),
                }),
            }
        }
    }
    impl ParamVisitor for Collect {
        fn param(&mut self, path: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            self.insert(path, param.to_array())
        }
        fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
            self.insert(path, buffer.clone())
        }
    }
    let mut collect = Collect(State::new());
    module.visit_params(&ParamPath::root(), &mut collect)?;
    Ok(collect.0)
}

/// Overwrites the parameters and buffers of `module`. Nothing may be missing and nothing left over.
///
/// # Errors
/// [`Error::Parameter`] naming the first path that is missing, left over or of another shape. The module
/// is then partly overwritten and must not be used.
pub fn load_state(module: &mut (impl Module + ?Sized), state: &State) -> Result<()> {
    struct Load<'a> {
        state: &'a State,
        seen: usize,
    }
    impl Load<'_> {
        fn find(&mut self, path: &ParamPath, shape: &[usize]) -> Result<&Array> {
            let problem = |problem| Error::Parameter {
                path: path.to_string(),
                problem,
            };
            self.seen += 1;
            let array = self
                .state
                .get(path.as_str())
                .ok_or_else(|| problem("not in the stored state".into()))?;
            if array.shape() == shape {
                Ok(array)
            } else {
                let stored = array.shape();
                Err(problem(format!(
                    "the model has shape {shape:?}, the stored state {stored:?}"
                )))
            }
        }
    }
    impl ParamVisitor for Load<'_> {
        fn param(&mut self, path: &ParamPath, mut param: ParamMut<'_>) -> Result<()> {
            let shape = param.shape();
            param.set(self.find(path, &shape)?)
        }
        fn buffer(&mut self, path: &ParamPath, buffer: &mut Array) -> Result<()> {
            let stored = self.find(path, buffer.shape())?;
            buffer.clone_from(stored);
            Ok(())
        }
    }
    let mut load = Load { state, seen: 0 };
    module.visit_params(&ParamPath::root(), &mut load)?;
    if load.seen == state.len() {
        return Ok(());
    }
    let known = state_of(module)?;
    let left_over = state.keys().find(|path| !known.contains_key(*path));
    Err(Error::Parameter {
        path: left_over.cloned().unwrap_or_default(),
        problem: "in the stored state, but the model has no such parameter".into(),
    })
}

/// The number of trained values in `module`.
///
/// # Errors
/// The module's.
pub fn parameter_count(module: &mut (impl Module + ?Sized)) -> Result<usize> {
    struct Count(usize);
    impl ParamVisitor for Count {
        fn param(&mut self, _: &ParamPath, param: ParamMut<'_>) -> Result<()> {
            self.0 += param.shape().iter().product::<usize>();
            Ok(())
        }
    }
    let mut count = Count(0);
    module.visit_params(&ParamPath::root(), &mut count)?;
    Ok(count.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::AutoDevice;

    struct Pair {
        weight: Plain<Dims2>,
        mean: Array,
    }

    impl Pair {
        fn new(values: [f32; 4]) -> Self {
            Self {
                weight: Plain::new(&AutoDevice::default(), (2, 2), values.to_vec()).unwrap(),
                mean: Array::zeros([2]),
            }
        }
    }

    impl Module for Pair {
        fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
            visitor.param(&path.join("weight"), (&mut self.weight).into())?;
            visitor.buffer(&path.join("mean"), &mut self.mean)
        }
    }

    #[test]
    fn a_state_that_is_saved_and_loaded_is_the_same() {
        let state = state_of(&mut Pair::new([1.0, 2.0, 3.0, 4.0])).unwrap();
        let mut other = Pair::new([0.0; 4]);
        load_state(&mut other, &state).unwrap();
        assert_eq!(state_of(&mut other).unwrap(), state);
    }

    #[test]
    fn a_missing_a_left_over_and_a_misshapen_parameter_are_each_named() {
        let full = state_of(&mut Pair::new([0.0; 4])).unwrap();
        let mut missing = full.clone();
        missing.remove("mean");
        let mut left_over = full.clone();
        left_over.insert("bias".into(), Array::zeros([2]));
        let mut misshapen = full;
        misshapen.insert("weight".into(), Array::zeros([4]));
        for (state, path) in [(missing, "mean"), (left_over, "bias"), (misshapen, "weight")] {
            let error = load_state(&mut Pair::new([0.0; 4]), &state).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
    }

    #[test]
    fn a_gradient_that_is_set_is_the_one_that_is_read() {
        let mut weight = Plain::new(&AutoDevice::default(), (3,), vec![0.0, f32::MAX, -2.0]).unwrap();
        let mut gradients = Gradients::default();
        let array = Array::new([3], vec![0.1, -7.0, 1e-30]).unwrap();
        let param = ParamMut::from(&mut weight);
        param.set_gradient(&mut gradients, &array).unwrap();
        assert_eq!(param.gradient(&mut gradients).unwrap(), array);
    }

    #[test]
    fn a_parameter_outside_the_backward_pass_has_a_gradient_of_zeros() {
        let mut weight = Plain::filled(&AutoDevice::default(), (3,), 0.0).unwrap();
        let gradient = ParamMut::from(&mut weight)
            .gradient(&mut Gradients::default())
            .unwrap();
        assert_eq!(gradient, Array::zeros([3]));
    }
}
