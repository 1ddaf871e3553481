//! Reading an offer.

use super::{
    LINES_MAX, OFFER_LEN_MAX, SdpError,
    codecs::{Extensions, Format, OfferedCodec, usable},
};
use lectern_media::{Layer, Ssrc, TrackKind};
use rtc_sdp::description::{media::MediaDescription, session::SessionDescription};
use std::io::Cursor;

/// Payload types of one line that are looked at. Chromium offers about 25.
const FORMATS_MAX: usize = 64;
/// `a=ssrc` sources of one line that are looked at.
const SSRCS_MAX: usize = 16;

/// Which way a line's media goes, as the client says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// The hash of a certificate (RFC 8122 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fingerprint {
    Sha256([u8; 32]),
    Sha384([u8; 48]),
    Sha512([u8; 64]),
}

impl Fingerprint {
    fn parse(value: &str) -> Option<Self> {
        let (hash, digits) = value.trim().split_once(' ')?;
        let bytes: Vec<u8> = digits.trim().split(':').map(|b| u8::from_str_radix(b, 16).ok()).collect::<Option<_>>()?;
        match hash.to_ascii_lowercase().as_str() {
            "sha-256" => bytes.try_into().ok().map(Self::Sha256),
            "sha-384" => bytes.try_into().ok().map(Self::Sha384),
            "sha-512" => bytes.try_into().ok().map(Self::Sha512),
            _ => None,
        }
    }

    /// Whether it is the hash of this certificate (DER).
    pub(crate) fn matches(&self, certificate: &[u8]) -> bool {
        use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
        match self {
            Self::Sha256(want) => digest(&SHA256, certificate).as_ref() == want,
            Self::Sha384(want) => digest(&SHA384, certificate).as_ref() == want,
            Self::Sha512(want) => digest(&SHA512, certificate).as_ref() == want,
        }
    }
}

/// One media line.
#[derive(Debug, Clone)]
pub(crate) struct OfferLine {
    pub mid: String,
    /// Sound or picture; `None` for data channels and whatever else we decline.
    pub kind: Option<TrackKind>,
    /// The `m=` media word, protocol and formats, to be repeated when the line is declined.
    pub media: String,
    pub proto: String,
    pub formats: Vec<String>,
    pub direction: Direction,
    /// The client has taken the line out of use (port 0 without bundle-only).
    pub stopped: bool,
    /// Reduced-size RTCP is offered (RFC 5506).
    pub rtcp_rsize: bool,
    /// The codecs we can use, best first.
    pub codecs: Vec<OfferedCodec>,
    pub extensions: Extensions,
    /// The simulcast streams that the client can send, lowest layer first. Empty without simulcast.
    pub rids: Vec<String>,
    /// Whether the streams in the offer were listed with `a=simulcast` (and not just a lone `a=rid`).
    pub simulcast: bool,
    /// The sources named with `a=ssrc`, with their retransmission source (`a=ssrc-group:FID`).
    pub ssrcs: Vec<(Ssrc, Option<Ssrc>)>,
}

impl OfferLine {
    /// Whether the client wants to send on this line.
    pub(crate) fn client_sends(&self) -> bool {
        !self.stopped && matches!(self.direction, Direction::SendOnly | Direction::SendRecv)
    }

    /// Whether the client wants to receive on this line.
    pub(crate) fn client_receives(&self) -> bool {
        !self.stopped && matches!(self.direction, Direction::RecvOnly | Direction::SendRecv)
    }
}

/// A read offer.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub ice_ufrag: String,
    pub fingerprint: Fingerprint,
    pub lines: Vec<OfferLine>,
}

