//! The last packets of a published layer, shared by everyone who watches it: retransmission and joiners read here, so
//! that no subscriber keeps copies. Bounded in packets, bytes and time.

use crate::packet::{PacketSource, SourceId, SourcePacket};
use lectern_media::{ExtSeq, Layer};
use std::time::{Duration, Instant};

/// How long packets are kept at most.
pub const KEEP: Duration = Duration::from_secs(2);

/// The ring of one layer.
#[derive(Debug)]
pub struct PacketRing {}

impl PacketRing {
    /// Keeps at most `packets` packets (rounded up to a power of two) and `bytes` payload bytes. All memory is reserved
    /// here.
    #[must_use]
    pub fn new(packets: usize, bytes: usize) -> Self {
        let _ = (packets, bytes);
        Self {}
    }

    /// Keeps a copy of `packet`.
    pub fn push(&mut self, packet: &SourcePacket<'_>) {
        let _ = packet;
    }

    /// The packet `seq`, if kept.
    #[must_use]
    pub fn get(&self, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        let _ = seq;
        None
    }

    /// The last keyframe and everything after it, in order of sequence numbers: what a joiner is sent first. Empty if the
    /// keyframe is no longer (completely) kept or older than [`KEEP`].
    pub fn since_keyframe(&self, now: Instant) -> impl Iterator<Item = SourcePacket<'_>> + '_ {
        let _ = now;
        std::iter::empty()
    }
}

/// The rings of one track's layers, lowest first.
#[derive(Debug)]
pub struct TrackRings {
    /// The track.
    pub source: SourceId,
    /// One ring for each layer.
    pub layers: Vec<PacketRing>,
}

impl PacketSource for TrackRings {
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        if source != self.source {
            return None;
        }
        self.layers.get(layer.index())?.get(seq)
    }
}
