//! Which payload types and header extensions of an offer we use.

use lectern_media::{Codec, PayloadType, TrackKind};

/// A codec of ours as one line offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferedCodec {
    pub codec: Codec,
    pub payload_type: PayloadType,
    /// The payload type of its retransmissions (RFC 4588 `apt`).
    pub rtx: Option<PayloadType>,
    /// `profile-level-id` as offered, for H.264: the answer repeats it (RFC 6184 §8.2.2).
    pub profile: Option<String>,
    /// Generic NACK offered.
    pub nack: bool,
    /// `nack pli` offered.
    pub pli: bool,
    /// `ccm fir` offered.
    pub fir: bool,
    /// `transport-cc` offered.
    pub transport_cc: bool,
    /// Whether Opus in-band FEC may be used.
    pub fec: bool,
}

/// One payload type of a line, before it is known whether we can use it.
#[derive(Debug, Clone, Default)]
pub(super) struct Format {
    pub payload_type: u8,
    /// Encoding name in lower case, clock rate and channels, as in `a=rtpmap`.
    pub name: String,
    pub clock: u32,
    pub channels: u32,
    pub fmtp: String,
    pub feedback: Vec<String>,
}

impl Format {
    /// A payload type of which nothing is known but what RFC 3551 §6 says of it.
    pub(super) fn new(payload_type: u8) -> Self {
        let name = match payload_type {
            0 => "pcmu",
            8 => "pcma",
            _ => return Self { payload_type, ..Self::default() },
        };
        Self { payload_type, name: name.into(), clock: 8_000, channels: 1, ..Self::default() }
    }

    pub(super) fn parameter(&self, key: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|p| {
            let (k, v) = p.split_once('=')?;
            k.trim().eq_ignore_ascii_case(key).then(|| v.trim())
        })
    }

    fn has_feedback(&self, what: &str) -> bool {
        self.feedback.iter().any(|f| f == what)
    }
}

/// How willingly a payload type is taken for H.264: less is better; `None` is never.
///
/// Constrained baseline (RFC 6184 table 5: profile_idc 0x42 with constraint_set1) is what every decoder plays; plain
/// baseline as browsers write it (42001f) is the same bits in practice.
fn h264_rank(f: &Format) -> Option<u8> {
    let mode = f.parameter("packetization-mode");
    let profile = f.parameter("profile-level-id").map(str::to_ascii_lowercase);
    let rank = match (mode, profile.as_deref()) {
        (Some("1"), Some(p)) if p.starts_with("42e0") => 0,
        (Some("1"), Some(p)) if p.starts_with("42") => 1,
        // Other clients leave parameters out that they don't care about; their depacketisers take both modes.
        (Some("1"), None) => 2,
        (None, Some(p)) if p.starts_with("42") => 3,
        (None, None) => 4,
        _ => return None,
    };
    Some(rank)
}

/// The codecs of ours among `formats`, best payload type of each, H.264 first.
pub(super) fn usable(kind: TrackKind, formats: &[Format]) -> Vec<OfferedCodec> {
    let pick = |codec: Codec| -> Option<OfferedCodec> {
        let same =
            |f: &&Format| f.name.eq_ignore_ascii_case(codec.encoding_name()) && f.clock == codec.clock_rate().hz();
        let format = match codec {
            Codec::H264 => formats.iter().filter(same).filter_map(|f| Some((h264_rank(f)?, f))).min_by_key(|x| x.0)?.1,
            // RFC 7587 §7: Opus is always announced with two channels.
            Codec::Opus => formats.iter().filter(same).find(|f| f.channels == 2)?,
            _ => formats.iter().find(same)?,
        };
        let apt = format.payload_type.to_string();
        let rtx = formats.iter().find(|f| f.name == "rtx" && f.parameter("apt") == Some(&apt));
        Some(OfferedCodec {
            codec,
            payload_type: PayloadType(format.payload_type),
            rtx: rtx.map(|f| PayloadType(f.payload_type)),
            profile: format.parameter("profile-level-id").map(str::to_owned),
            nack: format.has_feedback("nack"),
            pli: format.has_feedback("nack pli"),
            fir: format.has_feedback("ccm fir"),
            transport_cc: format.has_feedback("transport-cc"),
            fec: codec == Codec::Opus,
        })
    };
    match kind {
        TrackKind::Audio => [pick(Codec::Opus), pick(Codec::Pcma), pick(Codec::Pcmu)].into_iter().flatten().collect(),
        TrackKind::Video => [pick(Codec::H264), pick(Codec::Vp8)].into_iter().flatten().collect(),
    }
}

