//! One subscriber's transport: all its lines, its congestion control and its pacer in one place. **This is the type the
//! shell talks to.**
//!
//! Contract, per shard thread:
//! 1. A publisher's packet came out of [`StreamIngest::receive`](crate::ingest::StreamIngest::receive): push it into the
//!    shard's [`PacketRing`](crate::packet_ring::PacketRing) **first**, then for each subscriber and line that carries its
//!    source call [`Subscriber::forward`] with the place of the next segment in the send buffer. [`Forwarded::Written`]
//!    means: seal and send these bytes. [`Forwarded::Queued`] means: the pacer has it; it comes out of
//!    [`Subscriber::poll_transmit`], which finds it in the ring.
//! 2. RTCP from the subscriber goes to [`Subscriber::on_rtcp`].
//! 3. At [`Subscriber::next_timeout`] call [`Subscriber::poll_transmit`] until it returns `None`; every 100 ms (and after
//!    changing sources or wishes) [`Subscriber::tick`], which may move layers and names layers that need a keyframe.
//! 4. About once a second [`Subscriber::sender_reports`].

mod probing;
mod report;
mod trial;

use crate::{
    allocate::{Demand, Offers, Priority, allocate},
    bwe::{Estimator, EstimatorConfig},
    downtrack::{As, Downtrack, LineConfig, LineStats, Stamp},
    drop::DropReason,
    pacer::{Pacer, QUEUE_MAX, Waiting},
    packet::{PacketSource, SourceId, SourcePacket},
    selector::Target,
    twcc::SendLog,
};
use lectern_media::{Bitrate, DataSize, Layer, Ssrc, TrackKind};
use probing::Probing;
use report::REPAIR_MIN_BYTES_PER_SEC;
pub use report::Reports;
use std::time::{Duration, Instant};
use trial::Trials;

/// The place of a line in its subscriber: the order of [`Subscriber::add_line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u16);

/// The most lines of one subscriber.
///
/// A wall has 64 pictures and a sound or two, with a few to spare.
pub const LINES_MAX: usize = 72;

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
    /// The estimate before anything is known. Default 600 kbit/s.
    pub bitrate_start: Bitrate,
    /// The estimate never goes below. Default 60 kbit/s.
    pub bitrate_min: Bitrate,
    /// The estimate never goes above. Default 8 Mbit/s.
    pub bitrate_max: Bitrate,
    /// How fast what waits in the pacer is to leave while the line was not found full lately: many pictures that begin at
    /// once come from the server, not from encoders, and shall not wait for the estimate to grow. `None` (the default): at
    /// the pace of the estimate.
    pub hurry: Option<Duration>,
    /// Packets that may wait in the pacer. Default 1,024, 12 bytes each.
    pub queue_max: usize,
    /// Packets in flight that are remembered for feedback. Default 2,048, 8 bytes each.
    pub send_log: usize,
    /// Bytes that go on the wire per packet besides the clear-text RTP: SRTP tag 16, UDP 8, IP 20 (or 40). Default 44.
    pub overhead_bytes: usize,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            bitrate_start: Bitrate::kbps(600),
            bitrate_min: Bitrate::kbps(60),
            bitrate_max: Bitrate::kbps(8_000),
            hurry: None,
            queue_max: QUEUE_MAX,
            send_log: SEND_LOG,
            overhead_bytes: 44,
        }
    }
}

impl SubscriberConfig {
    /// From this many pictures on, a subscriber is a wall. A class's page has fewer.
    pub const WALL_FROM: usize = 24;

    /// What fits a subscriber with so many pictures: the defaults, or those of a wall. A wall begins with what its pictures
    /// take at their smallest (walls hang in local networks; where one does not, the first feedback tells), and fills all
    /// its tiles within half a second.
    #[must_use]
    pub fn for_pictures(pictures: usize) -> Self {
        if pictures < Self::WALL_FROM {
            return Self::default();
        }
        let each = |kbps| Bitrate::kbps(kbps * pictures as u64);
        Self {
            bitrate_start: each(600),
            bitrate_max: each(2_000),
            hurry: Some(Duration::from_millis(300)),
            // A keyframe of 60 kB and a second of what follows for each.
            queue_max: 128 * pictures,
            send_log: 8_192,
            ..Self::default()
        }
    }
}

/// What a line should carry and how much the viewer cares. Lines of sound need none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The height of the tile in device pixels; 0 means hidden, and nothing is sent.
    pub tile_height: u16,
    /// How much the viewer cares.
    pub priority: Priority,
    /// A still now and then is enough: keyframes alone, from sources that offer them.
    pub thumbnail: bool,
}

