//! One file of record batches: appending to it and finding batches in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    batch::{BatchHeader, HEADER_LENGTH},
    index::Index,
    producers::Producers,
    retention::SegmentFacts,
};

/// A part of a segment's file that holds whole batches.
#[derive(Debug, Clone)]
pub(crate) struct FileRange {
    /// The segment's file.
    pub(crate) file: Arc<File>,
    /// Where the part starts.
    pub(crate) position: u64,
    /// How long it is.
    pub(crate) length: usize,
}

impl FileRange {
    /// Reads the whole part.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes)
    }
}

/// A segment of a partition's log.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The file.
    pub(crate) path: PathBuf,
    /// The offset of its first record, whether there is one or not.
    pub(crate) base_offset: i64,
    /// The offset that follows its last record.
    pub(crate) next_offset: i64,
    /// The bytes of all its batches. The file may be longer after a failed append.
    pub(crate) length: u64,
    /// Where its batches start.
    pub(crate) index: Index,
    /// When it was started.
    pub(crate) created_ms: i64,
    /// When it was last written.
    pub(crate) appended_ms: i64,
    /// The offset and the position of the last batch, where readers at the log's end look.
    pub(crate) last_batch: Option<(i64, u64)>,
    /// The file, open for the last segment of a log.
    pub(crate) file: Option<Arc<File>>,
    /// How much of it was forced to the disk.
    pub(crate) synced: u64,
    /// For a finished segment whose summary is not yet stored, the producers at its end.
    pub(crate) unsummarised: Option<Producers>,
}

impl Segment {
    /// Starts an empty segment.
    pub(crate) fn create(directory: &Path, base_offset: i64, now_ms: i64) -> io::Result<Self> {
        let path = directory.join(format!("{base_offset:020}.log"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self {
            path,
            base_offset,
            next_offset: base_offset,
            length: 0,
            index: Index::default(),
            created_ms: now_ms,
            appended_ms: now_ms,
            last_batch: None,
            file: Some(Arc::new(file)),
            synced: 0,
            unsummarised: None,
        })
    }

    /// The file, for reading.
    pub(crate) fn open(&self) -> io::Result<Arc<File>> {
        match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => File::open(&self.path).map(Arc::new),
        }
    }

    /// Writes a batch at the end, with another header than it came with. After an error the
    /// segment is as before.
    pub(crate) fn append(
        &mut self,
        header: &[u8; HEADER_LENGTH],
        batch: &[u8],
        now_ms: i64,
    ) -> io::Result<()> {
        let file = self.file.as_ref().expect("only the last segment is appended to, and its file is open");
        if let Err(error) = write_both(file, header, &batch[HEADER_LENGTH..], self.length) {
            // The bytes behind the segment's length are never served. Should cutting them fail
            // too, the next append overwrites them, and a start finds them damaged and cuts them.
            let _ = file.set_len(self.length);
            return Err(error);
        }
        let header = BatchHeader::parse(header).expect("the header was made from a parsed one");
        self.note(&header, now_ms);
        Ok(())
    }

    /// Takes note of a batch that lies at the segment's end.
    pub(crate) fn note(&mut self, header: &BatchHeader, now_ms: i64) {
        if self.length == 0 {
            self.created_ms = now_ms;
        }
        self.index.note(header, header.base_offset, self.length);
        self.last_batch = Some((header.base_offset, self.length));
        self.length += header.length as u64;
        self.next_offset = header.last_offset() + 1;
        self.appended_ms = now_ms;
    }

    /// The batches from the one that holds `offset` on, as many as fit into `max_bytes`; with
    /// `at_least_one` the first even if it does not.
    pub(crate) fn range_from(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> io::Result<Option<FileRange>> {
        let file = self.open()?;
        let Some((first, position)) = self.find(&file, offset)? else { return Ok(None) };
        let limit = position + max_bytes as u64;
        let mut end = if limit >= self.length { self.length } else { self.index.boundary_up_to(limit) };
        if end <= position {
            end = position;
            let mut next = Some(first);
            while let Some(header) = next
                && (end + header.length as u64 <= limit || (at_least_one && end == position))
            {
                end += header.length as u64;
                next = self.header_at(&file, end)?;
            }
        }
        let length = (end - position) as usize;
        Ok((length > 0).then_some(FileRange { file, position, length }))
    }

    /// The first batch with at least this timestamp that reaches up to `from_offset` or beyond.
    pub(crate) fn batch_at_time(&self, timestamp: i64, from_offset: i64) -> io::Result<Option<FileRange>> {
        let Some(mut position) = self.index.position_before_time(timestamp) else { return Ok(None) };
        let file = self.open()?;
        while let Some(header) = self.header_at(&file, position)? {
            if header.max_timestamp >= timestamp && header.last_offset() >= from_offset {
                return Ok(Some(FileRange { file, position, length: header.length }));
            }
            position += header.length as u64;
        }
        Ok(None)
    }

    /// What retention has to know.
    pub(crate) fn facts(&self) -> SegmentFacts {
        let newest = self.index.max_timestamp().filter(|timestamp| *timestamp >= 0);
        SegmentFacts {
            next_offset: self.next_offset,
            bytes: self.length,
            newest_ms: newest.unwrap_or(self.appended_ms),
        }
    }

    /// Removes the file and what is stored beside it. Readers that have it open may go on.
    pub(crate) fn delete(&self) -> io::Result<()> {
        match fs::remove_file(self.path.with_extension("summary")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::remove_file(&self.path)
    }

    fn find(&self, file: &File, offset: i64) -> io::Result<Option<(BatchHeader, u64)>> {
        let mut position = match self.last_batch {
            Some((base_offset, position)) if base_offset <= offset => position,
            _ => self.index.position_before(offset),
        };
        while let Some(header) = self.header_at(file, position)? {
            if header.last_offset() >= offset {
                return Ok(Some((header, position)));
            }
            position += header.length as u64;
        }
        Ok(None)
    }

    fn header_at(&self, file: &File, position: u64) -> io::Result<Option<BatchHeader>> {
        if position >= self.length {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_LENGTH];
        file.read_exact_at(&mut bytes, position)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a stored record batch is damaged");
        BatchHeader::parse(&bytes).map(Some).map_err(|_| damaged())
    }
}

fn write_both(file: &File, header: &[u8], records: &[u8], position: u64) -> io::Result<()> {
    let total = header.len() + records.len();
    let mut written = loop {
        match rustix::io::pwritev(file, &[IoSlice::new(header), IoSlice::new(records)], position) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    if written < header.len() {
        file.write_all_at(&header[written..], position + written as u64)?;
        written = header.len();
    }
    if written < total {
        file.write_all_at(&records[written - header.len()..], position + written as u64)?;
    }
    Ok(())
}
