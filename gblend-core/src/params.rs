//! A network's parameters and running statistics, reached by path.
//!
//! dfdx gives every shape a type of its own, so a network whose shapes come from a configuration cannot
//! list its parameters in one collection. It hands them to a visitor one by one instead; only the rank
//! is left in the type.

use std::collections::BTreeMap;
use std::fmt;

use dfdx::prelude::HasShape;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::tensor::{Dims1, Dims2, Dims3, Dims4, Gradients, Plain};

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

/// A parameter, with its rank as the only thing left in the type.
#[derive(Debug)]
pub enum ParamMut<'a> {
    /// A vector.
    Rank1(&'a mut Plain<Dims1>),
    /// A matrix.
    Rank2(&'a mut Plain<Dims2>),
    /// A rank-3 tensor.
    Rank3(&'a mut Plain<Dims3>),
    /// A rank-4 tensor.
    Rank4(&'a mut Plain<Dims4>),
}

/// Runs one expression on the tensor inside, whatever its rank.
#[macro_export]
macro_rules! with_param {
    ($param:expr, $tensor:ident => $body:expr) => {
        match $param {
            $crate::params::ParamMut::Rank1($tensor) => $body,
            $crate::params::ParamMut::Rank2($tensor) => $body,
            $crate::params::ParamMut::Rank3($tensor) => $body,
            $crate::params::ParamMut::Rank4($tensor) => $body,
        }
    };
}

impl ParamMut<'_> {
    /// The extents, outermost first.
    pub fn shape(&self) -> Vec<usize> {
        use dfdx::shapes::Shape;
        with_param!(self, tensor => {
            let concrete = tensor.shape().concrete();
            concrete.into_iter().collect()
        })
    }

    /// A copy on the host.
    pub fn to_array(&self) -> Array {
        let shape = self.shape();
        let mut array = Array::zeros(shape);
        with_param!(self, tensor => tensor.copy_into(array.values_mut()));
        array
    }

    /// Overwrites the values.
    ///
    /// # Errors
    /// [`Error::Shape`] if `array` has another shape.
    pub fn set(&mut self, array: &Array) -> Result<()> {
        if array.shape() != self.shape() {
            return Err(Error::shape(
                "parameter",
                format!("{:?}", self.shape()),
                array.shape(),
            ));
        }
        with_param!(self, tensor => tensor.copy_from(array.values()));
        Ok(())
    }

    /// A copy of the parameter's gradient on the host; zeros if the backward pass left none.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn gradient(&self, gradients: &mut Gradients) -> Result<Array> {
        let mut array = Array::zeros(self.shape());
        with_param!(self, tensor => {
            gradients.try_alloc_for(&**tensor).map_err(Error::device)?;
            gradients.get(&**tensor).copy_into(array.values_mut());
        });
        Ok(array)
    }

    /// Overwrites the parameter's entry in `gradients`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `array` has another shape, [`Error::Device`].
    pub fn set_gradient(&self, gradients: &mut Gradients, array: &Array) -> Result<()> {
        use dfdx::prelude::TensorFromVec;
        if array.shape() != self.shape() {
            return Err(Error::shape(
                "gradient",
                format!("{:?}", self.shape()),
                array.shape(),
            ));
        }
        with_param!(self, tensor => {
            let tensor = &**tensor;
            let values = tensor
                .device()
                .try_tensor_from_vec(array.values().to_vec(), *tensor.shape())
                .map_err(Error::device)?;
            put_gradient(tensor, values, gradients)
        })
    }

    /// Multiplies the parameter's entry in `gradients`, on the device.
    ///
    /// # Errors
    /// [`Error::Device`] if the device has no memory for it.
    pub fn scale_gradient(&self, gradients: &mut Gradients, factor: f64) -> Result<()> {
        with_param!(self, tensor => scale_gradient(&**tensor, factor as f32, gradients))
    }
}

/// In place: on the host a gradient is a vector.
#[cfg(not(feature = "cuda"))]
fn scale_gradient<S: dfdx::shapes::Shape>(
    tensor: &Plain<S>,
    factor: f32,
    gradients: &mut Gradients,
) -> Result<()> {
    let gradient = gradients.get_or_alloc_mut(tensor).map_err(Error::device)?;
    gradient.iter_mut().for_each(|value| *value *= factor);
    Ok(())
}

#[cfg(feature = "cuda")]
fn scale_gradient<S: dfdx::shapes::Shape>(
    tensor: &Plain<S>,
    factor: f32,
    gradients: &mut Gradients,
) -> Result<()> {
    use dfdx::prelude::TryMul;
    gradients.try_alloc_for(tensor).map_err(Error::device)?;
    let scaled = gradients.get(tensor).try_mul(factor).map_err(Error::device)?;
    put_gradient(tensor, scaled, gradients)
}

/// Makes `values` the entry of `tensor` in `gradients`: the gradient of Σ tensor · values is values, on any
/// device, and dfdx has no other way to write one.
fn put_gradient<S: dfdx::shapes::Shape>(
    tensor: &Plain<S>,
    values: Plain<S>,
    gradients: &mut Gradients,
) -> Result<()> {
    use dfdx::prelude::{Backward, OwnedTape, SumTo, TryMul};
    let mut single = tensor
        .retaped::<OwnedTape<f32, _>>()
        .try_mul(values)
        .and_then(SumTo::try_sum::<dfdx::shapes::Rank0, _>)
        .and_then(|sum| sum.try_backward())
        .map_err(Error::device)?;
    let target = gradients.get_or_alloc_mut(tensor).map_err(Error::device)?;
    std::mem::swap(target, single.get_or_alloc_mut(tensor).map_err(Error::device)?);
    Ok(())
}

macro_rules! param_from {
    ($($rank:ident: $dims:ty),*) => {
        $(impl<'a> From<&'a mut Plain<$dims>> for ParamMut<'a> {
            fn from(tensor: &'a mut Plain<$dims>) -> Self {
                Self::$rank(tensor)
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
    use dfdx::tensor::{TensorFromVec, ZerosTensor};

    struct Pair {
        weight: Plain<Dims2>,
        mean: Array,
    }

    impl Pair {
        fn new(values: [f32; 4]) -> Self {
            let device = AutoDevice::default();
            Self {
                weight: device.tensor_from_vec(values.to_vec(), (2, 2)),
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
        let mut weight: Plain<Dims1> = AutoDevice::default().tensor_from_vec(vec![0.0, f32::MAX, -2.0], (3,));
        let mut gradients = Gradients::leaky();
        let array = Array::new([3], vec![0.1, -7.0, 1e-30]).unwrap();
        let param = ParamMut::from(&mut weight);
        param.set_gradient(&mut gradients, &array).unwrap();
        assert_eq!(param.gradient(&mut gradients).unwrap(), array);
    }

    #[test]
    fn a_parameter_outside_the_backward_pass_has_a_gradient_of_zeros() {
        let mut weight: Plain<Dims1> = AutoDevice::default().zeros_like(&(3,));
        let gradient = ParamMut::from(&mut weight)
            .gradient(&mut Gradients::leaky())
            .unwrap();
        assert_eq!(gradient, Array::zeros([3]));
    }
}