/// What a subscriber asks for that the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A decoder of the subscriber needs a keyframe of this layer: pass it to the layer's
    /// [`KeyframeRequests`](crate::keyframe::KeyframeRequests).
    Keyframe(SourceId, Layer),
}

/// What a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// This layer.
    Layer(Layer),
    /// Nothing yet: it waits for a keyframe of this layer, or a lower one.
    Waiting {
        /// The layer it is meant to carry.
        layer: Layer,
        /// Since when.
        since: Option<Instant>,
    },
    /// Nothing: the subscriber's line is too thin.
    Paused,
    /// Nothing: it has no source, or is hidden.
    Nothing,
}

/// How well a subscriber is served; for the page and for metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// What its line is believed to carry.
    pub estimate: Bitrate,
    /// The smoothed round-trip time; 100 ms before the first measurement.
    pub rtt: Duration,
    /// The fraction lost over the last second.
    pub loss: f64,
    /// The queue that stands before it.
    pub standing_queue: Duration,
    /// How long packets wait in the pacer.
    pub pacer_delay: Duration,
}

/// Packets in flight that are remembered for feedback: two seconds at 1,000 packets a second, 16 KiB when grown so far.
const SEND_LOG: usize = 2_048;
/// The round-trip time assumed before one was measured.
const RTT_DEFAULT: Duration = Duration::from_millis(100);
/// After the line was found full nothing hurries for this long.
const HURRY_PAUSE: Duration = Duration::from_secs(20);
/// What is left of the estimate for pictures after sound: the rest is for repairs and reports.
const MEDIA_SHARE: f64 = 0.95;
/// What a voice costs: 32 kbit/s in 50 packets a second, with their headers.
const AUDIO_COST: Bitrate = Bitrate::kbps(60);
/// The largest packet that is written: what the pacer and the shell's buffers are made for.
pub const PACKET_LEN_MAX: usize = 1_500;

#[derive(Debug)]
struct Line {
    track: Downtrack,
    wish: Wish,
    /// NTP (middle bits) of the last sender report and when it was sent, for the round trip.
    report: Option<(u32, Instant)>,
}

/// One subscriber.
#[derive(Debug)]
pub struct Subscriber {
    config: SubscriberConfig,
    epoch: Instant,
    lines: Vec<Line>,
    sent: SendLog,
    bwe: Estimator,
    pacer: Pacer,
    rtt: Option<Duration>,
    repair_bytes: f64,
    repair_at: Instant,
    /// The line with which the next sender reports begin.
    report_from: usize,
    trials: Trials,
    probe: Option<Probing>,
    demands: Vec<Demand>,
    targets: Vec<Target>,
    refusals: [u64; DropReason::ALL.len()],
    /// What the present allocation costs.
    spent: Bitrate,
    /// The pace at which what waits leaves, if it hurries.
    hurried: Bitrate,
}

impl Subscriber {
    /// A subscriber without lines. `now` starts its clocks.
    #[must_use]
    pub fn new(now: Instant, config: SubscriberConfig) -> Self {
        let limits = EstimatorConfig { start: config.bitrate_start, min: config.bitrate_min, max: config.bitrate_max };
        let mut sub = Self {
            bwe: Estimator::new(now, limits),
            pacer: Pacer::with_room(now, config.bitrate_start, config.queue_max),
            config,
            epoch: now,
            lines: Vec::new(),
            sent: SendLog::new(config.send_log),
            rtt: None,
            repair_bytes: REPAIR_MIN_BYTES_PER_SEC,
            repair_at: now,
            report_from: 0,
            trials: Trials::default(),
            probe: None,
            demands: Vec::new(),
            targets: Vec::new(),
            refusals: [0; DropReason::ALL.len()],
            spent: Bitrate::ZERO,
            hurried: Bitrate::ZERO,
        };
        sub.set_pacing(now);
        sub
    }

    /// Adds a line, at most [`LINES_MAX`]; `None` beyond. Lines of sound are served at once, pictures from the first
    /// [`set_wish`](Self::set_wish) on.
    pub fn add_line(&mut self, config: &LineConfig) -> Option<LineId> {
        let now = self.epoch;
        if self.lines.len() >= LINES_MAX {
            return None;
        }
        let mut track = Downtrack::new(now, config);
        if config.kind == TrackKind::Audio {
            track.set_target(now, Target::Layer(Layer(0)), false);
        }
        let wish = Wish { tile_height: 0, priority: Priority::Rest, thumbnail: false };
        self.lines.push(Line { track, wish, report: None });
        let id = LineId(self.lines.len() as u16 - 1);
        let hidden = Demand {
            priority: Priority::Rest,
            tile_height: 0,
            offers: Offers::default(),
            previous: Target::Hidden,
            may_rise: true,
            insist: false,
            thumbnail: false,
        };
        self.demands.push(hidden);
        self.targets.push(Target::Hidden);
        Some(id)
    }

