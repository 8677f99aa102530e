//! The memory that all requests may take together.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::locks::lock;

/// How long a request waits for others to be done.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is left of the memory.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Mutex<usize>,
    returned: Condvar,
}

/// A part of the memory, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A budget of this many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: Mutex::new(bytes), returned: Condvar::new() }
    }

    /// Takes a part, waiting for it for a while; `None` if others still have it then.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        self.reserve_within(bytes, PATIENCE)
    }

    fn reserve_within(self: &Arc<Self>, bytes: usize, patience: Duration) -> Option<Reservation> {
        let (mut left, _) = self
            .returned
            .wait_timeout_while(lock(&self.left), patience, |left| *left < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(bytes)?;
        Some(Reservation { budget: Arc::clone(self), bytes })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *lock(&self.budget.left) += self.bytes;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_waits_until_others_are_done() {
        let budget = Arc::new(Budget::new(100));
        let first = budget.reserve(60).unwrap();
        assert!(budget.reserve_within(60, Duration::ZERO).is_none());
        let waiting = {
            let budget = Arc::clone(&budget);
            std::thread::spawn(move || budget.reserve(60).is_some())
        };
        drop(first);
        assert!(waiting.join().unwrap());
        assert!(budget.reserve_within(100, Duration::ZERO).is_some());
    }
}
