//! Shapes of tensors.

mod sealed {
    /// What the engine knows of a shape.
    pub trait Shape: dfdx::shapes::Shape {}
}

/// A shape: a tuple of extents, outermost first, of at most four axes.
pub trait Shape: sealed::Shape {
    /// The extents, outermost first.
    fn extents(&self) -> Vec<usize> {
        self.concrete().into_iter().collect()
    }

    /// The number of elements.
    fn elements(&self) -> usize {
        self.num_elements()
    }

    /// The shape with these extents; none if it has another number of axes.
    fn of(extents: &[usize]) -> Option<Self> {
        let mut concrete = Self::Concrete::default();
        if extents.len() != Self::NUM_DIMS {
            return None;
        }
        for (axis, &extent) in extents.iter().enumerate() {
            concrete[axis] = extent;
        }
        Self::from_concrete(&concrete)
    }
}

/// Shape of a single number.
pub type Dims0 = ();
/// Shape of a vector.
pub type Dims1 = (usize,);
/// Shape of a matrix.
pub type Dims2 = (usize, usize);
/// Shape of a rank-3 tensor.
pub type Dims3 = (usize, usize, usize);
/// Shape of a rank-4 tensor.
pub type Dims4 = (usize, usize, usize, usize);

macro_rules! shapes {
    ($($shape:ty),*) => {$(
        impl sealed::Shape for $shape {}
        impl Shape for $shape {}
    )*};
}
shapes!(Dims0, Dims1, Dims2, Dims3, Dims4);