    /// Changes what a line carries; `None` empties it. The picture continues at the source's next keyframe (replay
    /// [`since_keyframe`](crate::packet_ring::PacketRing::since_keyframe) through [`forward`](Self::forward) to begin at
    /// once), sound with the next packet.
    pub fn set_source(&mut self, now: Instant, line: LineId, source: Option<SourceId>) {
        if let Some(l) = self.lines.get_mut(usize::from(line.0)).filter(|l| l.track.source() != source) {
            l.track.set_source(now, source);
            self.pacer.forget(line.0);
        }
    }

    /// How long a line keeps a layer that is higher than the viewer wishes, while it waits for a keyframe of the lower; see
    /// [`Selector::set_grace`](crate::selector::Selector::set_grace).
    pub fn set_grace(&mut self, line: LineId, grace: Duration) {
        if let Some(l) = self.lines.get_mut(usize::from(line.0)) {
            l.track.set_grace(grace);
        }
    }

    /// What a line carries.
    #[must_use]
    pub fn source(&self, line: LineId) -> Option<SourceId> {
        self.line(line)?.track.source()
    }

    /// Changes how large and how important a line is to the viewer; takes effect at the next [`tick`](Self::tick).
    pub fn set_wish(&mut self, line: LineId, wish: Wish) {
        if let Some(l) = self.lines.get_mut(usize::from(line.0)) {
            l.wish = wish;
        }
    }

    /// Offers one packet to one line and writes what goes out into `out`. `pad` bytes of RTP padding are added, so that the
    /// packets of a frame have one size ([`crate::gso`]); 0 for none.
    ///
    /// # Errors
    /// The reason why nothing goes out.
    #[inline]
    pub fn forward(
        &mut self,
        now: Instant,
        line: LineId,
        packet: &SourcePacket<'_>,
        pad: u8,
        out: &mut [u8],
    ) -> Result<Forwarded, DropReason> {
        let l = self.lines.get_mut(usize::from(line.0)).ok_or(DropReason::NotSubscribed)?;
        let accepted = l.track.accept(now, packet)?;
        let size = l.track.wire_len_bytes(packet.payload.len()) + self.config.overhead_bytes;
        if l.track.kind() == TrackKind::Video {
            if accepted.afresh {
                self.pacer.forget(line.0);
            }
            if !self.pacer.passes(now) {
                let seq = accepted.numbers.seq as u32;
                let waiting = Waiting { seq, line: line.0, size_bytes: size as u16, again: false };
                return match self.pacer.push(waiting) {
                    Ok(()) => Ok(Forwarded::Queued),
                    Err(_) => {
                        // The line is hopelessly behind: drop through to the next keyframe.
                        self.pacer.forget(line.0);
                        l.track.restart(now);
                        l.track.forget_sent();
                        Err(DropReason::PacerFull)
                    }
                };
            }
        }
        let stamp = stamp(&mut self.sent, self.epoch, now, l.track.has_twcc(), size);
        let len = l.track.write(&accepted.numbers, packet, As::Media(pad), stamp, out)?;
        self.on_sent(now, len);
        Ok(Forwarded::Written(len))
    }

