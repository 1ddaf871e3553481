//! Session descriptions of cameras (RFC 8866, RFC 2326 appendix C): which streams there are and what their decoders need.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use lectern_media::{ClockRate, Codec, TrackKind};
use url::Url;

/// The most media lines looked at.
const MEDIA_MAX: usize = 16;

/// The longest attribute kept; parameter sets have a few hundred characters.
const ATTRIBUTE_CHARS_MAX: usize = 8192;

/// The most parameter sets taken from a description.
const PARAMETER_SETS_MAX: usize = 16;

/// One stream that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// Picture or sound; other media are not kept.
    pub(crate) kind: TrackKind,
    /// Its encoding name as written, shortened.
    pub(crate) encoding: String,
    /// The codec if we carry it.
    pub(crate) codec: Option<Codec>,
    pub(crate) clock: ClockRate,
    pub(crate) payload_type: u8,
    /// What `TapEvent::Parameters` carries.
    pub(crate) config: Bytes,
    /// What `SETUP` is sent to.
    pub(crate) control: String,
}

/// A description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) media: Vec<Media>,
    /// What `PLAY` is sent to.
    pub(crate) control: String,
}

#[derive(Default)]
struct Draft<'a> {
    kind: Option<TrackKind>,
    format: &'a str,
    rtpmap: Option<&'a str>,
    fmtp: Option<&'a str>,
    control: Option<&'a str>,
}

/// Reads a description. `base` is the `Content-Base` or the URL that was asked; bytes that are not UTF-8 (camera names in
/// GB 2312) stand only where nothing is read.
pub(crate) fn parse(base: &Url, body: &[u8]) -> Option<Description> {
    let text = String::from_utf8_lossy(body);
    let mut lines = text.split(['\r', '\n']).filter(|l| !l.is_empty());
    if !lines.next()?.starts_with("v=0") {
        return None;
    }
    let (mut session_control, mut drafts) = (None, Vec::<Draft<'_>>::new());
    for line in lines {
        if let Some(media) = line.strip_prefix("m=") {
            if drafts.len() == MEDIA_MAX {
                break;
            }
            let mut words = media.split_ascii_whitespace();
            let kind = match words.next() {
                Some("video") => Some(TrackKind::Video),
                Some("audio") => Some(TrackKind::Audio),
                _ => None,
            };
            // Port and transport between; of several formats the first is the default (RFC 8866 §5.14).
            drafts.push(Draft { kind, format: words.nth(2).unwrap_or(""), ..Draft::default() });
            continue;
        }
        let Some(attribute) = line.strip_prefix("a=").filter(|a| a.len() <= ATTRIBUTE_CHARS_MAX) else { continue };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match (name, drafts.last_mut()) {
            ("control", None) => session_control = Some(value),
            ("control", Some(media)) => media.control = Some(value),
            ("rtpmap", Some(media)) => media.rtpmap = of_format(media.format, value).or(media.rtpmap),
            ("fmtp", Some(media)) => media.fmtp = of_format(media.format, value).or(media.fmtp),
            _ => {}
        }
    }
    let media = drafts.iter().filter_map(|draft| finish(base, draft)).collect();
    Some(Description { media, control: join(base, session_control.unwrap_or("*")) })
}

/// The value of an attribute of this payload type.
fn of_format<'a>(format: &str, value: &'a str) -> Option<&'a str> {
    let (payload_type, rest) = value.trim().split_once(' ')?;
    (payload_type == format).then(|| rest.trim())
}

fn finish(base: &Url, draft: &Draft<'_>) -> Option<Media> {
    let payload_type: u8 = draft.format.parse().ok().filter(|n| *n < 128)?;
    let (encoding, clock) = match (draft.rtpmap, payload_type) {
        (Some(map), _) => {
            let mut parts = map.split('/');
            (parts.next()?, parts.next()?.trim().parse().ok().filter(|hz| (1..=1_000_000).contains(hz))?)
        }
        // Static payload types (RFC 3551 §6) that cameras use without a map.
        (None, 0) => ("PCMU", 8_000),
        (None, 8) => ("PCMA", 8_000),
        (None, 26) => ("JPEG", 90_000),
        (None, _) => return None,
    };
    let fmtp = draft.fmtp.unwrap_or("");
    let parameter = |name: &str| {
        let mut pairs = fmtp.split(';').filter_map(|p| p.trim().split_once('='));
        pairs.find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    };
    let codec = match encoding.to_ascii_uppercase().as_str() {
        "H264" if clock == 90_000 => Some(Codec::H264),
        "H265" | "HEVC" if clock == 90_000 => Some(Codec::H265),
        // RFC 3640 §3.3.6; others of its modes are not used by cameras.
        "MPEG4-GENERIC" if parameter("mode").is_some_and(|m| m.eq_ignore_ascii_case("AAC-hbr")) => Some(Codec::Aac),
        "PCMA" if clock == 8_000 => Some(Codec::Pcma),
        "PCMU" if clock == 8_000 => Some(Codec::Pcmu),
        _ => None,
    };
    let config = match codec {
        Some(Codec::H264) => parameter_sets([parameter("sprop-parameter-sets")]),
        Some(Codec::H265) => parameter_sets(["sprop-vps", "sprop-sps", "sprop-pps"].map(parameter)),
        Some(Codec::Aac) => parameter("config").and_then(|hex| hex::decode(hex).ok()).unwrap_or_default().into(),
        _ => Bytes::new(),
    };
    let kind = draft.kind?;
    Some(Media {
        kind,
        encoding: encoding.chars().filter(|c| c.is_ascii_graphic()).take(24).collect(),
        codec: codec.filter(|c| c.kind() == kind),
        clock: ClockRate::of(clock),
        payload_type,
        config,
        control: join(base, draft.control.unwrap_or("*")),
    })
}

