//! The sending side: what was sent when under which number, and what the feedback says became of it.

use crate::rtcp::{RtcpError, TransportCc};
use std::time::{Duration, Instant};

/// What became of one sent packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent: Instant,
    /// Its size on the wire, in bytes.
    pub size_bytes: u16,
    /// When it arrived, on the receiver's clock (only differences mean something); `None` if it is lost.
    pub arrived: Option<Duration>,
}

/// The packets in flight to one subscriber.
#[derive(Debug)]
pub struct SendLog {}

impl SendLog {
    /// Remembers the last `capacity` packets (rounded up to a power of two); eight bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let _ = capacity;
        Self {}
    }

    /// Notes a packet and returns the transport-wide number to write into it.
    pub fn on_sent(&mut self, now: Instant, size_bytes: usize) -> u16 {
        let _ = (now, size_bytes);
        0
    }

    /// Reads feedback and calls `each` for every packet it newly tells of, in the order of sending.
    ///
    /// # Errors
    /// [`RtcpError::Feedback`] if the packet is inconsistent; what was read before is reported.
    pub fn on_feedback(&mut self, fb: &TransportCc<'_>, each: impl FnMut(PacketResult)) -> Result<(), RtcpError> {
        let _ = (fb, each);
        Ok(())
    }
}
