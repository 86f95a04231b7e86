//! Tensors that the geometry of a window alone decides, kept so that each is made and moved to the device once.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;

use super::window::WindowPlan;
use crate::error::Result;

/// What a tensor is for, and what decides its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) purpose: &'static str,
    pub(super) plan: WindowPlan,
    /// The number of channels, where it matters.
    pub(super) channels: usize,
}

/// More than any network has layers; beyond it everything is made anew.
const MOST: usize = 1024;

thread_local! {
    /// Of this thread: a tensor on a GPU belongs to the thread that opened the device, and a process opens one.
    static KEPT: RefCell<HashMap<(TypeId, Key), Box<dyn Any>>> = RefCell::default();
}

/// The tensor that `make` makes, from the second call on without calling it.
pub(super) fn kept<T: Clone + 'static>(key: Key, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let place = (TypeId::of::<T>(), key);
    let found = KEPT.with_borrow(|kept| kept.get(&place).and_then(|any| any.downcast_ref::<T>()).cloned());
    if let Some(found) = found {
        return Ok(found);
    }
    let made = make()?;
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(place, Box::new(made.clone()));
    });
    Ok(made)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::window::Window;

    fn key(purpose: &'static str, kernel: usize, channels: usize) -> Key {
        Key {
            purpose,
            plan: Window::square(kernel, 1, 0).over(8, 8).unwrap(),
            channels,
        }
    }

    #[test]
    fn what_is_kept_is_made_once_for_each_purpose_geometry_and_type() {
        let mut made = 0;
        let mut count = |key| {
            kept(key, || {
                made += 1;
                Ok(made)
            })
            .unwrap()
        };
        assert_eq!([count(key("a", 3, 1)), count(key("a", 3, 1))], [1, 1]);
        assert_eq!(count(key("b", 3, 1)), 2);
        assert_eq!(count(key("a", 2, 1)), 3);
        assert_eq!(count(key("a", 3, 2)), 4);
        assert_eq!(
            kept(key("a", 3, 1), || Ok("another type")).unwrap(),
            "another type"
        );
        assert_eq!(kept(key("a", 3, 1), || Ok(0)).unwrap(), 1);
    }

    #[test]
    fn an_error_is_not_kept() {
        let failed = kept::<u8>(key("c", 3, 1), || Err(crate::Error::Device("full".into())));
        assert!(failed.is_err());
        assert_eq!(kept(key("c", 3, 1), || Ok(7_u8)).unwrap(), 7);
    }
}
