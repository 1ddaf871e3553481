//! The words every part of Lectern shares: ids, units, clocks, codecs, layers, packet views and the [`tap`].
//!
//! Belongs here: types that name what the trade already names (RFC 3550, RFC 8853, W3C WebRTC) and that at least two
//! parts use. Does not belong here: behaviour of one part, sockets, clocks, configuration.

pub mod clock;
pub mod codec;
pub mod id;
pub mod rtp;
pub mod tap;
pub mod track;
pub mod unit;

pub use clock::{ClockRate, MediaTime, UnixMillis};
pub use codec::Codec;
pub use id::{
    AccountId, CameraId, CameraStream, ClassId, LessonId, ParticipantId, PeerId, PlaceId, RecordingId, RoomId, TrackId,
};
pub use rtp::{ExtSeq, ExtTimestamp, PayloadType, RtpView, Ssrc};
pub use track::{Layer, TrackInfo, TrackKind, TrackSource};
pub use unit::{Bitrate, DataSize};
