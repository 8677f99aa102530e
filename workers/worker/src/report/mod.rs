//! What the worker says of itself: the state behind `/report` and `/metrics`, and the server.

pub mod alerts;
pub mod durations;
pub mod gold;
pub mod http;
pub mod metrics;
pub mod process;
pub mod rate;
pub mod refusals;
pub mod scoring;
pub mod state;
pub mod volume;

pub use alerts::AcknowledgedAlert;
pub use durations::Step;
pub use gold::{Publication, PublishedRows, PublishedTable};
pub use http::serve;
pub use scoring::RuleSetStatus;
pub use state::{Commit, Scope, Status, Subject};
pub use volume::StateSize;
