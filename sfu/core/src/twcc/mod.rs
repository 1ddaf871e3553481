//! Transport-wide congestion control numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01): [`ArrivalLog`] builds
//! feedback for a publisher, [`SendLog`] reads a subscriber's. Not here: what the samples mean ([`crate::bwe`]).

mod arrival;
mod sent;

pub use arrival::ArrivalLog;
pub use sent::{PacketResult, SendLog};
