//! Forcing a partition's files to the disk, in the background.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use snafu::ResultExt as _;

use super::{
    super::{LogError, ReadLogSnafu, WriteLogSnafu, summary::Summary},
    Partition,
};
use crate::locks::lock;

impl Partition {
    /// Forces to the disk what was written, and stores the summaries of finished segments. The
    /// log is not locked meanwhile.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        for unflushed in self.unflushed()? {
            let path = &unflushed.path;
            unflushed.file.sync_data().context(WriteLogSnafu { path })?;
            if unflushed.is_new {
                sync_directory(&self.directory).context(WriteLogSnafu { path: &self.directory })?;
            }
            let summarised = unflushed.summary.as_ref().map(|summary| summary.store(path));
            if let Some(Err(error)) = &summarised {
                // Without it only the next start takes longer; it is tried again at the next flush.
                tracing::debug!(path = %path.display(), %error, "failed to store a segment's summary");
            }
            let mut log = lock(&self.log);
            let mut segments = log.segments.iter_mut();
            if let Some(segment) = segments.find(|segment| segment.path == *path) {
                segment.synced = unflushed.length;
                if matches!(summarised, Some(Ok(()))) {
                    segment.unsummarised = None;
                }
            } else {
                // It expired meanwhile: its summary is not to be left behind.
                let _ = fs::remove_file(path.with_extension("summary"));
            }
        }
        Ok(())
    }

    fn unflushed(&self) -> Result<Vec<Unflushed>, LogError> {
        let log = lock(&self.log);
        let mut unflushed = Vec::new();
        if log.deleted {
            return Ok(unflushed);
        }
        for segment in &log.segments {
            if segment.synced == segment.length && segment.unsummarised.is_none() {
                continue;
            }
            unflushed.push(Unflushed {
                file: segment.open().context(ReadLogSnafu { path: &segment.path })?,
                path: segment.path.clone(),
                length: segment.length,
                is_new: segment.synced == 0,
                summary: segment.unsummarised.clone().map(|producers| Summary {
                    length: segment.length,
                    next_offset: segment.next_offset,
                    index: segment.index.clone(),
                    producers,
                }),
            });
        }
        Ok(unflushed)
    }
}

/// A segment that was written since the last flush, or finished.
struct Unflushed {
    file: Arc<fs::File>,
    path: PathBuf,
    length: u64,
    is_new: bool,
    summary: Option<Summary>,
}

/// Forces to the disk which files a directory has.
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
