//! The offer of a light client and what it needs of the answer. Codecs and extensions as browsers offer them.

use anyhow::{Context, Result, bail};
use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

/// Payload types and extension ids of our offers.
pub const PT_H264: u8 = 102;
/// Retransmissions of [`PT_H264`].
pub const PT_RTX: u8 = 103;
/// Opus.
pub const PT_OPUS: u8 = 111;
/// Transport-wide sequence numbers.
pub const EXT_TWCC: u8 = 3;
/// Media ids.
pub const EXT_MID: u8 = 4;
/// SDP media id of the picture.
pub const MID_VIDEO: &str = "0";
/// SDP media id of the sound.
pub const MID_AUDIO: &str = "1";

const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What an offer is made of.
#[derive(Debug)]
pub struct Offer<'a> {
    /// Session id.
    pub session: u32,
    /// ICE user name fragment.
    pub ufrag: &'a str,
    /// ICE password.
    pub pwd: &'a str,
    /// SHA-256 of the certificate.
    pub fingerprint: &'a [u8; 32],
    /// SSRCs of picture and sound for one that sends; nothing for one that receives.
    pub sends: Option<(u32, u32)>,
}

impl Offer<'_> {
    /// The SDP.
    #[must_use]
    pub fn sdp(&self) -> String {
        let mut s = format!("v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", self.session);
        s.push_str("a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS lecture\r\n");
        let hex: Vec<String> = self.fingerprint.iter().map(|b| format!("{b:02X}")).collect();
        let transport = format!(
            "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
             a=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\n",
            self.ufrag,
            self.pwd,
            hex.join(":")
        );
        let direction = if self.sends.is_some() { "sendonly" } else { "recvonly" };
        for (kind, mid) in [("video", MID_VIDEO), ("audio", MID_AUDIO)] {
            let video = kind == "video";
            let types = if video { format!("{PT_H264} {PT_RTX}") } else { PT_OPUS.to_string() };
            let _ = write!(s, "m={kind} 9 UDP/TLS/RTP/SAVPF {types}\r\n{transport}a=mid:{mid}\r\n");
            let _ = write!(s, "a=extmap:{EXT_TWCC} {TWCC_URI}\r\na=extmap:{EXT_MID} {MID_URI}\r\na={direction}\r\n");
            if self.sends.is_some() {
                let _ = write!(s, "a=msid:lecture {kind}\r\n");
            }
            s.push_str("a=rtcp-mux\r\na=rtcp-rsize\r\n");
            let fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
            let _ = if video {
                write!(
                    s,
                    "a=rtpmap:{PT_H264} H264/90000\r\na=rtcp-fb:{PT_H264} transport-cc\r\na=rtcp-fb:{PT_H264} ccm fir\r\n\
                     a=rtcp-fb:{PT_H264} nack\r\na=rtcp-fb:{PT_H264} nack pli\r\na=fmtp:{PT_H264} {fmtp}\r\n\
                     a=rtpmap:{PT_RTX} rtx/90000\r\na=fmtp:{PT_RTX} apt={PT_H264}\r\n"
                )
            } else {
                write!(
                    s,
                    "a=rtpmap:{PT_OPUS} opus/48000/2\r\na=rtcp-fb:{PT_OPUS} transport-cc\r\n\
                     a=fmtp:{PT_OPUS} minptime=10;useinbandfec=1\r\n"
                )
            };
            if let Some((video_ssrc, audio_ssrc)) = self.sends {
                let ssrc = if video { video_ssrc } else { audio_ssrc };
                let _ = write!(s, "a=ssrc:{ssrc} cname:lecture\r\na=ssrc:{ssrc} msid:lecture {kind}\r\n");
            }
        }
        s
    }
}

/// What is needed of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// ICE user name fragment of the server.
    pub ufrag: String,
    /// ICE password of the server.
    pub pwd: String,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// Its UDP host candidates.
    pub candidates: Vec<SocketAddr>,
}

