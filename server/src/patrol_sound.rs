//! Lets the AAC of cameras be heard: their access units to the worker that makes G.711 of them, what comes back into the room
//! of cameras. Does not belong here: who may hear what (signaling), whether somebody does (the media plane).

use crate::patrol_live::Live;
use bytes::Bytes;
use lectern_ingest::{LivePacket, LiveSound};
use lectern_media::{CameraId, ClockRate, Codec, Layer, TrackSource};
use lectern_sfu::{LocalPacket, LocalPublisher};
use lectern_transcode::{AacFormat, Ear, Line, SoundPacket, Transcoder, Unplayable, WorkerConfig};
use std::{
    ffi::OsString,
    sync::{OnceLock, Weak},
};

/// The hidden command with which this binary is the worker.
pub const COMMAND: &str = "sound-worker";

/// What becomes of a camera's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It goes on as it is.
    AsItIs(Codec),
    /// G.711 A-law is made of it.
    Made(AacFormat, ClockRate),
    /// Nothing can be made of it.
    Unplayable,
}

impl Way {
    /// What can be done with a sound.
    pub fn of(sound: LiveSound) -> Self {
        match sound {
            LiveSound::Pcma => Self::AsItIs(Codec::Pcma),
            LiveSound::Pcmu => Self::AsItIs(Codec::Pcmu),
            LiveSound::Aac { rate_hz, channels, clock } => {
                AacFormat::new(rate_hz, channels).map_or(Self::Unplayable, |format| Self::Made(format, clock))
            }
            LiveSound::Unplayable => Self::Unplayable,
        }
    }

    /// How browsers get it.
    pub fn codec(self) -> Option<Codec> {
        match self {
            Self::AsItIs(codec) => Some(codec),
            Self::Made(..) => Some(Codec::Pcma),
            Self::Unplayable => None,
        }
    }
}

/// The worker for all cameras; it runs while one is heard. Call it within a runtime.
pub fn transcoder() -> Transcoder {
    let exe = std::env::current_exe().unwrap_or_else(|error| {
        tracing::error!(%error, "the sound worker is looked for on the path");
        "lectern".into()
    });
    Transcoder::new(WorkerConfig::new(exe, vec![OsString::from(COMMAND)]))
}

/// The sound of one camera on its way through the worker.
pub struct Made {
    line: Line,
    ticks: Ticks,
}

impl Made {
    /// `room`: where its packets go, once it is there.
    pub fn new(
        transcoder: &Transcoder,
        (format, clock): (AacFormat, ClockRate),
        live: Live,
        camera: CameraId,
        room: Weak<OnceLock<LocalPublisher>>,
    ) -> Self {
        let ear = RoomEar { live, camera, room };
        Self { line: transcoder.line(format, Box::new(ear)), ticks: Ticks { clock, last: None } }
    }

    /// Takes an access unit.
    pub fn unit(&mut self, LivePacket { timestamp, payload, arrival, .. }: LivePacket) {
        // What the worker has no room for it counts.
        let _ = self.line.unit(self.ticks.go_on(timestamp), payload, arrival);
    }

    /// A timestamp of the camera as browsers see it.
    pub fn seen(&self, timestamp: u32) -> u32 {
        self.ticks.at(timestamp)
    }
}

/// From a clock of 32 bits to that of G.711, over wraps of the former.
struct Ticks {
    clock: ClockRate,
    /// A timestamp, and what it is without wraps.
    last: Option<(u32, i64)>,
}

impl Ticks {
    fn extended(&self, timestamp: u32) -> i64 {
        let near = |(wire, extended)| extended + i64::from(timestamp.wrapping_sub(wire) as i32);
        self.last.map_or(i64::from(timestamp), near)
    }

    fn at(&self, timestamp: u32) -> u32 {
        let ticks = i128::from(self.extended(timestamp)) * i128::from(ClockRate::G711.hz());
        ticks.div_euclid(i128::from(self.clock.hz())) as u32
    }

    fn go_on(&mut self, timestamp: u32) -> u32 {
        self.last = Some((timestamp, self.extended(timestamp)));
        self.at(timestamp)
    }
}

/// The room of cameras, as a sound is heard in it.
struct RoomEar {
    live: Live,
    camera: CameraId,
    room: Weak<OnceLock<LocalPublisher>>,
}

impl Ear for RoomEar {
    fn sound(&self, SoundPacket { timestamp, fresh, payload, arrival }: SoundPacket) {
        let Some(room) = self.room.upgrade() else { return };
        let Some(publisher) = room.get() else { return };
        let Some(track) = publisher.tracks().iter().find(|t| t.source == TrackSource::Microphone) else { return };
        let packet = LocalPacket { timestamp, marker: fresh, keyframe: true, payload: Bytes::clone(&payload), arrival };
        // What the media plane drops it counts.
        let _ = publisher.send(track.id, Layer(0), packet);
    }

    fn unplayable(&self, why: Unplayable) {
        tracing::warn!(camera = %self.camera, why = why.label(), "the sound of a camera can't be played");
        self.live.not_heard(self.camera, WorkerConfig::LEFT_OUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_over_its_wrap_and_reports_of_before_and_after_fit() {
        for hz in [16_000, 44_100, 90_000] {
            let mut ticks = Ticks { clock: ClockRate::of(hz), last: None };
            let first = u32::MAX - 5 * 1024;
            let start = ticks.go_on(first);
            for n in 1..20u32 {
                let want = (f64::from(n) * 1024.0 * 8_000.0 / f64::from(hz)).floor();
                let got = ticks.go_on(first.wrapping_add(n * 1024)).wrapping_sub(start);
                assert!((want - f64::from(got)).abs() <= 1.0, "{hz} {n}: {got} for {want}");
                assert_eq!(ticks.at(first.wrapping_add(n * 1024)).wrapping_sub(start), got);
                assert!(ticks.at(first.wrapping_add((n - 1) * 1024)).wrapping_sub(start) < got);
            }
        }
    }

    #[test]
    fn each_sound_has_its_way() {
        let clock = ClockRate::of(16_000);
        // (what a camera sends, what browsers get)
        for (sound, codec) in [
            (LiveSound::Pcma, Some(Codec::Pcma)),
            (LiveSound::Pcmu, Some(Codec::Pcmu)),
            (LiveSound::Aac { rate_hz: 16_000, channels: 1, clock }, Some(Codec::Pcma)),
            (LiveSound::Aac { rate_hz: 48_000, channels: 6, clock }, None),
            (LiveSound::Unplayable, None),
        ] {
            assert_eq!(Way::of(sound).codec(), codec, "{sound:?}");
        }
    }
}
