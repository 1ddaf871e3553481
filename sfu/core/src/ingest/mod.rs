//! What happens to a publisher's packets at the door, per synchronisation source (one simulcast layer or one sound):
//! numbers are extended, duplicates refused, loss and jitter measured, gaps asked for, RTX undone.
//!
//! Not here: decryption (the shell), keeping packets ([`crate::packet_ring`]), who gets them ([`crate::downtrack`]).

mod keyframes;
mod nack;
mod rate;
mod reception;
mod sequence;

pub use rate::RateMeter;

use crate::{
    descriptor::{PayloadShape, Resolution, h264::H264Shape},
    drop::DropReason,
    packet::{AudioLevel, PAYLOAD_LEN_MAX, PacketMeta, SourcePacket},
    rtcp::{ReportBlock, SenderInfo},
    time::{NtpTime, to_compact_ntp},
};
use keyframes::KeyframeMeter;
use lectern_media::{Bitrate, Codec, ExtSeq, ExtTimestamp, Layer, RtpView, Ssrc, TrackKind};
use nack::NackList;
use reception::Reception;
use sequence::SeqWindow;
use std::time::{Duration, Instant};

/// What a packet costs on a subscriber's line besides its payload: RTP header 12, extensions 16, SRTP tag 16, UDP 8, IP 20.
/// Added to every packet that [`StreamIngest::bitrate`] counts, for small packets are mostly this.
pub const WIRE_OVERHEAD_BYTES: usize = 72;

/// A layer of which nothing came for this long is taken for not sent. Browsers stop layers without a word when their line
/// or processor is short; viewers of the layer freeze until it is noticed.
pub const SILENT_AFTER: Duration = Duration::from_secs(1);

/// What a stream is.
#[derive(Debug, Clone, Copy)]
pub struct StreamConfig {
    /// Its synchronisation source.
    pub ssrc: Ssrc,
    /// Its codec.
    pub codec: Codec,
    /// Which simulcast layer it carries.
    pub layer: Layer,
    /// Whether generic NACK was negotiated: without it losses are only counted.
    pub nack: bool,
    /// The id of the audio-level header extension, if negotiated (RFC 6464).
    pub audio_level_id: Option<u8>,
}

/// What the publisher should be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NackPoll {
    /// How many sequence numbers were written to the caller's buffer: send them in one generic NACK.
    pub lost: usize,
    /// A packet was given up: the decoders behind us need a keyframe of this layer.
    pub keyframe_needed: bool,
}

/// Counters of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Packets taken, repaired ones included.
    pub packets: u64,
    /// Their payload bytes.
    pub payload_bytes: u64,
    /// Packets that came by RTX.
    pub repaired: u64,
    /// Numbers asked for by NACK, repetitions included.
    pub asked: u64,
    /// Packets given up.
    pub given_up: u64,
}

/// The ingest of one stream.
#[derive(Debug)]
pub struct StreamIngest {
    config: StreamConfig,
    window: SeqWindow,
    timestamp: ExtTimestamp,
    reception: Option<Reception>,
    nack: Option<NackList>,
    rate: RateMeter,
    keyframes: KeyframeMeter,
    /// The number of the next packet of a source that has none of its own.
    next_seq: u16,
    /// When the newest packet arrived.
    arrived: Option<Instant>,
    resolution: Option<Resolution>,
    parameter_sets: ParameterSets,
    report: Option<Report>,
    stats: StreamStats,
}

/// Whether an H.264 stream repeats its SPS with every keyframe, as browsers do. Of such a one a decoder cannot begin at an
/// IDR slice whose SPS is missing. Others send it once, and the IDR has to do.
#[derive(Debug, Default)]
struct ParameterSets {
    frames: u8,
    newest: Option<u32>,
}

impl ParameterSets {
    fn judge(&mut self, shape: &mut H264Shape, timestamp: u32) {
        if shape.sps && self.newest.replace(timestamp) != Some(timestamp) {
            self.frames = self.frames.saturating_add(1);
        }
        shape.keyframe &= shape.sps || self.frames < 2;
    }
}

/// The last sender report.
#[derive(Debug, Clone, Copy)]
struct Report {
    ntp: NtpTime,
    arrived: Instant,
    clock_offset: Option<i64>,
}

