//! A bounded hand-off of media from the forwarding plane to a slower reader (recorder, relay, HLS).
//!
//! The writer never waits. When the reader falls behind by the channel's capacity, video is dropped through to the next
//! keyframe and audio until there is room, and the hole is announced to the reader as [`TapEvent::Hole`] before the next
//! packet, so that nothing is ever missing without a trace (DESIGN laws 2 and 6).

use crate::{ClockRate, ExtSeq, ExtTimestamp, TrackId, TrackInfo, TrackKind, UnixMillis};
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// One RTP packet of one track, opened (decrypted) and in the order of arrival.
#[derive(Debug, Clone)]
pub struct TapPacket {
    /// The track it belongs to.
    pub track: TrackId,
    /// The sequence number, extended. Continuous within one [`TapEvent::Layer`] span; RTX is already undone.
    pub seq: ExtSeq,
    /// The RTP timestamp, extended, on the clock of the track's codec.
    pub timestamp: ExtTimestamp,
    /// Wall time of arrival at the server.
    pub arrival: UnixMillis,
    /// The marker bit.
    pub marker: bool,
    /// Whether this packet starts a keyframe (always true for audio).
    pub keyframe: bool,
    /// The payload, as received, without padding.
    pub payload: Bytes,
}

/// Why a stretch of a track is missing from a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoleCause {
    /// The reader was slower than the media and the tap was full.
    ReaderTooSlow,
}

/// Why a camera's media is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbsenceCause {
    /// The camera answers but sends nothing, or refuses.
    CameraSilent,
    /// The camera can't be reached.
    Network,
    /// Packets were lost on the way; what followed up to the next keyframe can't be decoded.
    Loss,
    /// An operator stopped it.
    Operator,
    /// More was sent than the camera may send; the rest was refused.
    RateExceeded,
}

/// What a tap's reader receives.
#[derive(Debug, Clone)]
pub enum TapEvent {
    /// A track begins; its packets follow.
    Started(TrackInfo),
    /// The tapped simulcast layer changed (or the publisher restarted its encoder): sequence numbers and timestamps of what
    /// follows are on a new base, and a keyframe comes first.
    Layer {
        /// The track.
        track: TrackId,
        /// The layer that follows, lowest is 0.
        layer: crate::Layer,
    },
    /// A packet.
    Packet(TapPacket),
    /// A sender report tied the RTP clock to the sender's wall clock (RFC 3550 §6.4.1).
    SenderReport {
        /// The track.
        track: TrackId,
        /// The sender's wall clock.
        ntp: UnixMillis,
        /// The RTP timestamp at that moment, extended on the same base as the packets.
        timestamp: ExtTimestamp,
    },
    /// The publisher muted or unmuted the track: silence that is not a loss.
    Muted {
        /// The track.
        track: TrackId,
        /// Whether it is muted from now on.
        muted: bool,
    },
    /// Packets between `after` and the next packet of this track were not handed over.
    Hole {
        /// The track.
        track: TrackId,
        /// When the hole began.
        since: UnixMillis,
        /// How many packets are missing.
        packets: u64,
        /// Why.
        cause: HoleCause,
    },
    /// What the track's packets can't be understood without and do not carry themselves: told after [`TapEvent::Started`],
    /// and again when it changes.
    Parameters {
        /// The track.
        track: TrackId,
        /// The RTP clock.
        clock: ClockRate,
        /// H.264 and H.265: parameter sets of the session description, each as a 16-bit big-endian length and the NAL unit;
        /// AAC: the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1); else empty.
        config: Bytes,
    },
    /// Nothing (usable) came of the track in this stretch, and why. Told when the stretch is over, or every few seconds
    /// while it lasts, then with the same `since`.
    Absent {
        /// The track.
        track: TrackId,
        /// From.
        since: UnixMillis,
        /// To.
        until: UnixMillis,
        /// Why.
        cause: AbsenceCause,
        /// Packets known to be missing; 0 if nobody knows.
        packets: u64,
    },
    /// How far the sender's clock is ahead of ours (negative: behind), measured now.
    ClockOffset {
        /// The track.
        track: TrackId,
        /// When it was measured, by our clock.
        at: UnixMillis,
        /// Milliseconds.
        offset_ms: i64,
    },
    /// The track ended.
    Ended(TrackId),
}

