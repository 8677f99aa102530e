//! Reading a partition's segments at the start.
//!
//! The last segment, and any without a summary, is read in full: each batch's checksum and order
//! is checked, and the file cut at the first batch that is incomplete or damaged. That is what a
//! crash in the middle of an append leaves.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use snafu::ResultExt as _;

use super::{
    LogError, ReadLogSnafu, WriteLogSnafu,
    batch::{BatchHeader, HEADER_LENGTH},
    index::Index,
    producers::Producers,
    segment::Segment,
    summary::Summary,
};
use crate::clock::to_ms;

/// Everything a partition's files tell.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The segments, oldest first; at least one, and only the last is open.
    pub(crate) segments: Vec<Segment>,
    /// The producers after the last record.
    pub(crate) producers: Producers,
}

/// Reads the segments of a directory, or starts the first one at `log_start`.
pub(crate) fn recover(directory: &Path, log_start: i64, now_ms: i64) -> Result<Recovered, LogError> {
    let files = segment_files(directory).context(ReadLogSnafu { path: directory })?;
    let mut segments: Vec<Segment> = Vec::with_capacity(files.len().max(1));
    let mut producers = Producers::default();
    for (number, (base_offset, path)) in files.iter().enumerate() {
        let is_last = number + 1 == files.len();
        let from_offset =
            segments.last().map_or(*base_offset, |segment| segment.next_offset.max(*base_offset));
        let segment = if let Some(segment) = (!is_last).then(|| summarised(path, *base_offset)).flatten() {
            producers = segment.1;
            segment.0
        } else {
            let mut segment = read_segment(path, *base_offset, from_offset, &mut producers, now_ms)?;
            if !is_last {
                segment.file = None;
                segment.unsummarised = Some(producers.clone());
            }
            segment
        };
        segments.push(segment);
    }
    if segments.is_empty() {
        segments
            .push(Segment::create(directory, log_start, now_ms).context(WriteLogSnafu { path: directory })?);
    }
    Ok(Recovered { segments, producers })
}

fn segment_files(directory: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log")
            && let Some(base_offset) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            files.push((base_offset, path));
        }
    }
    files.sort();
    Ok(files)
}

fn summarised(path: &Path, base_offset: i64) -> Option<(Segment, Producers)> {
    let metadata = fs::metadata(path).ok()?;
    let summary = Summary::load(path, metadata.len())?;
    let appended_ms = metadata.modified().map_or(0, to_ms);
    let segment = Segment {
        path: path.to_owned(),
        base_offset,
        next_offset: summary.next_offset,
        length: summary.length,
        index: summary.index,
        created_ms: appended_ms,
        appended_ms,
        last_batch: None,
        file: None,
        synced: summary.length,
        unsummarised: None,
    };
    Some((segment, summary.producers))
}

fn read_segment(
    path: &Path,
    base_offset: i64,
    from_offset: i64,
    producers: &mut Producers,
    now_ms: i64,
) -> Result<Segment, LogError> {
    let file = OpenOptions::new().read(true).write(true).open(path).context(ReadLogSnafu { path })?;
    let metadata = file.metadata().context(ReadLogSnafu { path })?;
    let mut segment = Segment {
        path: path.to_owned(),
        base_offset,
        next_offset: from_offset,
        length: 0,
        index: Index::default(),
        created_ms: now_ms,
        appended_ms: now_ms,
        last_batch: None,
        file: None,
        synced: 0,
        unsummarised: None,
    };
    let mut batches = BatchReader { file: BufReader::with_capacity(1 << 20, &file), left: metadata.len() };
    let mut batch = Vec::new();
    while let Some(header) = batches.next(&mut batch).context(ReadLogSnafu { path })? {
        if header.base_offset < segment.next_offset || !header.matches(&batch) {
            break;
        }
        producers.note(&header, header.base_offset, now_ms);
        segment.note(&header, now_ms);
    }
    if segment.length < metadata.len() {
        let cut_bytes = metadata.len() - segment.length;
        tracing::warn!(path = %path.display(), cut_bytes, "cut an incomplete end of a segment");
        file.set_len(segment.length).context(WriteLogSnafu { path })?;
    }
    segment.created_ms = metadata.created().or_else(|_| metadata.modified()).map_or(now_ms, to_ms);
    segment.appended_ms = metadata.modified().map_or(now_ms, to_ms);
    segment.file = Some(Arc::new(file));
    Ok(segment)
}

/// The batches of a file, read one after the other.
struct BatchReader<'file> {
    file: BufReader<&'file File>,
    left: u64,
}

impl BatchReader<'_> {
    /// Reads the next batch, unless what is left is not a whole one.
    fn next(&mut self, batch: &mut Vec<u8>) -> io::Result<Option<BatchHeader>> {
        if self.left < HEADER_LENGTH as u64 {
            return Ok(None);
        }
        batch.resize(HEADER_LENGTH, 0);
        self.file.read_exact(batch)?;
        let Ok(header) = BatchHeader::parse(batch) else { return Ok(None) };
        if header.length as u64 > self.left {
            return Ok(None);
        }
        batch.resize(header.length, 0);
        self.file.read_exact(&mut batch[HEADER_LENGTH..])?;
        self.left -= header.length as u64;
        Ok(Some(header))
    }
}
