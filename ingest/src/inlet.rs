//! The door of one stream: bytes that claim to be RTP → packets of one source, in order, on extended numbers; everything else
//! refused with a reason.
//!
//! A source is an SSRC and a plausible course of sequence numbers (RFC 3550 appendix A.1). Packets of another one are held,
//! bounded, while the known one speaks; once it has been quiet for [`QUIET`] the other is taken for its successor (a camera
//! that restarted its encoder), with everything that was held, and [`Got::NewSource`] comes first. So a stray packet changes
//! nothing, and a restart loses nothing.

use crate::{
    guard::Guard,
    reorder::{Packet, Reorder, Stamp},
};
use bytes::Bytes;
use lectern_media::{ExtSeq, ExtTimestamp, RtpView, Ssrc};
use std::time::{Duration, Instant};

/// RFC 3550 appendix A.1: how far ahead a number may be, and how far behind.
const DROPOUT_MAX: i16 = 3000;
const MISORDER_MAX: i16 = 100;

/// A source that says nothing for so long may be followed by another.
const QUIET: Duration = Duration::from_millis(500);

/// So many packets in a row make a new source believable.
const SUCCESSOR_PACKETS_MIN: usize = 3;

/// What is held of a new source: half a second of 8 Mbit/s.
const SUCCESSOR_PACKETS_MAX: usize = 512;
const SUCCESSOR_BYTES_MAX: usize = 512 * 1024;

/// Why a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    NotRtp,
    PayloadType,
    ForeignSource,
    RateExceeded,
}

impl Refused {
    pub(crate) const ALL: [Self; 4] = [Self::NotRtp, Self::PayloadType, Self::ForeignSource, Self::RateExceeded];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::NotRtp => "not_rtp",
            Self::PayloadType => "payload_type",
            Self::ForeignSource => "foreign_source",
            Self::RateExceeded => "rate_exceeded",
        }
    }
}

/// What came through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// The packets that follow are numbered anew.
    NewSource,
    /// A packet. `lost` are missing on the way right before it, `refused` were beyond the rate.
    Packet { packet: Packet, lost: u64, refused: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: Ssrc,
    seq: ExtSeq,
    timestamp: ExtTimestamp,
    last: Instant,
}

impl Source {
    /// Leaves room below for what is reordered around the first packet.
    fn starting_with(view: &RtpView<'_>, now: Instant) -> Self {
        let seq = ExtSeq(0x1_0000 + u64::from(view.seq()));
        let timestamp = ExtTimestamp(0x1_0000_0000 + u64::from(view.timestamp()));
        Self { ssrc: view.ssrc(), seq, timestamp, last: now }
    }

    fn fits(&self, view: &RtpView<'_>) -> bool {
        let step = view.seq().wrapping_sub(self.seq.wire()) as i16;
        view.ssrc() == self.ssrc && (-MISORDER_MAX..=DROPOUT_MAX).contains(&step)
    }
}

#[derive(Debug)]
struct Successor {
    ssrc: Ssrc,
    seq: u16,
    held: Vec<(Stamp, Bytes)>,
    bytes: usize,
}

/// The door.
#[derive(Debug)]
pub(crate) struct Inlet {
    payload_type: u8,
    source: Option<Source>,
    successor: Option<Successor>,
    reorder: Reorder,
    /// Packets refused for the rate since the last one that passed.
    over: u64,
    refused: [u64; Refused::ALL.len()],
}

/// What happened at the door so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) late_or_duplicate: u64,
    pub(crate) refused: [u64; Refused::ALL.len()],
}

impl Inlet {
    pub(crate) fn new(payload_type: u8) -> Self {
        Self {
            payload_type,
            source: None,
            successor: None,
            reorder: Reorder::default(),
            over: 0,
            refused: [0; Refused::ALL.len()],
        }
    }

    /// Takes one datagram or interleaved packet. What passes is appended to `out`. `is_anothers` tells sources that belong to
    /// another stream and never follow ours.
    pub(crate) fn push(
        &mut self,
        now: Stamp,
        data: Bytes,
        guard: &mut Guard,
        is_anothers: impl Fn(Ssrc) -> bool,
        out: &mut Vec<Got>,
    ) {
        let Ok(view) = RtpView::parse(&data) else { return self.refuse(Refused::NotRtp, 1) };
        if view.payload_type().0 != self.payload_type {
            return self.refuse(Refused::PayloadType, 1);
        }
        match self.source {
            None => self.source = Some(Source::starting_with(&view, now.at)),
            Some(source) if source.fits(&view) => {}
            Some(source) if view.ssrc() != source.ssrc && is_anothers(view.ssrc()) => {
                return self.refuse(Refused::ForeignSource, 1);
            }
            Some(source) => {
                if !self.hold(now, &data) || now.at.saturating_duration_since(source.last) < QUIET {
                    return;
                }
                return self.succeed(now.at, guard, out);
            }
        }
        self.accept(now, &data, guard);
        self.poll(now.at, out);
    }

