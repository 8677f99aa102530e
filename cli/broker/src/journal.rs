//! A small append-only file of JSON records that survives a crash at any point.
//!
//! One record is one line, `<crc32c in hex> <json>`. A torn last line is cut when the file is
//! opened; damage before the end is an error, because it is no trace of a crash.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use snafu::{ResultExt as _, Snafu};

/// A file of records of one kind.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    records: usize,
    is_flushed: bool,
}

impl Journal {
    /// Opens or creates the file and returns its records in the order in which they were added.
    pub(crate) fn open<R: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<R>), JournalError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .context(OpenSnafu { path })?;
        let content = fs::read(path).context(OpenSnafu { path })?;
        let mut records = Vec::new();
        let mut length = 0;
        for (number, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
            match parse_line(line) {
                Some(record) => records.push(record),
                None if length + line.len() == content.len() => {
                    tracing::warn!(path = %path.display(), "cut a torn record at the end of a journal");
                    file.set_len(length as u64).context(WriteSnafu { path })?;
                    break;
                }
                None => return DamagedSnafu { path, line: number + 1 }.fail(),
            }
            length += line.len();
        }
        let journal = Self {
            path: path.to_owned(),
            file: Arc::new(file),
            length: length as u64,
            records: records.len(),
            is_flushed: false,
        };
        Ok((journal, records))
    }

    /// Adds records; after an error none of them is in the file.
    pub(crate) fn append<R: Serialize>(&mut self, records: &[R]) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for record in records {
            write_line(&mut lines, record);
        }
        if let Err(source) = self.file.write_all_at(&lines, self.length) {
            // What was written so far is no complete record, so it is cut at the next opening
            // should this fail as well; later appends overwrite it.
            let _ = self.file.set_len(self.length);
            return Err(source).context(WriteSnafu { path: &self.path });
        }
        self.length += lines.len() as u64;
        self.records += records.len();
        self.is_flushed = false;
        Ok(())
    }

    /// Replaces the whole content, atomically.
    pub(crate) fn rewrite<R: Serialize>(
        &mut self,
        records: impl IntoIterator<Item = R>,
    ) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        let mut count = 0;
        for record in records {
            write_line(&mut lines, &record);
            count += 1;
        }
        let file = replace_file(&self.path, &lines).context(WriteSnafu { path: &self.path })?;
        self.file = Arc::new(file);
        self.length = lines.len() as u64;
        self.records = count;
        Ok(())
    }

    /// Whether most of the file is outdated, given how many records are still of use.
    pub(crate) fn is_mostly_outdated(&self, live: usize) -> bool {
        self.records > 10_000 && self.records / 4 > live
    }

    /// The file, if it was written since the last time: to be forced to the disk without holding
    /// a lock.
    pub(crate) fn take_unflushed(&mut self) -> Option<Arc<File>> {
        let is_flushed = std::mem::replace(&mut self.is_flushed, true);
        (!is_flushed).then(|| Arc::clone(&self.file))
    }

    /// Forces what was added to the disk.
    pub(crate) fn flush(&mut self) -> Result<(), JournalError> {
        self.file.sync_data().context(WriteSnafu { path: &self.path })
    }
}

/// Writes a file so that it has either the old or the new content whatever happens.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<File> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&unfinished, path)?;
    Ok(file)
}

/// Adds one record's line.
pub(crate) fn write_line<R: Serialize>(lines: &mut Vec<u8>, record: &R) {
    let json =
        serde_json::to_vec(record).expect("a journal's records are plain structures of text and numbers");
    lines.extend_from_slice(format!("{:08x} ", crc32c::crc32c(&json)).as_bytes());
    lines.extend_from_slice(&json);
    lines.push(b'\n');
}

/// The record of a whole, undamaged line.
pub(crate) fn parse_line<R: DeserializeOwned>(line: &[u8]) -> Option<R> {
    let line = line.strip_suffix(b"\n")?;
    let (checksum, json) = line.split_at_checked(8)?;
    let json = json.strip_prefix(b" ")?;
    let checksum = u32::from_str_radix(std::str::from_utf8(checksum).ok()?, 16).ok()?;
    (crc32c::crc32c(json) == checksum).then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Why a journal cannot be read or written.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum JournalError {
    /// The file cannot be opened or read.
    #[snafu(display("failed to open the journal \"{}\"", path.display()))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[snafu(display("failed to write the journal \"{}\"", path.display()))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record in the middle of the file does not match its checksum.
    #[snafu(display(
        "failed to read line {line} of the journal \"{}\": its checksum does not match; \
         restore the file from a copy, or remove the data directory to start empty",
        path.display()
    ))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first line that is damaged, from 1.
        line: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(path: &Path) -> Vec<String> {
        Journal::open(path).unwrap().1
    }

    #[test]
    fn a_torn_last_record_is_cut_wherever_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open::<String>(&path).unwrap();
        journal.append(&["one", "two"]).unwrap();
        let before = fs::read(&path).unwrap();
        journal.append(&["three"]).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in before.len()..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(records(&path), ["one", "two"], "cut at byte {length}");
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(records(&path), ["one", "two", "three"]);
    }

    #[test]
    fn damage_before_the_end_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open::<String>(&path).unwrap();
        journal.append(&["one", "two", "three"]).unwrap();
        let damaged = fs::read_to_string(&path).unwrap().replace("two", "tow");
        fs::write(&path, damaged).unwrap();
        let error = Journal::open::<String>(&path).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { line: 2, .. }), "{error}");
    }

    #[test]
    fn a_rewritten_journal_holds_the_new_records_and_takes_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open::<String>(&path).unwrap();
        journal.append(&["one", "two"]).unwrap();
        journal.rewrite(["three"]).unwrap();
        journal.append(&["four"]).unwrap();
        assert_eq!(records(&path), ["three", "four"]);
    }
}
