//! Kafka clients: their settings, the topic's shape, and what their errors mean.

pub mod identity;
pub mod settings;
pub mod topic;
pub mod trouble;

pub use identity::topic_id;
pub use settings::{SettingsError, client_settings, consumer_settings};
pub use topic::{Topic, Watermarks};
pub use trouble::TopicError;
