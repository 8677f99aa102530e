//! Waking one connection that waits for something to happen elsewhere.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Instant,
};

use crate::locks::lock;

/// A flag that one thread waits for and any other raises. It stays raised until it is waited for.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Raises the flag and wakes the waiter.
    pub(crate) fn raise(&self) {
        *lock(&self.raised) = true;
        self.changed.notify_all();
    }

    /// Waits until the flag is raised or the deadline has passed, and lowers the flag.
    pub(crate) fn wait_until(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut raised, _) = self
            .changed
            .wait_timeout_while(lock(&self.raised), left, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        *raised = false;
    }
}
