//! What a viewer feels, from the packets that reach it: first frame, delay, loss, freezes, the layer it got.
//!
//! Pure: packets and the time of their arrival in, numbers out. A frame counts when all of its packets are there and
//! decoding could go on: the chain from the last keyframe is whole.

use crate::{
    source::VideoCodec,
    stamp::Stamp,
    stats::{Histogram, Summary},
};
use lectern_media::{ExtSeq, RtpView};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Packets kept until their frame is complete; older ones are given up. Two seconds at 3 Mbit/s.
const WINDOW_PACKETS: usize = 768;

/// A frame that is incomplete for so long has lost packets that don't come any more.
const STARVES_AFTER: Duration = Duration::from_millis(120);

/// As W3C webrtc-stats counts `freezeCount`: a frame that comes later than three usual distances, and at
/// least 150 ms later than usual, ends a freeze.
const FREEZE_MIN: Duration = Duration::from_millis(150);

/// How far back a packet is told from its copy.
const SEEN_PACKETS: u64 = 4096;

/// Counts a sequence of packets.
#[derive(Debug, Default)]
struct Sequence {
    first: Option<ExtSeq>,
    highest: ExtSeq,
    received: u64,
    /// One flag for each of the last [`SEEN_PACKETS`] numbers.
    seen: Vec<bool>,
}

impl Sequence {
    /// The extended number of a packet; nothing for a copy or one from too long ago.
    fn note(&mut self, wire: u16) -> Option<ExtSeq> {
        let seq = match self.first {
            // A whole turn ahead, so that packets from before the first one have a number as well.
            None => {
                self.highest = ExtSeq(u64::from(wire) + 0xffff);
                self.seen = vec![false; SEEN_PACKETS as usize];
                ExtSeq(u64::from(wire) + 0x1_0000)
            }
            Some(_) => self.highest.extend(wire),
        };
        for skipped in (self.highest.0 + 1..=seq.0).rev().take(SEEN_PACKETS as usize) {
            self.seen[(skipped % SEEN_PACKETS) as usize] = false;
        }
        self.highest = self.highest.max(seq);
        let flag = &mut self.seen[(seq.0 % SEEN_PACKETS) as usize];
        if seq.0 + SEEN_PACKETS <= self.highest.0 || std::mem::replace(flag, true) {
            return None;
        }
        self.first = Some(self.first.map_or(seq, |f| f.min(seq)));
        self.received += 1;
        Some(seq)
    }

    fn lost(&self) -> u64 {
        self.first.map_or(0, |f| (self.highest.0 - f.0 + 1).saturating_sub(self.received))
    }
}

/// A packet as the meters see it, whoever parsed it.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// Sequence number.
    pub seq: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Last packet of its frame.
    pub marker: bool,
    /// Payload, in clear.
    pub payload: &'a [u8],
}

impl<'a> From<&RtpView<'a>> for Arrived<'a> {
    fn from(rtp: &RtpView<'a>) -> Self {
        Self { seq: rtp.seq(), timestamp: rtp.timestamp(), marker: rtp.marker(), payload: rtp.payload() }
    }
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    timestamp: u32,
    begins: bool,
    ends: bool,
    key: bool,
    stamp: Option<Stamp>,
}

/// Measures one received picture.
#[derive(Debug)]
pub struct VideoMeter {
    codec: VideoCodec,
    asked: Duration,
    sequence: Sequence,
    pieces: BTreeMap<ExtSeq, Piece>,
    /// The sequence number after the last frame that was taken; nothing while a keyframe is awaited.
    next: Option<ExtSeq>,
    last_frame: Option<(Duration, Option<u32>)>,
    began: Option<Duration>,
    spacing: Duration,
    result: VideoResult,
    delay_us: Histogram,
}

