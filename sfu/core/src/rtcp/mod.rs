//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104, transport-cc): a parser that borrows and a builder into the caller's buffer.
//!
//! Not here: what the reports mean ([`crate::ingest`], [`crate::twcc`], [`crate::downtrack`]).

pub mod build;
pub mod parse;

pub use build::{BufferFull, Builder, ReportBlock};
pub use parse::{Compound, Nack, Packet, ReportBlocks, RtcpError, SenderInfo, TransportCc};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
mod kind {
    pub const SR: u8 = 200;
    pub const RR: u8 = 201;
    pub const SDES: u8 = 202;
    pub const BYE: u8 = 203;
    pub const APP: u8 = 204;
    pub const RTPFB: u8 = 205;
    pub const PSFB: u8 = 206;
}