impl Offer {
    /// Reads and checks an offer.
    pub(crate) fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > OFFER_LEN_MAX {
            return Err(SdpError::TooLong(text.len()));
        }
        let sdp = SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes()))
            .map_err(|e| SdpError::Syntax(e.to_string()))?;
        let media = &sdp.media_descriptions;
        if media.len() > LINES_MAX {
            return Err(SdpError::TooManyLines(media.len()));
        }
        let bundle: Vec<&str> = sdp
            .attributes
            .iter()
            .filter(|a| a.key == "group")
            .filter_map(|a| a.value.as_deref()?.strip_prefix("BUNDLE"))
            .flat_map(str::split_ascii_whitespace)
            .collect();
        let lines = media.iter().map(read_line).collect::<Result<Vec<_>, _>>()?;
        for (i, line) in lines.iter().enumerate() {
            if lines[..i].iter().any(|l| l.mid == line.mid) {
                return Err(SdpError::BadMid(line.mid.clone()));
            }
            // One line alone needs no group.
            if line.kind.is_some() && !line.stopped && lines.len() > 1 && !bundle.contains(&line.mid.as_str()) {
                return Err(SdpError::NotBundled { mid: line.mid.clone() });
            }
        }

        // Transport attributes stand on every bundled line or once for the session; the first one counts.
        let transport = |key: &str| {
            let session = sdp.attribute(key).map(String::as_str);
            session.or_else(|| media.iter().find_map(|m| m.attribute(key).flatten()))
        };
        let ice_ufrag = transport("ice-ufrag").unwrap_or_default().to_owned();
        let ice_pwd = transport("ice-pwd").unwrap_or_default().to_owned();
        // RFC 8445 §5.3: 4 to 256 and 22 to 256 characters of a small alphabet.
        let ice_chars = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        if !(4..=256).contains(&ice_ufrag.len()) || !(22..=256).contains(&ice_pwd.len()) {
            return Err(SdpError::IceCredentials);
        }
        // Firefox and libwebrtc keep to the alphabet; some clients use '-' and '_' in the ufrag, which does no harm.
        if !ice_ufrag.bytes().all(|b| b.is_ascii_graphic() && b != b':') || !ice_chars(&ice_pwd.replace(['-', '_'], ""))
        {
            return Err(SdpError::IceCredentials);
        }
        let fingerprint = transport("fingerprint").and_then(Fingerprint::parse).ok_or(SdpError::Fingerprint)?;
        if transport("setup") == Some("passive") {
            return Err(SdpError::DtlsRole);
        }
        // A lite agent sends no checks and needs no password of the other side.
        Ok(Self { ice_ufrag, fingerprint, lines })
    }

    pub(crate) fn line(&self, mid: &str) -> Option<&OfferLine> {
        self.lines.iter().find(|l| l.mid == mid)
    }
}

fn read_line(m: &MediaDescription) -> Result<OfferLine, SdpError> {
    let value = |key: &str| m.attribute(key).flatten();
    let mid = value("mid").unwrap_or_default().to_owned();
    // The MID goes into a one-byte header extension: 1 to 16 bytes (RFC 8285 §4.2).
    if mid.is_empty() || mid.len() > 16 || !mid.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(SdpError::BadMid(mid));
    }
    let kind = match m.media_name.media.as_str() {
        "audio" => Some(TrackKind::Audio),
        "video" => Some(TrackKind::Video),
        _ => None,
    };
    let proto = m.media_name.protos.join("/");
    let stopped = m.media_name.port.value == 0 && !m.has_attribute("bundle-only");
    let direction = ["sendrecv", "sendonly", "recvonly", "inactive"].into_iter().find(|d| m.has_attribute(d));
    let mut line = OfferLine {
        mid,
        kind,
        media: m.media_name.media.clone(),
        proto,
        formats: m.media_name.formats.clone(),
        direction: match direction {
            Some("sendonly") => Direction::SendOnly,
            Some("recvonly") => Direction::RecvOnly,
            Some("inactive") => Direction::Inactive,
            // RFC 8866 §6.7: sendrecv is the default.
            _ => Direction::SendRecv,
        },
        stopped,
        rtcp_rsize: m.has_attribute("rtcp-rsize"),
        codecs: Vec::new(),
        extensions: Extensions::default(),
        rids: Vec::new(),
        simulcast: false,
        ssrcs: Vec::new(),
    };
    let Some(kind) = kind.filter(|_| !stopped) else { return Ok(line) };
    if line.proto != "UDP/TLS/RTP/SAVPF" && line.proto != "RTP/SAVPF" {
        return Err(SdpError::Protocol { mid: line.mid, proto: line.proto });
    }
    if !m.has_attribute("rtcp-mux") {
        return Err(SdpError::NoRtcpMux { mid: line.mid });
    }
    line.codecs = usable(kind, &formats(m));
    for a in m.attributes.iter().filter(|a| a.key == "extmap") {
        line.extensions.offer(a.value.as_deref().unwrap_or_default());
    }
    read_rids(m, &mut line)?;
    line.ssrcs = ssrcs(m);
    Ok(line)
}

