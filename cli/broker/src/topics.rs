//! The topics: which there are, what they are set to, and where their partitions lie.
//!
//! A topic's files lie in a directory named after its id, so that a topic which was deleted and
//! created again never meets the files of the first. The catalogue is written last on creation
//! and first on deletion; directories that it does not name are removed at the start.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};
use snafu::ResultExt as _;
use uuid::Uuid;

use crate::{
    clock::now_ms,
    error::{BrokerError, CatalogueSnafu, CleanSnafu, PartitionSnafu},
    journal::Journal,
    locks::{lock, read, write},
    log::partition::Partition,
    refusal::Refusal,
    settings::{TopicSettings, settings},
};

/// The longest name, which Kafka limits so that a file can be named after it.
const NAME_LIMIT: usize = 249;

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Its name.
    pub(crate) name: String,
    /// Tells it apart from an earlier topic of the same name.
    pub(crate) id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
    configuration: RwLock<Configuration>,
}

#[derive(Debug)]
struct Configuration {
    set: BTreeMap<String, String>,
    settings: Arc<TopicSettings>,
}

impl Topic {
    /// The partition of this number.
    pub(crate) fn partition(&self, number: i32) -> Option<Arc<Partition>> {
        let partitions = read(&self.partitions);
        usize::try_from(number).ok().and_then(|number| partitions.get(number).map(Arc::clone))
    }

    /// All partitions.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        read(&self.partitions).clone()
    }

    /// How many partitions there are.
    pub(crate) fn partition_count(&self) -> i32 {
        read(&self.partitions).len() as i32
    }

    /// What is configured, for the log.
    pub(crate) fn settings(&self) -> Arc<TopicSettings> {
        Arc::clone(&read(&self.configuration).settings)
    }

    /// What is configured, as the topic's user wrote it.
    pub(crate) fn set(&self) -> BTreeMap<String, String> {
        read(&self.configuration).set.clone()
    }
}

/// A change of the catalogue.
#[derive(Debug, Serialize, Deserialize)]
enum Change {
    Put { name: String, id: Uuid, partitions: i32, set: BTreeMap<String, String> },
    Deleted { name: String },
}

#[derive(Debug, Default)]
struct Published {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    directory: PathBuf,
    default_retention: Option<Duration>,
    partition_limit: u32,
    /// Also taken for the whole of a change, so that changes happen one after the other.
    catalogue: Mutex<Journal>,
    published: RwLock<Published>,
}

