//! Light clients: real ICE, DTLS and SRTP, nothing decoded, hundreds of them on one thread.
//!
//! They load a server as browsers do (one socket each, transport-wide feedback every 100 ms, receiver reports, consent
//! checks) but cost microseconds a packet. Belongs here: the client side of a WHIP or WHEP session. Does not belong here:
//! what is measured ([`crate::bench`]).

mod feedback;
mod peer;
mod sdp;
mod socket;
mod stun;
mod swarm;
pub mod synthetic;

pub use peer::{Identity, LightPeer, Role};
pub use sdp::Answer;
pub use socket::{Poll, receiving_socket};
pub use swarm::{PeerReport, Swarm};

#[cfg(test)]
mod tests;
