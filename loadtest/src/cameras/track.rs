//! One track of a camera's stream, picture or sound: its place in time, its RTP numbers, its receivers. No clock of its
//! own; sockets only through a receiver's channel.

use super::{
    ledger::About,
    picture::Pictures,
    rtp::{Head, Packets},
    rtsp::Transport,
    sound::Sound,
};
use bytes::Bytes;
use std::{collections::VecDeque, net::SocketAddr, rc::Rc, time::Duration};
use tokio::sync::mpsc;

/// RTP clock of pictures (RFC 6184 §5.1, RFC 7798 §4.1).
pub const VIDEO_RATE_HZ: u32 = 90_000;
/// UDP packets of a track that may wait to be sent; a picture has a hundred or two.
pub const UDP_WAITING_MAX: usize = 4096;

/// What a track sends.
pub enum Source {
    /// Pictures.
    Video(Box<Pictures>),
    /// Sound.
    Sound(Rc<Sound>),
}

/// Who gets it.
pub struct Receiver {
    /// Of which connection.
    pub connection: u64,
    /// How.
    pub transport: Transport,
    /// The connection's way out.
    pub out: mpsc::Sender<Bytes>,
    /// Nothing is sent before the next keyframe.
    pub awaits_key: bool,
    /// Has had a sender report.
    pub reported: bool,
}

/// A track.
pub struct Track {
    /// Whose it is.
    pub about: About,
    /// What it sends.
    pub source: Source,
    /// Ticks of its clock in a second.
    pub rate_hz: u32,
    /// Ticks between access units.
    pub step: u64,
    /// When its clock was 0, since the start.
    pub phase: Duration,
    /// Ticks from when a picture is taken to when it is sent: those that are shown before it may have to follow it.
    pub lag: u64,
    /// Its clock at the next access unit.
    pub ticks: u64,
    /// Number of the next access unit, as they are sent.
    pub frame: u64,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Next sequence number.
    pub seq: u16,
    /// RTP time stamp at 0.
    pub base: u32,
    /// RTP packets sent since the numbers were drawn.
    pub packets: u32,
    /// Bytes of payload in them.
    pub octets: u32,
    /// Who gets it.
    pub receivers: Vec<Receiver>,
    /// Whether the pacer will come to it.
    pub scheduled: bool,
    /// UDP packets that wait for their millisecond.
    pub udp: VecDeque<(SocketAddr, Bytes)>,
    /// Packets of the present burst of loss that are still to be dropped, and which burst it is.
    pub burst: (u32, u64),
}

impl Track {
    /// When the next access unit is due, since the start.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.phase + Duration::from_nanos((u128::from(self.ticks) * 1_000_000_000 / u128::from(self.rate_hz)) as u64)
    }

    /// The RTP time stamp of a moment, if the camera's clock is ahead by so many microseconds.
    #[must_use]
    pub fn timestamp(&self, at: Duration, ahead_us: i64) -> u32 {
        let us = at.saturating_sub(self.phase).as_micros() as i128 + i128::from(ahead_us);
        self.base.wrapping_add((us * i128::from(self.rate_hz) / 1_000_000) as u32)
    }

    /// The RTP time stamp of the next access unit, unless others are shown before or after it against the order in which
    /// they are sent.
    #[must_use]
    pub fn next_timestamp(&self, ahead_us: i64) -> u32 {
        let ahead = i128::from(ahead_us) * i128::from(self.rate_hz) / 1_000_000;
        self.base.wrapping_add((i128::from(self.ticks) - i128::from(self.lag) + ahead) as u32)
    }

    /// Goes on at `at` after a time in which nobody looked, or in which the process was stopped: with the first access
    /// unit not before it.
    pub fn resume(&mut self, at: Duration) {
        let ticks = at.saturating_sub(self.phase).as_nanos() * u128::from(self.rate_hz) / 1_000_000_000;
        self.ticks = (ticks as u64).div_ceil(self.step).max(self.ticks.div_ceil(self.step)) * self.step;
        self.frame = self.frame.max(self.ticks / self.step);
        if let Source::Video(pictures) = &mut self.source {
            pictures.begin_again();
        }
    }

    /// Draws new numbers, as a camera does for a new session.
    pub fn draw_numbers(&mut self, rng: &mut impl rand::Rng) {
        (self.ssrc, self.seq, self.base) = (rng.random(), rng.random(), rng.random());
        (self.packets, self.octets) = (0, 0);
    }

    /// Header fields of the next access unit.
    #[must_use]
    pub fn head(&self, payload_type: u8, ahead_us: i64) -> Head {
        let order = (self.order() * self.step as i64) as u32;
        Head { payload_type, timestamp: self.next_timestamp(ahead_us).wrapping_add(order), ssrc: self.ssrc }
    }

    /// How many places later than it is sent the next access unit is shown, among those of the track; negative: earlier.
    #[must_use]
    pub fn order(&self) -> i64 {
        match &self.source {
            Source::Video(pictures) => pictures.order(),
            Source::Sound(_) => 0,
        }
    }

    /// Microseconds from when the next access unit is taken to when it is sent.
    #[must_use]
    pub fn age_us(&self) -> u64 {
        let ticks = self.lag as i64 - self.order() * self.step as i64;
        ticks.max(0) as u64 * 1_000_000 / u64::from(self.rate_hz)
    }

    /// Whether the next access unit has to be left out: it would be shown before what was sent already.
    #[must_use]
    pub fn has_to_wait(&self) -> bool {
        matches!(&self.source, Source::Video(pictures) if pictures.has_to_wait(self.frame))
    }
}

/// Hands the packets marked in `keep` to the receivers, or puts them into the queue `udp`; tells how many got them and how
/// many were too slow. `key`: decoding can begin here; `chained`: and nowhere else.
pub fn deliver(
    receivers: &mut [Receiver],
    udp: &mut VecDeque<(SocketAddr, Bytes)>,
    packets: Packets,
    keep: &[bool],
    key: bool,
    chained: bool,
) -> (usize, usize) {
    let whole = keep.iter().all(|k| *k);
    let ranges: Vec<_> = packets.ranges().zip(keep).filter(|(_, keep)| **keep).map(|(r, _)| r).collect();
    let channel = packets.bytes.get(1).copied();
    let shared = Bytes::from(packets.bytes);
    let (mut to, mut late) = (0, 0);
    for receiver in receivers {
        if receiver.awaits_key && !key {
            continue;
        }
        receiver.awaits_key = false;
        let taken = match receiver.transport {
            Transport::Tcp { rtp, .. } => {
                let bytes = if whole && channel == Some(rtp) {
                    shared.clone()
                } else {
                    let mut own = Vec::with_capacity(shared.len());
                    for range in &ranges {
                        own.extend_from_slice(&[b'$', rtp]);
                        own.extend_from_slice(&shared[range.start + 2..range.end]);
                    }
                    own.into()
                };
                receiver.out.try_send(bytes).is_ok()
            }
            Transport::Udp { rtp, .. } => {
                let room = udp.len() + ranges.len() <= UDP_WAITING_MAX;
                if room {
                    udp.extend(ranges.iter().map(|r| (rtp, shared.slice(r.start + 4..r.end))));
                }
                room
            }
        };
        if taken {
            to += 1;
        } else {
            late += 1;
            receiver.awaits_key = chained;
        }
    }
    (to, late)
}