/// The parts of a packet that differ between the stream and its RTX stream.
struct Parts<'a> {
    seq: u16,
    timestamp: u32,
    marker: bool,
    payload: &'a [u8],
    audio_level: Option<AudioLevel>,
}

impl StreamIngest {
    /// A stream of which nothing has arrived.
    #[must_use]
    pub fn new(config: StreamConfig) -> Self {
        Self {
            window: SeqWindow::default(),
            timestamp: ExtTimestamp(1 << 32),
            reception: None,
            nack: config.nack.then(NackList::new),
            rate: RateMeter::default(),
            keyframes: KeyframeMeter::default(),
            next_seq: 0,
            arrived: None,
            resolution: None,
            parameter_sets: ParameterSets::default(),
            report: None,
            stats: StreamStats::default(),
            config,
        }
    }

    /// What the stream is.
    #[must_use]
    pub const fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Takes one opened packet of this stream. Padding-only packets come back with an empty payload: hand them on like
    /// the others, so that the lines close over their numbers.
    ///
    /// # Errors
    /// [`DropReason::Duplicate`], [`DropReason::TooOld`], [`DropReason::Malformed`], [`DropReason::TooLarge`].
    pub fn receive<'a>(&mut self, now: Instant, packet: &RtpView<'a>) -> Result<SourcePacket<'a>, DropReason> {
        let parts = Parts {
            seq: packet.seq(),
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            payload: packet.payload(),
            audio_level: self.audio_level(packet),
        };
        let taken = self.take(now, &parts)?;
        let first = taken.meta.seq;
        let rate = self.config.codec.clock_rate();
        let reception = self.reception.get_or_insert_with(|| Reception::new(now, rate, first));
        reception.on_packet(now, taken.meta.seq, parts.timestamp);
        Ok(taken)
    }

    /// Takes one packet of a source on this machine, which has a timestamp and a marker and is numbered here. Nothing is lost
    /// on the way, so that there are no gaps, no jitter and nothing to repair.
    ///
    /// # Errors
    /// [`DropReason::Malformed`], [`DropReason::TooLarge`]; [`DropReason::PaddingOnly`] if it is empty.
    pub fn push<'a>(
        &mut self,
        now: Instant,
        timestamp: u32,
        marker: bool,
        payload: &'a [u8],
    ) -> Result<SourcePacket<'a>, DropReason> {
        if payload.is_empty() {
            return Err(DropReason::PaddingOnly);
        }
        let parts = Parts { seq: self.next_seq, timestamp, marker, payload, audio_level: None };
        let taken = self.take(now, &parts)?;
        self.next_seq = self.next_seq.wrapping_add(1);
        Ok(taken)
    }

    /// Takes one opened packet of this stream's RTX stream and gives back the original (RFC 4588 §4).
    ///
    /// # Errors
    /// As [`receive`](Self::receive); [`DropReason::PaddingOnly`] for RTX packets that carry nothing (probing).
    pub fn receive_rtx<'a>(&mut self, now: Instant, packet: &RtpView<'a>) -> Result<SourcePacket<'a>, DropReason> {
        let (osn, payload) = packet.payload().split_at_checked(2).ok_or(DropReason::PaddingOnly)?;
        if self.window.highest().is_none() {
            // Probes may come before the stream itself; there is nothing they could repair.
            return Err(DropReason::PaddingOnly);
        }
        let parts = Parts {
            seq: u16::from_be_bytes([osn[0], osn[1]]),
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            payload,
            audio_level: self.audio_level(packet),
        };
        let taken = self.take(now, &parts)?;
        self.stats.repaired += 1;
        Ok(taken)
    }

    /// Takes a sender report of this stream and returns the RTP timestamp in it, extended on the base of the packets;
    /// `None` before the first packet.
    pub fn on_sender_report(&mut self, now: Instant, report: &SenderInfo) -> Option<(NtpTime, ExtTimestamp)> {
        let started = self.window.highest().is_some();
        let timestamp = self.timestamp.extend(report.rtp_timestamp);
        // RFC 3550 §6.4.1: a sender without a wall clock may set the NTP timestamp to zero; that maps nothing.
        let mapped = started && report.ntp != NtpTime::default();
        let before = self.report.and_then(|r| r.clock_offset);
        let clock_offset = if mapped {
            Some(report.ntp.ticks(self.config.codec.clock_rate()).wrapping_sub_unsigned(timestamp.0))
        } else {
            before
        };
        self.report = Some(Report { ntp: report.ntp, arrived: now, clock_offset });
        mapped.then_some((report.ntp, timestamp))
    }

    /// The report block for the next receiver report (RFC 3550 §6.4.1); starts a new interval. `None` before the first
    /// packet.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let s = self.reception.as_mut()?.summarise();
        let (last_sr, delay) =
            self.report.map_or((0, 0), |r| (r.ntp.middle(), to_compact_ntp(now.saturating_duration_since(r.arrived))));
        Some(ReportBlock {
            ssrc: self.config.ssrc,
            fraction_lost: s.fraction_lost,
            cumulative_lost: s.cumulative_lost,
            highest_seq: s.highest_seq,
            jitter: s.jitter,
            last_sr,
            delay_since_last_sr: delay,
        })
    }

    /// Which packets to ask for again now. Writes at most `lost.len()` numbers, ascending.
    pub fn poll_nack(&mut self, now: Instant, rtt: Duration, lost: &mut [u16]) -> NackPoll {
        let Some(nack) = &mut self.nack else { return NackPoll::default() };
        let lost = nack.poll(now, rtt, lost);
        self.stats.asked += lost as u64;
        self.stats.given_up = nack.given_up();
        let keyframe_needed = nack.take_keyframe_needed() && self.config.codec.kind() == TrackKind::Video;
        NackPoll { lost, keyframe_needed }
    }

    /// When [`poll_nack`](Self::poll_nack) has something to do next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.nack.as_ref()?.next_timeout()
    }

    /// What this layer costs a subscriber: payloads of the last two seconds plus [`WIRE_OVERHEAD_BYTES`] each. Zero when
    /// nothing came for [`SILENT_AFTER`]: the publisher stopped sending the layer (or shows a still screen).
    pub fn bitrate(&mut self, now: Instant) -> Bitrate {
        match self.arrived {
            Some(at) if now.saturating_duration_since(at) < SILENT_AFTER => self.rate.rate(now),
            _ => Bitrate::ZERO,
        }
    }

    /// What the keyframes of this layer alone cost, on the scale of [`bitrate`](Self::bitrate); zero before the first, and
    /// for sound.
    #[must_use]
    pub fn keyframe_bitrate(&self, now: Instant) -> Bitrate {
        self.keyframes.rate(now)
    }

    /// The picture size, as last told by a keyframe.
    #[must_use]
    pub const fn resolution(&self) -> Option<Resolution> {
        self.resolution
    }

    /// The highest sequence number so far.
    #[must_use]
    pub const fn highest_seq(&self) -> Option<ExtSeq> {
        self.window.highest()
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> StreamStats {
        self.stats
    }

    fn audio_level(&self, packet: &RtpView<'_>) -> Option<AudioLevel> {
        self.config.audio_level_id.and_then(|id| packet.extension(id)).and_then(AudioLevel::from_extension)
    }

    fn take<'a>(&mut self, now: Instant, p: &Parts<'a>) -> Result<SourcePacket<'a>, DropReason> {
        if p.payload.len() > PAYLOAD_LEN_MAX {
            return Err(DropReason::TooLarge);
        }
        let mut shape = PayloadShape::describe(self.config.codec, p.payload).map_err(|_| DropReason::Malformed)?;
        let fresh = self.window.accept(p.seq)?;
        if let PayloadShape::H264(shape) = &mut shape {
            self.parameter_sets.judge(shape, p.timestamp);
        }
        self.timestamp = match fresh.previous_highest {
            None => ExtTimestamp((1 << 32) + u64::from(p.timestamp)),
            Some(_) => self.timestamp.extend(p.timestamp),
        };
        if let Some(nack) = &mut self.nack {
            match fresh.previous_highest {
                Some(highest) if fresh.seq > highest => nack.on_gap(now, ExtSeq(highest.0 + 1), fresh.seq),
                Some(_) => nack.on_late(fresh.seq),
                None => {}
            }
            if shape.is_keyframe_start() {
                nack.on_keyframe(fresh.seq);
            }
        }
        // A better layer that comes back is measured anew, or it would look cheap while the window still holds its silence, and
        // thin lines would rise to it. The lowest has nothing below it, and may be a screen that moves now and then.
        let silent = self.arrived.is_some_and(|at| now.saturating_duration_since(at) >= SILENT_AFTER);
        if silent && self.config.layer > Layer(0) {
            self.rate = RateMeter::default();
        }
        self.arrived = Some(now);
        self.rate.add(now, p.payload.len() + WIRE_OVERHEAD_BYTES);
        if self.config.codec.kind() == TrackKind::Video {
            self.keyframes.add(now, shape.is_keyframe_start(), p.timestamp, p.payload.len() + WIRE_OVERHEAD_BYTES);
        }
        self.resolution = shape.resolution().or(self.resolution);
        self.stats.packets += 1;
        self.stats.payload_bytes += p.payload.len() as u64;
        let meta = PacketMeta {
            codec: self.config.codec,
            layer: self.config.layer,
            seq: fresh.seq,
            timestamp: self.timestamp,
            clock_offset: self.report.and_then(|r| r.clock_offset),
            arrival: now,
            marker: p.marker,
            audio_level: p.audio_level,
            shape,
        };
        Ok(SourcePacket { meta, payload: p.payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::vp8_payload;
    use lectern_media::UnixMillis;

    fn stream() -> StreamIngest {
        let config =
            StreamConfig { ssrc: Ssrc(5), codec: Codec::Vp8, layer: Layer(1), nack: true, audio_level_id: None };
        StreamIngest::new(config)
    }

    fn rtp(seq: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut p = vec![0x80, 0xe0];
        p.extend_from_slice(&seq.to_be_bytes());
        p.extend_from_slice(&timestamp.to_be_bytes());
        p.extend_from_slice(&[0, 0, 0, 5]);
        p.extend_from_slice(payload);
        p
    }

    fn receive(s: &mut StreamIngest, now: Instant, seq: u16, timestamp: u32) -> Result<PacketMeta, DropReason> {
        let bytes = rtp(seq, timestamp, &vp8_payload(seq, 0, seq == 65_535, true, 30));
        s.receive(now, &RtpView::parse(&bytes).unwrap()).map(|p| p.meta)
    }

    #[test]
    fn packets_are_extended_described_and_counted() {
        let t0 = Instant::now();
        let mut s = stream();
        let first = receive(&mut s, t0, 65_535, u32::MAX - 10).unwrap();
        let next = receive(&mut s, t0, 0, 2_989).unwrap();
        assert_eq!((next.seq.0 - first.seq.0, next.timestamp.0 - first.timestamp.0), (1, 3_000));
        assert!(first.shape.is_keyframe_start() && !next.shape.is_keyframe_start());
        assert_eq!(receive(&mut s, t0, 0, 2_989).unwrap_err(), DropReason::Duplicate);
        let empty = rtp(1, 0, &[]);
        let padding = s.receive(t0, &RtpView::parse(&empty).unwrap()).unwrap();
        assert!(padding.meta.payload_is_padding(), "handed on, so that the lines close over its number");
        let (cut, large) = (rtp(2, 0, &[0x90]), rtp(3, 0, &[0; PAYLOAD_LEN_MAX + 1]));
        for (bytes, want) in [(cut, DropReason::Malformed), (large, DropReason::TooLarge)] {
            assert_eq!(s.receive(t0, &RtpView::parse(&bytes).unwrap()).unwrap_err(), want);
        }
        assert_eq!(s.stats().packets, 3);
    }

    #[test]
    fn a_better_layer_that_comes_back_does_not_look_cheap() {
        let t0 = Instant::now();
        let at = |ms| t0 + Duration::from_millis(ms);
        for (layer, cheap) in [(0, true), (1, false)] {
            let mut s = StreamIngest::new(StreamConfig { layer: Layer(layer), ..*stream().config() });
            let mut seq = 0;
            let mut send = |s: &mut StreamIngest, from: u64, to: u64| {
                for ms in (from..to).step_by(10) {
                    let bytes = rtp(seq, 90 * ms as u32, &vp8_payload(seq, 0, false, true, 1_178));
                    s.receive(at(ms), &RtpView::parse(&bytes).unwrap()).unwrap();
                    seq += 1;
                }
            };
            send(&mut s, 0, 3_000);
            assert!(s.bitrate(at(3_000)) > Bitrate::kbps(900), "a megabit");
            send(&mut s, 5_000, 5_300);
            assert_eq!(s.bitrate(at(5_300)) < Bitrate::kbps(500), cheap, "layer {layer}: {:?}", s.bitrate(at(5_300)));
        }
    }

    #[test]
    fn once_the_sps_is_repeated_a_keyframe_begins_nowhere_else() {
        let t0 = Instant::now();
        let mut s = StreamIngest::new(StreamConfig { codec: Codec::H264, ..*stream().config() });
        let (sps, idr) = (&[0x67, 66, 0xc0, 31][..], &[0x65, 0x88, 0x84][..]);
        let mut starts = |seq, timestamp, payload: &[u8]| {
            let bytes = rtp(seq, timestamp, payload);
            s.receive(t0, &RtpView::parse(&bytes).unwrap()).unwrap().is_keyframe_start()
        };
        assert!(starts(1, 0, idr), "its SPS may have been lost, or told before");
        assert!(starts(2, 3_000, sps) && starts(3, 3_000, sps) && starts(4, 3_000, idr), "one may be all there is");
        assert!(starts(5, 6_000, sps));
        assert!(!starts(6, 6_000, idr) && !starts(8, 9_000, idr), "a decoder can't begin without");
        assert!(starts(7, 9_000, sps), "it came late");
    }

    #[test]
    fn a_lost_packet_is_asked_for_and_comes_back_by_rtx() {
        let t0 = Instant::now();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut s = stream();
        receive(&mut s, at(0), 10, 0).unwrap();
        receive(&mut s, at(0), 12, 3_000).unwrap();
        let mut lost = [0; 4];
        assert_eq!(s.next_timeout(), Some(at(10)));
        assert_eq!(s.poll_nack(at(10), Duration::from_millis(40), &mut lost).lost, 1);
        assert_eq!(lost[0], 11);
        let payload = [&[0, 11][..], &vp8_payload(3, 0, false, true, 30)].concat();
        let rtx = rtp(900, 1_500, &payload);
        let p = s.receive_rtx(at(50), &RtpView::parse(&rtx).unwrap()).unwrap();
        assert_eq!((p.meta.seq.wire(), p.payload), (11, &payload[2..]));
        assert_eq!(s.next_timeout(), None);
        assert_eq!(s.receive_rtx(at(60), &RtpView::parse(&rtx).unwrap()).unwrap_err(), DropReason::Duplicate);
        let probe = rtp(901, 0, &[]);
        assert_eq!(s.receive_rtx(at(60), &RtpView::parse(&probe).unwrap()).unwrap_err(), DropReason::PaddingOnly);
        assert_eq!(s.report_block(at(100)).unwrap().cumulative_lost, 1, "repaired, but lost on the way all the same");
    }

    #[test]
    fn sender_reports_tie_the_layer_to_the_publishers_clock() {
        let t0 = Instant::now();
        let mut s = stream();
        let wall = NtpTime::from(UnixMillis(1_700_000_000_000));
        let report = SenderInfo { ssrc: Ssrc(5), ntp: wall, rtp_timestamp: 9_000, packets: 1, bytes: 1 };
        assert_eq!(s.on_sender_report(t0, &report), None, "nothing to relate it to yet");
        receive(&mut s, t0, 1, 0).unwrap();
        let (ntp, timestamp) = s.on_sender_report(t0, &report).unwrap();
        assert_eq!((ntp, timestamp.wire()), (wall, 9_000));
        let meta = receive(&mut s, t0, 2, 18_000).unwrap();
        let ticks = meta.timestamp.0 as i64 + meta.clock_offset.unwrap();
        assert_eq!(ticks - wall.ticks(Codec::Vp8.clock_rate()), 9_000, "a tenth of a second after the report");
        let block = s.report_block(t0 + Duration::from_millis(500)).unwrap();
        assert_eq!((block.last_sr, block.delay_since_last_sr), (wall.middle(), 32_768));
    }
}
