//! [`Restarts`]: how many pipelines may replace running workers at once.
//!
//! An upgrade of the operator changes the pods of every pipeline. They roll a few at a time, so that a bad
//! release hurts a few. Who takes a slot keeps it until its workers are ready again, or for ten minutes: a
//! pipeline that never recovers does not hold up all the others for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long a slot is held at most.
const HELD_AT_MOST: SignedDuration = SignedDuration::from_mins(10);

/// The slots.
#[derive(Debug)]
pub struct Restarts {
    limit: usize,
    holders: Mutex<HashMap<String, Timestamp>>,
}

impl Restarts {
    /// As many slots as may restart at once.
    pub fn new(limit: usize) -> Self {
        Self { limit, holders: Mutex::default() }
    }

    /// Takes a slot. Whether there was one, or the holder had one already.
    pub fn take(&self, holder: &str, now: Timestamp) -> bool {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|_, since| now.duration_since(*since) < HELD_AT_MOST);
        if !holders.contains_key(holder) && holders.len() >= self.limit {
            return false;
        }
        holders.entry(holder.to_owned()).or_insert(now);
        true
    }

    /// Gives the slot back.
    pub fn give_back(&self, holder: &str) {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).remove(holder);
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::Restarts;

    #[test]
    fn no_more_than_the_limit_hold_a_slot_and_none_for_ever() {
        let restarts = Restarts::new(2);
        let start = Timestamp::UNIX_EPOCH;
        assert!(restarts.take("a", start));
        assert!(restarts.take("b", start + SignedDuration::from_mins(1)));
        assert!(!restarts.take("c", start + SignedDuration::from_mins(2)));
        assert!(restarts.take("a", start + SignedDuration::from_mins(2)), "it has one");
        restarts.give_back("b");
        assert!(restarts.take("c", start + SignedDuration::from_mins(3)));
        assert!(!restarts.take("d", start + SignedDuration::from_mins(9)));
        assert!(restarts.take("d", start + SignedDuration::from_mins(10)), "a has had its ten minutes");
    }
}
