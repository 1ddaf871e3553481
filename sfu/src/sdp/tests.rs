//! Offers as real clients write them, and what is answered or refused.

use super::{offer::Direction, *};
use lectern_media::{Bitrate, Codec, PayloadType, PeerId, Ssrc};

/// An offer of Chromium 156 with three simulcast layers and a microphone, shortened to what matters.
pub(crate) const CHROMIUM_PUBLISH: &str = "v=0\r\no=- 4612 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Xk2y\r\na=ice-pwd:l0mLxCE4uDGwnQKHK5y2bSzd\r\na=ice-options:trickle\r\na=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\na=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendonly\r\na=msid:- a\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=ssrc:1001 cname:x\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Xk2y\r\na=ice-pwd:l0mLxCE4uDGwnQKHK5y2bSzd\r\na=ice-options:trickle\r\na=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\na=setup:actpass\r\na=mid:1\r\na=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\na=sendonly\r\na=msid:- v\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:103 H264/90000\r\na=rtcp-fb:103 transport-cc\r\na=rtcp-fb:103 nack\r\na=rtcp-fb:103 nack pli\r\na=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\na=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\na=rtpmap:107 H264/90000\r\na=rtcp-fb:107 transport-cc\r\na=rtcp-fb:107 nack\r\na=rtcp-fb:107 nack pli\r\na=rtcp-fb:107 ccm fir\r\na=fmtp:107 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:108 rtx/90000\r\na=fmtp:108 apt=107\r\na=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send f;h;q\r\n\
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Xk2y\r\na=ice-pwd:l0mLxCE4uDGwnQKHK5y2bSzd\r\na=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\na=setup:actpass\r\na=mid:2\r\na=sctp-port:5000\r\n";

fn transport(candidates: &[std::net::SocketAddr]) -> AnswerTransport<'_> {
    AnswerTransport {
        peer: PeerId::generate(),
        ice_ufrag: "ours",
        ice_pwd: "ourpasswordourpasswordour",
        fingerprint: [0xab; 32],
        candidates,
    }
}

#[test]
fn reads_what_chromium_offers() {
    let offer = Offer::parse(CHROMIUM_PUBLISH).unwrap();
    assert_eq!((offer.ice_ufrag.as_str(), offer.lines.len()), ("Xk2y", 3));
    let video = offer.line("1").unwrap();
    assert_eq!(video.rids, ["q", "h", "f"], "customary names are put in order");
    assert_eq!(video.direction, Direction::SendOnly);
    let codecs: Vec<_> = video.codecs.iter().map(|c| (c.codec, c.payload_type.0, c.rtx.map(|p| p.0))).collect();
    assert_eq!(codecs, [(Codec::H264, 107, Some(108)), (Codec::Vp8, 96, Some(97))]);
    assert_eq!(video.extensions.get(ExtensionKind::RepairedRid), Some(11));
    let audio = offer.line("0").unwrap();
    assert_eq!(audio.codecs[0].payload_type, PayloadType(111), "RED and G.722 are left aside");
    assert_eq!(audio.ssrcs, [(Ssrc(1001), None)]);
    assert_eq!(offer.line("2").unwrap().kind, None);
}

#[test]
fn answers_a_publisher() {
    let offer = Offer::parse(CHROMIUM_PUBLISH).unwrap();
    let candidates = ["192.0.2.7:7788".parse().unwrap(), "[2001:db8::7]:7788".parse().unwrap()];
    let lines = [
        PublishLine { mid: "0", codec: &offer.lines[0].codecs[0] },
        PublishLine { mid: "1", codec: &offer.lines[1].codecs[0] },
    ];
    let answer = publish_answer(&offer, &lines, &transport(&candidates), Bitrate::kbps(1400));
    for want in [
        "a=ice-lite\r\n",
        "a=group:BUNDLE 0 1\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 107 108\r\n",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "a=setup:passive\r\n",
        "a=simulcast:recv q;h;f\r\n",
        "a=rid:h recv\r\n",
        "profile-level-id=42e01f;x-google-start-bitrate=1400\r\n",
        "a=candidate:1 1 udp 2130706431 192.0.2.7 7788 typ host\r\n",
        "a=candidate:2 1 udp 2130706175 2001:db8::7 7788 typ host\r\n",
        "a=end-of-candidates\r\n",
        "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n",
        "a=rtcp-fb:107 nack pli\r\n",
        "a=fmtp:111 minptime=10;useinbandfec=1\r\n",
    ] {
        assert!(answer.contains(want), "{want:?} is missing in\n{answer}");
    }
    assert_eq!(answer.matches("a=recvonly").count(), 2);
    assert_eq!(answer.matches("a=candidate:").count(), 2, "candidates stand once, all lines are bundled");
    rtc_sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(answer.as_bytes())).expect("it is SDP");
}

#[test]
fn answers_a_subscriber_with_every_codec_it_takes() {
    let text = CHROMIUM_PUBLISH.replace("a=sendonly", "a=recvonly").replace("a=simulcast:send f;h;q\r\n", "");
    let text = text.replace("a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\n", "");
    let offer = Offer::parse(&text).unwrap();
    let line = SubscribeLine { mid: "1", ssrc: Ssrc(70), rtx_ssrc: Some(Ssrc(71)) };
    let answer = subscribe_answer(&offer, &[line], &transport(&[]));
    for want in [
        "m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 107 108 96 97\r\n",
        "a=sendonly\r\n",
        "a=ssrc-group:FID 70 71\r\na=ssrc:70 cname:",
        "a=group:BUNDLE 1\r\n",
    ] {
        assert!(answer.contains(want), "{want:?} is missing in\n{answer}");
    }
    assert!(!answer.contains("x-google-start-bitrate"), "a decoder needs no start rate");
}

