//! Figures of one stream over the last seconds: bit rate, pictures a second, keyframe interval, length of a picture.

use crate::reorder::Packet;
use lectern_media::{Bitrate, ClockRate, DataSize, ExtTimestamp, UnixMillis};
use std::time::{Duration, Instant};

/// Over how long rates are taken.
const WINDOW: Duration = Duration::from_secs(2);

/// A picture's or packet's length is believed within these bounds.
const UNIT: std::ops::RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_millis(500);

/// So many pictures that are shown before one that came before them are B-frames; fewer are a clock that was set.
const BACK_STEPS_MIN: u32 = 3;

/// Counts pictures that are shown before one that came before them.
#[derive(Debug, Default)]
pub(crate) struct BackSteps {
    last: Option<ExtTimestamp>,
    steps: u32,
}

impl BackSteps {
    /// Takes a picture; each once.
    pub(crate) fn picture(&mut self, timestamp: ExtTimestamp) {
        self.steps += u32::from(self.last.is_some_and(|last| timestamp < last));
        self.last = Some(timestamp);
    }

    pub(crate) fn are_b_frames(&self) -> bool {
        self.steps >= BACK_STEPS_MIN
    }
}

#[derive(Debug)]
pub(crate) struct Meter {
    clock: ClockRate,
    since: Option<Instant>,
    bytes: u64,
    units: u32,
    order: BackSteps,
    timestamp: Option<ExtTimestamp>,
    keyframe: Option<ExtTimestamp>,
    unit: Duration,
    pub(crate) packets: u64,
    pub(crate) bitrate: Bitrate,
    pub(crate) fps: f32,
    /// The camera sent B-frames in the last window.
    pub(crate) b_frames: bool,
    pub(crate) keyframe_interval: Option<Duration>,
    pub(crate) last_packet: Option<UnixMillis>,
}

impl Meter {
    pub(crate) fn new(clock: ClockRate) -> Self {
        Self {
            clock,
            since: None,
            bytes: 0,
            units: 0,
            order: BackSteps::default(),
            timestamp: None,
            keyframe: None,
            unit: Duration::from_millis(40),
            packets: 0,
            bitrate: Bitrate::ZERO,
            fps: 0.0,
            b_frames: false,
            keyframe_interval: None,
            last_packet: None,
        }
    }

    /// Takes a packet of the stream, in order.
    pub(crate) fn packet(&mut self, packet: &Packet, keyframe: bool) {
        self.tick(packet.arrival.at);
        self.since.get_or_insert(packet.arrival.at);
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.last_packet = Some(packet.arrival.wall);
        if self.timestamp != Some(packet.timestamp) {
            self.units += 1;
            let step = self.timestamp.map(|before| self.clock.duration(packet.timestamp.0.saturating_sub(before.0)));
            self.order.picture(packet.timestamp);
            // With B-frames steps are of several pictures, or back.
            if let Some(step) = step.filter(|s| UNIT.contains(s) && !self.b_frames) {
                self.unit = step;
            }
            self.timestamp = Some(packet.timestamp);
        }
        if keyframe {
            let before = self.keyframe.replace(packet.timestamp);
            let interval = before.map(|b| self.clock.duration(packet.timestamp.0.saturating_sub(b.0)));
            self.keyframe_interval = interval.filter(|i| !i.is_zero()).or(self.keyframe_interval);
        }
    }

    /// Closes a window whose time is over. Call now and then, so that a silent stream shows zero.
    pub(crate) fn tick(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let passed = now.saturating_duration_since(since);
        if passed >= WINDOW {
            self.bitrate = DataSize::bytes(self.bytes) / passed;
            self.fps = (f64::from(self.units) / passed.as_secs_f64()) as f32;
            if self.units > 0 {
                self.b_frames = self.order.are_b_frames();
            }
            if self.b_frames && self.fps > 0.0 {
                self.unit = Duration::from_secs_f32(1.0 / self.fps).clamp(*UNIT.start(), *UNIT.end());
            }
            self.order.steps = 0;
            (self.since, self.bytes, self.units) = (Some(now), 0, 0);
        }
    }

    /// How long a picture or a packet of sound lasts.
    pub(crate) fn unit(&self) -> Duration {
        self.unit
    }

    /// The numbering begins anew; counts and rates go on.
    pub(crate) fn restart(&mut self) {
        self.timestamp = None;
        self.keyframe = None;
        self.order.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reorder::Stamp;
    use bytes::Bytes;
    use lectern_media::ExtSeq;

    #[test]
    fn figures_are_those_of_the_stream() {
        let (mut meter, start) = (Meter::new(ClockRate::VIDEO), Instant::now());
        for n in 0..200u64 {
            let at = start + Duration::from_millis(n / 2 * 40);
            let packet = Packet {
                seq: ExtSeq(n),
                timestamp: ExtTimestamp(n / 2 * 3_600),
                marker: n % 2 == 1,
                payload: Bytes::from_static(&[0; 1_000]),
                arrival: Stamp { wall: UnixMillis(n as i64), at },
            };
            meter.packet(&packet, n % 50 == 0);
        }
        assert!((24.0..26.0).contains(&meter.fps), "{}", meter.fps);
        assert!((390_000..410_000).contains(&meter.bitrate.as_bps()), "{:?}", meter.bitrate);
        assert_eq!((meter.unit(), meter.keyframe_interval), (Duration::from_millis(40), Some(Duration::from_secs(1))));
        assert!(!meter.b_frames);
        meter.tick(start + Duration::from_secs(60));
        meter.tick(start + Duration::from_secs(70));
        assert_eq!((meter.fps, meter.bitrate), (0.0, Bitrate::ZERO));
    }

    #[test]
    fn b_frames_are_seen_and_a_clock_that_is_set_back_is_none() {
        // (what, timestamps in pictures, whether they are B-frames)
        let cases: [(&str, [u64; 8], bool); 2] =
            [("B-frames", [0, 3, 1, 2, 6, 4, 5, 9], true), ("set back", [20, 21, 22, 23, 4, 5, 6, 7], false)];
        for (what, shown, want) in cases {
            let (mut meter, start) = (Meter::new(ClockRate::VIDEO), Instant::now());
            for n in 0..100u64 {
                let at = start + Duration::from_millis(n * 40);
                let turn = n / 7;
                // A clock is set back once.
                let timestamp =
                    if want { turn * 9 + shown[(n % 7) as usize] } else { n + 100 - 20 * u64::from(n > 30) };
                let packet = Packet {
                    seq: ExtSeq(n),
                    timestamp: ExtTimestamp(timestamp * 3_600),
                    marker: true,
                    payload: Bytes::from_static(&[0; 10]),
                    arrival: Stamp { wall: UnixMillis(n as i64), at },
                };
                meter.packet(&packet, false);
            }
            assert_eq!(meter.b_frames, want, "{what}");
            assert!((38..=41).contains(&meter.unit().as_millis()), "{what}: {:?}", meter.unit());
        }
    }
}
