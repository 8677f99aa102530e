//! [`Frame`]: what all files of state have around them, so that nothing else is ever taken for one.
//!
//! ```text
//! file   magic, 8 bytes | format version u32 | content | CRC-32C of all before, u32
//! ```

use snafu::{Snafu, ensure};

/// Bytes before the content.
pub(crate) const HEADER_BYTES: usize = 12;
/// Bytes behind the content.
pub(crate) const CHECKSUM_BYTES: usize = 4;

/// Why a file of state cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum StateError {
    /// The file does not begin like a file of its kind.
    #[snafu(display("failed to read the state file: it does not begin with `{magic}`"))]
    NotAStateFile {
        /// What it should begin with.
        magic: &'static str,
    },
    /// The file was written by another release than this one can read.
    #[snafu(display(
        "failed to read the state file: it has format version {found}, this worker reads 1 to {newest}: \
         run a worker of the release that wrote it, or a newer one"
    ))]
    FormatVersion {
        /// The version in the file.
        found: u32,
        /// The newest version that this worker reads.
        newest: u32,
    },
    /// The bytes are not those that were written.
    #[snafu(display(
        "failed to read the state file: its checksum is {found:08x}, its bytes have {computed:08x}"
    ))]
    Checksum {
        /// The checksum in the file.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// A section ends beyond the file, or is of an unknown kind.
    #[snafu(display("failed to read the state file: the section at byte {position} {problem}"))]
    Section {
        /// Where the section begins.
        position: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The content is whole, but not what the configuration makes of it.
    #[snafu(display(
        "failed to read the state file: table `{table}` {problem}: undo the change to the table, or give the changed table a new name"
    ))]
    Table {
        /// The gold table.
        table: String,
        /// What does not fit.
        problem: &'static str,
    },
}

impl StateError {
    /// Whether the bytes are not those that were written: what they said is lost. Else they are sound, and it is the
    /// reader that does not fit.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::NotAStateFile { .. } | Self::Checksum { .. } | Self::Section { .. } => true,
            Self::FormatVersion { .. } | Self::Table { .. } => false,
        }
    }
}

/// The frame of one kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// The eight characters that it begins with.
    pub(crate) magic: &'static str,
    /// The format version that this build writes. It reads all before it.
    pub(crate) newest: u32,
}

impl Frame {
    /// The beginning of a file, to which its content is added.
    pub(crate) fn begin(&self) -> Vec<u8> {
        let mut bytes = self.magic.as_bytes().to_vec();
        bytes.extend_from_slice(&self.newest.to_le_bytes());
        bytes
    }

    /// The whole file.
    pub(crate) fn seal(bytes: Vec<u8>) -> Vec<u8> {
        Self::seal_end(0, bytes)
    }

    /// The last piece of a file, of which the pieces before have this checksum; 0 if there are none.
    pub(crate) fn seal_end(before: u32, mut bytes: Vec<u8>) -> Vec<u8> {
        let checksum = crc32c::crc32c_append(before, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Checks a file as a whole; gives it without its checksum. The content begins at [`HEADER_BYTES`].
    pub(crate) fn open<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], StateError> {
        self.check([file])?;
        Ok(&file[..file.len() - CHECKSUM_BYTES])
    }

    /// Checks a file as a whole that comes in pieces.
    pub(crate) fn check(&self, pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<(), StateError> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        let mut checksum = 0;
        // The last bytes so far, which are the checksum if nothing follows.
        let mut last = Vec::new();
        let mut bytes = 0;
        for piece in pieces {
            let piece = piece.as_ref();
            bytes += piece.len();
            header.extend(piece.iter().take(HEADER_BYTES - header.len()));
            let (body, end) = piece.split_at(piece.len().saturating_sub(CHECKSUM_BYTES));
            last.extend_from_slice(end);
            let over = last.len().saturating_sub(CHECKSUM_BYTES);
            checksum = crc32c::crc32c_append(checksum, &last[..over]);
            checksum = crc32c::crc32c_append(checksum, body);
            last.drain(..over);
        }
        let is_one = header.starts_with(self.magic.as_bytes()) && bytes >= HEADER_BYTES + CHECKSUM_BYTES;
        ensure!(is_one, NotAStateFileSnafu { magic: self.magic });
        let version = u32::from_le_bytes(array(&header, self.magic.len()));
        let is_readable = (1..=self.newest).contains(&version);
        ensure!(is_readable, FormatVersionSnafu { found: version, newest: self.newest });
        let found = u32::from_le_bytes(array(&last, 0));
        ensure!(found == checksum, ChecksumSnafu { found, computed: checksum });
        Ok(())
    }
}

/// The `N` bytes at `position`.
pub(crate) fn array<const N: usize>(bytes: &[u8], position: usize) -> [u8; N] {
    bytes[position..position + N].try_into().expect("the range has N bytes")
}
