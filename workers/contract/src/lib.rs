//! What crosses a process boundary, as plain serde types.
//!
//! | module | written by | read by |
//! |---|---|---|
//! | [`config`] | the operator (a ConfigMap) or local mode (a file) | a worker, at start |
//! | [`scorer`] | the operator or local mode; rules are read again while they work | a scoring worker |
//! | [`report`] | a worker, over HTTP | the operator and `sluice status` |
//! | [`manifest`] | a worker, into the lake | the worker that takes over, maintenance, the merge |
//! | [`metrics`] | worker and operator, over HTTP | Prometheus, alert rules, dashboards |
//!
//! [`cut`] is the rule by which all of them divide a topic.
//!
//! Both ends of each arrow compile against the same struct, so they cannot drift apart. Nothing here
//! does I/O, and nothing here knows Kubernetes, Kafka or Delta.
//!
//! Times are integers since the Unix epoch; the field's suffix names the unit (`_ms`, `_us`).
//! Durations are integers with the same suffixes.

pub mod config;
pub mod cut;
pub mod manifest;
pub mod metrics;
pub mod reasons;
pub mod report;
pub mod scorer;