fn formats(m: &MediaDescription) -> Vec<Format> {
    let mut formats: Vec<Format> = m
        .media_name
        .formats
        .iter()
        .filter_map(|f| f.parse().ok().filter(|pt| *pt < 128u8))
        .take(FORMATS_MAX)
        .map(Format::new)
        .collect();
    for a in &m.attributes {
        let Some((pt, rest)) = a.value.as_deref().and_then(|v| v.split_once(' ')) else { continue };
        let matching = formats.iter_mut().filter(|f| pt == "*" || pt.parse() == Ok(f.payload_type));
        for f in matching {
            match a.key.as_str() {
                "rtpmap" => {
                    let mut parts = rest.trim().split('/');
                    f.name = parts.next().unwrap_or_default().to_ascii_lowercase();
                    f.clock = parts.next().and_then(|c| c.parse().ok()).unwrap_or(0);
                    f.channels = parts.next().and_then(|c| c.parse().ok()).unwrap_or(1);
                }
                "fmtp" => f.fmtp = rest.to_owned(),
                "rtcp-fb" if f.feedback.len() < 16 => f.feedback.push(rest.trim().to_owned()),
                _ => {}
            }
        }
    }
    formats
}

/// `a=rid:q send …` and `a=simulcast:send q;h;f` (RFC 8851, RFC 8853).
fn read_rids(m: &MediaDescription, line: &mut OfferLine) -> Result<(), SdpError> {
    let declared: Vec<&str> = m
        .attributes
        .iter()
        .filter(|a| a.key == "rid")
        .filter_map(|a| a.value.as_deref())
        .filter_map(|v| v.split_ascii_whitespace().collect::<Vec<_>>().get(..2).map(|w| (w[0], w[1])))
        .filter(|(_, direction)| *direction == "send")
        .map(|(rid, _)| rid)
        // The rid goes into a one-byte header extension.
        .filter(|rid| {
            (1..=16).contains(&rid.len()) && rid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
        .collect();
    let listed = m.attribute("simulcast").flatten().and_then(|v| {
        let words: Vec<&str> = v.split_ascii_whitespace().collect();
        words.chunks(2).find(|w| w.len() == 2 && w[0] == "send").map(|w| w[1])
    });
    let mut rids: Vec<String> = match listed {
        // Alternatives (commas) are for senders that choose one; the first is meant. '~' marks a paused stream.
        Some(list) => list
            .split(';')
            .filter_map(|alternatives| alternatives.split(',').next())
            .map(|rid| rid.trim_start_matches('~'))
            .filter(|rid| declared.contains(rid))
            .map(str::to_owned)
            .collect(),
        None => declared.iter().map(|r| (*r).to_owned()).collect(),
    };
    if rids.len() > Layer::COUNT_MAX {
        return Err(SdpError::TooManyLayers { mid: line.mid.clone(), count: rids.len() });
    }
    // Lowest first as the client lists them, unless it uses the customary names, which say it themselves.
    let customary = |rid: &str| ["q", "h", "f"].iter().position(|n| *n == rid);
    if rids.iter().all(|r| customary(r).is_some()) {
        rids.sort_by_key(|r| customary(r));
    }
    rids.dedup();
    line.simulcast = listed.is_some();
    line.rids = rids;
    Ok(())
}

/// `a=ssrc:` sources with the pairs of `a=ssrc-group:FID` (RFC 5576 §4, RFC 4588 §8).
fn ssrcs(m: &MediaDescription) -> Vec<(Ssrc, Option<Ssrc>)> {
    let mut named: Vec<Ssrc> = Vec::new();
    let mut pairs: Vec<(Ssrc, Ssrc)> = Vec::new();
    for a in &m.attributes {
        let value = a.value.as_deref().unwrap_or_default();
        match a.key.as_str() {
            "ssrc" => {
                let ssrc = value.split(' ').next().and_then(|s| s.parse().ok()).map(Ssrc);
                named.extend(ssrc.filter(|s| !named.contains(s) && named.len() < SSRCS_MAX));
            }
            "ssrc-group" => {
                let ids = value.strip_prefix("FID").map(str::split_ascii_whitespace);
                let ids: Vec<Ssrc> = ids.into_iter().flatten().filter_map(|s| s.parse().ok()).map(Ssrc).collect();
                if let (&[media, rtx], true) = (&ids[..], pairs.len() < SSRCS_MAX) {
                    pairs.push((media, rtx));
                }
            }
            _ => {}
        }
    }
    named.retain(|s| !pairs.iter().any(|(_, rtx)| rtx == s));
    named.iter().map(|s| (*s, pairs.iter().find(|(media, _)| media == s).map(|p| p.1))).collect()
}