/// The writing end: one per track, owned by the forwarding plane.
#[derive(Debug)]
pub struct TapSender {
    tx: mpsc::Sender<TapEvent>,
    budget: Option<Arc<Budget>>,
    track: TrackId,
    kind: TrackKind,
    hole: Option<(UnixMillis, u64)>,
    /// Events that found no room and go before anything else: the newest layer, a sender report on it, the newest muting.
    waiting: [Option<TapEvent>; 3],
    ended: bool,
}

/// The reading end.
pub type TapReceiver = mpsc::Receiver<TapEvent>;

/// What became of an offered packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// The reader will get it.
    Taken,
    /// The reader is too slow; the packet was dropped and the hole counted.
    Full,
    /// Nobody reads any more.
    Closed,
}

/// How many slots are kept free for events other than packets, so that starts, ends and holes are not lost to a full tap.
const EVENT_RESERVE: usize = 16;

/// Makes a tap for one room. `capacity` is in events: ten seconds of a 1080p class (≈ 250 video packets and 50 audio
/// packets a second and track) are about 3,000 a track.
#[must_use]
pub fn channel(capacity: usize) -> (TapHandle, TapReceiver) {
    let (tx, rx) = mpsc::channel(capacity + EVENT_RESERVE);
    (TapHandle { tx, budget: None }, rx)
}

/// Bytes that may wait in a tap.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
    whole: usize,
}

impl Budget {
    /// Takes `bytes`; whether they were left.
    fn take(&self, bytes: usize) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// Whether half of it is left.
    fn half(&self) -> bool {
        self.left.load(Ordering::Relaxed) >= self.whole / 2
    }

    /// Tells that a packet with a payload of so many bytes was read.
    pub fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// As [`channel`], and payloads of at most `bytes` bytes together wait in it. The reader gives back what it read.
#[must_use]
pub fn channel_within(capacity: usize, bytes: usize) -> (TapHandle, TapReceiver, Arc<Budget>) {
    let (tx, rx) = mpsc::channel(capacity + EVENT_RESERVE);
    let budget = Arc::new(Budget { left: AtomicUsize::new(bytes), whole: bytes });
    (TapHandle { tx, budget: Some(budget.clone()) }, rx, budget)
}

/// A cloneable handle from which a [`TapSender`] is made for each track.
#[derive(Debug, Clone)]
pub struct TapHandle {
    tx: mpsc::Sender<TapEvent>,
    budget: Option<Arc<Budget>>,
}

impl TapHandle {
    /// Announces the track and returns its writing end; `None` if nobody reads or the tap is full. Try again then, and tell
    /// what went by in the meantime ([`TapSender::missed`]).
    #[must_use]
    pub fn start(&self, info: &TrackInfo) -> Option<TapSender> {
        self.tx.try_send(TapEvent::Started(info.clone())).ok()?;
        let (tx, kind) = (self.tx.clone(), info.codec.kind());
        let (budget, waiting) = (self.budget.clone(), [None, None, None]);
        Some(TapSender { tx, budget, track: info.id, kind, hole: None, waiting, ended: false })
    }

    /// Tells something of a track that has no writing end now: that a camera which was not reached yet is absent.
    #[must_use]
    pub fn tell(&self, event: TapEvent) -> Offered {
        match self.tx.try_send(event) {
            Ok(()) => Offered::Taken,
            Err(mpsc::error::TrySendError::Full(_)) => Offered::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => Offered::Closed,
        }
    }

    /// Whether the reader is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed()
    }
}

