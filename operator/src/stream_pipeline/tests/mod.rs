//! From the example manifests to their children: the steps together.

mod build;
mod decide;
mod fixture;
mod names;
mod plan;
mod purity;
mod restricted;
mod validate;
