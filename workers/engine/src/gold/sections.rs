//! Sections: what the files of gold are made of, Arrow batches and flat arrays.
//!
//! ```text
//! section   kind u16 | 0 u16 | bytes of the content u64 | content
//! ```
//! A batch is an Arrow IPC stream. Integers are little-endian.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use snafu::OptionExt;

use crate::state::frame::{CHECKSUM_BYTES, Frame, HEADER_BYTES, SectionSnafu, StateError, array};

const SECTION_HEADER_BYTES: usize = 12;
const CUT: &str = "ends beyond the file";

/// Pieces of a file are at least of this size, the last one excepted: as large as a part of an upload has to be.
const PIECE_BYTES: usize = 8 << 20;

/// A file in the making, which is given away in pieces: as a whole it may be too large for main memory.
pub(crate) struct Writer<'a> {
    bytes: Vec<u8>,
    /// Of the pieces that have been given away.
    checksum: u32,
    take: &'a mut dyn FnMut(Vec<u8>),
}

impl<'a> Writer<'a> {
    /// `take` is given the pieces in their order.
    pub(crate) fn new(frame: Frame, take: &'a mut dyn FnMut(Vec<u8>)) -> Self {
        Self { bytes: frame.begin(), checksum: 0, take }
    }

    /// Adds a section of a kind, whose content `write` appends.
    pub(crate) fn push(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&0_u16.to_le_bytes());
        let length = self.bytes.len();
        self.bytes.extend_from_slice(&0_u64.to_le_bytes());
        write(&mut self.bytes);
        let bytes = (self.bytes.len() - length - 8) as u64;
        self.bytes[length..length + 8].copy_from_slice(&bytes.to_le_bytes());
        self.give_piece();
    }

    fn give_piece(&mut self) {
        if self.bytes.len() >= PIECE_BYTES {
            self.checksum = crc32c::crc32c_append(self.checksum, &self.bytes);
            (self.take)(std::mem::take(&mut self.bytes));
        }
    }

    /// Adds a section with a batch.
    pub(crate) fn push_batch(&mut self, kind: u16, batch: &RecordBatch) {
        self.push(kind, |bytes| {
            let mut writer =
                StreamWriter::try_new(bytes, &batch.schema()).expect("a schema can always be written");
            let written = writer.write(batch).and_then(|()| writer.finish());
            written.expect("a batch without dictionaries can be written to memory");
        });
    }

    /// Adds a section with so many hashes.
    pub(crate) fn push_hashes(&mut self, kind: u16, count: usize, hashes: impl Iterator<Item = u128>) {
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&0_u16.to_le_bytes());
        self.bytes.extend_from_slice(&(count as u64 * 16).to_le_bytes());
        for hash in hashes {
            self.bytes.extend_from_slice(&hash.to_le_bytes());
            self.give_piece();
        }
    }

    /// Gives the last piece.
    pub(crate) fn finish(self) {
        (self.take)(Frame::seal_end(self.checksum, self.bytes));
    }
}

/// The whole of a file that is written in pieces.
pub(crate) fn whole(write: impl FnOnce(&mut dyn FnMut(Vec<u8>))) -> Vec<u8> {
    let mut file = Vec::new();
    write(&mut |piece: Vec<u8>| file.extend(piece));
    file
}

/// One section of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) kind: u16,
    /// Where it begins in the file.
    position: usize,
    pub(crate) content: &'a [u8],
}

impl Section<'_> {
    /// An error that names this section.
    pub(crate) fn problem(&self, problem: &'static str) -> StateError {
        SectionSnafu { position: self.position, problem }.build()
    }

    /// Fails unless so many bytes of it are whole items of a size.
    pub(crate) fn ensure_whole(&self, bytes: usize, size: usize) -> Result<(), StateError> {
        if bytes.is_multiple_of(size) { Ok(()) } else { Err(self.problem("is cut")) }
    }

    /// The batch that it holds.
    pub(crate) fn batch(&self) -> Result<RecordBatch, StateError> {
        let unreadable = |_| self.problem("holds no Arrow batch");
        let mut reader = StreamReader::try_new(Cursor::new(self.content), None).map_err(unreadable)?;
        match reader.next() {
            Some(batch) => batch.map_err(unreadable),
            None => Err(self.problem("holds no Arrow batch")),
        }
    }

    /// The hashes that it holds.
    pub(crate) fn hashes(&self) -> Result<Vec<u128>, StateError> {
        let (hashes, rest) = self.content.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(self.problem("holds part of a hash"));
        }
        Ok(hashes.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect())
    }
}

/// Visits the sections of a file that comes in pieces and has been [checked](Frame::check), each as soon as it is whole:
/// no more of the file is in memory than a section.
pub(crate) fn visit(
    pieces: impl IntoIterator<Item: AsRef<[u8]>>,
    mut visit: impl FnMut(&Section<'_>) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let mut bytes: Vec<u8> = Vec::new();
    // Of the first of them in the file.
    let mut position = 0;
    for piece in pieces {
        bytes.extend_from_slice(piece.as_ref());
        if position == 0 && bytes.len() < HEADER_BYTES {
            continue;
        }
        let mut read = if position == 0 { HEADER_BYTES } else { 0 };
        while let Ok(section) = read_one(&bytes, position, read) {
            visit(&section)?;
            read += SECTION_HEADER_BYTES + section.content.len();
        }
        bytes.drain(..read);
        position += read;
    }
    if bytes.len() == CHECKSUM_BYTES { Ok(()) } else { SectionSnafu { position, problem: CUT }.fail() }
}

/// Checks a file as a whole and gives its sections.
pub(crate) fn read(frame: Frame, file: &[u8]) -> Result<Vec<Section<'_>>, StateError> {
    let body = frame.open(file)?;
    let mut sections = Vec::new();
    let mut position = HEADER_BYTES;
    while position < body.len() {
        let section = read_one(body, 0, position)?;
        position += SECTION_HEADER_BYTES + section.content.len();
        sections.push(section);
    }
    Ok(sections)
}

/// The section that begins at a place of bytes, which themselves begin somewhere in the file.
fn read_one(bytes: &[u8], position: usize, place: usize) -> Result<Section<'_>, StateError> {
    let position = position + place;
    let cut = SectionSnafu { position, problem: CUT };
    let start = place + SECTION_HEADER_BYTES;
    let header = bytes.get(place..start).context(cut)?;
    let kind = u16::from_le_bytes(array(header, 0));
    let length = usize::try_from(u64::from_le_bytes(array(header, 4))).ok().context(cut)?;
    let content = start.checked_add(length).and_then(|end| bytes.get(start..end)).context(cut)?;
    Ok(Section { kind, position, content })
}
