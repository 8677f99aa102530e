//! Gold: windowed aggregates of silver.

mod plan;
mod windows;

pub(crate) use plan::GoldPlan;