impl Answer {
    /// Reads an SDP answer.
    ///
    /// # Errors
    /// If something that is needed is not there.
    pub fn parse(sdp: &str) -> Result<Self> {
        let value = |name: &str| {
            let prefix = format!("a={name}:");
            sdp.lines().find_map(|l| l.trim_end().strip_prefix(&prefix)).map(str::to_owned)
        };
        let need = |name: &str| value(name).with_context(|| format!("the answer has no {name}"));
        if !sdp.lines().any(|l| l.starts_with("m=") && l.split(' ').nth(1).is_some_and(|port| port != "0")) {
            bail!("the answer declines every line:\n{sdp}");
        }
        if need("setup")? != "passive" {
            bail!("the server wants to be the DTLS client");
        }
        let print = need("fingerprint")?;
        let digest = print.strip_prefix("sha-256 ").context("the server's fingerprint is not SHA-256")?;
        let bytes = digest.split(':').map(|b| u8::from_str_radix(b, 16)).collect::<Result<Vec<_>, _>>()?;
        let candidates = sdp.lines().filter_map(candidate).collect();
        Ok(Self {
            ufrag: need("ice-ufrag")?,
            pwd: need("ice-pwd")?,
            fingerprint: bytes.try_into().ok().context("the server's fingerprint has no 32 bytes")?,
            candidates,
        })
    }

    /// The candidate to use when the server was reached at `near`: the same address, or one of its family, or any.
    #[must_use]
    pub fn best(&self, near: IpAddr) -> Option<SocketAddr> {
        let find = |wanted: &dyn Fn(&&SocketAddr) -> bool| self.candidates.iter().find(wanted).copied();
        find(&|c| c.ip() == near).or_else(|| find(&|c| c.is_ipv4() == near.is_ipv4())).or_else(|| find(&|_| true))
    }
}

/// RFC 8839 §5.1, UDP host candidates only.
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut words = line.trim_end().strip_prefix("a=candidate:")?.split_whitespace();
    let (_foundation, _component, transport) = (words.next()?, words.next()?, words.next()?);
    if !transport.eq_ignore_ascii_case("udp") {
        return None;
    }
    let (_priority, address, port) = (words.next()?, words.next()?, words.next()?);
    Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let print: Vec<String> = (0..32).map(|n| format!("{n:02X}")).collect();
        let sdp = format!(
            "v=0\r\na=ice-lite\r\nm=video 7788 UDP/TLS/RTP/SAVPF 102\r\na=ice-ufrag:u1\r\na=ice-pwd:p1\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:passive\r\na=candidate:1 1 tcp 9 10.0.0.1 9 typ host tcptype passive\r\n\
             a=candidate:1 1 udp 2130706431 ::1 7788 typ host\r\na=candidate:2 1 UDP 2130706430 127.0.0.1 7788 typ host\r\n",
            print.join(":")
        );
        let answer = Answer::parse(&sdp).expect("an answer");
        assert_eq!((&answer.ufrag[..], &answer.pwd[..], answer.fingerprint[31]), ("u1", "p1", 31));
        assert_eq!(answer.best("127.0.0.1".parse().expect("an address")), "127.0.0.1:7788".parse().ok());
        assert_eq!(answer.best("::2".parse().expect("an address")), "[::1]:7788".parse().ok());
        assert!(Answer::parse(&sdp.replace("passive\r\na=c", "active\r\na=c")).is_err());
        assert!(Answer::parse(&sdp.replace("m=video 7788", "m=video 0")).is_err());
        assert!(Answer::parse("").is_err());
    }

    #[test]
    fn offers_name_what_they_send() {
        let print = [0xab; 32];
        let mut offer = Offer { session: 1, ufrag: "u", pwd: "p", fingerprint: &print, sends: Some((11, 22)) };
        let sdp = offer.sdp();
        assert!(sdp.contains("a=ssrc:11 cname") && sdp.contains("a=ssrc:22 cname") && sdp.contains("a=sendonly"));
        offer.sends = None;
        assert!(!offer.sdp().contains("a=ssrc") && offer.sdp().matches("a=recvonly").count() == 2);
    }
}
