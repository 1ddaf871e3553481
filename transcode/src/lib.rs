//! Media that must be decoded and encoded anew before anyone can play it. Whatever decodes what a network sent does so in a
//! process of its own.
//!
//! ```text
//!  access unit of AAC ──► parent::Line ══ pipe ══► worker::run: decode ► one channel ► 8 kHz ► A-law
//!  (only while heard)         │                                                      │
//!        Ear::sound ◄─────────┴══════════════════ wire::Answer ◄═════════════════════┘
//! ```
//!
//! Live sound is all there is at present: cameras send AAC, which browsers don't take over WebRTC. One worker serves all
//! cameras that are heard; it starts with the first unit and ends when there has been none for a while. What the encoder is,
//! [`encode::Encoder`] says; G.711 needs no library, and carries what a microphone in an exam room hears.
//!
//! Belongs here: workers that transcode, live or in jobs, and how they are kept. Not here: RTSP and RTP payload formats
//! (ingest, fmp4), who may hear a camera (signaling), whether someone does (sfu).

pub mod encode;
pub mod fuzz;
pub mod wire;
pub mod worker;

mod decode;
mod format;
mod heard;
mod parent;
mod resample;

pub use format::AacFormat;
pub use heard::{Done, Heard};
pub use parent::{Ear, Line, Offered, SoundPacket, Transcoder, Unplayable, WorkerConfig};
