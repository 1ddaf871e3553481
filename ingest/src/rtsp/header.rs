//! The headers a client must understand: `Session`, `Transport`, `Public` (RFC 2326 §12.37, §12.39, §12.28).

/// The most characters of a session id; RFC 2326 §3.4 asks for eight at least.
const SESSION_ID_CHARS_MAX: usize = 256;

/// A session's id, and after how many seconds without a request the camera forgets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionId {
    pub(crate) id: String,
    pub(crate) timeout_secs: u32,
}

/// Reads a `Session` header. A timeout that is not a number, or too short to be meant, is the default of 60 s.
pub(crate) fn session(value: &str) -> Option<SessionId> {
    let mut parts = value.split(';');
    let id = parts.next()?.trim();
    let token = !id.is_empty() && id.len() <= SESSION_ID_CHARS_MAX && id.bytes().all(|b| b.is_ascii_graphic());
    let timeout = parts.filter_map(|p| p.trim().strip_prefix("timeout=")).find_map(|v| v.trim().parse().ok());
    token.then(|| SessionId { id: id.to_owned(), timeout_secs: timeout.filter(|t| *t >= 4).unwrap_or(60) })
}

/// What the camera chose for a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Interleaved channels of RTP and RTCP.
    pub(crate) channels: Option<(u8, u8)>,
    /// The camera's ports of RTP and RTCP.
    pub(crate) server_ports: Option<(u16, u16)>,
}

/// Reads a `Transport` header of an answer. `source` is left aside: packets are taken from the camera we are connected to and
/// from nobody it names. So is `ssrc`: cameras write other values than they send; the first packet tells.
pub(crate) fn transport(value: &str) -> Chosen {
    let mut chosen = Chosen::default();
    for part in value.split([';', ',']) {
        if let Some(v) = part.trim().strip_prefix("interleaved=") {
            chosen.channels = pair(v);
        } else if let Some(v) = part.trim().strip_prefix("server_port=") {
            chosen.server_ports = pair(v).filter(|(rtp, rtcp): &(u16, u16)| *rtp != 0 && *rtcp != 0);
        }
    }
    chosen
}

/// `a-b`, or `a`, which means `a` and the one behind it.
fn pair<T: std::str::FromStr + Copy + TryFrom<u32> + Into<u32>>(text: &str) -> Option<(T, T)> {
    let (first, second) = text.split_once('-').map_or((text, None), |(a, b)| (a, Some(b)));
    let first: T = first.trim().parse().ok()?;
    let second = match second {
        Some(text) => text.trim().parse().ok()?,
        None => T::try_from(first.into() + 1).ok()?,
    };
    Some((first, second))
}

/// The request that keeps a session alive: `GET_PARAMETER` where the camera lists it, as ffmpeg does and cameras are tested with.
pub(crate) fn keepalive_method(public: Option<&str>) -> &'static str {
    let offers = |method| public.is_some_and(|list| list.split(',').any(|m| m.trim().eq_ignore_ascii_case(method)));
    if offers("GET_PARAMETER") { "GET_PARAMETER" } else { "OPTIONS" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_transports_as_cameras_write_them() {
        let of = |id: &str, timeout_secs| Some(SessionId { id: id.to_owned(), timeout_secs });
        // (header, session)
        for (header, want) in [
            ("12345678;timeout=30", of("12345678", 30)),
            ("12345678; timeout=60 ", of("12345678", 60)),
            ("abc", of("abc", 60)),
            ("abc;timeout=0", of("abc", 60)),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(session(header), want, "{header}");
        }
        let tcp = transport("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=0x1;mode=\"play\"");
        assert_eq!(tcp.channels, Some((2, 3)));
        let udp = transport("RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=1.2.3.4");
        assert_eq!(udp.server_ports, Some((6970, 6971)));
        assert_eq!(transport("interleaved=255;server_port=65535").channels, None, "there is no channel 256");
        assert_eq!(transport("server_port=65535").server_ports, None);
        assert_eq!(transport("server_port=0-1").server_ports, None);
    }

    #[test]
    fn the_keepalive_is_one_that_the_camera_lists() {
        assert_eq!(keepalive_method(Some("OPTIONS, DESCRIBE, get_parameter")), "GET_PARAMETER");
        assert_eq!(keepalive_method(Some("OPTIONS, SET_PARAMETER")), "OPTIONS");
        assert_eq!(keepalive_method(None), "OPTIONS");
    }
}
