//! SDP: reading a client's offer and writing our answer (RFC 8866, RFC 8829 as far as an answerer needs it).
//!
//! The server is always the answerer, ICE-lite, DTLS server; everything is bundled on one transport with rtcp-mux. Belongs
//! here: what is accepted and refused, which payload types and header extensions are used. Does not belong here: what a
//! line carries, and keys.

mod answer;
mod codecs;
mod offer;

pub(crate) use answer::{
    AnswerTransport, PublishLine, SubscribeLine, publish_answer, subscribe_answer, subscribe_extensions,
};
pub(crate) use codecs::{ExtensionKind, Extensions, OfferedCodec};
pub(crate) use offer::{Fingerprint, Offer, OfferLine};

use lectern_media::{TrackKind, TrackSource};

/// The longest offer read, in bytes. Chromium's is 5 to 8 kB, and up to 6 kB for each further line of pictures.
pub const OFFER_LEN_MAX: usize = 512 * 1024;
/// The most media lines of an offer: a wall has 64 pictures and a sound or two.
pub const LINES_MAX: usize = lectern_sfu_core::subscriber::LINES_MAX;

/// What is wrong with an offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than [`OFFER_LEN_MAX`].
    #[error("the offer is {0} bytes long; at most {OFFER_LEN_MAX} are read")]
    TooLong(usize),
    /// Not SDP at all.
    #[error("the offer is not SDP: {0}")]
    Syntax(String),
    /// More lines than [`LINES_MAX`].
    #[error("the offer has {0} media lines; at most {LINES_MAX} are possible")]
    TooManyLines(usize),
    /// No line that could carry media in the wanted direction.
    #[error("the offer has no line that can be used: {0}")]
    NoUsableLine(&'static str),
    /// A line is outside of the BUNDLE group.
    #[error("line {mid:?} is not in the BUNDLE group; only bundled media is supported")]
    NotBundled {
        /// The line.
        mid: String,
    },
    /// A line without rtcp-mux.
    #[error("line {mid:?} does not offer rtcp-mux")]
    NoRtcpMux {
        /// The line.
        mid: String,
    },
    /// A line without `a=mid`, or with an unusable or repeated one.
    #[error("a media line has no usable or no unique a=mid: {0:?}")]
    BadMid(String),
    /// No ICE credentials, or ones that are not what RFC 8445 §5.3 allows.
    #[error("the ICE credentials are missing or malformed")]
    IceCredentials,
    /// No fingerprint, an unknown hash, or different ones per line.
    #[error("the DTLS fingerprint is missing, malformed, or of an unknown hash")]
    Fingerprint,
    /// The client wants to be DTLS server.
    #[error("the offer says a=setup:passive; this server only takes that part itself")]
    DtlsRole,
    /// The transport is not DTLS-SRTP over UDP.
    #[error("line {mid:?} has protocol {proto:?}; only UDP/TLS/RTP/SAVPF is supported")]
    Protocol {
        /// The line.
        mid: String,
        /// The protocol.
        proto: String,
    },
    /// More simulcast layers than a track may have.
    #[error("line {mid:?} offers {count} simulcast layers; at most 3 are possible")]
    TooManyLayers {
        /// The line.
        mid: String,
        /// How many.
        count: usize,
    },
    /// The caller names a line that the offer lacks.
    #[error("the offer has no line {mid:?}")]
    NoSuchLine {
        /// The line.
        mid: String,
    },
    /// The caller says camera where the offer says audio, or the like.
    #[error("line {mid:?} is {offered:?}, which cannot carry {source_named:?}")]
    WrongKind {
        /// The line.
        mid: String,
        /// What the offer says.
        offered: TrackKind,
        /// What the caller says.
        source_named: TrackSource,
    },
    /// No codec in common on a line.
    #[error(
        "line {mid:?} offers no codec that is supported (video: H.264 with packetization-mode 1, VP8; audio: Opus)"
    )]
    NoCodec {
        /// The line.
        mid: String,
    },
}

/// What the lines of a WHIP offer carry when nobody says: the first video is the camera and the second the screen, the
/// first audio the microphone and the second the screen's sound.
///
/// # Errors
/// [`SdpError`] if the offer cannot be read.
pub fn publish_lines(offer: &str) -> Result<Vec<(String, TrackSource)>, SdpError> {
    let mut sources = [
        (TrackKind::Video, TrackSource::Camera),
        (TrackKind::Audio, TrackSource::Microphone),
        (TrackKind::Video, TrackSource::Screen),
        (TrackKind::Audio, TrackSource::ScreenAudio),
    ]
    .into_iter()
    .collect::<Vec<_>>();
    let mut lines = Vec::new();
    for line in Offer::parse(offer)?.lines.iter().filter(|l| l.client_sends()) {
        let Some(kind) = line.kind else { continue };
        if let Some(at) = sources.iter().position(|(k, _)| *k == kind) {
            lines.push((line.mid.clone(), sources.remove(at).1));
        }
    }
    Ok(lines)
}

#[cfg(test)]
pub(crate) mod tests;