/// What [`VideoMeter`] found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VideoResult {
    /// From the request to the first complete keyframe.
    pub first_frame_ms: Option<f64>,
    /// Packets received.
    pub packets: u64,
    /// Payload bytes received.
    pub bytes: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Frames that could be decoded.
    pub frames: u64,
    /// Keyframes among them.
    pub keyframes: u64,
    /// Frame numbers of the publisher that were skipped between decodable frames, and those that must have passed since
    /// the last one while the picture stands still.
    pub frames_missing: u64,
    /// How often the picture stood still.
    pub freezes: u64,
    /// For how long in all.
    pub freeze_ms: f64,
    /// The longest of them.
    pub freeze_ms_max: f64,
    /// Publisher's send to the arrival of the last packet; clocks of one machine only.
    pub delay_us: Summary,
    /// Frames by height of their layer.
    pub heights: BTreeMap<u16, u64>,
}

impl VideoResult {
    /// The picture stood still for so long beyond its usual distance.
    fn freeze(&mut self, still: Duration) {
        let ms = still.as_secs_f64() * 1000.0;
        self.freezes += 1;
        self.freeze_ms += ms;
        self.freeze_ms_max = self.freeze_ms_max.max(ms);
    }

    /// Share of the frames that were shown, of those that should have been, in per cent; 0 if there were none.
    #[must_use]
    pub fn shown_percent(&self) -> f64 {
        percent(self.frames, self.frames + self.frames_missing)
    }
}

/// A part of a whole in per cent; 0 of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

fn is_freeze(gap: Duration, spacing: Duration) -> bool {
    gap > (spacing * 3).max(spacing + FREEZE_MIN)
}

impl VideoMeter {
    /// Begins to measure; the picture was asked for at `asked`.
    #[must_use]
    pub fn new(codec: VideoCodec, asked: Duration) -> Self {
        Self {
            codec,
            asked,
            sequence: Sequence::default(),
            pieces: BTreeMap::new(),
            next: None,
            last_frame: None,
            began: None,
            spacing: Duration::from_millis(40),
            result: VideoResult::default(),
            delay_us: Histogram::default(),
        }
    }

    /// Takes a packet; `wall_us` is the wall clock in Unix microseconds.
    pub fn packet(&mut self, now: Duration, wall_us: u64, rtp: Arrived<'_>) {
        let payload = rtp.payload;
        let Some(seq) = self.sequence.note(rtp.seq) else { return };
        if payload.is_empty() {
            // Padding only: a probe. It has a number, hence a place in the chain.
            let piece = Piece { timestamp: rtp.timestamp, begins: false, ends: false, key: false, stamp: None };
            self.insert(seq, piece);
            return;
        }
        self.result.bytes += payload.len() as u64;
        let (begins, key) = match self.codec {
            VideoCodec::H264 => h264_start(payload),
            VideoCodec::Vp8 => vp8_start(payload),
        };
        let piece = Piece { timestamp: rtp.timestamp, begins, ends: rtp.marker, key, stamp: Stamp::find(payload) };
        self.began.get_or_insert(now);
        self.insert(seq, piece);
        while self.take_frame(now, wall_us) {}
    }

    fn insert(&mut self, seq: ExtSeq, piece: Piece) {
        if self.next.is_none_or(|n| seq >= n) {
            self.pieces.insert(seq, piece);
        }
        while self.pieces.len() > WINDOW_PACKETS {
            self.pieces.pop_first();
            self.next = None; // the chain is broken: only a keyframe mends it
        }
    }

    /// Takes the next decodable frame if it is complete.
    fn take_frame(&mut self, now: Duration, wall_us: u64) -> bool {
        while let Some(entry) = self.next.and_then(|n| self.pieces.get_key_value(&n)) {
            if entry.1.begins {
                break;
            }
            let seq = *entry.0; // padding between frames
            self.pieces.remove(&seq);
            self.next = Some(ExtSeq(seq.0 + 1));
        }
        let whole = |from: ExtSeq| {
            let first = self.pieces.get(&from)?;
            let mut seq = from;
            loop {
                let piece = self.pieces.get(&seq).filter(|p| p.timestamp == first.timestamp)?;
                if piece.ends {
                    return Some((from, seq));
                }
                seq = ExtSeq(seq.0 + 1);
            }
        };
        let frame = self.next.and_then(whole).or_else(|| {
            // Otherwise a complete keyframe may come: decoders go on from it.
            self.pieces.iter().filter(|(_, p)| p.begins && p.key).find_map(|(seq, _)| whole(*seq))
        });
        let Some((from, to)) = frame else { return false };
        let mut stamp = None;
        let mut key = false;
        for seq in from.0..=to.0 {
            if let Some(piece) = self.pieces.remove(&ExtSeq(seq)) {
                stamp = stamp.or(piece.stamp);
                key |= piece.key;
            }
        }
        self.pieces = self.pieces.split_off(&to);
        self.next = Some(ExtSeq(to.0 + 1));
        self.count_frame(now, wall_us, key, stamp);
        true
    }