#[test]
fn one_picture_and_its_sound_are_played_in_step() {
    let text = CHROMIUM_PUBLISH.replace("a=sendonly", "a=recvonly");
    let offer = Offer::parse(&text).unwrap();
    let line = |mid, ssrc| SubscribeLine { mid, ssrc: Ssrc(ssrc), rtx_ssrc: None };
    let both = subscribe_answer(&offer, &[line("0", 1), line("1", 2)], &transport(&[]));
    assert!(both.contains("a=msid:stage 0\r\n") && both.contains("a=msid:stage 1\r\n"), "{both}");
    let alone = subscribe_answer(&offer, &[line("1", 2)], &transport(&[]));
    assert!(alone.contains("a=msid:1 1\r\n"), "{alone}");
}

#[test]
fn whip_lines_are_camera_then_screen_and_microphone() {
    let lines = publish_lines(CHROMIUM_PUBLISH).unwrap();
    assert_eq!(lines, [("0".into(), TrackSource::Microphone), ("1".into(), TrackSource::Camera)]);
}

#[test]
fn every_bad_offer_has_its_own_words() {
    let change = |from: &str, to: &str| CHROMIUM_PUBLISH.replace(from, to);
    let long = "x".repeat(OFFER_LEN_MAX + 1);
    // (offer, what is said of it)
    type Is = fn(&SdpError) -> bool;
    let cases: Vec<(String, Is)> = vec![
        (long, |e| matches!(e, SdpError::TooLong(_))),
        (String::new(), |e| matches!(e, SdpError::Syntax(_) | SdpError::IceCredentials)),
        ("not sdp".into(), |e| matches!(e, SdpError::Syntax(_))),
        (
            change("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0"),
            |e| matches!(e, SdpError::NotBundled { mid } if mid == "1"),
        ),
        (change("a=rtcp-mux\r\n", ""), |e| matches!(e, SdpError::NoRtcpMux { .. })),
        (change("a=mid:1", "a=mid:0"), |e| matches!(e, SdpError::BadMid(_))),
        (change("a=mid:1", "a=mid:a-mid-that-is-too-long"), |e| matches!(e, SdpError::BadMid(_))),
        (change("a=ice-pwd:l0mLxCE4uDGwnQKHK5y2bSzd", "a=ice-pwd:short"), |e| *e == SdpError::IceCredentials),
        (change("a=ice-ufrag:Xk2y\r\n", ""), |e| *e == SdpError::IceCredentials),
        (change("sha-256", "md5"), |e| *e == SdpError::Fingerprint),
        (change("sha-256 7B:", "sha-256 "), |e| *e == SdpError::Fingerprint),
        (change("a=setup:actpass", "a=setup:passive"), |e| *e == SdpError::DtlsRole),
        (change("UDP/TLS/RTP/SAVPF", "RTP/AVP"), |e| matches!(e, SdpError::Protocol { .. })),
        (change("a=rid:f send\r\n", "a=rid:f send\r\na=rid:x send\r\n").replace("f;h;q", "f;h;q;x"), |e| {
            matches!(e, SdpError::TooManyLayers { count: 4, .. })
        }),
    ];
    for (i, (offer, is)) in cases.iter().enumerate() {
        match Offer::parse(offer) {
            Err(e) => assert!(is(&e), "case {i}: got {e:?}"),
            Ok(_) => panic!("case {i} was accepted"),
        }
    }
}

#[test]
fn rids_of_any_name_keep_the_client_s_order() {
    let text = CHROMIUM_PUBLISH
        .replace(
            "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\n",
            "a=rid:lo send\r\na=rid:mid send\r\na=rid:hi send\r\n",
        )
        .replace("send f;h;q", "send lo;~mid,hi;hi");
    assert_eq!(Offer::parse(&text).unwrap().line("1").unwrap().rids, ["lo", "mid", "hi"]);
}

#[test]
fn damaged_offers_never_panic() {
    let bytes = CHROMIUM_PUBLISH.as_bytes();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..2_000 {
        let mut damaged = bytes[..next() % (bytes.len() + 1)].to_vec();
        for _ in 0..next() % 8 {
            if let Some(at) = next().checked_rem(damaged.len()) {
                damaged[at] = next() as u8;
            }
        }
        // Whatever comes out, it comes out as a value.
        let _ = Offer::parse(&String::from_utf8_lossy(&damaged));
    }
}

#[test]
fn g711_is_taken_on_lines_that_receive_and_never_from_publishers() {
    // As Chromium writes it, and without the mapping that RFC 3551 makes unnecessary.
    let offered = "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\n";
    let chromium = CHROMIUM_PUBLISH.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\n", offered);
    let mapped = chromium.replace("a=rtpmap:9 G722/8000\r\n", "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n");
    for text in [chromium, mapped] {
        let text = text.replace("a=sendonly", "a=recvonly");
        let offer = Offer::parse(&text).unwrap();
        let codecs: Vec<_> = offer.line("0").unwrap().codecs.iter().map(|c| (c.codec, c.payload_type.0)).collect();
        assert_eq!(codecs, [(Codec::Opus, 111), (Codec::Pcma, 8), (Codec::Pcmu, 0)]);
        let lines = [SubscribeLine { mid: "0", ssrc: Ssrc(7), rtx_ssrc: None }];
        let answer = subscribe_answer(&offer, &lines, &transport(&[]));
        for want in ["m=audio 9 UDP/TLS/RTP/SAVPF 111 8 0\r\n", "a=rtpmap:8 PCMA/8000\r\n", "a=rtpmap:0 PCMU/8000\r\n"]
        {
            assert!(answer.contains(want), "{want:?} is missing in\n{answer}");
        }
    }
}
