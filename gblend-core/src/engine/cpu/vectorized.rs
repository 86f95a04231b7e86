//! Functions that are compiled for the widest vectors of the machine that they run on.

/// Defines a function whose body is compiled for each instruction set, and run with the widest that is there.
///
/// A closure that is given to [`pulp::Arch`] is inlined when the compiler sees fit; where it is not, it is compiled without
/// the instructions. This body always is, and functions that it calls have to be.
macro_rules! vectorized {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident<$($life:lifetime),+>($($argument:ident: $type:ty),+ $(,)?) -> $output:ty
        $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name<$($life),+>($($argument: $type),+) -> $output {
            struct Work<$($life),+>($($type,)+ ::std::marker::PhantomData<($(&$life (),)+)>);

            impl<$($life),+> pulp::NullaryFnOnce for Work<$($life),+> {
                type Output = $output;

                #[inline(always)]
                fn call(self) -> Self::Output {
                    let Self($($argument,)+ _) = self;
                    $body
                }
            }

            pulp::Arch::new().dispatch(Work($($argument,)+ ::std::marker::PhantomData))
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident<$($life:lifetime),+>($($argument:ident: $type:ty),+ $(,)?) $body:block
    ) => {
        vectorized! {
            $(#[$attribute])*
            $visibility fn $name<$($life),+>($($argument: $type),+) -> () $body
        }
    };
}

#[cfg(all(test, target_arch = "aarch64"))]
mod tests {
    use pulp::{Arch, Simd, WithSimd};

    struct Lanes;

    impl WithSimd for Lanes {
        type Output = usize;

        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }

    #[test]
    fn vectors_are_those_of_neon() {
        assert!(matches!(Arch::new(), Arch::Neon(_)));
        assert_eq!(Arch::new().dispatch(Lanes), 4);
    }
}
