//! What ingest needs of others. `server/` adapts these onto the recorder, the SFU and the health worker.

use bytes::Bytes;
use lectern_media::{CameraId, CameraStream, ClockRate, UnixMillis, tap::TapHandle};
use std::{sync::Arc, time::Instant};
use tokio::sync::mpsc;

/// Where a camera's packets are kept.
pub trait ArchivePort: Send + Sync {
    /// The tap of a camera's recording: asked when the camera starts, again when the one before is closed, and once a second
    /// while there is none. `None`: it is not recorded now. Must not block.
    fn tap(&self, camera: CameraId) -> Option<TapHandle>;
}

/// What of a camera can be shown live. Browsers play H.264 and G.711: H.265 is archived only, AAC is heard where somebody
/// makes G.711 of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveTracks {
    /// The main stream is H.264 and may be asked for ([`LiveSink::wanted`]).
    pub main: bool,
    /// There is a substream (always H.264).
    pub sub: bool,
    /// The sound.
    pub sound: Option<LiveSound>,
}

/// How a sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveSound {
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// AAC-LC in units of 1,024 samples: packets hold an access unit each.
    Aac {
        /// Samples per second.
        rate_hz: u32,
        /// 1 to 6, or 8.
        channels: u8,
        /// The clock of its timestamps; of some cameras not the rate.
        clock: ClockRate,
    },
    /// AAC in another form than LC, or one that the camera does not tell.
    Unplayable,
}

/// Where live media goes.
pub trait LivePort: Send + Sync {
    /// A sink for a camera whose tracks are known now. Dropping the sink ends it. Called again, after the one before was
    /// dropped, when the tracks change; once a second while it says `None`. Must not block.
    fn open(&self, camera: CameraId, tracks: &LiveTracks) -> Option<Box<dyn LiveSink>>;
}

/// The live side of one camera. Called from the camera's task only; must not block.
pub trait LiveSink: Send {
    /// Whether the stream's media is wanted now. Asked for each access unit, so cheap. A stream that becomes wanted begins
    /// with its next keyframe, sound at once.
    fn wanted(&self, stream: CameraStream) -> bool;
    /// Whether somebody waits for what it brings of any stream. What goes on though nobody does, so that they can begin with
    /// it, may come a moment later.
    fn watched(&self) -> bool {
        [CameraStream::Main, CameraStream::Sub, CameraStream::Sound].into_iter().any(|stream| self.wanted(stream))
    }
    /// Takes a packet. Each stream's timestamps go on over reconnects, with the time between.
    fn send(&mut self, stream: CameraStream, packet: LivePacket);
    /// Ties the timestamps of [`LiveSink::send`] to the camera's wall clock, as a sender report of it did.
    fn report(&mut self, stream: CameraStream, ntp: UnixMillis, timestamp: u32);
}

/// One RTP payload, ready for a browser: H.264 in packetization-mode 1 (RFC 6184) or G.711, at most 1,150 bytes. Of
/// [`LiveSound::Aac`] an access unit instead (ISO/IEC 14496-3 `raw_data_block`), at most 8,191 bytes.
#[derive(Debug, Clone)]
pub struct LivePacket {
    /// The RTP timestamp: 90 kHz for pictures, 8 kHz for G.711, as [`LiveSound::Aac`] says for AAC.
    pub timestamp: u32,
    /// The marker bit: the last packet of a picture.
    pub marker: bool,
    /// Whether this packet begins a keyframe; its parameter sets are in it or right behind. Always true for sound.
    pub keyframe: bool,
    /// The payload.
    pub payload: Bytes,
    /// When the first packet of the access unit arrived.
    pub arrival: Instant,
}

/// A keyframe of the substream (of the main stream where there is none and it is H.264).
#[derive(Debug, Clone)]
pub struct Keyframe {
    /// The camera.
    pub camera: CameraId,
    /// When its first packet arrived.
    pub at: UnixMillis,
    /// Parameter sets and slices with start codes (ITU-T H.264 Annex B).
    pub annexb: Bytes,
}

/// All ports.
#[derive(Clone)]
pub struct Ports {
    /// The recorder.
    pub archive: Arc<dyn ArchivePort>,
    /// The SFU.
    pub live: Arc<dyn LivePort>,
    /// Whoever watches keyframes; one that finds no room is dropped and counted.
    pub keyframes: Option<mpsc::Sender<Keyframe>>,
}
