//! The offsets that consumer groups have committed.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    path::Path,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use crate::{
    journal::{Journal, JournalError},
    locks::lock,
};

/// Where a group is in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    /// The offset of the next record to read.
    pub(crate) offset: i64,
    /// What the client knew about the partition's leader.
    pub(crate) leader_epoch: i32,
    /// The client's own note.
    pub(crate) metadata: String,
}

/// A topic's name and a partition's number.
pub(crate) type Place = (String, i32);

/// A change of what is committed.
#[derive(Debug, Serialize, Deserialize)]
enum Change {
    Commit { group: String, topic: String, partition: i32, committed: Committed },
    GroupDeleted { group: String },
    TopicDeleted { topic: String },
}

/// All groups' offsets, in memory and in a journal.
#[derive(Debug)]
pub(crate) struct Offsets {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    groups: Groups,
}

#[derive(Debug, Default)]
struct Groups(BTreeMap<String, BTreeMap<Place, Committed>>);

impl Groups {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Commit { group, topic, partition, committed } => {
                self.0.entry(group).or_default().insert((topic, partition), committed);
            }
            Change::GroupDeleted { group } => {
                self.0.remove(&group);
            }
            Change::TopicDeleted { topic } => {
                for places in self.0.values_mut() {
                    places.retain(|place, _| place.0 != topic);
                }
                self.0.retain(|_, places| !places.is_empty());
            }
        }
    }

    fn commits(&self) -> impl Iterator<Item = Change> {
        self.0.iter().flat_map(|(group, places)| {
            places.iter().map(|((topic, partition), committed)| Change::Commit {
                group: group.clone(),
                topic: topic.clone(),
                partition: *partition,
                committed: committed.clone(),
            })
        })
    }
}

impl Offsets {
    /// Reads what was committed.
    pub(crate) fn open(data: &Path) -> Result<Self, JournalError> {
        let (journal, changes) = Journal::open(&data.join("offsets.journal"))?;
        let mut groups = Groups::default();
        for change in changes {
            groups.apply(change);
        }
        Ok(Self { state: Mutex::new(State { journal, groups }) })
    }

    /// Commits offsets: all of them, or none after an error.
    pub(crate) fn commit(
        &self,
        group: &str,
        commits: impl IntoIterator<Item = (Place, Committed)>,
    ) -> Result<(), JournalError> {
        let changes = commits.into_iter().map(|((topic, partition), committed)| Change::Commit {
            group: group.to_owned(),
            topic,
            partition,
            committed,
        });
        lock(&self.state).record(changes.collect())
    }

    /// What a group has committed.
    pub(crate) fn of_group(&self, group: &str) -> BTreeMap<Place, Committed> {
        lock(&self.state).groups.0.get(group).cloned().unwrap_or_default()
    }

    /// The groups that have committed anything.
    pub(crate) fn groups(&self) -> Vec<String> {
        lock(&self.state).groups.0.keys().cloned().collect()
    }

    /// Forgets a group; tells whether it had committed anything.
    pub(crate) fn delete_group(&self, group: &str) -> Result<bool, JournalError> {
        let mut state = lock(&self.state);
        let Entry::Occupied(_) = state.groups.0.entry(group.to_owned()) else { return Ok(false) };
        state.record(vec![Change::GroupDeleted { group: group.to_owned() }])?;
        Ok(true)
    }

    /// Forgets a topic, so that a new one of its name is read from its start.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), JournalError> {
        let mut state = lock(&self.state);
        if state.groups.0.values().any(|places| places.keys().any(|place| place.0 == topic)) {
            state.record(vec![Change::TopicDeleted { topic: topic.to_owned() }])?;
        }
        Ok(())
    }

    /// The journal's file, if it is to be forced to the disk.
    pub(crate) fn unflushed_journal(&self) -> Option<Arc<File>> {
        lock(&self.state).journal.take_unflushed()
    }
}

impl State {
    fn record(&mut self, changes: Vec<Change>) -> Result<(), JournalError> {
        self.journal.append(&changes)?;
        for change in changes {
            self.groups.apply(change);
        }
        let live = self.groups.0.values().map(BTreeMap::len).sum();
        if self.journal.is_mostly_outdated(live)
            && let Err(error) = self.journal.rewrite(self.groups.commits())
        {
            // The journal is whole, only longer than need be.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to shorten the offsets' journal"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64) -> Committed {
        Committed { offset, leader_epoch: 0, metadata: String::new() }
    }

    fn place(topic: &str, partition: i32) -> Place {
        (topic.to_owned(), partition)
    }

    #[test]
    fn commits_survive_a_restart_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let offsets = Offsets::open(folder.path()).unwrap();
        offsets.commit("g", [(place("a", 0), committed(5)), (place("a", 1), committed(6))]).unwrap();
        offsets.commit("g", [(place("a", 0), committed(7))]).unwrap();
        let reopened = Offsets::open(folder.path()).unwrap();
        let expected = BTreeMap::from([(place("a", 0), committed(7)), (place("a", 1), committed(6))]);
        assert_eq!(reopened.of_group("g"), expected);
    }

    #[test]
    fn deleted_groups_and_topics_stay_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let offsets = Offsets::open(folder.path()).unwrap();
        offsets.commit("g", [(place("a", 0), committed(5)), (place("b", 0), committed(6))]).unwrap();
        offsets.commit("h", [(place("b", 0), committed(6))]).unwrap();
        offsets.delete_topic("a").unwrap();
        assert!(offsets.delete_group("h").unwrap());
        assert!(!offsets.delete_group("h").unwrap());
        let reopened = Offsets::open(folder.path()).unwrap();
        assert_eq!(reopened.of_group("g"), BTreeMap::from([(place("b", 0), committed(6))]));
        assert_eq!(reopened.groups(), ["g"]);
    }

    #[test]
    fn the_journal_is_shortened_when_most_of_it_is_outdated() {
        let folder = tempfile::tempdir().unwrap();
        let offsets = Offsets::open(folder.path()).unwrap();
        for offset in 0..10_002 {
            offsets.commit("g", [(place("a", 0), committed(offset))]).unwrap();
        }
        let bytes = std::fs::metadata(folder.path().join("offsets.journal")).unwrap().len();
        assert!(bytes < 1_000, "{bytes} bytes");
        assert_eq!(Offsets::open(folder.path()).unwrap().of_group("g")[&place("a", 0)].offset, 10_001);
    }
}