    /// Hands on what was waited for long enough.
    pub(crate) fn poll(&mut self, now: Instant, out: &mut Vec<Got>) {
        while let Some((packet, lost)) = self.reorder.pop(now) {
            let refused = std::mem::take(&mut self.over);
            // Numbers that are missing because we refused them were not lost on the way.
            let lost_here = lost.saturating_sub(refused);
            self.reorder.lost -= lost - lost_here;
            out.push(Got::Packet { packet, lost: lost_here, refused });
        }
    }

    /// Hands on all that is held for order: nothing more comes.
    pub(crate) fn finish(&mut self, now: Instant, out: &mut Vec<Got>) {
        self.reorder.give_up();
        self.poll(now, out);
    }

    /// When to call [`Self::poll`] at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.reorder.deadline()
    }

    /// The source that is heard.
    pub(crate) fn ssrc(&self) -> Option<Ssrc> {
        self.source.map(|s| s.ssrc)
    }

    /// A timestamp of a report on the numbers of the packets.
    pub(crate) fn extend(&self, timestamp: u32) -> Option<ExtTimestamp> {
        self.source.map(|s| s.timestamp.extend(timestamp))
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            lost: self.reorder.lost,
            reordered: self.reorder.reordered,
            late_or_duplicate: self.reorder.late_or_duplicate,
            refused: self.refused,
        }
    }

    fn refuse(&mut self, why: Refused, packets: u64) {
        self.refused[why as usize] += packets;
    }

    fn accept(&mut self, now: Stamp, data: &Bytes, guard: &mut Guard) {
        let (Ok(view), Some(source)) = (RtpView::parse(data), &mut self.source) else { return };
        let (seq, timestamp) = (source.seq.extend(view.seq()), source.timestamp.extend(view.timestamp()));
        source.last = now.at;
        source.seq = source.seq.max(seq);
        source.timestamp = timestamp;
        if !guard.admit(now.at, data.len()) {
            self.over += 1;
            self.refuse(Refused::RateExceeded, 1);
            // What is held in front of the refused ones goes first, or it would be told behind them.
            self.reorder.give_up();
            return;
        }
        let payload = data.slice_ref(view.payload());
        self.reorder.push(Packet { seq, timestamp, marker: view.marker(), payload, arrival: now });
    }

    /// Holds a packet of another source; whether there is enough of it to be believed.
    fn hold(&mut self, now: Stamp, data: &Bytes) -> bool {
        let Ok(view) = RtpView::parse(data) else { return false };
        let follows = self.successor.as_ref().is_some_and(|s| {
            s.ssrc == view.ssrc() && (1..=MISORDER_MAX).contains(&(view.seq().wrapping_sub(s.seq) as i16))
        });
        if !follows {
            let dropped = self.successor.take().map_or(0, |s| s.held.len() as u64);
            self.refuse(Refused::ForeignSource, dropped);
            self.successor = Some(Successor { ssrc: view.ssrc(), seq: view.seq(), held: Vec::new(), bytes: 0 });
        }
        let Some(successor) = &mut self.successor else { return false };
        successor.seq = view.seq();
        if successor.held.len() >= SUCCESSOR_PACKETS_MAX || successor.bytes + data.len() > SUCCESSOR_BYTES_MAX {
            self.refuse(Refused::ForeignSource, 1);
            return true;
        }
        successor.bytes += data.len();
        successor.held.push((now, data.clone()));
        successor.held.len() >= SUCCESSOR_PACKETS_MIN
    }

    /// The other source takes over.
    fn succeed(&mut self, now: Instant, guard: &mut Guard, out: &mut Vec<Got>) {
        let Some(successor) = self.successor.take() else { return };
        self.reorder.give_up();
        self.poll(now, out);
        self.reorder.restart();
        self.over = 0;
        out.push(Got::NewSource);
        if let Some((at, data)) = successor.held.first()
            && let Ok(view) = RtpView::parse(data)
        {
            self.source = Some(Source::starting_with(&view, at.at));
        }
        for (at, data) in successor.held {
            self.accept(at, &data, guard);
            self.poll(now, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::{Bitrate, UnixMillis};

    struct Bench {
        inlet: Inlet,
        guard: Guard,
        start: Instant,
        out: Vec<Got>,
    }

    impl Bench {
        fn new(max: Bitrate) -> Self {
            Self { inlet: Inlet::new(96), guard: Guard::new(max), start: Instant::now(), out: Vec::new() }
        }

        fn push(&mut self, ms: u64, ssrc: u32, seq: u16, bytes: usize) {
            let mut data = vec![0x80, 96];
            data.extend(seq.to_be_bytes());
            data.extend((u32::from(seq) * 3600).to_be_bytes());
            data.extend(ssrc.to_be_bytes());
            data.resize(12 + bytes, 0x41);
            self.raw(ms, data);
        }

        fn raw(&mut self, ms: u64, data: Vec<u8>) {
            let now = Stamp { wall: UnixMillis(ms as i64), at: self.start + Duration::from_millis(ms) };
            self.inlet.push(now, data.into(), &mut self.guard, |ssrc| ssrc == Ssrc(13), &mut self.out);
        }

        /// What came, as text.
        fn take(&mut self) -> String {
            let text = self.out.drain(..).map(|got| match got {
                Got::NewSource => "new".to_owned(),
                Got::Packet { packet, lost: 0, refused: 0 } => packet.seq.wire().to_string(),
                Got::Packet { packet, lost, refused } => format!("{}(-{lost} !{refused})", packet.seq.wire()),
            });
            text.collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn packets_come_in_order_over_the_wrap_and_losses_are_told() {
        let mut b = Bench::new(Bitrate::kbps(8_000));
        for (ms, seq) in [(0, 65_534), (1, 65_535), (2, 1), (3, 0), (4, 3)] {
            b.push(ms, 7, seq, 10);
        }
        assert_eq!(b.take(), "65534 65535 0 1");
        b.push(60, 7, 4, 10);
        assert_eq!(b.take(), "3(-1 !0) 4");
        let counts = b.inlet.counts();
        assert_eq!((counts.lost, counts.reordered, counts.late_or_duplicate), (1, 1, 0));
    }

    #[test]
    fn a_stray_source_is_refused_while_the_known_one_speaks() {
        let mut b = Bench::new(Bitrate::kbps(8_000));
        for n in 0..100u16 {
            b.push(u64::from(n) * 40, 7, n, 10);
            b.push(u64::from(n) * 40 + 1, 9, n, 10);
        }
        assert!(!b.take().contains("new"));
        assert_eq!(b.inlet.ssrc(), Some(Ssrc(7)));
        b.raw(4_001, vec![0; 5]);
        b.raw(4_002, vec![0x80, 97, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        let refused = b.inlet.counts().refused;
        assert_eq!((refused[Refused::NotRtp as usize], refused[Refused::PayloadType as usize]), (1, 1));
    }

    #[test]
    fn a_source_that_follows_a_quiet_one_takes_over_with_all_that_it_sent() {
        let mut b = Bench::new(Bitrate::kbps(8_000));
        (0..10).for_each(|n| b.push(n * 40, 7, n as u16, 10));
        b.take();
        for n in 0..20 {
            b.push(400 + n * 40, 9, 30_000 + n as u16, 10);
        }
        let got = b.take();
        assert!(got.starts_with("new 30000 30001 ") && got.ends_with(" 30019"), "{got}");
        // The same source that jumps is a new course as well.
        for n in 0..20 {
            b.push(1_300 + n * 40, 9, 50_000 + n as u16, 10);
        }
        assert!(b.take().starts_with("new 50000 50001"));
        assert_eq!(b.inlet.counts().refused, [0; 4]);
    }

    #[test]
    fn anothers_source_never_takes_over() {
        let mut b = Bench::new(Bitrate::kbps(8_000));
        b.push(0, 7, 0, 10);
        (0..100).for_each(|n| b.push(1_000 + n * 40, 13, n as u16, 10));
        assert_eq!((b.take().as_str(), b.inlet.ssrc()), ("0", Some(Ssrc(7))));
        assert_eq!(b.inlet.counts().refused[Refused::ForeignSource as usize], 100);
    }

    #[test]
    fn what_is_beyond_the_rate_is_refused_and_not_called_lost() {
        let mut b = Bench::new(Bitrate::kbps(1_000));
        for n in 0..2_000u64 {
            b.push(n, 7, n as u16, 1_250);
        }
        let counts = b.inlet.counts();
        assert!(counts.refused[Refused::RateExceeded as usize] > 500);
        assert_eq!(counts.lost, 0, "ten times the rate, nothing lost on the way");
        assert!(b.take().contains("(-0 !"));
    }

    #[test]
    fn a_flood_of_sources_holds_a_bounded_amount() {
        let mut b = Bench::new(Bitrate::kbps(100_000));
        b.push(0, 7, 0, 10);
        for n in 0..5_000u64 {
            b.push(n / 20, 9, n as u16, 1_400);
        }
        let held = b.inlet.successor.as_ref().map_or(0, |s| s.bytes);
        assert!(held <= SUCCESSOR_BYTES_MAX);
    }
}
