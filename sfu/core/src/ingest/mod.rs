//! What happens to a publisher's packets at the door, per synchronisation source (one simulcast layer or one sound):
//! numbers are extended, duplicates refused, loss and jitter measured, gaps asked for, RTX undone.
//!
//! Not here: decryption (the shell), keeping packets ([`crate::packet_ring`]), who gets them ([`crate::downtrack`]).

use crate::{
    drop::DropReason,
    packet::SourcePacket,
    rtcp::{ReportBlock, SenderInfo},
    time::NtpTime,
};
use lectern_media::{Bitrate, Codec, ExtSeq, ExtTimestamp, Layer, RtpView, Ssrc};
use std::time::{Duration, Instant};

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

/// The ingest of one stream.
#[derive(Debug)]
pub struct StreamIngest {
    config: StreamConfig,
}

impl StreamIngest {
    /// A stream of which nothing has arrived.
    #[must_use]
    pub fn new(config: StreamConfig) -> Self {
        Self { config }
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
        let _ = (now, packet);
        Err(DropReason::Malformed)
    }

    /// Takes one opened packet of this stream's RTX stream and gives back the original (RFC 4588 §4).
    ///
    /// # Errors
    /// As [`receive`](Self::receive); [`DropReason::PaddingOnly`] for RTX packets that carry nothing (probing).
    pub fn receive_rtx<'a>(&mut self, now: Instant, packet: &RtpView<'a>) -> Result<SourcePacket<'a>, DropReason> {
        let _ = (now, packet);
        Err(DropReason::PaddingOnly)
    }

    /// Takes a sender report of this stream and returns the RTP timestamp in it, extended on the base of the packets;
    /// `None` before the first packet.
    pub fn on_sender_report(&mut self, now: Instant, report: &SenderInfo) -> Option<(NtpTime, ExtTimestamp)> {
        let _ = (now, report);
        None
    }

    /// The report block for the next receiver report (RFC 3550 §6.4.1); starts a new interval. `None` before the first
    /// packet.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let _ = now;
        None
    }

    /// Which packets to ask for again now. Writes at most `lost.len()` numbers.
    pub fn poll_nack(&mut self, now: Instant, rtt: Duration, lost: &mut [u16]) -> NackPoll {
        let _ = (now, rtt, lost);
        NackPoll::default()
    }

    /// When [`poll_nack`](Self::poll_nack) has something to do next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// The rate of the last second, RTP payloads only. Zero when the publisher stopped sending this layer.
    pub fn bitrate(&mut self, now: Instant) -> Bitrate {
        let _ = now;
        Bitrate::ZERO
    }

    /// The highest sequence number so far.
    #[must_use]
    pub fn highest_seq(&self) -> Option<ExtSeq> {
        None
    }
}
