//! What `sluice up` shows: a redrawn block on a terminal, plain lines elsewhere.
//!
//! [`view`] adds up the reports of a job's workers, [`block`] and [`line`] make text of it, both pure;
//! [`printer`] writes it.

pub(crate) mod block;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod format;
pub(crate) mod line;
pub(crate) mod printer;
pub(crate) mod view;