impl TapSender {
    /// Offers one packet. Never waits and does not allocate.
    pub fn offer(&mut self, packet: TapPacket) -> Offered {
        // A packet must not overtake the layer it belongs to.
        let waits = self.flush() == Offered::Full;
        if let Some((since, packets)) = self.hole {
            let resumable = self.kind == TrackKind::Audio || packet.keyframe;
            // Half the channel must be free again, or the hole would reopen at once.
            let room =
                self.tx.capacity() >= self.tx.max_capacity() / 2 && self.budget.as_ref().is_none_or(|b| b.half());
            if waits || !resumable || !room {
                self.hole = Some((since, packets + 1));
                return if self.tx.is_closed() { Offered::Closed } else { Offered::Full };
            }
            let hole = TapEvent::Hole { track: self.track, since, packets, cause: HoleCause::ReaderTooSlow };
            if self.tx.try_send(hole).is_err() {
                return Offered::Closed;
            }
            self.hole = None;
        }
        let (arrival, bytes) = (packet.arrival, packet.payload.len());
        if waits || self.tx.capacity() <= EVENT_RESERVE || self.budget.as_ref().is_some_and(|b| !b.take(bytes)) {
            self.hole = Some((arrival, 1));
            return if self.tx.is_closed() { Offered::Closed } else { Offered::Full };
        }
        let refused = match self.tx.try_send(TapEvent::Packet(packet)) {
            Ok(()) => return Offered::Taken,
            Err(mpsc::error::TrySendError::Closed(_)) => Offered::Closed,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.hole = Some((arrival, 1));
                Offered::Full
            }
        };
        if let Some(budget) = &self.budget {
            budget.give_back(bytes);
        }
        refused
    }

    /// Notes that `packets` packets went by since `since` without being offered: they become part of the hole.
    pub fn missed(&mut self, since: UnixMillis, packets: u64) {
        let (since, before) = self.hole.unwrap_or((since, 0));
        self.hole = Some((since, before + packets));
    }

    /// Hands over an event that is not a packet. Of a full tap's reader, changes of layer and mutings wait, the newest of
    /// each, and go before anything else ([`Offered::Full`]); a sender report takes no room that other events need, for
    /// another follows in a few seconds, but stays with a layer that waits.
    pub fn event(&mut self, event: TapEvent) -> Offered {
        let place = match event {
            TapEvent::Layer { .. } => {
                // A report on the layer before says nothing of this one.
                self.waiting[1] = None;
                0
            }
            TapEvent::SenderReport { .. } if self.waiting[0].is_some() => 1,
            TapEvent::SenderReport { .. } if self.tx.capacity() <= EVENT_RESERVE => {
                return if self.tx.is_closed() { Offered::Closed } else { Offered::Full };
            }
            TapEvent::Muted { .. } => 2,
            other => {
                return match self.flush() {
                    Offered::Taken => self.send(other).0,
                    refused => refused,
                };
            }
        };
        self.waiting[place] = Some(event);
        self.flush()
    }

    /// Hands over what waits, if there is room now. Call now and then.
    pub fn flush(&mut self) -> Offered {
        for place in 0..self.waiting.len() {
            if let Some(event) = self.waiting[place].take() {
                let (offered, back) = self.send(event);
                if offered != Offered::Taken {
                    self.waiting[place] = back;
                    return offered;
                }
            }
        }
        Offered::Taken
    }

    /// Tells that the track ended, and before that how much of it is missing. `false` if there is no room now: call again.
    /// Dropping the sender tries once.
    pub fn end(&mut self) -> bool {
        if self.ended {
            return true;
        }
        if let Some((since, packets)) = self.hole {
            let hole = TapEvent::Hole { track: self.track, since, packets, cause: HoleCause::ReaderTooSlow };
            if self.send(hole).0 == Offered::Full {
                return false;
            }
            self.hole = None;
        }
        self.ended = self.send(TapEvent::Ended(self.track)).0 != Offered::Full;
        self.ended
    }

    /// Sends an event; gives it back if the tap is full.
    fn send(&self, event: TapEvent) -> (Offered, Option<TapEvent>) {
        match self.tx.try_send(event) {
            Ok(()) => (Offered::Taken, None),
            Err(mpsc::error::TrySendError::Closed(_)) => (Offered::Closed, None),
            Err(mpsc::error::TrySendError::Full(event)) => (Offered::Full, Some(event)),
        }
    }
}

impl Drop for TapSender {
    fn drop(&mut self) {
        // A tap that is still full loses this notice; the reader also ends every track when the room's handle is gone.
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, ParticipantId, TrackSource};

    fn packet(track: TrackId, seq: u64, keyframe: bool) -> TapPacket {
        let payload = Bytes::from_static(b"x");
        let (seq, timestamp) = (ExtSeq(seq), ExtTimestamp(seq * 3600));
        TapPacket { track, seq, timestamp, arrival: UnixMillis(seq.0 as i64), marker: true, keyframe, payload }
    }

    fn camera() -> TrackInfo {
        TrackInfo {
            id: TrackId::generate(),
            participant: ParticipantId::generate(),
            source: TrackSource::Camera,
            codec: Codec::H264,
            layers: 2,
        }
    }