    fn count_frame(&mut self, now: Duration, wall_us: u64, key: bool, stamp: Option<Stamp>) {
        let r = &mut self.result;
        r.frames += 1;
        r.keyframes += u64::from(key);
        r.first_frame_ms.get_or_insert((now.saturating_sub(self.asked)).as_secs_f64() * 1000.0);
        if let Some(stamp) = stamp {
            self.delay_us.record(wall_us.saturating_sub(stamp.sent_us) as f64);
            *r.heights.entry(stamp.height).or_default() += 1;
        }
        if let Some((then, number)) = self.last_frame {
            let gap = now.saturating_sub(then);
            if is_freeze(gap, self.spacing) {
                r.freeze(gap - self.spacing);
            } else {
                self.spacing = (self.spacing * 15 + gap) / 16;
            }
            if let (Some(stamp), Some(number)) = (stamp, number) {
                r.frames_missing += u64::from(stamp.frame.saturating_sub(number).saturating_sub(1));
            }
        }
        self.last_frame = Some((now, stamp.map(|s| s.frame)));
    }

    /// Whether packets come but nothing can be decoded, and a repaired packet won't help: only a keyframe will.
    #[must_use]
    pub fn starves(&self, now: Duration) -> bool {
        match (self.last_frame, self.began) {
            _ if self.pieces.is_empty() => false,
            (Some((then, _)), _) => now.saturating_sub(then) > STARVES_AFTER,
            // What came first is no beginning: nothing to wait for.
            (None, _) if !self.pieces.values().any(|p| p.begins && p.key) => true,
            (None, began) => began.is_some_and(|b| now.saturating_sub(b) > STARVES_AFTER),
        }
    }

    /// The result so far; a picture that stands still at `now` counts as frozen until then, and the frames that would have
    /// come meanwhile as missing.
    #[must_use]
    pub fn result(&self, now: Duration) -> VideoResult {
        let mut r = self.result.clone();
        r.packets = self.sequence.received;
        r.lost = self.sequence.lost();
        r.delay_us = self.delay_us.summary();
        if let Some((then, _)) = self.last_frame {
            let gap = now.saturating_sub(then);
            if is_freeze(gap, self.spacing) {
                r.freeze(gap - self.spacing);
                r.frames_missing += (gap.as_secs_f64() / self.spacing.as_secs_f64()) as u64;
            }
        }
        r
    }

    /// From the request to the first complete keyframe.
    #[must_use]
    pub fn first_frame_ms(&self) -> Option<f64> {
        self.result.first_frame_ms
    }

    /// All delays, for a plot.
    #[must_use]
    pub fn delays(&self) -> &Histogram {
        &self.delay_us
    }
}

/// NAL unit type of a sequence parameter set (ITU-T H.264 table 7-1).
const NAL_SPS: u8 = 7;

/// (begins a frame, begins a keyframe): one begins with parameter sets, without which a newcomer can't decode it.
fn h264_start(payload: &[u8]) -> (bool, bool) {
    let kind = payload[0] & 0x1f;
    match kind {
        // STAP-A begins with parameter sets or SEI in front of a slice; look at what is inside.
        24 => {
            let (mut rest, mut begins, mut key) = (&payload[1..], false, false);
            while let [a, b, tail @ ..] = rest {
                let len = usize::from(u16::from_be_bytes([*a, *b]));
                let Some(first) = tail.first() else { break };
                let inner = first & 0x1f;
                begins |= matches!(inner, 6..=9) || slice_begins(tail);
                key |= inner == NAL_SPS;
                rest = tail.get(len..).unwrap_or_default();
            }
            (begins, key)
        }
        28 => {
            let header = payload.get(1).copied().unwrap_or(0);
            let first = header & 0x80 != 0;
            let slice = first && payload.get(2).is_some_and(|b| b & 0x80 != 0);
            (slice, false)
        }
        6..=9 => (true, kind == NAL_SPS),
        _ => (slice_begins(payload), false),
    }
}

