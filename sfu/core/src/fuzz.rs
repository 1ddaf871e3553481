//! Entry points for fuzzing: one per parser of network bytes, and one for sequences of operations on a whole subscriber.
//! Each takes arbitrary bytes, must not panic, and asserts what must hold of the outcome. Seeds, mutation and both runners
//! (a smoke run with every `cargo test`, libFuzzer) are `lectern-fuzz`'s, whose table names these functions.

use crate::{
    SourceId,
    allocate::{LayerOffer, Offers, Priority},
    descriptor::{PayloadShape, vp8},
    downtrack::{ExtensionIds, LineConfig, PayloadTypes},
    ingest::{StreamConfig, StreamIngest},
    packet_ring::{PacketRing, TrackRings},
    rtcp::{Builder, Compound, Packet},
    subscriber::{Forwarded, LineId, PACKET_LEN_MAX, Subscriber, SubscriberConfig, Wish},
    time::NtpTime,
    twcc::{ArrivalLog, SendLog},
};
use lectern_media::{Bitrate, Codec, Layer, PayloadType, RtpView, Ssrc, TrackKind};
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Walks a compound RTCP packet and everything in it.
pub fn rtcp(data: &[u8]) {
    let mut sent = SendLog::new(256);
    for _ in 0..64 {
        sent.on_sent(origin(), 100);
    }
    for packet in Compound::new(data) {
        match packet {
            Ok(Packet::Nack(n)) => assert!(n.lost().count() <= data.len() / 4 * 17, "an entry covers 17 packets"),
            Ok(Packet::SenderReport(_, b) | Packet::ReceiverReport(_, b)) => assert!(b.iter().count() <= 31),
            Ok(Packet::TransportCc(fb)) => {
                let mut told = 0;
                // Inconsistent feedback is refused; what it told before counts.
                if sent.on_feedback(&fb, |_| told += 1).is_ok() {
                    assert!(told <= 128, "64 packets are told lost once and arrived once at most");
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Describes a payload as VP8, H.264 and Opus, and rewrites a VP8 descriptor: what is written reads back.
pub fn payload(data: &[u8]) {
    for codec in [Codec::H264, Codec::Opus] {
        if let Ok(shape) = PayloadShape::describe(codec, data) {
            assert_eq!(data.is_empty(), shape == PayloadShape::Padding);
        }
    }
    let Ok(PayloadShape::Vp8(d)) = PayloadShape::describe(Codec::Vp8, data) else { return };
    let numbers = vp8::Vp8Numbers { picture_id: 0x1234, tl0_pic_idx: 0x56 };
    let mut out = [0; vp8::DESCRIPTOR_LEN_MAX + 1];
    let len = d.write(numbers, &mut out).expect("the longest descriptor fits");
    out[len] = data[usize::from(d.len_bytes)];
    let again = vp8::Vp8Descriptor::parse(&out[..=len]).expect("what was written parses");
    assert_eq!(again.picture_id, d.picture_id.map(|_| 0x1234));
    assert_eq!(again.tl0_pic_idx, d.tl0_pic_idx.map(|_| 0x56));
    assert_eq!((again.temporal, again.key_idx, again.keyframe), (d.temporal, d.key_idx, d.keyframe));
    assert_eq!((again.frame_start, again.discardable), (d.frame_start, d.discardable));
}

/// Receives RTP packets (each behind a length byte) on a stream and its RTX stream.
pub fn ingest(data: &[u8]) {
    let mut now = origin();
    let mut streams = [Codec::Vp8, Codec::H264, Codec::Opus].map(|codec| {
        let config = StreamConfig { ssrc: Ssrc(1), codec, layer: Layer(0), nack: true, audio_level_id: Some(1) };
        StreamIngest::new(config)
    });
    let mut rest = data;
    while let Some((&len, tail)) = rest.split_first() {
        let (bytes, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        now += Duration::from_millis(u64::from(len));
        let Ok(view) = RtpView::parse(bytes) else { continue };
        for s in &mut streams {
            let taken = if len.is_multiple_of(5) { s.receive_rtx(now, &view) } else { s.receive(now, &view) };
            if let Ok(p) = taken {
                assert!(s.highest_seq() >= Some(p.meta.seq));
            }
            let mut lost = [0; 8];
            assert!(s.poll_nack(now, Duration::from_millis(50), &mut lost).lost <= lost.len());
            if len.is_multiple_of(7) {
                s.report_block(now);
            }
        }
    }
}

/// Records arrivals and builds feedback that a sender understands.
pub fn twcc(data: &[u8]) {
    let mut now = origin();
    let mut log = ArrivalLog::default();
    let mut sent = SendLog::new(1_024);
    for op in data.chunks_exact(3) {
        let seq = u16::from_be_bytes([op[0], op[1]]);
        now += Duration::from_millis(u64::from(op[2]));
        sent.on_sent(now, 100);
        log.record(now, seq);
        if op[2].is_multiple_of(8) {
            let mut buf = [0; 400];
            let mut b = Builder::new(&mut buf[..100 + usize::from(op[2])]);
            if log.build(now, Ssrc(1), Ssrc(2), &mut b).is_ok() {
                for p in Compound::new(b.bytes()) {
                    let Ok(Packet::TransportCc(fb)) = p else { panic!("what is built parses") };
                    sent.on_feedback(&fb, |_| {}).expect("what is built is consistent");
                }
            }
        }
    }
}

/// A sequence of operations on one subscriber with three lines: packets of three layers (lost, late, repeated), RTCP,
/// ticks, changes of source, wish and buffer. Everything that comes out must be RTP, with sequence numbers that never
/// repeat a payload under another timestamp.
pub fn subscriber(data: &[u8]) {
    let mut world = World::new();
    for op in data.chunks_exact(4) {
        world.apply([op[0], op[1], op[2], op[3]]);
    }
}

const SOURCE: SourceId = SourceId(5);

struct World {
    now: Instant,
    sub: Subscriber,
    rings: TrackRings,
    streams: [StreamIngest; 3],
    seq: [u16; 3],
    frame: u16,
    /// Packets that went out.
    written: u64,
    /// The newest sequence number on each line, and the arrivals of what was not lost.
    newest: [u16; 2],
    log: ArrivalLog,
    /// Timestamps by outgoing sequence number, to see that none is given twice.
    seen: Box<[Option<u32>]>,
}

impl World {
    fn new() -> Self {
        let now = origin();
        // Feedback turned over on purpose would soon pause everything; pictures go on, so that there is something to see.
        let config = SubscriberConfig { bitrate_min: Bitrate::kbps(1_000), ..SubscriberConfig::default() };
        let mut sub = Subscriber::new(now, config);
        for (i, rtx) in [true, false].into_iter().enumerate() {
            let pt = |codec, n| PayloadTypes { codec, media: PayloadType(n), rtx: rtx.then_some(PayloadType(n + 1)) };
            sub.add_line(&LineConfig {
                kind: TrackKind::Video,
                ssrc: Ssrc(0x100 * (i as u32 + 1)),
                rtx_ssrc: rtx.then_some(Ssrc(0x100 * (i as u32 + 1) + 1)),
                payload_types: vec![pt(Codec::Vp8, 96), pt(Codec::H264, 98)],
                extensions: ExtensionIds { mid: Some(1), twcc: Some(2), abs_send_time: Some(3), audio_level: None },
                mid: Some("0".into()),
                seed: 0x0123_4567_89ab_cdef,
            })
            .expect("two lines are allowed");
            let line = LineId(i as u16);
            sub.set_source(now, line, Some(SOURCE));
            sub.set_wish(line, Wish { tile_height: 720, priority: Priority::Speaker, thumbnail: false });
        }
        let stream = |layer| {
            let ssrc = Ssrc(u32::from(layer));
            StreamIngest::new(StreamConfig {
                ssrc,
                codec: Codec::Vp8,
                layer: Layer(layer),
                nack: true,
                audio_level_id: None,
            })
        };
        Self {
            now,
            sub,
            rings: TrackRings { source: SOURCE, layers: (0..3).map(|_| PacketRing::new(64, 0)).collect() },
            streams: [0, 1, 2].map(stream),
            seq: [65_500, 10, 32_000],
            frame: 0,
            written: 0,
            newest: [0; 2],
            log: ArrivalLog::default(),
            seen: vec![None; 1 << 16].into_boxed_slice(),
        }
    }

    fn apply(&mut self, [op, a, b, c]: [u8; 4]) {
        self.now += Duration::from_millis(u64::from(c % 40));
        let line = LineId(u16::from(a % 3));
        match op % 8 {
            0..=2 => self.publish(a, b, c),
            3 => self.rtcp(a, b, c),
            4 => {
                let rate = |n: u8| LayerOffer::new(Bitrate::kbps(u64::from(n) * 8), Some(180));
                let offers: Offers = [rate(a), rate(b), rate(c)];
                self.sub.tick(self.now, |_| offers, |_| {});
            }
            5 => self.drain(b),
            6 => match b % 3 {
                0 => self.sub.set_source(self.now, line, (c.is_multiple_of(2)).then_some(SOURCE)),
                1 => self
                    .sub
                    .set_wish(line, Wish { tile_height: u16::from(c) * 8, priority: Priority::Rest, thumbnail: false }),
                _ => self.now += Duration::from_millis(u64::from(c) * 10),
            },
            _ => {
                let mut buf = [0; 120];
                let mut out = Builder::new(&mut buf[..usize::from(a) % 120]);
                // A full buffer leaves the rest for the next time.
                let reports = self.sub.sender_reports(self.now, NtpTime(1 << 60), &mut out);
                assert!(reports.written <= 2);
            }
        }
    }

    fn publish(&mut self, a: u8, b: u8, c: u8) {
        let layer = usize::from(a % 3);
        let jump = [1, 1, 1, 1, 2, 5, 200, u16::MAX][usize::from(b % 8)];
        self.seq[layer] = self.seq[layer].wrapping_add(jump);
        self.frame = self.frame.wrapping_add(u16::from(b > 128));
        let mut packet = vec![0x80, 96 | if c.is_multiple_of(3) { 0x80 } else { 0 }];
        packet.extend_from_slice(&self.seq[layer].to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.frame) * 3_000).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, layer as u8]);
        let [high, low] = (self.frame | 0x8000).to_be_bytes();
        packet.extend_from_slice(&[0x80 | a & 0x10, 0xe0, high, low, b, c & 0xe0, u8::from(a & 0x40 == 0)]);
        packet.resize(packet.len() + usize::from(c) * 5, b);
        let view = RtpView::parse(&packet).expect("is RTP");
        let Ok(p) = self.streams[layer].receive(self.now, &view) else { return };
        self.rings.layers[layer].push(&p);
        for line in 0..3 {
            let mut out = [0; PACKET_LEN_MAX];
            let room = if c == 255 { usize::from(b) } else { PACKET_LEN_MAX };
            if let Ok(Forwarded::Written(n)) = self.sub.forward(self.now, LineId(line), &p, b % 16, &mut out[..room]) {
                self.check(&out[..n]);
            }
        }
    }

    fn rtcp(&mut self, a: u8, b: u8, c: u8) {
        let mut buf = [0; 600];
        let mut out = Builder::new(&mut buf);
        let media = Ssrc(0x100 * (u32::from(a % 2) + 1));
        let from = self.newest[usize::from(a % 2)].wrapping_sub(u16::from(b));
        let lost = [from, from.wrapping_add(u16::from(c))];
        let built = out
            .nack(Ssrc(9), media, &lost)
            .and_then(|()| if c > 200 { out.pli(Ssrc(9), media) } else { Ok(()) })
            .and_then(|()| self.log.build(self.now, Ssrc(9), media, &mut out));
        built.expect("600 bytes are enough");
        let len = out.len_bytes();
        if a > 200 {
            buf[usize::from(b) % len] ^= c;
        }
        // Bytes turned over on purpose may be refused; nothing else is asked of them.
        if self.sub.on_rtcp(self.now, &buf[..len], |_| {}).is_err() {
            assert!(a > 200, "well-formed RTCP is accepted");
        }
    }

    fn drain(&mut self, limit: u8) {
        let mut out = [0; PACKET_LEN_MAX];
        for _ in 0..limit {
            let Some(n) = self.sub.poll_transmit(self.now, &self.rings, &mut out) else { break };
            self.check(&out[..n]);
        }
        assert!(self.sub.memory_bytes() < 150_000, "a subscriber's memory is bounded");
    }

    fn check(&mut self, packet: &[u8]) {
        let view = RtpView::parse(packet).expect("what goes out is RTP");
        self.written += 1;
        if let Some(line) = [0x100, 0x200].iter().position(|s| view.ssrc() == Ssrc(*s)) {
            self.newest[line] = view.seq();
        }
        if let Some(&[high, low]) = view.extension(2).filter(|_| !self.written.is_multiple_of(31)) {
            self.log.record(self.now + Duration::from_millis(self.written % 8), u16::from_be_bytes([high, low]));
        }
        if view.ssrc() == Ssrc(0x100) {
            let before = self.seen[usize::from(view.seq())].replace(view.timestamp());
            // Numbers come round after 65,536 packets; these runs are shorter.
            assert!(before.is_none_or(|t| t == view.timestamp()), "sequence number {} was given twice", view.seq());
        }
    }
}

/// Some moment, the same for a whole run: only differences count.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_operations_reach_the_wire() {
        let mut world = World::new();
        let mut x = 1u32;
        for _ in 0..20_000 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            world.apply((x ^ x >> 13).to_be_bytes());
        }
        let (media, again): (u64, u64) = [0, 1]
            .map(|l| world.sub.stats(LineId(l)))
            .iter()
            .fold((0, 0), |(m, a), s| (m + s.packets, a + s.retransmitted + s.probes));
        assert!(world.written > 400 && media > 300 && again > 20, "{} written, {media}, {again}", world.written);
    }
}
