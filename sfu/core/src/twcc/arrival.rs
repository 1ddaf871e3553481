//! The receiving side: when which transport-wide number arrived, and the feedback that says so.

use crate::rtcp::{BufferFull, Builder};
use lectern_media::Ssrc;
use std::time::{Duration, Instant};

/// How often feedback is sent while packets arrive.
pub const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);

/// The arrivals of one publisher's transport. One per peer, not per stream.
#[derive(Debug, Default)]
pub struct ArrivalLog {}

impl ArrivalLog {
    /// Notes that `seq` (the value of the header extension) arrived.
    pub fn record(&mut self, now: Instant, seq: u16) {
        let _ = (now, seq);
    }

    /// When [`build`](Self::build) is due: [`FEEDBACK_INTERVAL`] after the last feedback, if anything arrived since.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// Appends feedback on everything since the last call; `false` if there was nothing to report.
    ///
    /// # Errors
    /// [`BufferFull`]; the arrivals are kept for the next call.
    pub fn build(
        &mut self,
        now: Instant,
        sender: Ssrc,
        media: Ssrc,
        out: &mut Builder<'_>,
    ) -> Result<bool, BufferFull> {
        let _ = (now, sender, media, out);
        Ok(false)
    }
}
