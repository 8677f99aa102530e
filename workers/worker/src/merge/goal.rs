//! [`Goal`]: where the merge ends that is to publish everything. Other shards read on while this one has caught up.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_contract::config::{Kafka, WorkerConfig};

use crate::kafka::{Topic, TopicError};

/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be folded before everything counts as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// What this process has committed: there is no other shard.
    OwnShard,
    /// Everything before the ends that the partitions of the topic had when the process began.
    Ends(BTreeMap<i32, i64>),
}

impl Goal {
    /// The goal of a job that begins now. Waits for Kafka, as the job does.
    pub(super) async fn of(config: &WorkerConfig) -> Self {
        if config.shards == 1 {
            return Self::OwnShard;
        }
        loop {
            let kafka = config.source.kafka.clone();
            match tokio::task::spawn_blocking(move || ends(&kafka)).await {
                Ok(Ok(ends)) => return Self::Ends(ends),
                Ok(Err(error)) => tracing::debug!(%error, "failed to ask where the topic ends, trying again"),
                Err(error) => {
                    tracing::debug!(%error, "the question where the topic ends came to an end itself");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The partitions that have not come to their ends, if these are the offsets that come next.
    pub(super) fn missing(&self, next_offsets: &BTreeMap<i32, i64>) -> Vec<i32> {
        match self {
            Self::OwnShard => Vec::new(),
            Self::Ends(ends) => {
                let is_missing = |(partition, end): &(&i32, &i64)| {
                    **end > 0 && next_offsets.get(partition).is_none_or(|next| next < end)
                };
                ends.iter().filter(is_missing).map(|(partition, _)| *partition).collect()
            }
        }
    }
}

fn ends(kafka: &Kafka) -> Result<BTreeMap<i32, i64>, TopicError> {
    let topic = Topic::new(kafka)?;
    let partitions = topic.partitions(TIMEOUT)?.into_iter();
    partitions.map(|partition| Ok((partition, topic.watermarks(partition, TIMEOUT)?.high))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(goal: &Goal, next_offsets: &[(i32, i64)]) -> Vec<i32> {
        goal.missing(&next_offsets.iter().copied().collect())
    }

    #[test]
    fn partitions_are_missing_until_they_come_to_the_end_that_they_had() {
        let goal = Goal::Ends(BTreeMap::from([(0, 10), (1, 20), (2, 0)]));
        assert_eq!(missing(&goal, &[(0, 9)]), [0, 1]);
        assert_eq!(missing(&goal, &[(0, 10), (1, 19)]), [1]);
        assert_eq!(missing(&goal, &[(0, 12), (1, 20)]), [0; 0]);
    }

    #[test]
    fn nobody_is_waited_for_where_there_is_no_other_shard() {
        assert_eq!(missing(&Goal::OwnShard, &[(0, 1)]), [0; 0]);
    }
}
