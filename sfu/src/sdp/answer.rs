//! Writing an answer.

use super::{
    Offer, OfferLine,
    codecs::{ExtensionKind, Extensions, OfferedCodec},
};
use lectern_media::{Bitrate, Codec, PeerId, Ssrc, TrackKind};
use std::{fmt::Write as _, net::SocketAddr};

/// What every answer says of our transport.
pub(crate) struct AnswerTransport<'a> {
    pub peer: PeerId,
    pub ice_ufrag: &'a str,
    pub ice_pwd: &'a str,
    /// SHA-256 of our certificate.
    pub fingerprint: [u8; 32],
    /// Best first.
    pub candidates: &'a [SocketAddr],
}

/// A line that a publisher may send on.
pub(crate) struct PublishLine<'a> {
    pub mid: &'a str,
    pub codec: &'a OfferedCodec,
}

/// A line that a subscriber receives on.
pub(crate) struct SubscribeLine<'a> {
    pub mid: &'a str,
    pub ssrc: Ssrc,
    /// If the client takes retransmissions.
    pub rtx_ssrc: Option<Ssrc>,
}

/// The header extensions that a publisher is to send.
fn publish_extensions(line: &OfferLine) -> Extensions {
    let simulcast = !line.rids.is_empty();
    line.extensions.retain(|k| match k {
        ExtensionKind::Mid | ExtensionKind::TransportCc => true,
        ExtensionKind::Rid | ExtensionKind::RepairedRid => simulcast,
        ExtensionKind::AudioLevel => line.kind == Some(TrackKind::Audio),
        // Of use to receivers that estimate; our estimate of the uplink is made by the publisher from transport-wide feedback.
        ExtensionKind::AbsSendTime => line.extensions.get(ExtensionKind::TransportCc).is_none(),
    })
}

/// The header extensions that we send to a subscriber.
pub(crate) fn subscribe_extensions(line: &OfferLine) -> Extensions {
    line.extensions.retain(|k| match k {
        ExtensionKind::Mid | ExtensionKind::TransportCc => true,
        ExtensionKind::Rid | ExtensionKind::RepairedRid => false,
        ExtensionKind::AudioLevel => line.kind == Some(TrackKind::Audio),
        ExtensionKind::AbsSendTime => line.extensions.get(ExtensionKind::TransportCc).is_none(),
    })
}