/// Whether a slice is the first of its picture: `first_mb_in_slice` is 0, which is written as a single 1 bit.
fn slice_begins(nal: &[u8]) -> bool {
    matches!(nal[0] & 0x1f, 1 | 5) && nal.get(1).is_some_and(|b| b & 0x80 != 0)
}

/// RFC 7741 §4.2: (begins a frame, belongs to a keyframe)
fn vp8_start(payload: &[u8]) -> (bool, bool) {
    let begins = payload[0] & 0x10 != 0 && payload[0] & 0x07 == 0;
    let mut at = 1;
    if payload[0] & 0x80 != 0 {
        let flags = payload.get(1).copied().unwrap_or(0);
        at += 1;
        if flags & 0x80 != 0 {
            at += if payload.get(at).is_some_and(|b| b & 0x80 != 0) { 2 } else { 1 };
        }
        at += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
    }
    (begins, begins && payload.get(at).is_some_and(|b| b & 1 == 0))
}

/// Measures one received sound.
#[derive(Debug, Default)]
pub struct AudioMeter {
    sequence: Sequence,
    last: Option<Duration>,
    gap_max: Duration,
}

/// What [`AudioMeter`] found.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct AudioResult {
    /// Packets received.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// The longest time without a packet: between two of them, and from the last one on. If there was none at all, all the
    /// time since the sound was asked for.
    pub gap_ms_max: f64,
}

impl AudioMeter {
    /// Takes a packet.
    pub fn packet(&mut self, now: Duration, rtp: Arrived<'_>) {
        if self.sequence.note(rtp.seq).is_none() {
            return;
        }
        if let Some(last) = self.last {
            self.gap_max = self.gap_max.max(now.saturating_sub(last));
        }
        self.last = Some(now);
    }

    /// The result so far; `now` counts from when the sound was asked for.
    #[must_use]
    pub fn result(&self, now: Duration) -> AudioResult {
        let silent = now.saturating_sub(self.last.unwrap_or_default());
        AudioResult {
            packets: self.sequence.received,
            lost: self.sequence.lost(),
            gap_ms_max: self.gap_max.max(silent).as_secs_f64() * 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pack, source::tests::small};

    const MS: Duration = Duration::from_millis(1);

    /// Packets of the small clip: (frame number, RTP packet).
    fn packets(codec: VideoCodec) -> Vec<(u32, Vec<u8>)> {
        let source = small(codec, false);
        let mut out = Vec::new();
        let mut seq = 65_530u16;
        for (n, picture) in (0u32..).zip(&source.layers[0].pictures) {
            let stamp = Stamp { frame: n, sent_us: u64::from(n) * 40_000, height: 360 };
            let payloads = pack::payloads(codec, &picture.data, n, stamp);
            let last = payloads.len() - 1;
            for (i, payload) in payloads.iter().enumerate() {
                let mut rtp = vec![0x80, 96 | u8::from(i == last) << 7];
                rtp.extend(seq.to_be_bytes());
                rtp.extend((n * 3600).to_be_bytes());
                rtp.extend([0, 0, 0, 1]);
                rtp.extend(payload);
                out.push((n, rtp));
                seq = seq.wrapping_add(1);
            }
        }
        out
    }

    fn feed(meter: &mut VideoMeter, packets: &[(u32, Vec<u8>)], late_ms: u32) {
        for (frame, packet) in packets {
            let now = MS * (frame * 40 + late_ms);
            meter.packet(now, now.as_micros() as u64, (&RtpView::parse(packet).expect("our own packet")).into());
        }
    }

    #[test]
    fn a_perfect_line_shows_every_frame() {
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            let mut meter = VideoMeter::new(codec, Duration::ZERO);
            feed(&mut meter, &packets(codec), 30);
            let r = meter.result(MS * 2000);
            assert_eq!((r.frames, r.keyframes, r.lost, r.frames_missing, r.freezes), (50, 2, 0, 0, 0), "{codec:?}");
            assert_eq!(r.first_frame_ms, Some(30.0));
            assert!((29_000.0..31_000.0).contains(&r.delay_us.p95));
            assert_eq!(r.heights, BTreeMap::from([(360, 50)]));
        }
    }

