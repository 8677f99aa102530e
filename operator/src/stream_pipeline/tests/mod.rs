//! From the example manifests to their children: the steps together.

pub(crate) mod build;
mod decide;
pub(crate) mod fixture;
mod names;
mod plan;
mod purity;
pub(crate) mod restricted;
mod validate;
