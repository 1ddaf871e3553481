//! The logic of the forwarding plane: bytes and `now` in, bytes and intentions out. No socket, clock, task or lock, and
//! nothing is allocated per packet once the rings have grown to their size (`tests/no_allocation.rs` counts).
//!
//! # A packet's journey
//!
//! ```text
//!  publisher ──► ingest ──► packet_ring ──► subscriber ─┬─► selector ─► rewrite ─► history ─► pacer ─► downtrack ──► viewer
//!            ◄── nack, keyframe, twcc::ArrivalLog       │      ▲                                 ▲
//!                                                       │   allocate ◄── bwe ◄── twcc::SendLog ──┴── rtcp ◄── viewer
//! ```
//!
//! 1. **At the door.** The shell decrypts a datagram and knows by its SSRC which stream it is. [`ingest::StreamIngest`]
//!    extends the sequence number and timestamp to 64 bits (they wrap nowhere behind this line), refuses duplicates, undoes
//!    RTX, notes gaps and [describes](descriptor) the payload: keyframe, picture size. Out comes a
//!    [`SourcePacket`]: the payload borrowed, what is known of it parsed once for everybody. [`twcc::ArrivalLog`] has noted
//!    the arrival for the publisher's congestion control.
//! 2. **Kept once.** [`packet_ring::PacketRing`] copies the payload: the only copy this server keeps, however many watch.
//!    Repairs, paced packets and joiners are served from it.
//! 3. **To each viewer.** [`subscriber::Subscriber::forward`] asks the line's [`selector`] whether this packet's layer is
//!    the one it carries, or a keyframe at which to change over. [`rewrite`] gives it the next number of an unbroken
//!    stream, whatever was switched or left out before. [`history`] notes which publisher's packet that number stands for:
//!    32 bytes, no payload.
//! 4. **On the wire.** If the [`pacer`] lets it pass, [`downtrack`] writes the complete packet into the caller's buffer:
//!    header, extensions, rewritten VP8 descriptor, payload, and padding where [`gso`] wants the packets of a frame equally
//!    long. If not, the note is enough: [`subscriber::Subscriber::poll_transmit`] writes it from the ring when its time has
//!    come. A repair (NACK → RTX) and a probe are the same few lines once more.
//! 5. **And back.** [`rtcp`] reads what the viewer reports. [`twcc::SendLog`] turns feedback into what was sent and when it
//!    arrived, [`bwe`] into what the line carries, [`allocate`] into a layer for each line: lowest for all before a better
//!    one for any, screen before pinned before speaker before rest, sound untouched. A layer that starts needs a keyframe;
//!    [`keyframe`] asks the publisher once for everybody.
//!
//! # What always holds
//!
//! - Every packet that goes no further has a [`DropReason`].
//! - Sequence numbers, timestamps and picture ids that a viewer sees never run backwards and never repeat.
//! - A packet accepted for a line is noted before it is written, so that everything on the wire can be made again.
//! - Sound is never paced, paused or left out.
//! - All that grows has a bound, stated where it grows; [`subscriber::Subscriber::memory_bytes`] adds it up.
//! - Network input never panics: [`fuzz`] has an entry for each parser, and one for sequences of operations.
//!
//! # What is deliberately absent
//!
//! SRTP, sockets and timers (the shell `lectern-sfu`); SDP; frames: nothing here puts a picture together.

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