    #[test]
    fn a_lost_packet_stops_the_picture_until_the_next_keyframe() {
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            let mut all = packets(codec);
            let gone = all.iter().position(|(n, _)| *n == 10).expect("frame 10");
            all.remove(gone);
            let mut meter = VideoMeter::new(codec, Duration::ZERO);
            feed(&mut meter, &all, 0);
            let r = meter.result(MS * 1960);
            assert_eq!((r.frames, r.lost, r.frames_missing, r.freezes), (35, 1, 15, 1), "{codec:?}");
            assert!((550.0..650.0).contains(&r.freeze_ms), "{}", r.freeze_ms);
        }
    }

    #[test]
    fn a_meter_starves_when_only_a_keyframe_helps() {
        let all = packets(VideoCodec::H264);
        let mut meter = VideoMeter::new(VideoCodec::H264, Duration::ZERO);
        assert!(!meter.starves(MS * 500), "nothing comes at all");
        feed(&mut meter, &all[1..2], 0); // the beginning is missing
        assert!(meter.starves(Duration::ZERO));

        let mut meter = VideoMeter::new(VideoCodec::H264, Duration::ZERO);
        feed(&mut meter, &all[..1], 0);
        assert!(!meter.starves(MS * 40) && meter.starves(MS * 200), "the rest may be on its way, for a while");
        feed(&mut meter, &all[1..], 0);
        assert!(!meter.starves(MS * 5000), "nothing waits");
    }

    #[test]
    fn repaired_and_doubled_packets_do_no_harm() {
        let mut all = packets(VideoCodec::H264);
        let late = all.remove(60);
        all.insert(64, late.clone());
        all.insert(70, late);
        let mut meter = VideoMeter::new(VideoCodec::H264, Duration::ZERO);
        feed(&mut meter, &all, 0);
        let r = meter.result(MS * 1960);
        assert_eq!((r.frames, r.lost, r.frames_missing), (50, 0, 0));
    }

    #[test]
    fn a_standing_picture_counts_while_it_stands() {
        let mut meter = VideoMeter::new(VideoCodec::Vp8, Duration::ZERO);
        let all = packets(VideoCodec::Vp8);
        feed(&mut meter, &all, 0);
        let r = meter.result(MS * 5000);
        assert_eq!((r.freezes, r.frames, r.frames_missing), (1, 50, 76), "3,040 ms are 76 frames of 40");
        assert!((2_990.0..3_010.0).contains(&r.freeze_ms_max), "{}", r.freeze_ms_max);
    }

    #[test]
    fn one_frame_and_then_nothing_is_no_picture() {
        let mut meter = VideoMeter::new(VideoCodec::H264, Duration::ZERO);
        let all = packets(VideoCodec::H264);
        let first: Vec<_> = all.into_iter().filter(|(frame, _)| *frame == 0).collect();
        feed(&mut meter, &first, 0);
        let r = meter.result(MS * 10_000);
        assert_eq!((r.frames, r.freezes), (1, 1));
        assert!(r.shown_percent() < 1.0 && r.freeze_ms > 9_900.0, "{r:?}");
        assert_eq!(VideoResult::default().shown_percent(), 0.0, "nothing at all is not all");
    }

    #[test]
    fn sound_counts_gaps() {
        let mut meter = AudioMeter::default();
        for n in (0..100u16).filter(|n| !(50..55).contains(n)) {
            let mut rtp = vec![0x80, 111];
            rtp.extend(n.to_be_bytes());
            rtp.extend([0; 8]);
            rtp.push(1);
            meter.packet(MS * 20 * u32::from(n), (&RtpView::parse(&rtp).expect("our own packet")).into());
        }
        let r = meter.result(MS * 1990);
        assert_eq!((r.packets, r.lost, r.gap_ms_max), (95, 5, 120.0));
        assert_eq!(meter.result(MS * 3980).gap_ms_max, 2000.0, "the sound stopped");
        assert_eq!(AudioMeter::default().result(MS * 700).gap_ms_max, 700.0, "there never was any");
    }
}
