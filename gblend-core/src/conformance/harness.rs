//! Runs a check on many cases, the same ones every time, and makes panics violations.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{Rule, Violation};

/// Runs all checks of one plugin, and names it in what they find.
pub(super) fn of_plugin(kind: &str, check: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    guarded(check).map_err(|violation| Violation {
        plugin: format!("`{kind}`"),
        ..violation
    })
}

/// Runs a check on this many cases; of those that fail, the simplest found is told. Of those that panic it is the
/// first: each further one would print its backtrace.
pub(super) fn for_each<S: Strategy>(
    cases: u32,
    strategy: S,
    check: impl Fn(&S::Value) -> Result<(), Violation>,
) -> Result<(), Violation>
where
    S::Value: Debug,
{
    let config = Config {
        cases,
        failure_persistence: None,
        // Enough to get rid of most of a case, and soon over.
        max_shrink_iters: 256,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let found: RefCell<Option<Violation>> = RefCell::new(None);
    let outcome = runner.run(&strategy, |case| {
        let panicked = |violation: &Violation| violation.rule == Rule::NeverPanics;
        if found.borrow().as_ref().is_some_and(panicked) {
            return Ok(());
        }
        guarded(|| check(&case)).map_err(|violation| {
            let reason = violation.to_string();
            found.replace(Some(violation.with(&case)));
            TestCaseError::fail(reason)
        })
    });
    match (outcome, found.into_inner()) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(violation)) => Err(violation),
        (Err(TestError::Fail(reason, _) | TestError::Abort(reason)), None) => {
            Err(Rule::CasesExist.broken("cases to try", reason))
        }
    }
}

/// A panic is a violation like others: the kit goes on to tell which case made it.
pub(super) fn guarded<T>(check: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
    // What a panic leaves half-changed is dropped with the case.
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let message = message(panic.as_ref());
        Err(Rule::NeverPanics.broken("a result or an error", format!("the panic `{message}`")))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without a message",
    }
}