/// Comma-separated base-64 lists (RFC 6184 §8.1, RFC 7798 §7.1) → each NAL unit behind its length of two bytes. What does not
/// decode is left out: parameter sets come in the stream as well.
fn parameter_sets<const N: usize>(lists: [Option<&str>; N]) -> Bytes {
    let mut out = Vec::new();
    let sets = lists.into_iter().flatten().flat_map(|list| list.split(','));
    for set in sets.filter_map(|set| BASE64_STANDARD.decode(set.trim()).ok()).take(PARAMETER_SETS_MAX) {
        if let Ok(len) = u16::try_from(set.len())
            && len > 0
        {
            out.extend(len.to_be_bytes());
            out.extend(set);
        }
    }
    out.into()
}

/// The NAL units of a configuration of [`parameter_sets`].
pub(crate) fn split_sets(config: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = config.clone();
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let set = (rest.len() >= 2 + len).then(|| rest.slice(2..2 + len))?;
        rest = rest.slice(2 + len..);
        Some(set)
    })
}

/// A control URL on its base, as live555 and ffmpeg do it: appended, not resolved as RFC 2326 appendix C.1.1 would have it.
/// It becomes the text of a request line, nothing is connected to by it.
fn join(base: &Url, control: &str) -> String {
    let control = control.trim();
    let clean = control.len() <= 1024 && control.bytes().all(|b| b.is_ascii_graphic());
    if control == "*" || control.is_empty() || !clean {
        return base.as_str().to_owned();
    }
    if control.starts_with("rtsp://") {
        return crate::config::split_credentials(control).0;
    }
    let base = base.as_str();
    let slash = if base.ends_with('/') || control.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{}", if base.ends_with('/') { control.trim_start_matches('/') } else { control })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=\u{fffd}\r\na=control:*\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z0IAKQ==,aM48gA==\r\na=control:trackID=1\r\n\
        m=audio 0 RTP/AVP 104\r\na=rtpmap:104 mpeg4-generic/16000/1\r\n\
        a=fmtp:104 streamtype=5;mode=AAC-hbr;config=1408;sizelength=13\r\na=control:rtsp://u:p@10.0.0.9/trackID=2\r\n\
        m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\nm=audio 0 RTP/AVP 8\r\n";

    #[test]
    fn reads_what_a_camera_offers() {
        let d = parse(&Url::parse("rtsp://10.0.0.9/main/").unwrap(), CAMERA.as_bytes()).unwrap();
        let [video, aac, pcma] = &d.media[..] else { panic!("{d:?}") };
        assert_eq!(
            (d.control.as_str(), video.codec, video.payload_type),
            ("rtsp://10.0.0.9/main/", Some(Codec::H264), 96)
        );
        assert_eq!(video.control, "rtsp://10.0.0.9/main/trackID=1");
        let sets: Vec<_> = split_sets(&video.config).collect();
        assert_eq!(sets, [&[0x67, 0x42, 0, 0x29][..], &[0x68, 0xce, 0x3c, 0x80]]);
        assert_eq!((aac.codec, aac.clock.hz(), &aac.config[..]), (Some(Codec::Aac), 16_000, &[0x14, 0x08][..]));
        assert_eq!(aac.control, "rtsp://10.0.0.9/trackID=2", "no password stays in a URL");
        assert_eq!((pcma.codec, pcma.control.as_str()), (Some(Codec::Pcma), "rtsp://10.0.0.9/main/"));
    }

    #[test]
    fn what_is_broken_is_left_out_and_does_no_harm() {
        let base = Url::parse("rtsp://h/").unwrap();
        assert_eq!(parse(&base, b"<html>"), None);
        // (media section, streams that remain)
        for (section, want) in [
            ("m=video 0 RTP/AVP 96\r\n", 0),
            ("m=video 0 RTP/AVP 300\r\na=rtpmap:300 H264/90000\r\n", 0),
            ("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/0\r\n", 0),
            ("m=video\r\na=rtpmap: \r\na=fmtp\r\n", 0),
            ("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96\r\na=control:a\tb\r\n", 1),
        ] {
            let d = parse(&base, format!("v=0\r\n{section}").as_bytes()).unwrap();
            assert_eq!(d.media.len(), want, "{section}");
        }
        let many = format!("v=0\r\n{}", "m=audio 0 RTP/AVP 0\r\n".repeat(1000));
        assert_eq!(parse(&base, many.as_bytes()).unwrap().media.len(), MEDIA_MAX);
    }
}
