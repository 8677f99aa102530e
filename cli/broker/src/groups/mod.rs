//! Consumer groups: who is in a group, who leads it, and who was assigned what.
//!
//! [`group`] is the state machine of one group, without clock or threads; [`rebalance`] is the
//! part of it that forms a new generation; [`coordinator`] keeps the groups and lets the
//! connections of their members wait.

pub(crate) mod coordinator;
pub(crate) mod group;
pub(crate) mod rebalance;

#[cfg(test)]
mod tests;
