//! RTSP messages (RFC 2326) as a server reads and writes them, and the `Transport` header. Bytes in, messages out.

use std::net::{IpAddr, SocketAddr};

/// A request longer than this is none.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `DESCRIBE` and so on.
    pub method: String,
    /// The URL it is for.
    pub url: String,
    headers: Vec<(String, String)>,
}

/// What the bytes at hand begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A request of so many bytes.
    Request(Request, usize),
    /// An interleaved packet (RFC 2326 §10.12) of so many bytes: a receiver's report, which we need not read.
    Packet(usize),
    /// Not all is there.
    More,
    /// Not RTSP.
    Garbage,
}

impl Request {
    /// Value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Reads what a client sent.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Incoming {
        match bytes {
            [] => return Incoming::More,
            [b'$', _, high, low, ..] => {
                let len = 4 + usize::from(u16::from_be_bytes([*high, *low]));
                return if bytes.len() >= len { Incoming::Packet(len) } else { Incoming::More };
            }
            [b'$', ..] => return Incoming::More,
            _ => {}
        }
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return if bytes.len() > REQUEST_BYTES_MAX { Incoming::Garbage } else { Incoming::More };
        };
        let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return Incoming::Garbage };
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(url), Some("RTSP/1.0")) = (words.next(), words.next(), words.next()) else {
            return Incoming::Garbage;
        };
        let headers: Vec<(String, String)> =
            lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned())).collect();
        let request = Self { method: method.to_owned(), url: url.to_owned(), headers };
        let body = request.header("Content-Length").map_or(Some(0), |n| n.parse::<usize>().ok());
        match body {
            Some(body) if body <= REQUEST_BYTES_MAX => {
                let len = end + 4 + body;
                if bytes.len() >= len { Incoming::Request(request, len) } else { Incoming::More }
            }
            _ => Incoming::Garbage,
        }
    }

    /// Begins an answer to it.
    #[must_use]
    pub fn answer(&self, status: Status) -> Answer {
        let (code, reason) = status.line();
        let mut text = format!("RTSP/1.0 {code} {reason}\r\n");
        if let Some(seq) = self.header("CSeq") {
            text.push_str(&format!("CSeq: {seq}\r\n"));
        }
        Answer { text }
    }
}

/// Status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Ok,
    /// 401.
    Unauthorized,
    /// 404.
    NotFound,
    /// 454.
    NoSession,
    /// 455.
    NotNow,
    /// 461.
    Transport,
    /// 501.
    NotImplemented,
}

impl Status {
    fn line(self) -> (u16, &'static str) {
        match self {
            Self::Ok => (200, "OK"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::NotFound => (404, "Not Found"),
            Self::NoSession => (454, "Session Not Found"),
            Self::NotNow => (455, "Method Not Valid in This State"),
            Self::Transport => (461, "Unsupported Transport"),
            Self::NotImplemented => (501, "Not Implemented"),
        }
    }
}

/// An answer in the making.
#[derive(Debug)]
pub struct Answer {
    text: String,
}

impl Answer {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.text.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Its bytes, without a body.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        format!("{}\r\n", self.text).into_bytes()
    }

    /// Its bytes, with one.
    #[must_use]
    pub fn with_body(self, kind: &str, body: &str) -> Vec<u8> {
        let answer = self.header("Content-Type", kind).header("Content-Length", &body.len().to_string());
        format!("{}\r\n{body}", answer.text).into_bytes()
    }
}

/// How a client wants its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the RTSP connection, on these channels.
    Tcp {
        /// Media.
        rtp: u8,
        /// Reports.
        rtcp: u8,
    },
    /// To these addresses.
    Udp {
        /// Media.
        rtp: SocketAddr,
        /// Reports.
        rtcp: SocketAddr,
    },
}

