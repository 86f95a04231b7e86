//! Stopping between epochs, when a signal asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, INTERRUPTED, Result};
use crate::progress::Reporter;

/// Whether whoever runs this wants it to end. Copies share one answer.
///
/// SIGHUP is left as it is, so that `nohup` keeps a training alive.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    said: Arc<AtomicBool>,
    by_signals: bool,
    watching: Arc<AtomicBool>,
}

impl Interrupt {
    /// Nothing but [`request`](Self::request) interrupts.
    pub fn never() -> Self {
        Self::default()
    }

    /// Ctrl-C (SIGINT) and SIGTERM interrupt from [`watch`](Self::watch) on.
    pub fn by_signals() -> Self {
        Self {
            by_signals: true,
            ..Self::default()
        }
    }

    /// From now on the first signal asks for an end, and the second one ends the process at once. Before, when there is
    /// nothing to lose yet, signals do what they always do. Later calls change nothing.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system refuses.
    pub fn watch(&self) -> Result<()> {
        if !self.by_signals || self.watching.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let refused = |error: std::io::Error| Error::Internal(format!("signals cannot be watched: {error}"));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, and sets it.
            let requested = Arc::clone(&self.requested);
            flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), requested)
                .map_err(refused)?;
            flag::register(signal, Arc::clone(&self.requested)).map_err(refused)?;
        }
        Ok(())
    }

    /// Asks for an end, as a signal does.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// Whether an end was asked for.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Tells the user, once, that an end was asked for and is coming. To be called between steps.
    pub fn announce(&self, reporter: &Reporter) {
        if self.requested() && !self.said.swap(true, Ordering::SeqCst) {
            reporter.notice("stopping after this epoch; press Ctrl-C again to stop at once");
        }
    }

    /// Ends what is under way if that was asked for, `epoch` epochs having been trained.
    ///
    /// # Errors
    /// [`Error::Interrupted`], without a folder.
    pub fn check(&self, epoch: usize) -> Result<()> {
        if self.requested() {
            return Err(Error::Interrupted { epoch, folder: None });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_every_copy_and_nothing_else_does() {
        let interrupt = Interrupt::never();
        interrupt.watch().unwrap_or_else(|error| unreachable!("{error}"));
        assert!(interrupt.check(3).is_ok());
        interrupt.clone().request();
        assert!(matches!(
            interrupt.check(3),
            Err(Error::Interrupted {
                epoch: 3,
                folder: None
            })
        ));
        assert!(!Interrupt::by_signals().requested());
    }
}
