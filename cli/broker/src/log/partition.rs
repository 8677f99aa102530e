//! One partition: a log of segments that is appended to at its end, read anywhere and shortened
//! at its start.

mod flush;

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use kafka_protocol::error::ResponseError;
use snafu::ResultExt as _;

use super::{
    LogError, ReadLogSnafu, WriteLogSnafu,
    batch::{BatchHeader, stamp},
    producers::{Admission, Producers},
    recovery::{Recovered, recover},
    retention::{RetentionPolicy, SegmentFacts, expired},
    segment::{FileRange, Segment},
};
use crate::{journal::replace_file, locks::lock, settings::TopicSettings, signal::Signal};

/// The file that holds the log's start where it lies within a segment.
const LOG_START_FILE: &str = "log-start";
/// How long a producer that writes nothing is remembered.
const PRODUCER_MEMORY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    directory: PathBuf,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// Oldest first; never empty, and only the last is written.
    segments: VecDeque<Segment>,
    start: i64,
    producers: Producers,
    listeners: Vec<Arc<Signal>>,
    deleted: bool,
}

/// Where a log starts and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The first offset that can be read.
    pub(crate) start: i64,
    /// The offset of the next record.
    pub(crate) end: i64,
}

/// A batch that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// The offset of its first record.
    pub(crate) base_offset: i64,
    /// The time of the append, for topics that keep it.
    pub(crate) append_time: Option<i64>,
    /// The first offset that can be read.
    pub(crate) log_start: i64,
}

/// Why a batch is not stored.
#[derive(Debug)]
pub(crate) enum AppendRefusal {
    /// It is larger than the topic allows.
    TooLarge,
    /// Its newest record lies too far in the future.
    FutureTimestamp,
    /// It contradicts what its producer wrote before.
    Producer(ResponseError),
    /// The topic was deleted meanwhile.
    Deleted,
    /// It cannot be written.
    Storage(LogError),
}

/// Why nothing can be read at an offset.
#[derive(Debug)]
pub(crate) enum ReadRefusal {
    /// The offset lies outside of the log.
    OutOfRange(Bounds),
    /// The topic was deleted meanwhile.
    Deleted,
    /// The log cannot be read.
    Storage(LogError),
}

impl Partition {
    /// Opens the partition in this directory, or creates it.
    pub(crate) fn open(directory: PathBuf, now_ms: i64) -> Result<Self, LogError> {
        fs::create_dir_all(&directory).context(WriteLogSnafu { path: &directory })?;
        let stored_start = fs::read_to_string(directory.join(LOG_START_FILE))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let Recovered { segments, producers } = recover(&directory, stored_start, now_ms)?;
        let end = segments.last().map_or(stored_start, |segment| segment.next_offset);
        let log = Log {
            // The machine's death may have cut the end below the start.
            start: stored_start.clamp(segments[0].base_offset, end),
            segments: segments.into(),
            producers,
            listeners: Vec::new(),
            deleted: false,
        };
        Ok(Self { directory, log: Mutex::new(log) })
    }

    /// Where the log starts and ends.
    pub(crate) fn bounds(&self) -> Bounds {
        lock(&self.log).bounds()
    }

    /// Appends a checked batch.
    pub(crate) fn append(
        &self,
        batch: &[u8],
        header: &BatchHeader,
        settings: &TopicSettings,
        now_ms: i64,
    ) -> Result<Appended, AppendRefusal> {
        if batch.len() > settings.max_message_bytes {
            return Err(AppendRefusal::TooLarge);
        }
        if !settings.append_time
            && header.max_timestamp.saturating_sub(now_ms) > settings.timestamp_after_max_ms
        {
            return Err(AppendRefusal::FutureTimestamp);
        }
        let mut log = lock(&self.log);
        if log.deleted {
            return Err(AppendRefusal::Deleted);
        }
        let log_start = log.start;
        match log.producers.admit(header) {
            Admission::Store => {}
            Admission::Refused(error) => return Err(AppendRefusal::Producer(error)),
            Admission::Repeated(written) => {
                let append_time = settings.append_time.then_some(written.max_timestamp);
                return Ok(Appended { base_offset: written.base_offset, append_time, log_start });
            }
        }
        if log.last().is_to_be_followed(batch.len(), settings, now_ms) {
            log.roll(&self.directory, now_ms).map_err(AppendRefusal::Storage)?;
        }
        let base_offset = log.last().next_offset;
        let append_time = settings.append_time.then_some(now_ms);
        let stamped = stamp(batch, base_offset, append_time);
        let last = log.last_mut();
        if let Err(source) = last.append(&stamped, batch, now_ms) {
            return Err(AppendRefusal::Storage(LogError::WriteLog { path: last.path.clone(), source }));
        }
        let stored = BatchHeader { max_timestamp: append_time.unwrap_or(header.max_timestamp), ..*header };
        log.producers.note(&stored, base_offset, now_ms);
        log.wake_listeners();
        Ok(Appended { base_offset, append_time, log_start })
    }