impl Transport {
    /// The first offer of a `Transport` header that we can serve (RFC 2326 §12.39).
    #[must_use]
    pub fn read(header: &str, client: IpAddr, track: u8) -> Option<Self> {
        header.split(',').find_map(|offer| {
            let mut words = offer.trim().split(';').map(str::trim);
            let profile = words.next()?;
            let pair = |name: &str| {
                let value = offer.split(';').find_map(|w| w.trim().strip_prefix(name)?.strip_prefix('='))?;
                let (first, second) = value.split_once('-').unwrap_or((value, ""));
                let first: u16 = first.parse().ok()?;
                Some((first, second.parse().unwrap_or(first.wrapping_add(1))))
            };
            match profile {
                "RTP/AVP/TCP" => {
                    let default = u16::from(track) * 2;
                    let (rtp, rtcp) = pair("interleaved").unwrap_or((default, default + 1));
                    Some(Self::Tcp { rtp: u8::try_from(rtp).ok()?, rtcp: u8::try_from(rtcp).ok()? })
                }
                "RTP/AVP" | "RTP/AVP/UDP" if !offer.contains("multicast") => {
                    let (rtp, rtcp) = pair("client_port")?;
                    Some(Self::Udp { rtp: (client, rtp).into(), rtcp: (client, rtcp).into() })
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn requests_and_packets_are_told_apart() {
        let bytes = b"DESCRIBE rtsp://h/cam/1/main RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 3\r\n\r\nabcX";
        let Incoming::Request(request, len) = Request::read(bytes) else { panic!("a request") };
        assert_eq!((request.method.as_str(), request.header("cseq"), len), ("DESCRIBE", Some("2"), bytes.len() - 1));
        for cut in 0..bytes.len() - 1 {
            assert_eq!(Request::read(&bytes[..cut]), Incoming::More, "{cut} bytes");
        }
        assert_eq!(Request::read(&[b'$', 1, 0, 2, 9, 9, 9]), Incoming::Packet(6));
        assert_eq!(Request::read(&[b'$', 1, 0, 2, 9]), Incoming::More);
        assert_eq!(Request::read(b"GET / HTTP/1.1\r\n\r\n"), Incoming::Garbage);
        assert_eq!(Request::read(&[b'a'; REQUEST_BYTES_MAX + 1]), Incoming::Garbage);
        let answer = request.answer(Status::Ok).header("Session", "7").with_body("application/sdp", "v=0");
        assert!(
            answer.starts_with(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 7\r\n") && answer.ends_with(b"\r\n\r\nv=0")
        );
    }

    #[test]
    fn nothing_breaks_it() {
        use rand::{Rng as _, SeedableRng as _};
        let mut rng = rand::rngs::StdRng::seed_from_u64(4);
        let whole =
            b"SETUP rtsp://h/ RTSP/1.0\r\nTransport: RTP/AVP;client_port=1-2\r\nContent-Length: 1\r\n\r\nx".to_vec();
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            match Request::read(&bytes) {
                Incoming::Request(_, len) | Incoming::Packet(len) => assert!((1..=bytes.len()).contains(&len)),
                Incoming::More | Incoming::Garbage => {}
            }
            let _ = Transport::read(&String::from_utf8_lossy(&bytes), IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        }
    }

    #[test]
    fn transports_are_chosen() {
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let read = |header| Transport::read(header, client, 1);
        assert_eq!(read("RTP/AVP/TCP;unicast;interleaved=4-5"), Some(Transport::Tcp { rtp: 4, rtcp: 5 }));
        assert_eq!(read("RTP/AVP/TCP;unicast"), Some(Transport::Tcp { rtp: 2, rtcp: 3 }));
        let udp = Transport::Udp { rtp: (client, 6000).into(), rtcp: (client, 6001).into() };
        assert_eq!(read("RTP/AVP;multicast,RTP/AVP/UDP;unicast;client_port=6000-6001"), Some(udp));
        assert_eq!(read("RTP/AVP;unicast;client_port=6000"), Some(udp));
        assert_eq!(read("RAW/RAW/UDP;unicast"), None);
        assert_eq!(read("RTP/AVP/TCP;interleaved=999-1000"), None);
    }
}
