//! What the tests of all kinds of jobs share.

pub(crate) mod cluster;
