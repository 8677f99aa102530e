//! The append-only log: one line for each event, fsynced before anybody hears of it.
//!
//! A line is `<crc32c of the JSON, 8 hex digits> <JSON>\n`. Only the last line can be torn, since each is
//! durable before the next is written; it was never acknowledged, and opening the log cuts it off.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use snafu::{ResultExt, Snafu, ensure};

use crate::catalogue::Event;

const FILE_NAME: &str = "registry.log";

/// Why the log cannot be opened, read or extended.
#[derive(Debug, Snafu)]
pub enum LogError {
    /// A file operation failed.
    #[snafu(display("failed to {operation} {}: {source}", path.display()))]
    File {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[snafu(display(
        "failed to lock {}: another schema registry uses this directory; stop it or choose another directory",
        path.display()
    ))]
    InUse {
        /// The locked file.
        path: PathBuf,
    },
    /// A line before the last one is not what was written.
    #[snafu(display(
        "failed to read line {line} of {}: {reason}; restore the file from a copy, or move it away to start empty",
        path.display()
    ))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An earlier failure left the end of the file unknown.
    #[snafu(display("failed to write to {}: an earlier write failed half-way; restart the registry", path.display()))]
    Unusable {
        /// The file.
        path: PathBuf,
    },
}

/// The open log. It holds the lock of its file.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    /// Length of what is durable.
    length: u64,
    /// Whether the file may hold more than `length` bytes that could not be removed.
    is_unusable: bool,
}

impl Log {
    /// Opens or creates the log and gives back its events, oldest first.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Vec<Event>), LogError> {
        fs::create_dir_all(directory)
            .context(FileSnafu { operation: "create the directory", path: directory })?;
        let path = directory.join(FILE_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .context(FileSnafu { operation: "open", path: &path })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return InUseSnafu { path }.fail(),
            Err(TryLockError::Error(source)) => {
                return Err(LogError::File { operation: "lock", path, source });
            }
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).context(FileSnafu { operation: "read", path: &path })?;
        let (events, length) = parse_lines(&bytes, &path)?;
        if length < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - length, "cut the torn tail of the log");
            file.set_len(length as u64).context(FileSnafu { operation: "cut", path: &path })?;
        }
        file.seek(SeekFrom::Start(length as u64)).context(FileSnafu { operation: "seek in", path: &path })?;
        file.sync_all().context(FileSnafu { operation: "sync", path: &path })?;
        // The name of a file that was just created must be durable too.
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .context(FileSnafu { operation: "sync the directory of", path: &path })?;
        Ok((Self { file, path, length: length as u64, is_unusable: false }, events))
    }

    /// The error for a line whose event makes no sense.
    pub(crate) fn damaged(&self, line: usize, reason: String) -> LogError {
        LogError::Damaged { path: self.path.clone(), line, reason }
    }

    /// Makes an event durable. After an error nothing of it is in the log.
    pub(crate) fn append(&mut self, event: &Event) -> Result<(), LogError> {
        ensure!(!self.is_unusable, UnusableSnafu { path: &self.path });
        let line = format_line(event);
        if let Err(source) = self.file.write_all(line.as_bytes()) {
            let undone =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.is_unusable = undone.is_err();
            return Err(source).context(FileSnafu { operation: "write to", path: &self.path });
        }
        if let Err(source) = self.file.sync_data() {
            // The kernel may have dropped the pages: what the file holds now is anybody's guess.
            self.is_unusable = true;
            return Err(source).context(FileSnafu { operation: "sync", path: &self.path });
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

fn format_line(event: &Event) -> String {
    let json = serde_json::to_string(event).expect("an event has string keys only");
    format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()))
}

/// The events of all whole lines, and the length of those lines.
fn parse_lines(bytes: &[u8], path: &Path) -> Result<(Vec<Event>, usize), LogError> {
    let mut events = Vec::new();
    let mut length = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parse_line(line) {
            Ok(event) => events.push(event),
            // Only the last line may be torn.
            Err(_) if length + line.len() == bytes.len() => break,
            Err(reason) => return DamagedSnafu { path, line: index + 1, reason }.fail(),
        }
        length += line.len();
    }
    Ok((events, length))
}

fn parse_line(line: &[u8]) -> Result<Event, String> {
    let line = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let (checksum, json) = line
        .split_at_checked(8)
        .and_then(|(checksum, rest)| Some((checksum, rest.strip_prefix(b" ")?)))
        .ok_or("it has no checksum")?;
    let expected = format!("{:08x}", crc32c::crc32c(json));
    if expected.as_bytes() != checksum {
        return Err("its checksum does not match".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
