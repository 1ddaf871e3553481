//! The forwarding plane's logic: bytes and `now` in, bytes and intentions out. No socket, clock, task or lock; nothing is
//! allocated per packet once the rings have grown to their size.

pub mod allocate;
pub mod bwe;
pub mod descriptor;
pub mod downtrack;
pub mod drop;
pub mod fuzz;
pub mod gso;
pub mod history;
pub mod ingest;
pub mod keyframe;
pub mod pacer;
pub mod packet;
pub mod packet_ring;
pub mod rewrite;
pub mod rtcp;
pub mod selector;
pub mod speaker;
pub mod subscriber;
pub mod time;
pub mod twcc;

#[cfg(test)]
mod testing;

pub use drop::DropReason;
pub use packet::{AudioLevel, PacketMeta, PacketSource, SourceId, SourcePacket};
