//! The forwarding plane's logic: bytes and `now` in, bytes and intentions out. No socket, clock, task or lock; nothing is
//! allocated per packet once the rings have grown to their size.

pub mod allocate;
pub mod descriptor;
pub mod downtrack;
pub mod drop;
pub mod gso;
pub mod ingest;
pub mod keyframe;
pub mod packet;
pub mod packet_ring;
pub mod rtcp;
pub mod speaker;
pub mod subscriber;
pub mod time;
pub mod twcc;

pub use drop::DropReason;
pub use packet::{AudioLevel, PacketMeta, PacketSource, SourceId, SourcePacket};
