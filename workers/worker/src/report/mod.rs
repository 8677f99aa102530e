//! What the worker says of itself: the state behind `/report` and `/metrics`, and the server.

pub mod http;
pub mod metrics;
pub mod rate;
pub mod state;

pub use http::serve;
pub use state::{Commit, Scope, Status, Subject};
