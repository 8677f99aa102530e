//! The watcher thread: finds the shard's partitions, follows their ends, notices what is wrong with Kafka, and
//! renews the connection when the files of its security have changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use sluice_contract::config::{Kafka, StartFrom};
use sluice_contract::cut::Cut;
use sluice_contract::manifest::PartitionProgress;

use super::assignment::{Known, expired, starting_point};
use super::kafka::KafkaSource;
use super::reader::Command;
use super::renewal::{Renewal, Step};
use crate::backoff::Backoff;
use crate::kafka::{ConsumerTraits, Credentials, Topic, TopicError, Watermarks};
use crate::report::{Scope, Status};
use crate::stream::event::{Assignment, Event};

/// How often the ends of the partitions are looked at.
const ROUND: Duration = Duration::from_secs(2);
/// How often the topic's partitions are listed.
const LISTING: Duration = Duration::from_secs(30);
/// How long one question to the broker may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A question of the reader: which of these offsets does the broker lack?
#[derive(Debug)]
pub(crate) struct Inspect {
    /// The offset that comes next, for each partition.
    pub(crate) wanted: BTreeMap<i32, i64>,
}

/// What the watcher stands on.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// The topic.
    pub(crate) kafka: Kafka,
    /// Where a partition starts that was never read.
    pub(crate) start_from: StartFrom,
    /// Whether rows of bronze stand in for messages that the broker has no longer.
    pub(crate) backfills: bool,
    /// What the reader's consumer is like.
    pub(crate) consumer: ConsumerTraits,
    /// What its clients use, the reader's too.
    pub(crate) credentials: Credentials,
    /// Which partitions are the shard's.
    pub(crate) cut: Cut,
    /// What is known of them.
    pub(crate) stored: Stored,
    /// Where troubles and the partitions' ends are shown.
    pub(crate) status: Arc<Status>,
    /// The core's inbox; the watcher ends with it.
    pub(crate) events: Sender<Event>,
    /// The reader's commands.
    pub(crate) commands: Sender<Command>,
}

/// What a chain knows of its partitions.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Where they stand.
    pub(crate) positions: BTreeMap<i32, PartitionProgress>,
    /// Where some of them start that were never read.
    pub(crate) first_offsets: BTreeMap<i32, i64>,
    /// Whether no partition of the topic was ever read.
    pub(crate) is_first_start: bool,
}

/// How a round ended.
enum Round {
    Done,
    /// The core is gone: nobody needs the watcher.
    Unneeded,
}

