//! RTSP as a client (RFC 2326): describe, set up, play, keep alive, take leave; RTP interleaved or in datagrams.
//!
//! - [`wire`]: bytes → messages, bounded. [`sdp`], [`header`]: what descriptions and headers say. [`rtcp`]: sender reports.
//! - [`address`]: the connection, to checked addresses alone. [`udp`]: the socket pair of a stream. [`gather`]: what comes waits for its beat while
//!   nobody watches. [`session`]: the conversation; these four are the parts with I/O.
//!
//! Does not belong here: what becomes of the packets, and when to try again.

mod address;
pub(crate) mod gather;
pub(crate) mod header;
pub(crate) mod rtcp;
pub(crate) mod sdp;
pub(crate) mod session;
pub(crate) mod udp;
pub(crate) mod wire;