impl Topics {
    /// Opens the catalogue and all partitions.
    pub(crate) fn open(
        data: &Path,
        default_retention: Option<Duration>,
        partition_limit: u32,
    ) -> Result<Self, BrokerError> {
        let (mut catalogue, changes) = Journal::open(&data.join("topics.journal")).context(CatalogueSnafu)?;
        let mut known = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put { name, id, partitions, set } => known.insert(name, (id, partitions, set)),
                Change::Deleted { name } => known.remove(&name),
            };
        }
        if catalogue.is_mostly_outdated(known.len()) {
            let changes = known.iter().map(|(name, (id, partitions, set))| Change::Put {
                name: name.clone(),
                id: *id,
                partitions: *partitions,
                set: set.clone(),
            });
            catalogue.rewrite(changes).context(CatalogueSnafu)?;
        }
        let directory = data.join("logs");
        remove_all_but(&directory, &known.values().map(|topic| topic.0.to_string()).collect())?;
        let topics = Self {
            directory,
            default_retention,
            partition_limit,
            catalogue: Mutex::new(catalogue),
            published: RwLock::default(),
        };
        for (name, (id, count, set)) in known {
            let partitions = topics.open_partitions(id, 0..count).context(PartitionSnafu { topic: &name })?;
            topics.publish(topics.topic(name, id, partitions, set));
        }
        Ok(topics)
    }

    /// The topic of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.published).by_name.get(name).map(Arc::clone)
    }

    /// The topic of this id.
    pub(crate) fn with_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        read(&self.published).by_id.get(&id).map(Arc::clone)
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        read(&self.published).by_name.values().map(Arc::clone).collect()
    }

    /// How long records are kept where a topic does not say.
    pub(crate) fn default_retention(&self) -> Option<Duration> {
        self.default_retention
    }

    /// Checks what a new topic would be.
    pub(crate) fn check_new(
        &self,
        name: &str,
        partitions: i32,
        set: &BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        check_name(name)?;
        if self.named(name).is_some() {
            let message = format!("the topic \"{name}\" exists already");
            return Err(Refusal::new(ResponseError::TopicAlreadyExists, message));
        }
        self.check_partitions(partitions)?;
        check_settings(set)
    }

    /// Creates a topic.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        set: BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, Refusal> {
        let mut catalogue = lock(&self.catalogue);
        self.check_new(name, partitions, &set)?;
        let id = Uuid::new_v4();
        let put = Change::Put { name: name.to_owned(), id, partitions, set: set.clone() };
        let opened = self
            .open_partitions(id, 0..partitions)
            .map_err(|error| Refusal::storage(&error))
            .and_then(|opened| {
                catalogue.append(&[put]).map_err(|error| Refusal::storage(&error))?;
                Ok(opened)
            });
        let opened = opened.inspect_err(|_| {
            // Should this fail too, the next start removes the directory.
            let _ = fs::remove_dir_all(self.directory.join(id.to_string()));
        })?;
        let topic = self.topic(name.to_owned(), id, opened, set);
        self.publish(Arc::clone(&topic));
        tracing::info!(topic = name, partitions, "created a topic");
        Ok(topic)
    }

    /// Deletes a topic and its records.
    pub(crate) fn delete(&self, topic: &Topic) -> Result<(), Refusal> {
        let mut catalogue = lock(&self.catalogue);
        if self.with_id(topic.id).is_none() {
            return Err(Refusal::unknown_topic(&topic.name));
        }
        catalogue
            .append(&[Change::Deleted { name: topic.name.clone() }])
            .map_err(|error| Refusal::storage(&error))?;
        {
            let mut published = write(&self.published);
            published.by_name.remove(&topic.name);
            published.by_id.remove(&topic.id);
        }
        for partition in topic.partitions() {
            if let Err(error) = partition.delete() {
                tracing::warn!(
                    topic = topic.name,
                    error = &error as &dyn std::error::Error,
                    "left files behind"
                );
            }
        }
        let _ = fs::remove_dir(self.directory.join(topic.id.to_string()));
        tracing::info!(topic = topic.name, "deleted a topic");
        Ok(())
    }

    /// Gives a topic more partitions.
    pub(crate) fn add_partitions(&self, name: &str, count: i32, validate_only: bool) -> Result<(), Refusal> {
        let mut catalogue = lock(&self.catalogue);
        let topic = self.named(name).ok_or_else(|| Refusal::unknown_topic(name))?;
        let before = topic.partition_count();
        if count <= before {
            let message =
                format!("the topic \"{name}\" has {before} partitions already, and can only get more");
            return Err(Refusal::new(ResponseError::InvalidPartitions, message));
        }
        self.check_partitions(count)?;
        if validate_only {
            return Ok(());
        }
        let added =
            self.open_partitions(topic.id, before..count).map_err(|error| Refusal::storage(&error))?;
        let put = Change::Put { name: name.to_owned(), id: topic.id, partitions: count, set: topic.set() };
        catalogue.append(&[put]).map_err(|error| Refusal::storage(&error))?;
        write(&topic.partitions).extend(added);
        Ok(())
    }

    /// Changes what a topic is set to.
    pub(crate) fn configure(
        &self,
        name: &str,
        validate_only: bool,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut catalogue = lock(&self.catalogue);
        let topic = self.named(name).ok_or_else(|| Refusal::unknown_topic(name))?;
        let mut set = topic.set();
        change(&mut set)?;
        check_settings(&set)?;
        if validate_only {
            return Ok(());
        }
        let put = Change::Put {
            name: name.to_owned(),
            id: topic.id,
            partitions: topic.partition_count(),
            set: set.clone(),
        };
        catalogue.append(&[put]).map_err(|error| Refusal::storage(&error))?;
        *write(&topic.configuration) = self.configuration(set);
        Ok(())
    }

    /// The catalogue's file, if it is to be forced to the disk.
    pub(crate) fn unflushed_catalogue(&self) -> Option<Arc<fs::File>> {
        lock(&self.catalogue).take_unflushed()
    }

    fn check_partitions(&self, count: i32) -> Result<(), Refusal> {
        if count >= 1 && count.unsigned_abs() <= self.partition_limit {
            return Ok(());
        }
        let message = format!("a topic can have 1 to {} partitions here, not {count}", self.partition_limit);
        Err(Refusal::new(ResponseError::InvalidPartitions, message))
    }

    fn open_partitions(
        &self,
        id: Uuid,
        numbers: std::ops::Range<i32>,
    ) -> Result<Vec<Arc<Partition>>, crate::log::LogError> {
        let directory = self.directory.join(id.to_string());
        numbers
            .map(|number| Partition::open(directory.join(number.to_string()), now_ms()).map(Arc::new))
            .collect()
    }

    fn topic(
        &self,
        name: String,
        id: Uuid,
        partitions: Vec<Arc<Partition>>,
        set: BTreeMap<String, String>,
    ) -> Arc<Topic> {
        let configuration = RwLock::new(self.configuration(set));
        Arc::new(Topic { name, id, partitions: RwLock::new(partitions), configuration })
    }

    fn configuration(&self, set: BTreeMap<String, String>) -> Configuration {
        let settings = Arc::new(settings(&set, self.default_retention));
        Configuration { set, settings }
    }

    fn publish(&self, topic: Arc<Topic>) {
        let mut published = write(&self.published);
        published.by_id.insert(topic.id, Arc::clone(&topic));
        published.by_name.insert(topic.name.clone(), topic);
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name != "."
        && name != ".."
        && name.chars().all(is_allowed)
    {
        return Ok(());
    }
    let message = format!(
        "a topic's name is 1 to {NAME_LIMIT} letters, digits, '.', '_' and '-', not \"{}\"",
        name.chars().take(NAME_LIMIT).collect::<String>()
    );
    Err(Refusal::new(ResponseError::InvalidTopicException, message))
}

