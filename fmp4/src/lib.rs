//! From RTP payloads to files and back, without I/O and without a clock.
//!
//! - [`depay`]: packets → access units (H.264 RFC 6184, H.265 RFC 7798, VP8 RFC 7741, Opus RFC 7587, AAC RFC 3640, G.711 RFC 3551);
//!   a damaged unit is never handed on, or only with a mark, and what is missing comes out as a [`depay::Hole`].
//! - [`fmtp`]: what a session description tells of a track's packets.
//! - [`config`]: what a decoder must know beforehand (`avcC`, `hvcC`, `vpcC`, `dOps`, `esds`), parsed from the bitstream.
//! - [`init`], [`fragment`]: CMAF init segments and fragments, one track a file. [`movie`]: one plain MP4 for download.
//! - [`webm`]: the same samples as WebM, for what browsers refuse in MP4 (VP8).
//! - [`scan`]: walks boxes of possibly torn files and reads fragments back.
//!
//! The boxes are written by hand: we need nine of them at write time, and recovery, verification and playlists must know
//! every byte's place, which muxers of the crates.io kind (`shiguredo_mp4`, `mp4-atom`) keep to themselves.
//!
//! Does not belong here: files, time mapping between tracks, what is recorded and why (`lectern-recorder`).

pub mod boxes;
pub mod config;
pub mod depay;
pub mod fmtp;
pub mod fragment;
pub mod fuzz;
pub mod init;
pub mod movie;
pub mod scan;
pub mod webm;

pub use config::TrackConfig;
pub use fragment::{FragmentInfo, Sample, SampleInfo};