impl Watcher {
    /// Watches until nobody asks any more.
    pub(crate) fn run(self, inspections: &Receiver<Inspect>) {
        let mut backoff = Backoff::default();
        let mut renewal = Renewal::new(self.credentials.clone());
        let mut topic: Option<Topic> = None;
        let mut rounds = Rounds { assigned: Vec::new(), listed_at: None };
        let mut question: Option<Inspect> = None;
        loop {
            if matches!(self.renew(&mut renewal, &mut topic), Round::Unneeded) {
                return;
            }
            let pause = match self.round(&mut topic, renewal.in_use(), (&mut rounds, question.as_ref())) {
                Ok(Round::Done) => {
                    question = None;
                    backoff.reset();
                    self.status.clear(Scope::Kafka);
                    ROUND
                }
                Ok(Round::Unneeded) => return,
                Err(error) => {
                    self.status.raise(Scope::Kafka, error.problem());
                    backoff.pause()
                }
            };
            // Changed files are worth a second look soon, whatever is wrong now: they may mend it.
            let until = Instant::now() + if renewal.wants_another_look() { pause.min(ROUND) } else { pause };
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                match inspections.recv_timeout(left) {
                    Ok(inspect) => question = Some(inspect),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    /// Looks into the files of the connection's security. Until Kafka has accepted what is new in them, all
    /// clients stay with what they have; then they change it, and go on where they are.
    fn renew(&self, renewal: &mut Renewal, topic: &mut Option<Topic>) -> Round {
        let credentials = match renewal.look(Credentials::read(&self.kafka.security), Instant::now()) {
            Step::Stay => return Round::Done,
            Step::Warn(error) => {
                tracing::warn!(%error, "security files cannot be used: the connection stays as it is");
                return Round::Done;
            }
            Step::Prove(credentials) => credentials,
        };
        match self.prove(&credentials) {
            Ok((proved, source)) => {
                let changed = renewal.adopt(credentials).join(", ");
                tracing::info!(
                    changed,
                    "security files have changed: reconnecting to Kafka with the new ones"
                );
                *topic = Some(proved);
                let told = self.events.send(Event::Renewed).is_ok();
                let is_needed = told && self.commands.send(Command::Reconnect(Box::new(source))).is_ok();
                if is_needed { Round::Done } else { Round::Unneeded }
            }
            Err(error) => {
                if renewal.refuse(Instant::now()) {
                    tracing::warn!(
                        %error,
                        "security files have changed, but Kafka does not accept the new ones yet: the connection stays as it is"
                    );
                }
                Round::Done
            }
        }
    }

    /// A client that Kafka has answered with these credentials, and a consumer that uses them too.
    fn prove(&self, credentials: &Credentials) -> Result<(Topic, KafkaSource), TopicError> {
        let topic = Topic::with(&self.kafka, credentials)?;
        topic.partitions(TIMEOUT)?;
        Ok((topic, KafkaSource::new(&self.kafka, &self.consumer, credentials)?))
    }

    fn round(
        &self,
        topic: &mut Option<Topic>,
        credentials: &Credentials,
        (rounds, question): (&mut Rounds, Option<&Inspect>),
    ) -> Result<Round, TopicError> {
        if topic.is_none() {
            *topic = Some(Topic::with(&self.kafka, credentials)?);
        }
        let topic = topic.as_ref().expect("made above");
        if rounds.listed_at.is_none_or(|at| at.elapsed() >= LISTING) {
            let assignments = self.list(topic, rounds)?;
            let is_first = rounds.listed_at.replace(Instant::now()).is_none();
            if is_first || !assignments.is_empty() {
                rounds.assigned.extend(assignments.iter().map(|assignment| assignment.partition));
                if self.events.send(Event::Assigned(assignments)).is_err() {
                    return Ok(Round::Unneeded);
                }
            }
        }
        let available = Self::look(topic, &rounds.assigned)?;
        let ends = available.iter().map(|(partition, watermarks)| (*partition, watermarks.high)).collect();
        self.status.set_ends(&ends);
        Ok(question.map_or(Round::Done, |question| self.answer(question, &available)))
    }

    /// The shard's partitions that are not assigned yet.
    fn list(&self, topic: &Topic, rounds: &Rounds) -> Result<Vec<Assignment>, TopicError> {
        let mut partitions = topic.partitions(TIMEOUT)?;
        partitions.retain(|partition| self.cut.has(*partition) && !rounds.assigned.contains(partition));
        let available = Self::look(topic, &partitions)?;
        let assignment = |(partition, watermarks): (i32, Watermarks)| {
            let known = match self.stored.positions.get(&partition) {
                Some(progress) => Known::Stored(progress),
                None if self.stored.first_offsets.contains_key(&partition) => {
                    Known::Beginning(self.stored.first_offsets[&partition])
                }
                None if self.stored.is_first_start && rounds.listed_at.is_none() => Known::FirstStart,
                None => Known::NewPartition,
            };
            let from = starting_point(known, self.start_from, self.backfills, watermarks);
            Assignment { partition, from, end: watermarks.high }
        };
        Ok(available.into_iter().map(assignment).collect())
    }

    fn look(topic: &Topic, partitions: &[i32]) -> Result<BTreeMap<i32, Watermarks>, TopicError> {
        let mut available = BTreeMap::new();
        for partition in partitions {
            available.insert(*partition, topic.watermarks(*partition, TIMEOUT)?);
        }
        Ok(available)
    }

    /// Partitions that the broker cannot serve are stopped; the others were held up by mistake, and go on.
    fn answer(&self, question: &Inspect, available: &BTreeMap<i32, Watermarks>) -> Round {
        let mut sound = BTreeMap::new();
        for (partition, watermarks) in available {
            let Some(wanted) = question.wanted.get(partition) else { continue };
            match expired(*wanted, *watermarks) {
                None => {
                    sound.insert(*partition, *wanted);
                }
                Some(expired) => {
                    let event = Event::Expired { partition: *partition, expired };
                    if self.events.send(event).is_err() {
                        return Round::Unneeded;
                    }
                }
            }
        }
        match self.commands.send(Command::Assign(sound)) {
            Ok(()) => Round::Done,
            Err(_) => Round::Unneeded,
        }
    }
}

/// What the watcher remembers from round to round.
struct Rounds {
    assigned: Vec<i32>,
    listed_at: Option<Instant>,
}
