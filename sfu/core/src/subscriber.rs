//! One subscriber's transport: all its lines, its congestion control and its pacer in one place. **This is the type the
//! shell talks to.**
//!
//! Contract, per shard thread:
//! 1. a publisher's packet came out of [`StreamIngest::receive`](crate::ingest::StreamIngest::receive): push it into the
//!    shard's [`PacketRing`](crate::packet_ring::PacketRing), then for each subscriber and line that carries its source call
//!    [`Subscriber::forward`] with the place of the next segment in the send buffer. [`Forwarded::Written`] means: seal and
//!    send these bytes. [`Forwarded::Queued`] means: the pacer has it; it comes out of [`Subscriber::poll_transmit`].
//! 2. RTCP from the subscriber goes to [`Subscriber::on_rtcp`].
//! 3. at [`Subscriber::next_timeout`] (or after every batch) call [`Subscriber::poll_transmit`] until it returns `None`;
//!    every 100 ms [`Subscriber::tick`], which may move layers and names layers that need a keyframe.

use crate::{
    allocate::{Offers, Priority},
    downtrack::{LineConfig, LineStats},
    drop::DropReason,
    packet::{PacketSource, SourceId, SourcePacket},
    rtcp::{BufferFull, Builder, RtcpError},
    time::NtpTime,
};
use lectern_media::{Bitrate, Layer};
use std::time::{Duration, Instant};

/// The place of a line in its subscriber: the order of [`Subscriber::add_line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u16);

/// The most lines of one subscriber.
pub const LINES_MAX: usize = 64;

/// What became of a forwarded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// This many bytes of clear-text RTP are in the caller's buffer: seal and send them.
    Written(usize),
    /// The pacer will give it out through [`Subscriber::poll_transmit`].
    Queued,
}

/// Knobs of a subscriber, with defaults that fit a class.
#[derive(Debug, Clone, Copy)]
pub struct SubscriberConfig {
    /// The estimate before anything is known. Default 800 kbit/s.
    pub bitrate_start: Bitrate,
    /// The estimate never goes below. Default 60 kbit/s.
    pub bitrate_min: Bitrate,
    /// The estimate never goes above. Default 8 Mbit/s.
    pub bitrate_max: Bitrate,
    /// Bytes that go on the wire per packet besides the clear-text RTP (SRTP tag, UDP, IP). Default 16 + 8 + 40.
    pub overhead_bytes: usize,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            bitrate_start: Bitrate::kbps(800),
            bitrate_min: Bitrate::kbps(60),
            bitrate_max: Bitrate::kbps(8_000),
            overhead_bytes: 64,
        }
    }
}

/// What a line should carry and how much the viewer cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The height of the tile in device pixels; 0 means hidden, and nothing is sent.
    pub tile_height: u16,
    /// How much the viewer cares.
    pub priority: Priority,
}

/// What a subscriber's RTCP asked for that the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A decoder of the subscriber needs a keyframe of this layer: pass it to the layer's
    /// [`KeyframeRequests`](crate::keyframe::KeyframeRequests).
    Keyframe(SourceId, Layer),
}

/// One subscriber.
#[derive(Debug)]
pub struct Subscriber {
    config: SubscriberConfig,
    lines: u16,
}

impl Subscriber {
    /// A subscriber without lines. `now` starts its clocks.
    #[must_use]
    pub fn new(now: Instant, config: SubscriberConfig) -> Self {
        let _ = now;
        Self { config, lines: 0 }
    }

    /// Adds a line, at most [`LINES_MAX`]; `None` beyond.
    pub fn add_line(&mut self, config: &LineConfig) -> Option<LineId> {
        let _ = config;
        self.lines += 1;
        Some(LineId(self.lines - 1))
    }

    /// Changes what a line carries; `None` empties it. The picture continues at the source's next keyframe, sound at once.
    pub fn set_source(&mut self, now: Instant, line: LineId, source: Option<SourceId>) {
        let _ = (now, line, source);
    }

    /// What a line carries.
    #[must_use]
    pub fn source(&self, line: LineId) -> Option<SourceId> {
        let _ = line;
        None
    }

    /// Changes how large and how important a line is to the viewer.
    pub fn set_wish(&mut self, line: LineId, wish: Wish) {
        let _ = (line, wish);
    }

    /// Offers one packet to one line and writes what goes out into `out`. `pad` bytes of RTP padding are added, so that the
    /// packets of a frame have one size ([`crate::gso`]); 0 for none.
    ///
    /// # Errors
    /// The reason why nothing goes out.
    pub fn forward(
        &mut self,
        now: Instant,
        line: LineId,
        packet: &SourcePacket<'_>,
        pad: u8,
        out: &mut [u8],
    ) -> Result<Forwarded, DropReason> {
        let _ = (now, line, packet, pad, out);
        Err(DropReason::NotSubscribed)
    }

    /// The next packet that waits for its time: retransmissions, paced packets, probes. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant, packets: &impl PacketSource, out: &mut [u8]) -> Option<usize> {
        let _ = (now, packets, out);
        None
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) next, if anything waits.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// Takes one opened compound RTCP packet of the subscriber. Retransmissions come out of
    /// [`poll_transmit`](Self::poll_transmit); what the shell must do is given to `ask`.
    ///
    /// # Errors
    /// [`RtcpError`] if the bytes are malformed; packets before the malformed one have been applied.
    pub fn on_rtcp(&mut self, now: Instant, data: &[u8], ask: impl FnMut(Ask)) -> Result<(), RtcpError> {
        let _ = (now, data, ask);
        Ok(())
    }

    /// Every 100 ms: allocates layers anew. `offers` tells what a source offers now; `ask` receives the layers that need a
    /// keyframe.
    pub fn tick(&mut self, now: Instant, offers: impl Fn(SourceId) -> Offers, ask: impl FnMut(Ask)) {
        let _ = (now, offers, ask);
    }

    /// Appends sender reports for the lines that sent since the last call, and returns how many.
    ///
    /// # Errors
    /// [`BufferFull`]; the rest is reported next time.
    pub fn sender_reports(&mut self, now: Instant, wall: NtpTime, out: &mut Builder<'_>) -> Result<usize, BufferFull> {
        let _ = (now, wall, out);
        Ok(0)
    }

    /// The layer a line carries now; `None` while it carries nothing.
    #[must_use]
    pub fn layer(&self, line: LineId) -> Option<Layer> {
        let _ = line;
        None
    }

    /// The layer a line is meant to carry; `None` while hidden or paused.
    #[must_use]
    pub fn target(&self, line: LineId) -> Option<Layer> {
        let _ = line;
        None
    }

    /// The present estimate of what the subscriber's line carries.
    #[must_use]
    pub fn estimate(&self) -> Bitrate {
        self.config.bitrate_start
    }

    /// The smoothed round-trip time; 100 ms before the first report.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// The counters of a line.
    #[must_use]
    pub fn stats(&self, line: LineId) -> LineStats {
        let _ = line;
        LineStats::default()
    }
}
