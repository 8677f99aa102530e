//! An answer on its way out: bytes, with parts of files between them.

use std::{fs::File, io, net::TcpStream};

use bytes::{BufMut as _, BytesMut};

use crate::log::segment::FileRange;

/// Parts of files up to this size are copied: a system call for each would cost more.
const COPIED_BYTES: usize = 16 << 10;

/// One response with its length in front.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Everything but the parts of files.
    pub(crate) bytes: BytesMut,
    /// The parts, each with the number of `bytes` that go before it.
    parts: Vec<(usize, FileRange)>,
}

impl Frame {
    /// An empty frame that uses a buffer again.
    pub(crate) fn new(mut buffer: BytesMut) -> Self {
        buffer.clear();
        buffer.put_i32(0);
        Self { bytes: buffer, parts: Vec::new() }
    }

    /// Adds a part of a file.
    pub(crate) fn put_file(&mut self, range: FileRange) -> io::Result<()> {
        if range.length <= COPIED_BYTES {
            self.bytes.put_slice(&range.read()?);
        } else {
            self.parts.push((self.bytes.len(), range));
        }
        Ok(())
    }

    /// Sends everything, and gives the buffer back.
    pub(crate) fn send(mut self, stream: &TcpStream) -> io::Result<BytesMut> {
        let in_files: usize = self.parts.iter().map(|(_, range)| range.length).sum();
        let length = i32::try_from(self.bytes.len() - 4 + in_files)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the response is too large"))?;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        let mut sent = 0;
        for (before, range) in &self.parts {
            write_all(stream, &self.bytes[sent..*before])?;
            send_file(stream, range)?;
            sent = *before;
        }
        write_all(stream, &self.bytes[sent..])?;
        Ok(self.bytes)
    }
}

fn write_all(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut stream, bytes)
}

/// Has the kernel send a part of a file, without a copy into this process.
#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, range: &FileRange) -> io::Result<()> {
    let file: &File = &range.file;
    let mut position = range.position;
    let end = range.position + range.length as u64;
    while position < end {
        let left = (end - position) as usize;
        match rustix::fs::sendfile(stream, file, Some(&mut position), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sends a part of a file.
#[cfg(not(target_os = "linux"))]
fn send_file(stream: &TcpStream, range: &FileRange) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;

    let file: &File = &range.file;
    let mut buffer = vec![0; range.length.min(256 << 10)];
    let mut position = range.position;
    let end = range.position + range.length as u64;
    while position < end {
        let piece = buffer.len().min((end - position) as usize);
        file.read_exact_at(&mut buffer[..piece], position)?;
        write_all(stream, &buffer[..piece])?;
        position += piece as u64;
    }
    Ok(())
}
