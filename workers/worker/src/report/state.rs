//! [`Status`]: what the worker knows of itself, shared by all of its threads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sluice_contract::manifest::{Counts, PartitionProgress, TableProgress};
use sluice_contract::report::{PartitionReport, Phase, Problem, REPORT_FORMAT_VERSION, Report, TableReport};

use super::alerts::AcknowledgedAlert;
use super::durations::{Durations, Step};
use super::gold::{Gold, Publication};
use super::rate::RateMeter;
use super::scoring::{RuleSetStatus, Scoring};
use super::volume::{StateSize, Written};
use crate::clock::now_ms;

/// Reports stay below their bound: more partitions than this are left out, more problems too.
pub(super) const MOST_PARTITIONS: usize = 256;
const MOST_PROBLEMS: usize = 16;
const LONGEST_MESSAGE: usize = 1_000;

/// Whose status it is; fixed for the life of the process.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The job, as in the manifests.
    pub job: String,
    /// The shard's number.
    pub shard: u32,
    /// Number of shards.
    pub shards: u32,
    /// Id of the process, as in the manifests.
    pub writer: String,
    /// Revision of the configuration.
    pub configuration: String,
    /// How far the watermark trails the largest event time.
    pub max_out_of_orderness_us: i64,
}

/// What a problem is about. There is at most one problem for each; the newest replaces the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The brokers or the topic.
    Kafka,
    /// The lake.
    Storage,
    /// The schema registry.
    Registry,
    /// The topic of alerts: an epoch is not committed before it has them.
    Alerts,
    /// The file of rules; those in force go on.
    Rules,
    /// One partition; the others go on.
    Partition(i32),
    /// The tables of windows; all others go on.
    Gold,
}

/// What an epoch brought, once all tables have it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The epoch.
    pub epoch: u64,
    /// Read time, or Kafka timestamp, of its oldest message; `None` without messages.
    pub oldest_message_ms: Option<i64>,
    /// Where each partition stands.
    pub partitions: BTreeMap<i32, PartitionProgress>,
    /// Each table after it.
    pub tables: Vec<TableReport>,
    /// How long the epoch was open.
    pub open_for: Duration,
    /// How long it took from its close to the last table.
    pub commit_took: Duration,
}

/// What the worker knows of itself.
#[derive(Debug)]
pub struct Status {
    subject: Subject,
    started_at_ms: i64,
    possible_refusals: Vec<(&'static str, String)>,
    durations: Durations,
    changing: Mutex<Changing>,
}

#[derive(Debug)]
struct Changing {
    phase: Phase,
    problems: BTreeMap<Scope, Problem>,
    epoch: Option<u64>,
    committed_at_ms: Option<i64>,
    freshness_ms: Option<u64>,
    partitions: BTreeMap<i32, PartitionProgress>,
    ends: BTreeMap<i32, i64>,
    tables: Vec<TableReport>,
    messages: RateMeter,
    written: BTreeMap<String, Written>,
    state: Option<StateSize>,
    /// Of scoring jobs.
    scoring: Option<Scoring>,
    gold: Option<Gold>,
}

impl Status {
    /// The status of a process that has just started.
    pub fn new(subject: Subject) -> Self {
        let started_at_ms = now_ms();
        Self {
            subject,
            started_at_ms,
            possible_refusals: Vec::new(),
            durations: Durations::default(),
            changing: Mutex::new(Changing {
                phase: Phase::Starting,
                problems: BTreeMap::new(),
                epoch: None,
                committed_at_ms: None,
                freshness_ms: None,
                partitions: BTreeMap::new(),
                ends: BTreeMap::new(),
                tables: Vec::new(),
                messages: RateMeter::new(started_at_ms),
                written: BTreeMap::new(),
                state: None,
                scoring: None,
                gold: None,
            }),
        }
    }

    /// The same, of a scoring job.
    pub fn scoring(self) -> Self {
        self.lock().scoring = Some(Scoring::default());
        self
    }

    /// Notes the rule set in force.
    pub fn set_rule_set(&self, rule_set: RuleSetStatus) {
        if let Some(scoring) = &mut self.lock().scoring {
            scoring.rule_set = Some(rule_set);
        }
    }

    /// The rule set in force; `None` before the first, and for other jobs.
    pub fn rule_set(&self) -> Option<RuleSetStatus> {
        self.lock().scoring.as_ref()?.rule_set.clone()
    }