    /// The batches from `offset` on, within one segment and up to `max_bytes`; with
    /// `at_least_one` the first batch even if it is larger.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<(Option<FileRange>, Bounds), ReadRefusal> {
        let log = lock(&self.log);
        if log.deleted {
            return Err(ReadRefusal::Deleted);
        }
        let bounds = log.bounds();
        if offset < bounds.start || offset > bounds.end {
            return Err(ReadRefusal::OutOfRange(bounds));
        }
        let following = log.segments.partition_point(|segment| segment.base_offset <= offset);
        for segment in log.segments.iter().skip(following.saturating_sub(1)) {
            if segment.next_offset <= offset {
                continue;
            }
            let range = segment
                .range_from(offset.max(segment.base_offset), max_bytes, at_least_one)
                .context(ReadLogSnafu { path: &segment.path })
                .map_err(ReadRefusal::Storage)?;
            return Ok((range, bounds));
        }
        Ok((None, bounds))
    }

    /// The batch with the first record that has at least this timestamp, and the log's start.
    pub(crate) fn batch_at_time(&self, timestamp: i64) -> Result<(Option<FileRange>, Bounds), LogError> {
        let log = lock(&self.log);
        for segment in &log.segments {
            let batch =
                segment.batch_at_time(timestamp, log.start).context(ReadLogSnafu { path: &segment.path })?;
            if batch.is_some() {
                return Ok((batch, log.bounds()));
            }
        }
        Ok((None, log.bounds()))
    }

    /// The newest timestamp of all records.
    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        lock(&self.log).segments.iter().filter_map(|segment| segment.index.max_timestamp()).max()
    }

    /// Has the signal raised at the next change, unless the log no longer ends at `known_end`:
    /// then nothing is registered and the answer is false.
    pub(crate) fn listen(&self, signal: &Arc<Signal>, known_end: i64) -> bool {
        let mut log = lock(&self.log);
        if log.deleted || log.bounds().end != known_end {
            return false;
        }
        // Connections that have ended leave the only other reference here.
        log.listeners.retain(|listener| Arc::strong_count(listener) > 1 && !Arc::ptr_eq(listener, signal));
        log.listeners.push(Arc::clone(signal));
        true
    }

    /// Makes `offset` the log's start, for good; `None` stands for its end. Answers the new start,
    /// or `None` if the offset lies beyond the end.
    pub(crate) fn delete_before(&self, offset: Option<i64>, now_ms: i64) -> Result<Option<i64>, LogError> {
        let mut log = lock(&self.log);
        let bounds = log.bounds();
        let offset = offset.unwrap_or(bounds.end);
        if offset > bounds.end {
            return Ok(None);
        }
        if offset > bounds.start {
            // Segments first: that makes the room on a full disk that the file may need.
            log.start = offset;
            let deleted =
                log.delete_expired(&self.directory, RetentionPolicy { age_ms: None, bytes: None }, now_ms);
            if let Err(error) = deleted.and_then(|_| self.store_start(&log)) {
                log.start = bounds.start.max(log.segments[0].base_offset);
                return Err(error);
            }
        }
        Ok(Some(log.start))
    }

    /// Deletes the segments that have expired and tells how many.
    pub(crate) fn delete_expired(&self, policy: RetentionPolicy, now_ms: i64) -> Result<usize, LogError> {
        let mut log = lock(&self.log);
        if log.deleted {
            return Ok(0);
        }
        log.producers.forget_unseen_since(now_ms - PRODUCER_MEMORY_MS);
        log.delete_expired(&self.directory, policy, now_ms)
    }

    /// Ends the partition: readers and writers are told that the topic is gone.
    pub(crate) fn delete(&self) -> Result<(), LogError> {
        let mut log = lock(&self.log);
        log.deleted = true;
        log.wake_listeners();
        fs::remove_dir_all(&self.directory).context(WriteLogSnafu { path: &self.directory })
    }

    /// Stores the log's start, unless the first segment's name tells it.
    fn store_start(&self, log: &Log) -> Result<(), LogError> {
        if log.start == log.segments[0].base_offset {
            return Ok(());
        }
        let path = self.directory.join(LOG_START_FILE);
        replace_file(&path, format!("{}\n", log.start).as_bytes()).map(drop).context(WriteLogSnafu { path })
    }
}

impl Log {
    fn last(&self) -> &Segment {
        self.segments.back().expect("a log always has a last segment")
    }

    fn last_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log always has a last segment")
    }

    fn bounds(&self) -> Bounds {
        Bounds { start: self.start, end: self.last().next_offset }
    }

    fn wake_listeners(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.raise();
        }
    }

    fn roll(&mut self, directory: &Path, now_ms: i64) -> Result<(), LogError> {
        let next = Segment::create(directory, self.last().next_offset, now_ms)
            .context(WriteLogSnafu { path: directory })?;
        let producers = self.producers.clone();
        let last = self.last_mut();
        last.unsummarised = Some(producers);
        last.file = None;
        self.segments.push_back(next);
        Ok(())
    }

    fn delete_expired(
        &mut self,
        directory: &Path,
        policy: RetentionPolicy,
        now_ms: i64,
    ) -> Result<usize, LogError> {
        let facts: Vec<SegmentFacts> = self.segments.iter().map(Segment::facts).collect();
        let expired = expired(&facts, self.start, policy, now_ms);
        if expired == self.segments.len() {
            self.roll(directory, now_ms)?;
        }
        for _ in 0..expired {
            let first = &self.segments[0];
            first.delete().context(WriteLogSnafu { path: &first.path })?;
            self.segments.pop_front();
            self.start = self.start.max(self.segments[0].base_offset);
        }
        Ok(expired)
    }
}

impl Segment {
    /// Whether a batch of this size belongs into a new segment.
    fn is_to_be_followed(&self, batch_bytes: usize, settings: &TopicSettings, now_ms: i64) -> bool {
        self.length > 0
            && (self.length + batch_bytes as u64 > settings.segment_bytes
                || now_ms - self.created_ms >= settings.segment_ms)
    }
}

#[cfg(test)]
mod tests;