fn check_settings(set: &BTreeMap<String, String>) -> Result<(), Refusal> {
    set.iter()
        .try_for_each(|(name, value)| crate::settings::check(name, value))
        .map_err(|message| Refusal::new(ResponseError::InvalidConfig, message))
}

fn remove_all_but(directory: &Path, names: &HashSet<String>) -> Result<(), BrokerError> {
    let clean = || -> std::io::Result<()> {
        fs::create_dir_all(directory)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Only what the broker itself named can be a topic's left-over.
            if !names.contains(&name) && Uuid::try_parse(&name).is_ok() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    };
    clean().context(CleanSnafu { path: directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Topics {
        Topics::open(folder.path(), None, 10).unwrap()
    }

    fn error(result: Result<impl Sized, Refusal>) -> ResponseError {
        result.err().unwrap().error
    }

    #[test]
    fn topics_and_their_configuration_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let set = BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]);
        let id = open(&folder).create("orders", 2, set.clone()).unwrap().id;
        open(&folder).add_partitions("orders", 3, false).unwrap();
        let topic = open(&folder).named("orders").unwrap();
        assert_eq!((topic.id, topic.partition_count(), topic.set()), (id, 3, set));
        assert_eq!(topic.settings().retention.age_ms, Some(1_000));
    }

    #[test]
    fn a_topic_created_again_has_another_id_and_none_of_the_records() {
        let folder = tempfile::tempdir().unwrap();
        let topics = open(&folder);
        let first = topics.create("orders", 1, BTreeMap::new()).unwrap();
        topics.delete(&first).unwrap();
        assert!(topics.with_id(first.id).is_none());
        let second = topics.create("orders", 1, BTreeMap::new()).unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(fs::read_dir(folder.path().join("logs")).unwrap().count(), 1);
        assert_eq!(error(topics.delete(&first)), ResponseError::UnknownTopicOrPartition);
    }

    #[test]
    fn files_of_a_topic_that_is_not_in_the_catalogue_are_removed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let orphan = folder.path().join("logs").join(Uuid::new_v4().to_string()).join("0");
        let foreign = folder.path().join("logs").join("notes");
        fs::create_dir_all(&orphan).unwrap();
        fs::create_dir_all(&foreign).unwrap();
        open(&folder);
        assert!(!orphan.exists());
        assert!(foreign.exists());
    }

    #[test]
    fn bad_names_counts_and_settings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let topics = open(&folder);
        let long = "x".repeat(250);
        for name in ["", ".", "..", "a/b", "ä", long.as_str()] {
            assert_eq!(error(topics.create(name, 1, BTreeMap::new())), ResponseError::InvalidTopicException);
        }
        for count in [0, -5, 11] {
            assert_eq!(error(topics.create("a", count, BTreeMap::new())), ResponseError::InvalidPartitions);
        }
        let compacted = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        assert_eq!(error(topics.create("a", 1, compacted)), ResponseError::InvalidConfig);
        topics.create("a", 1, BTreeMap::new()).unwrap();
        assert_eq!(error(topics.create("a", 1, BTreeMap::new())), ResponseError::TopicAlreadyExists);
        assert_eq!(error(topics.add_partitions("a", 1, false)), ResponseError::InvalidPartitions);
    }
}