    /// Notes how many rows are counted by their keys.
    pub fn set_counted_rows(&self, rows: u64) {
        if let Some(scoring) = &mut self.lock().scoring {
            scoring.counted_rows = rows;
        }
    }

    /// Rows that are counted by their keys; `None` for jobs that count none.
    pub fn counted_rows(&self) -> Option<u64> {
        Some(self.lock().scoring.as_ref()?.counted_rows)
    }

    /// Notes an alert that the broker has acknowledged.
    pub fn note_alert(&self, alert: AcknowledgedAlert) {
        self.durations.alerted(Duration::from_micros(alert.latency_us));
        if let Some(scoring) = &mut self.lock().scoring {
            scoring.note(Instant::now(), alert.latency_us);
            scoring.newest_alerts.note(now_ms(), alert);
        }
    }

    /// The same, with the stages and reasons under which messages can be refused: they are counted from 0.
    pub fn expecting(mut self, refusals: Vec<(&'static str, String)>) -> Self {
        self.possible_refusals = refusals;
        self
    }

    /// Whose status it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Stages and reasons under which messages can be refused.
    pub fn possible_refusals(&self) -> &[(&'static str, String)] {
        &self.possible_refusals
    }

    /// How long things took.
    pub fn durations(&self) -> &Durations {
        &self.durations
    }

    /// Does a step of the work, and notes how long it took.
    pub async fn timed<T>(&self, step: Step, work: impl Future<Output = T>) -> T {
        self.durations.timed(step, work).await
    }

    /// Counts the files of an epoch, now that the tables have them.
    pub fn count_written(&self, tables: &BTreeMap<String, TableProgress>) {
        let mut changing = self.lock();
        for (table, progress) in tables {
            changing.written.entry(table.clone()).or_default().add(&progress.adds);
        }
    }

    /// What this process has written to each table.
    pub fn written(&self) -> BTreeMap<String, Written> {
        self.lock().written.clone()
    }

    /// Notes how large the state is.
    pub fn note_state(&self, state: StateSize) {
        self.lock().state = Some(state);
    }

    /// How large the state is; `None` before the first epoch of this process.
    pub fn state_size(&self) -> Option<StateSize> {
        self.lock().state
    }

    /// Says what the worker is doing; problems may still make it [`Phase::Blocked`].
    pub fn enter(&self, phase: Phase) {
        let mut changing = self.lock();
        if changing.phase != phase {
            tracing::info!(from = ?changing.phase, to = ?phase, "changed phase");
            changing.phase = phase;
        }
    }

    /// Reports a problem until it is [`Self::clear`]ed. Warns once for each change of its reason.
    pub fn raise(&self, scope: Scope, problem: Problem) {
        let mut changing = self.lock();
        let is_news = changing.problems.get(&scope).is_none_or(|known| known.reason != problem.reason);
        if is_news {
            tracing::warn!(reason = problem.reason, problem = problem.message, "held up");
        }
        changing.problems.insert(scope, problem);
    }

    /// The problem is mended.
    pub fn clear(&self, scope: Scope) {
        if let Some(problem) = self.lock().problems.remove(&scope) {
            tracing::info!(reason = problem.reason, "mended");
        }
    }

    /// Counts messages that were processed.
    pub fn count_messages(&self, messages: u64) {
        self.lock().messages.add(now_ms(), messages);
    }

    /// Notes where the topic's partitions end now.
    pub fn set_ends(&self, ends: &BTreeMap<i32, i64>) {
        self.lock().ends.extend(ends);
    }

    /// Shows what was restored: the positions, and the tables as they are.
    pub fn restore(
        &self,
        epoch: u64,
        partitions: BTreeMap<i32, PartitionProgress>,
        tables: Vec<TableReport>,
    ) {
        let mut changing = self.lock();
        changing.epoch = Some(epoch);
        changing.partitions = partitions;
        changing.tables = tables;
    }

    /// Shows an epoch that all tables have.
    pub fn commit(&self, commit: Commit) {
        let now = now_ms();
        let mut changing = self.lock();
        changing.epoch = Some(commit.epoch);
        changing.committed_at_ms = Some(now);
        if let Some(oldest) = commit.oldest_message_ms {
            let freshness_ms = (now - oldest).max(0) as u64;
            self.durations.committed(commit.open_for, commit.commit_took, freshness_ms);
            changing.freshness_ms = Some(freshness_ms);
        }
        let (rows, alerts) = changing.scored_since(&commit.partitions);
        if let Some(scoring) = &mut changing.scoring {
            scoring.committed(rows, alerts);
        }
        changing.partitions = commit.partitions;
        changing.tables = commit.tables;
    }

    /// Shows an epoch of the merge that all its tables have.
    pub fn publish(&self, publication: Publication) {
        let mut changing = self.lock();
        changing.gold = Some(Gold::after(changing.gold.take(), publication));
    }

    /// What the worker is doing, problems considered.
    pub fn phase(&self) -> Phase {
        self.lock().phase()
    }

    /// The report of this moment.
    pub fn report(&self) -> Report {
        let changing = self.lock();
        let mut counts = Counts::default();
        for progress in changing.partitions.values() {
            counts.add(&progress.counts);
        }
        Report {
            format_version: REPORT_FORMAT_VERSION,
            job: self.subject.job.clone(),
            shard: self.subject.shard,
            shards: self.subject.shards,
            writer: self.subject.writer.clone(),
            configuration: self.subject.configuration.clone(),
            phase: changing.phase(),
            problems: changing.problems.values().take(MOST_PROBLEMS).map(shortened).collect(),
            started_at_ms: self.started_at_ms,
            epoch: changing.epoch,
            committed_at_ms: changing.committed_at_ms,
            lag: changing.lag(),
            freshness_ms: changing.freshness_ms,
            messages_per_second: changing.messages.per_second(now_ms()),
            counts,
            partitions: changing.partitions(self.subject.max_out_of_orderness_us),
            tables: changing.all_tables(),
            scoring: changing.scoring.as_ref().map(|scoring| scoring.report(Instant::now())),
            gold: changing.gold.as_ref().map(|gold| gold.report.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().expect("no holder of the lock panics")
    }
}

impl Changing {
    fn phase(&self) -> Phase {
        let stopped = self.problems.keys().filter(|scope| matches!(scope, Scope::Partition(_))).count();
        let all_stopped = stopped > 0 && stopped >= self.partitions.len();
        // Bad rules hold nothing up as long as there are others in force, and tables of windows hold nothing up at all.
        let has_rules = self.scoring.as_ref().is_none_or(|scoring| scoring.rule_set.is_some());
        let rules = usize::from(has_rules && self.problems.contains_key(&Scope::Rules));
        let harmless = stopped + rules + usize::from(self.problems.contains_key(&Scope::Gold));
        let blocked = all_stopped || self.problems.len() > harmless;
        match self.phase {
            Phase::Starting | Phase::Running if blocked => Phase::Blocked,
            phase => phase,
        }
    }

    /// Silver rows and alerts of an epoch after which the partitions stand there.
    fn scored_since(&self, partitions: &BTreeMap<i32, PartitionProgress>) -> (u64, u64) {
        let sums = |partitions: &BTreeMap<i32, PartitionProgress>| {
            let counts = || partitions.values().map(|progress| &progress.counts);
            let rows: u64 = counts().map(|counts| counts.silver).sum();
            (rows, counts().map(|counts| counts.scoring.alerts).sum::<u64>())
        };
        let ((before, alerts_before), (rows, alerts)) = (sums(&self.partitions), sums(partitions));
        (rows.saturating_sub(before), alerts.saturating_sub(alerts_before))
    }

    fn all_tables(&self) -> Vec<TableReport> {
        let gold = self.gold.iter().flat_map(|gold| &gold.tables);
        self.tables.iter().chain(gold).cloned().collect()
    }

    /// Known once the end of every partition is.
    fn lag(&self) -> Option<u64> {
        if self.partitions.is_empty() {
            return None;
        }
        let mut lag = 0;
        for (partition, progress) in &self.partitions {
            let end = self.ends.get(partition)?;
            lag += (end - progress.next_offset).max(0) as u64;
        }
        Some(lag)
    }

    fn partitions(&self, max_out_of_orderness_us: i64) -> Vec<PartitionReport> {
        let report = |(partition, progress): (&i32, &PartitionProgress)| PartitionReport {
            partition: *partition,
            next_offset: progress.next_offset,
            end_offset: self.ends.get(partition).copied(),
            watermark_us: progress.max_event_time_us.map(|largest| largest - max_out_of_orderness_us),
            idle: progress.idle,
        };
        self.partitions.iter().take(MOST_PARTITIONS).map(report).collect()
    }
}

fn shortened(problem: &Problem) -> Problem {
    let mut message = problem.message.clone();
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    Problem { reason: problem.reason.clone(), message }
}

#[cfg(test)]
mod tests;
