//! Validation: what the specs of all kinds are checked by. Pure.
//!
//! The schema of a resource has refused what CEL can state. Here is what needs arithmetic, the meaning of two
//! fields, or Kubernetes' own rules. Each part goes on after a fault with a value that no one will see, so that
//! a user reads all faults at once.

pub(crate) mod commit;
pub(crate) mod measure;
pub(crate) mod names;
pub(crate) mod pods;
pub(crate) mod replay;
mod syntax;
