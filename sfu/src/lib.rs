//! The media plane's shell: sockets, threads and the control plane of WebRTC peers around the pure forwarding logic of
//! `lectern-sfu-core`.
//!
//! A publisher's packet travels: socket → [`udp`] (received in batches) → `shard` (which peer?) → [`srtp`] (opened in
//! place) → core (`StreamIngest`, `PacketRing`, `Subscriber::forward`) → [`srtp`] (sealed in place) → [`udp`] (sent in runs
//! of equal size). Nothing on that way allocates or locks.
//!
//! Control travels beside it: [`Sfu`] parses an offer (module `sdp`), hands it to the shard that owns the room through a
//! bounded queue, and the shard drives the module `ice` and `dtls` for each peer.
//!
//! Cameras come another way: [`Sfu::publish_local`] gives a [`LocalPublisher`], whose packets enter a shard by a bounded
//! queue and go on like the others.
//!
//! **Bound of the present design:** all peers of one room live on one shard, so that forwarding never crosses threads; one
//! room is one core. Fan-out over shards will go through bounded rings between them.

mod api;
mod config;
mod dtls;
pub mod fuzz;
mod ice;
mod local;
mod sdp;
mod sfu;
mod shard;
mod srtp;
mod udp;

pub use api::{
    Assignment, CommandError, Health, LineRefusal, OfferError, PublishAnswer, PublishRequest, SfuEvent,
    SubscribeAnswer, SubscribeRequest,
};
pub use config::{SfuConfig, StartError};
pub use lectern_sfu_core::{allocate::Priority, time::NtpTime};
pub use local::{LOCAL_TRACKS_MAX, LocalDrop, LocalPacket, LocalPublish, LocalPublisher, LocalTrack, Offered};
pub use sdp::{SdpError, publish_lines};
pub use sfu::Sfu;
pub use srtp::Profile;