/// Answers a publisher: `lines` are received, all others declined. `start` is the rate with which a video encoder begins.
pub(crate) fn publish_answer(
    offer: &Offer,
    lines: &[PublishLine<'_>],
    transport: &AnswerTransport<'_>,
    start: Bitrate,
) -> String {
    write(offer, transport, |out, line| {
        let Some(ours) = lines.iter().find(|l| l.mid == line.mid && line.client_sends()) else { return false };
        open_line(out, line, std::slice::from_ref(ours.codec));
        out.attribute("recvonly");
        out.extensions(&publish_extensions(line));
        out.codec(ours.codec, line, Some(start));
        if !line.rids.is_empty() {
            for rid in &line.rids {
                out.attribute(format_args!("rid:{rid} recv"));
            }
            if line.simulcast {
                out.attribute(format_args!("simulcast:recv {}", line.rids.join(";")));
            }
        }
        true
    })
}

/// Answers a subscriber: `lines` are sent, all others declined.
pub(crate) fn subscribe_answer(offer: &Offer, lines: &[SubscribeLine<'_>], transport: &AnswerTransport<'_>) -> String {
    let of = |kind| lines.iter().filter(move |l| offer.line(l.mid).is_some_and(|o| o.kind == Some(kind))).count();
    // A player (WHEP) has one picture and its sound: in one stream they are played in step by their sender reports. With
    // more lines only the client knows which belong together, and a shared stream would couple strangers' clocks.
    let together = (of(TrackKind::Audio), of(TrackKind::Video)) == (1, 1);
    write(offer, transport, |out, line| {
        let Some(ours) = lines.iter().find(|l| l.mid == line.mid && line.client_receives()) else { return false };
        open_line(out, line, &line.codecs);
        out.attribute("sendonly");
        out.extensions(&subscribe_extensions(line));
        line.codecs.iter().for_each(|c| out.codec(c, line, None));
        let stream = if together { "stage" } else { &line.mid };
        out.attribute(format_args!("msid:{stream} {}", line.mid));
        let (ssrc, cname) = (ours.ssrc.0, transport.peer);
        if let Some(rtx) = ours.rtx_ssrc {
            out.attribute(format_args!("ssrc-group:FID {ssrc} {}", rtx.0));
        }
        // libwebrtc takes the source that is named first for the primary one.
        for ssrc in [Some(ours.ssrc), ours.rtx_ssrc].into_iter().flatten() {
            out.attribute(format_args!("ssrc:{} cname:{cname}", ssrc.0));
        }
        true
    })
}

/// An answer under construction: lines end with CR LF (RFC 8866 §5).
struct Out(String);

impl Out {
    fn line(&mut self, text: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{text}\r\n");
    }

    fn attribute(&mut self, text: impl std::fmt::Display) {
        self.line(format_args!("a={text}"));
    }

    fn extensions(&mut self, extensions: &Extensions) {
        for (id, kind) in extensions.iter() {
            self.attribute(format_args!("extmap:{id} {}", kind.uri()));
        }
    }

    fn codec(&mut self, c: &OfferedCodec, line: &OfferLine, start: Option<Bitrate>) {
        let (pt, hz) = (c.payload_type.0, c.codec.clock_rate().hz());
        let twcc = line.extensions.get(ExtensionKind::TransportCc).is_some();
        match c.codec {
            Codec::Opus => self.attribute(format_args!("rtpmap:{pt} opus/{hz}/2")),
            codec => self.attribute(format_args!("rtpmap:{pt} {}/{hz}", codec.encoding_name())),
        }
        for (offered, name) in
            [(c.transport_cc && twcc, "transport-cc"), (c.nack, "nack"), (c.pli, "nack pli"), (c.fir, "ccm fir")]
        {
            if offered {
                self.attribute(format_args!("rtcp-fb:{pt} {name}"));
            }
        }
        let mut parameters: Vec<String> = match c.codec {
            Codec::Opus => vec!["minptime=10".into(), "useinbandfec=1".into()],
            Codec::H264 => {
                let profile = c.profile.as_deref().unwrap_or("42e01f");
                vec![
                    "level-asymmetry-allowed=1".into(),
                    "packetization-mode=1".into(),
                    format!("profile-level-id={profile}"),
                ]
            }
            _ => vec![],
        };
        // libwebrtc begins at 300 kbit/s and shrinks a 720p picture for ten seconds unless it is told where to begin.
        if let Some(start) = start.filter(|_| c.codec.kind() == TrackKind::Video) {
            parameters.push(format!("x-google-start-bitrate={}", start.as_bps() / 1000));
        }
        if !parameters.is_empty() {
            self.attribute(format_args!("fmtp:{pt} {}", parameters.join(";")));
        }
        if let Some(rtx) = c.rtx {
            self.attribute(format_args!("rtpmap:{} rtx/{hz}", rtx.0));
            self.attribute(format_args!("fmtp:{} apt={pt}", rtx.0));
        }
    }
}

/// The head of an accepted line, up to its own attributes.
fn open_line(out: &mut Out, line: &OfferLine, codecs: &[OfferedCodec]) {
    let formats: Vec<String> =
        codecs.iter().flat_map(|c| [Some(c.payload_type), c.rtx]).flatten().map(|pt| pt.0.to_string()).collect();
    out.line(format_args!("m={} 9 {} {}", line.media, line.proto, formats.join(" ")));
    out.line("c=IN IP4 0.0.0.0");
}

/// Writes the answer; `accept` writes an accepted line up to and with its own attributes, or returns `false` having
/// written nothing.
fn write(offer: &Offer, t: &AnswerTransport<'_>, mut accept: impl FnMut(&mut Out, &OfferLine) -> bool) -> String {
    let mut body = Out(String::with_capacity(4096));
    let mut bundled = Vec::new();
    for line in &offer.lines {
        let begin = body.0.len();
        if !accept(&mut body, line) {
            debug_assert_eq!(body.0.len(), begin, "a declined line has written nothing");
            decline(&mut body, line);
            continue;
        }
        body.attribute(format_args!("mid:{}", line.mid));
        body.attribute("rtcp-mux");
        if line.rtcp_rsize {
            body.attribute("rtcp-rsize");
        }
        body.attribute(format_args!("ice-ufrag:{}", t.ice_ufrag));
        body.attribute(format_args!("ice-pwd:{}", t.ice_pwd));
        let hex: Vec<String> = t.fingerprint.iter().map(|b| format!("{b:02X}")).collect();
        body.attribute(format_args!("fingerprint:sha-256 {}", hex.join(":")));
        body.attribute("setup:passive");
        if bundled.is_empty() {
            for (i, c) in t.candidates.iter().enumerate() {
                // RFC 8445 §5.1.2.1: type preference 126 for host, then local preference, component 1.
                let priority = (126u32 << 24) | ((65_535 - i.min(65_535) as u32) << 8) | 255;
                let (ip, port) = (c.ip(), c.port());
                body.attribute(format_args!("candidate:{} 1 udp {priority} {ip} {port} typ host", i + 1));
            }
            body.attribute("end-of-candidates");
        }
        bundled.push(line.mid.as_str());
    }
    let mut head = Out(String::with_capacity(256 + body.0.len()));
    head.line("v=0");
    // The session id only has to differ between connections (RFC 8829 §5.2.1 wants 63 bits).
    head.line(format_args!("o=- {} 1 IN IP4 0.0.0.0", (t.peer.0.0 as u64) >> 1));
    head.line("s=-");
    head.line("t=0 0");
    if !bundled.is_empty() {
        head.attribute(format_args!("group:BUNDLE {}", bundled.join(" ")));
    }
    head.attribute("ice-lite");
    head.attribute("msid-semantic: WMS *");
    head.0.push_str(&body.0);
    head.0
}

/// A declined line: port 0 and nothing but what identifies it (RFC 3264 §6).
fn decline(out: &mut Out, line: &OfferLine) {
    out.line(format_args!("m={} 0 {} {}", line.media, line.proto, line.formats.join(" ")));
    out.line("c=IN IP4 0.0.0.0");
    out.attribute("inactive");
    out.attribute(format_args!("mid:{}", line.mid));
}