    /// The next packet that waits for its time: repairs, paced packets, probes. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant, packets: &impl PacketSource, out: &mut [u8]) -> Option<usize> {
        while let Some(w) = self.pacer.pop(now) {
            if let Some(len) = self.transmit(now, w, packets, out) {
                return Some(len);
            }
        }
        self.transmit_probe(now, packets, out)
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) next, if anything waits.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let probe = self.probe.map(|p| p.next_at());
        [self.pacer.next_timeout(), probe].into_iter().flatten().min()
    }

    /// Every 100 ms: allocates layers anew. `offers` tells what a source offers now; `ask` receives the layers that need a
    /// keyframe.
    pub fn tick(&mut self, now: Instant, offers: impl Fn(SourceId) -> Offers, mut ask: impl FnMut(Ask)) {
        let (mut audio, mut audible) = (Bitrate::ZERO, false);
        for (l, d) in self.lines.iter().zip(&mut self.demands) {
            let offered = l.track.source().map(&offers);
            if l.track.kind() == TrackKind::Audio {
                audio += offered.map_or(Bitrate::ZERO, |o| o[0].bitrate);
                audible |= offered.is_some();
                d.tile_height = 0;
                continue;
            }
            *d = Demand {
                priority: l.wish.priority,
                tile_height: if offered.is_some() { l.wish.tile_height } else { 0 },
                offers: offered.unwrap_or_default(),
                previous: l.track.selector().target(),
                may_rise: l.track.selector().may_rise(now),
                insist: false,
                thumbnail: l.wish.thumbnail,
            };
        }
        // Silence may end at any moment: room for one voice is always kept.
        let audio = if audible { audio.max(AUDIO_COST) } else { audio };
        let budget = self.bwe.estimate().scale(MEDIA_SHARE).saturating_sub(audio);
        let proven = self.bwe.is_proven();
        if let Some(line) = self.trials.line(now, &self.bwe, &self.demands) {
            self.demands[line].insist = true;
        }
        let mut outcome = allocate(budget, proven, &self.demands, &mut self.targets);
        let allocated = (&self.demands[..], &self.targets[..], &outcome);
        if let Some(line) = self.trials.begin(now, &self.bwe, allocated, audio) {
            self.demands[line].insist = true;
            outcome = allocate(budget, proven, &self.demands, &mut self.targets);
        }
        self.spent = outcome.spent + audio;
        self.set_pacing(now);
        self.bwe.set_wanted(outcome.wanted.map(|w| (w + audio).scale(1.0 / MEDIA_SHARE)));
        // A step down is the line's doing if it was found full just now, and not the viewer's wish or a dearer picture.
        let forced = self.bwe.congested_within(now, Duration::from_millis(400));
        for (l, target) in self.lines.iter_mut().zip(&self.targets) {
            if l.track.kind() == TrackKind::Audio {
                continue;
            }
            l.track.set_target(now, *target, forced);
            if let Some((source, layer)) = l.track.source().zip(l.track.selector().keyframe_wanted()) {
                ask(Ask::Keyframe(source, layer));
            }
        }
        self.begin_probe(now);
    }

    /// The layer a line carries now; `None` while it carries nothing.
    #[must_use]
    pub fn layer(&self, line: LineId) -> Option<Layer> {
        self.line(line)?.track.layer()
    }

    /// The layer a line is meant to carry; `None` while hidden or paused.
    #[must_use]
    pub fn target(&self, line: LineId) -> Option<Layer> {
        self.line(line)?.track.selector().target().layer()
    }

    /// Whether a line waits for a keyframe of a layer, to begin or to change over.
    #[must_use]
    pub fn awaits_keyframe(&self, line: LineId) -> bool {
        self.line(line).is_some_and(|l| l.track.selector().keyframe_wanted().is_some())
    }

    /// Whether a line carries keyframes alone, or is meant to.
    #[must_use]
    pub fn is_thinned(&self, line: LineId) -> bool {
        let selector = |l: &Line| l.track.selector().is_thinned() || l.track.selector().target().is_keyframes();
        self.line(line).is_some_and(selector)
    }

    /// Whether a line is meant to carry keyframes alone. One that is not may still, until the next keyframe.
    #[must_use]
    pub fn is_meant_thin(&self, line: LineId) -> bool {
        self.line(line).is_some_and(|l| l.track.selector().target().is_keyframes())
    }

    /// Whether a line is paused because the subscriber's line is too thin.
    #[must_use]
    pub fn is_paused(&self, line: LineId) -> bool {
        self.line(line).is_some_and(|l| l.track.selector().target() == Target::Paused)
    }

    /// What a line shows, and if nothing, why.
    #[must_use]
    pub fn showing(&self, line: LineId) -> Showing {
        let Some(l) = self.line(line).filter(|l| l.track.source().is_some()) else { return Showing::Nothing };
        let selector = l.track.selector();
        match (selector.target(), selector.current()) {
            (Target::Hidden, _) => Showing::Nothing,
            (Target::Paused, _) => Showing::Paused,
            (_, Some(layer)) => Showing::Layer(layer),
            (Target::Layer(layer) | Target::Keyframes(layer), None) => {
                Showing::Waiting { layer, since: selector.waiting_since() }
            }
        }
    }

    /// The present estimate of what the subscriber's line carries.
    #[must_use]
    pub fn estimate(&self) -> Bitrate {
        self.bwe.estimate()
    }

    /// The smoothed round-trip time; 100 ms before the first report.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(RTT_DEFAULT)
    }

    /// How well the subscriber is served.
    #[must_use]
    pub fn quality(&self) -> Quality {
        Quality {
            estimate: self.bwe.estimate(),
            rtt: self.rtt(),
            loss: self.bwe.loss(),
            standing_queue: self.bwe.standing_queue(),
            pacer_delay: self.pacer.delay(),
        }
    }

    /// The counters of a line.
    #[must_use]
    pub fn stats(&self, line: LineId) -> LineStats {
        self.line(line).map_or_else(LineStats::default, |l| l.track.stats())
    }

    /// Refusals that no call returned (repairs not made), by [`DropReason::index`].
    #[must_use]
    pub const fn refusals(&self) -> &[u64; DropReason::ALL.len()] {
        &self.refusals
    }

    /// The memory held, in bytes, this struct included.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let lines: usize = self.lines.iter().map(|l| size_of::<Line>() + l.track.memory_bytes()).sum();
        size_of::<Self>() + lines + self.sent.memory_bytes() + self.pacer.memory_bytes()
    }

    fn line(&self, line: LineId) -> Option<&Line> {
        self.lines.get(usize::from(line.0))
    }

    fn line_of(&self, ssrc: Ssrc) -> Option<usize> {
        self.lines.iter().position(|l| l.track.ssrc() == ssrc)
    }

    fn refuse(&mut self, reason: DropReason) {
        self.refusals[reason.index()] += 1;
    }

    /// Counts a packet of `len` bytes against pacer and probe, and tells the estimator of it.
    #[inline]
    fn on_sent(&mut self, now: Instant, len: usize) {
        let size = len + self.config.overhead_bytes;
        self.pacer.on_sent(now, size);
        self.bwe.on_sent(now);
        if let Some(p) = &mut self.probe {
            p.sent_bytes += size as u64;
        }
    }

    fn set_pacing(&mut self, now: Instant) {
        let (rate, burst) = self.bwe.pacing(now);
        // A picture that was chosen against all assumptions, for want of a smaller one, must be able to leave.
        let needed = match self.bwe.is_proven() {
            false => self.spent.scale(1.5),
            true if self.trials.is_running() => self.spent.scale(1.25),
            true => Bitrate::ZERO,
        };
        let hurry = self.config.hurry.filter(|_| !self.bwe.congested_within(now, HURRY_PAUSE));
        // Once begun it goes on until nothing waits: what is left shall not take longer than what has left.
        self.hurried = match (hurry, self.pacer.waiting_size()) {
            (Some(time), waiting) if waiting > DataSize::ZERO => {
                self.hurried.max(waiting / time).min(self.config.bitrate_max)
            }
            _ => Bitrate::ZERO,
        };
        self.pacer.set_rate(now, rate.max(needed).max(self.hurried), burst);
    }

    /// Writes a packet that waited; `None` if it is gone.
    fn transmit(&mut self, now: Instant, w: Waiting, packets: &impl PacketSource, out: &mut [u8]) -> Option<usize> {
        let track = &mut self.lines.get_mut(usize::from(w.line))?.track;
        let Some((noted, packet)) = track.find(w.seq, packets) else {
            self.refuse(DropReason::NotInHistory);
            return None;
        };
        let how = if w.again { As::Repair } else { As::Media(0) };
        // A repair was queued before its size was known.
        let size = track.wire_len_bytes(packet.payload.len()) + 2 * usize::from(w.again) + self.config.overhead_bytes;
        let stamp = stamp(&mut self.sent, self.epoch, now, track.has_twcc(), size);
        let len = match track.write(&noted.numbers, &packet, how, stamp, out) {
            Ok(len) => len,
            Err(reason) => {
                self.refuse(reason);
                return None;
            }
        };
        self.on_sent(now, len);
        Some(len)
    }
}

/// Takes a transport-wide number for a packet of about `size` bytes, and reads off the send time.
#[inline]
fn stamp(sent: &mut SendLog, epoch: Instant, now: Instant, twcc: bool, size: usize) -> Stamp {
    let elapsed = now.saturating_duration_since(epoch);
    // 6.18 fixed point seconds, 24 bits (abs-send-time).
    let fraction = (u64::from(elapsed.subsec_nanos()) << 18) / 1_000_000_000;
    let abs = ((elapsed.as_secs() << 18) | fraction) as u32 & 0xff_ffff;
    Stamp { twcc: if twcc { sent.on_sent(now, size) } else { 0 }, abs_send_time: abs }
}

#[cfg(test)]
mod tests;
