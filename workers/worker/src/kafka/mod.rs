//! Kafka clients: their credentials and settings, the topic's shape, and what their errors mean.

pub mod credentials;
pub mod identity;
pub mod settings;
pub mod topic;
pub mod trouble;

pub use credentials::{Credentials, SettingsError};
pub use identity::topic_id;
pub use settings::{ConsumerTraits, client_settings, consumer_settings, producer_settings};
pub use topic::{Topic, Watermarks};
pub use trouble::TopicError;
