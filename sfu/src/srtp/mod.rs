//! SRTP and SRTCP: sealing and opening packets in place, without allocation (RFC 3711, RFC 7714).
//!
//! Belongs here: key derivation, the two protection profiles, roll-over counters, the replay window. Does not belong
//! here: where keys come from (the `dtls` module) and what is inside a packet.

mod context;
mod kdf;
mod replay;
mod sources;
#[cfg(test)]
mod vectors;

pub(crate) use context::{Opener, Sealer};
pub(crate) use kdf::MasterKey;
pub(crate) use replay::Replay;

/// What protects a connection's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714 §14.2). Preferred: half the cost of the other.
    AeadAes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 5764 §4.1.2).
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// The master salt's length in bytes.
    pub(crate) const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// How many bytes the authentication tag adds.
    pub(crate) const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }
}

/// The master key's length in bytes, of both profiles.
pub(crate) const KEY_LEN: usize = 16;
/// The most bytes that sealing an RTCP packet adds: the larger tag and the index word.
#[cfg(test)]
pub(crate) const RTCP_OVERHEAD_MAX: usize = 16 + 4;
/// How many synchronisation sources of one peer are followed at a time. A publisher with two cameras of three layers each,
/// their RTX and two microphones has 14. Of one more, the longest silent is retired.
pub(crate) const SSRC_COUNT_MAX: usize = 64;
/// How many retired sources are remembered, 16 bytes each: what they sent before stays refused.
pub(crate) const RETIRED_MAX: usize = 1_024;

/// Why a packet was not opened or sealed. Each is a counted reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Too short to be what it claims.
    #[error("the packet is too short")]
    Truncated,
    /// The tag does not match: forged, damaged, or sealed with another key.
    #[error("authentication failed")]
    Authentication,
    /// Received before, or older than the replay window.
    #[error("replayed, or older than the replay window")]
    Replayed,
    /// An SRTCP packet without encryption (E = 0), which WebRTC does not use.
    #[error("SRTCP without encryption")]
    NotEncrypted,
    /// The buffer has no room for the tag.
    #[error("no room for the authentication tag")]
    NoRoom,
    /// A key's packet limit is reached (RFC 3711 §9.2).
    #[error("the key's packet limit is reached")]
    KeyExhausted,
    /// A packet of this number was sealed before: a fault of ours that must not reach the wire (RFC 7714 §10.1).
    #[error("the number was sealed before")]
    SealedBefore,
}