/// The header extensions we understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtensionKind {
    Mid,
    Rid,
    RepairedRid,
    TransportCc,
    AudioLevel,
    AbsSendTime,
}

impl ExtensionKind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Mid, Self::Rid, Self::RepairedRid, Self::TransportCc, Self::AudioLevel, Self::AbsSendTime];

    pub(crate) const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        }
    }
}

/// The ids of the header extensions of one line. Only ids of the one-byte form (1 to 14) are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions([Option<u8>; 6]);

impl Extensions {
    pub(crate) fn get(&self, kind: ExtensionKind) -> Option<u8> {
        self.0[kind as usize]
    }

    /// Reads an `a=extmap` value: `3 URI`, `3/sendonly URI attributes`.
    pub(super) fn offer(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        let (Some(id), Some(uri)) = (words.next(), words.next()) else { return };
        let id = id.split('/').next().unwrap_or(id).parse().ok().filter(|id| (1..=14).contains(id));
        if let (Some(id), Some(kind)) = (id, ExtensionKind::ALL.into_iter().find(|k| k.uri() == uri)) {
            self.0[kind as usize].get_or_insert(id);
        }
    }

    /// Without the extensions that `keep` refuses.
    pub(super) fn retain(mut self, keep: impl Fn(ExtensionKind) -> bool) -> Self {
        ExtensionKind::ALL.into_iter().filter(|k| !keep(*k)).for_each(|k| self.0[k as usize] = None);
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, ExtensionKind)> + '_ {
        ExtensionKind::ALL.into_iter().filter_map(|k| Some((self.get(k)?, k)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(payload_type: u8, fmtp: &str) -> Format {
        let (name, fmtp) = ("h264".into(), fmtp.into());
        Format { payload_type, name, clock: 90_000, channels: 1, fmtp, feedback: vec![] }
    }

    #[test]
    fn constrained_baseline_in_mode_1_is_taken_first() {
        // (offered payload types with their fmtp, the one that is taken)
        type Offered = &'static [(u8, &'static str)];
        let cases: [(Offered, Option<u8>); 6] = [
            (
                &[
                    (96, "profile-level-id=42001f;packetization-mode=1"),
                    (97, "packetization-mode=1;profile-level-id=42e01f"),
                ],
                Some(97),
            ),
            (&[(96, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f")], None),
            (
                &[
                    (96, "packetization-mode=1;profile-level-id=64001f"),
                    (97, "packetization-mode=1; profile-level-id=42001F"),
                ],
                Some(97),
            ),
            (&[(96, "packetization-mode=1;profile-level-id=4d001f")], None),
            (&[(96, "")], Some(96)),
            (&[(96, "profile-level-id=42c015")], Some(96)),
        ];
        for (offered, want) in cases {
            let formats: Vec<_> = offered.iter().map(|(pt, fmtp)| h264(*pt, fmtp)).collect();
            let got = usable(TrackKind::Video, &formats).first().map(|c| c.payload_type.0);
            assert_eq!(got, want, "{offered:?}");
        }
    }

    #[test]
    fn extension_ids_outside_the_one_byte_form_are_not_used() {
        let mut e = Extensions::default();
        e.offer("15 urn:ietf:params:rtp-hdrext:sdes:mid");
        e.offer("0 urn:ietf:params:rtp-hdrext:sdes:mid");
        e.offer("nonsense");
        assert_eq!(e, Extensions::default());
        e.offer("4/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid extra");
        e.offer("5 urn:ietf:params:rtp-hdrext:sdes:mid");
        assert_eq!(e.get(ExtensionKind::Mid), Some(4), "the first one counts");
    }
}
