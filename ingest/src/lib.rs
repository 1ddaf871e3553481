//! Cameras over RTSP: one supervised task per camera pulls its main stream and its substream and hands them to the archive
//! (packets as received), to the live plane (H.264 re-packetised for browsers, G.711 as it is) and to whoever watches keyframes.
//!
//! - [`Ingest`] is the handle; [`CameraConfig`] says what to pull; [`CameraStatus`] says how it goes; [`probe`] tries a camera once.
//! - [`Ports`] are what this crate needs of others: `server/` adapts them onto the recorder and the SFU.
//!
//! **What retina does here and what it doesn't.** `retina` parses RTSP messages and RTCP. Its `Session` is not used, for three
//! reasons found in its source (0.4.21): over UDP it drops every packet that is out of order without telling, while the archive
//! must keep all that was received and count what was reordered; a packet of a foreign SSRC or one duplicate over TCP ends the
//! session, while here it is refused and counted; and neither its headers nor its bodies have a bound, so that one hostile
//! camera could take the memory of all. The session (`rtsp/`) is therefore our own, with the quirks that retina documents.
//!
//! Does not belong here: HTTP, the list of cameras and their passwords at rest, what is recorded and for how long, GB/T 28181 and
//! ONVIF (later, as other sources beside this one).

mod absence;
mod archive;
mod backoff;
mod camera;
mod clock;
mod config;
mod driver;
mod fault;
mod feed;
pub mod fuzz;
mod guard;
mod ingest;
mod inlet;
mod live;
mod meter;
mod order;
mod payload;
mod port;
mod probe;
mod reorder;
mod repack;
mod rtsp;
mod sources;
mod spread;
mod status;

pub use config::{AddressRule, CameraConfig, IngestConfig, Secret, Transport, split_credentials};
pub use fault::Fault;
pub use ingest::Ingest;
pub use port::{ArchivePort, Keyframe, LivePacket, LivePort, LiveSink, LiveSound, LiveTracks, Ports};
pub use probe::{ProbeFault, ProbeReport, ProbedSound, ProbedVideo, probe};
pub use status::{CameraState, CameraStatus, Refusal, StreamStatus, Unsupported};
