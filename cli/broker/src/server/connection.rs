//! One connection: requests in, one after the other, and their answers out.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use super::{
    budget::{Budget, Reservation},
    frame::Frame,
};
use crate::{
    api::{self, Answered, Caller},
    node::Node,
    signal::Signal,
};

/// How long a client may pause in the middle of a request, or not take an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a whole request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
/// How long a connection may lie idle.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// Memory is taken for this much of a request at a time, as it arrives.
const PIECE: usize = 1 << 20;
/// Buffers up to this size are used again.
const KEPT_BUFFER: usize = 4 << 20;

/// A client's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    node: Arc<Node>,
    budget: Arc<Budget>,
    caller: Caller,
}

/// What was read from a connection.
enum Incoming {
    /// A whole request.
    Request(Vec<u8>, Reservation),
    /// The client is gone, or nothing came for too long.
    End,
    /// The client does not keep to the protocol.
    Refused(&'static str),
}

impl Connection {
    /// Prepares to serve a client.
    pub(crate) fn new(
        stream: TcpStream,
        node: Arc<Node>,
        budget: Arc<Budget>,
        signal: Arc<Signal>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL_TIMEOUT))?;
        stream.set_write_timeout(Some(STALL_TIMEOUT))?;
        let peer = stream.peer_addr()?;
        let reached_at: SocketAddr = stream.local_addr()?;
        let caller = Caller { host: peer.ip().to_string(), reached_at, signal };
        Ok(Self { stream, node, budget, caller })
    }

    /// Answers requests until the client goes, the broker stops, or something is wrong.
    pub(crate) fn serve(self) {
        let mut request_buffer = Vec::new();
        let mut response_buffer = BytesMut::new();
        while !self.node.is_stopping() {
            let (request, reservation) = match self.receive(request_buffer) {
                Ok(Incoming::Request(request, reservation)) => (Bytes::from(request), reservation),
                Ok(Incoming::End) => return,
                Ok(Incoming::Refused(reason)) => {
                    tracing::warn!(client = self.caller.host, reason, "closed a connection");
                    return;
                }
                Err(error) => {
                    tracing::debug!(client = self.caller.host, %error, "lost a connection");
                    return;
                }
            };
            let mut spent = request.clone();
            let answered = api::answer(&self.node, &self.caller, request, Frame::new(response_buffer));
            response_buffer = match answered {
                Ok(Answered::Send(frame)) => match frame.send(&self.stream) {
                    Ok(buffer) => buffer,
                    Err(error) => {
                        tracing::debug!(client = self.caller.host, %error, "lost a connection");
                        return;
                    }
                },
                Ok(Answered::Silently(buffer)) => buffer,
                Err(fault) => {
                    tracing::warn!(client = self.caller.host, %fault, "closed a connection");
                    return;
                }
            };
            // Nothing else refers to the request any more, so that its memory can be used again.
            spent.truncate(0);
            request_buffer = Vec::from(spent);
            if request_buffer.capacity() > KEPT_BUFFER {
                request_buffer = Vec::new();
            }
            if response_buffer.capacity() > KEPT_BUFFER {
                response_buffer = BytesMut::new();
            }
            drop(reservation);
        }
    }

    fn receive(&self, mut buffer: Vec<u8>) -> io::Result<Incoming> {
        let Some(length) = self.receive_length()? else { return Ok(Incoming::End) };
        let Ok(length) = usize::try_from(length) else {
            return Ok(Incoming::Refused("a request's length is negative"));
        };
        if length > self.node.config.limits.request_bytes {
            return Ok(Incoming::Refused("a request is larger than the broker's limit"));
        }
        let Some(reservation) = self.budget.reserve(length) else {
            return Ok(Incoming::Refused("other requests take all the memory for too long"));
        };
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        buffer.clear();
        while buffer.len() < length {
            let piece = PIECE.min(length - buffer.len());
            buffer.reserve(piece);
            let read = (&self.stream).take(piece as u64).read_to_end(&mut buffer)?;
            if read < piece {
                return Ok(Incoming::Refused("a request ended before its length"));
            }
            if Instant::now() > deadline {
                return Ok(Incoming::Refused("a request took too long to arrive"));
            }
        }
        Ok(Incoming::Request(buffer, reservation))
    }

    /// Waits for the next request and reads its length; `None` at the end of the connection.
    fn receive_length(&self) -> io::Result<Option<i32>> {
        let mut length = [0; 4];
        let idle_until = Instant::now() + IDLE_TIMEOUT;
        let received = loop {
            match (&self.stream).read(&mut length) {
                Ok(0) => return Ok(None),
                Ok(received) => break received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if self.node.is_stopping() || Instant::now() > idle_until {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        };
        (&self.stream).read_exact(&mut length[received..])?;
        Ok(Some(i32::from_be_bytes(length)))
    }
}
