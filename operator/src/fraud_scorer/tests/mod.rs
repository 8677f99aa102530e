//! From the example manifest to its children: the steps together.

mod build;
mod decide;
mod fixture;
mod plan;
mod validate;