    #[test]
    fn starts_ends_layers_and_holes_survive_a_full_tap() {
        let (tap, mut rx) = channel(8);
        let info = camera();
        let mut tx = tap.start(&info).unwrap();
        let layer = |n| TapEvent::Layer { track: info.id, layer: crate::Layer(n) };
        let muted = |muted| TapEvent::Muted { track: info.id, muted };
        let report = |ntp| TapEvent::SenderReport { track: info.id, ntp: UnixMillis(ntp), timestamp: ExtTimestamp(0) };
        assert_eq!(tx.event(report(1)), Offered::Taken);
        assert_eq!((0..9).filter(|i| tx.offer(packet(info.id, *i, *i == 0)) == Offered::Taken).count(), 6);
        assert_eq!(tx.event(report(2)), Offered::Full, "reports take no room that others need");
        let other = tap.start(&camera());
        assert_eq!((1..EVENT_RESERVE).filter(|_| tx.event(muted(true)) == Offered::Taken).count(), 15);
        assert!(tap.start(&info).is_none(), "full to the brim");
        assert_eq!((tx.event(layer(0)), tx.event(report(3))), (Offered::Full, Offered::Full));
        assert_eq!((tx.event(layer(1)), tx.event(report(4))), (Offered::Full, Offered::Full));
        assert_eq!((tx.event(muted(true)), tx.event(muted(false))), (Offered::Full, Offered::Full));
        assert_eq!(tx.offer(packet(info.id, 100, true)), Offered::Full);
        assert!(!tx.end(), "no room yet");
        while rx.try_recv().is_ok() {}
        assert_eq!(tx.offer(packet(info.id, 101, true)), Offered::Taken);
        tx.missed(UnixMillis(5), 3);
        assert!(tx.end() && tx.end());
        drop((tx, other));
        let got: Vec<String> = std::iter::from_fn(|| rx.try_recv().ok())
            .map(|e| match e {
                TapEvent::Layer { layer, .. } => format!("layer {}", layer.0),
                TapEvent::SenderReport { ntp, .. } => format!("report {}", ntp.0),
                TapEvent::Muted { muted, .. } => format!("muted {muted}"),
                TapEvent::Hole { packets, .. } => format!("hole {packets}"),
                TapEvent::Packet(p) => format!("packet {}", p.seq.0),
                TapEvent::Ended(t) => format!("ended {}", t == info.id),
                TapEvent::Started(_) => "started".to_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        let want = "layer 1, report 4, muted false, hole 4, packet 101, hole 3, ended true, ended false";
        assert_eq!(got.join(", "), want);
    }

    #[test]
    fn a_tap_holds_no_more_bytes_than_it_may() {
        let (tap, mut rx, budget) = channel_within(100, 3);
        let info = camera();
        let mut tx = tap.start(&info).unwrap();
        let taken = (0..9).filter(|i| tx.offer(packet(info.id, *i, true)) == Offered::Taken).count();
        assert_eq!(taken, 3, "packets of one byte");
        while let Ok(event) = rx.try_recv() {
            if let TapEvent::Packet(p) = event {
                budget.give_back(p.payload.len());
            }
        }
        assert_eq!(tx.offer(packet(info.id, 9, true)), Offered::Taken);
        assert!(matches!(rx.try_recv().unwrap(), TapEvent::Hole { packets: 6, .. }));
    }

    #[test]
    fn a_slow_reader_gets_a_hole_and_then_a_keyframe() {
        let (tap, mut rx) = channel(8);
        let info = TrackInfo {
            id: TrackId::generate(),
            participant: ParticipantId::generate(),
            source: TrackSource::Camera,
            codec: Codec::H264,
            layers: 1,
        };
        let mut tx = tap.start(&info).unwrap();
        let taken = (0..20).filter(|i| tx.offer(packet(info.id, *i, *i == 0)) == Offered::Taken).count();
        assert_eq!(taken, 7, "eight slots, one of them used by Started");
        while rx.try_recv().is_ok() {}
        assert_eq!(tx.offer(packet(info.id, 20, false)), Offered::Full, "video resumes at a keyframe only");
        assert_eq!(tx.offer(packet(info.id, 21, true)), Offered::Taken);
        match rx.try_recv().unwrap() {
            TapEvent::Hole { packets, since, .. } => assert_eq!((packets, since), (14, UnixMillis(7))),
            other => panic!("expected the hole first, got {other:?}"),
        }
        assert!(matches!(rx.try_recv().unwrap(), TapEvent::Packet(p) if p.seq == ExtSeq(21)));
        drop(tx);
        assert!(matches!(rx.try_recv().unwrap(), TapEvent::Ended(t) if t == info.id));
    }
}
