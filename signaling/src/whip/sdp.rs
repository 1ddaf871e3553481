//! The little of an offer that WHIP and WHEP must know before the media plane reads it whole: which lines there are.
//!
//! Does not belong here: codecs, transports, correctness; the media plane refuses what it can't answer.

use crate::{ports::IceCredentials, room::WatchLine};
use lectern_media::{TrackKind, TrackSource};
use lectern_protocol::ws::PublishLine;

/// Media lines looked at; an offer with more is cut here and refused by the media plane.
const LINES_MAX: usize = 64;

struct Line<'a> {
    kind: TrackKind,
    mid: &'a str,
    sends: bool,
    receives: bool,
}

fn lines(sdp: &str) -> Vec<Line<'_>> {
    let mut found: Vec<Option<Line<'_>>> = Vec::new();
    for line in sdp.lines() {
        let line = line.trim_end();
        if let Some(media) = line.strip_prefix("m=") {
            let mut words = media.split(' ');
            let kind = match words.next() {
                Some("audio") => Some(TrackKind::Audio),
                Some("video") => Some(TrackKind::Video),
                _ => None,
            };
            if found.len() == LINES_MAX {
                break;
            }
            // A line without direction sends and receives (RFC 8866 §6.7).
            found.push(kind.map(|kind| Line { kind, mid: "", sends: true, receives: true }));
        } else if let Some(Some(current)) = found.last_mut() {
            match line {
                "a=sendonly" => current.receives = false,
                "a=recvonly" => current.sends = false,
                "a=inactive" => (current.sends, current.receives) = (false, false),
                _ => {
                    if let Some(mid) = line.strip_prefix("a=mid:") {
                        current.mid = mid;
                    }
                }
            }
        }
    }
    found.into_iter().flatten().filter(|l| !l.mid.is_empty()).collect()
}

/// What a device's lines carry: the first picture is its camera, a second one its screen, and so for sound. More are left.
#[must_use]
pub fn publish_lines(sdp: &str) -> Vec<PublishLine> {
    let (mut pictures, mut sounds) = (
        [TrackSource::Camera, TrackSource::Screen].into_iter(),
        [TrackSource::Microphone, TrackSource::ScreenAudio].into_iter(),
    );
    lines(sdp)
        .into_iter()
        .filter(|l| l.sends)
        .filter_map(|l| {
            let source = match l.kind {
                TrackKind::Video => pictures.next(),
                TrackKind::Audio => sounds.next(),
            }?;
            Some(PublishLine { mid: l.mid.to_owned(), source })
        })
        .collect()
}

/// The receiving lines of a player.
#[must_use]
pub fn watch_lines(sdp: &str) -> Vec<WatchLine> {
    let receiving = lines(sdp).into_iter().filter(|l| l.receives);
    receiving.map(|l| WatchLine { mid: l.mid.to_owned(), kind: l.kind }).collect()
}

/// The first ICE credentials in a description or a fragment of one.
#[must_use]
pub fn credentials(sdp: &str) -> Option<IceCredentials> {
    let value = |name: &str| sdp.lines().find_map(|l| l.trim_end().strip_prefix(name)).filter(|v| !v.is_empty());
    let (ufrag, pwd) = (value("a=ice-ufrag:")?, value("a=ice-pwd:")?);
    // RFC 8839 §5.4: 4 to 256 and 22 to 256 characters.
    let fits = (4..=256).contains(&ufrag.len()) && (22..=256).contains(&pwd.len());
    fits.then(|| IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() })
}

/// The candidate lines of a description, each once.
#[must_use]
pub fn candidates(sdp: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in sdp.lines().map(str::trim_end).filter(|l| l.starts_with("a=candidate:")) {
        if !found.iter().any(|f| f == line) {
            found.push(line.to_owned());
        }
    }
    found
}

/// The first media line with its mid, as a fragment repeats it (RFC 8840 §9).
#[must_use]
pub fn first_media(sdp: &str) -> String {
    let m = sdp.lines().map(str::trim_end).find(|l| l.starts_with("m="));
    let mid = sdp.lines().map(str::trim_end).find(|l| l.starts_with("a=mid:"));
    m.into_iter().chain(mid).map(|l| format!("{l}\r\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2 d\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendrecv\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=recvonly\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n";

    #[test]
    fn lines_by_direction() {
        let publish: Vec<_> = publish_lines(OFFER).into_iter().map(|l| (l.mid, l.source)).collect();
        assert_eq!(publish, [("0".into(), TrackSource::Microphone), ("1".into(), TrackSource::Camera)]);
        let watch: Vec<_> = watch_lines(OFFER).into_iter().map(|l| (l.mid, l.kind)).collect();
        assert_eq!(watch, [("1".into(), TrackKind::Video), ("2".into(), TrackKind::Video)]);
    }

    #[test]
    fn credentials_of_the_right_length_only() {
        assert_eq!(credentials(OFFER).map(|c| c.ufrag), Some("abcd".into()));
        assert_eq!(credentials("a=ice-ufrag:abc\r\na=ice-pwd:0123456789012345678901\r\n"), None);
        assert_eq!(credentials("a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n"), None);
        assert_eq!(credentials("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n"), None);
    }
}
