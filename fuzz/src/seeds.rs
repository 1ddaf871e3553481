//! Valid inputs, small and varied; mutation does the rest.

use bytes::Bytes;
use lectern_fmp4::{Sample, TrackConfig, config::AvcConfig, fragment::fragment, init::init_segment};
use lectern_library::import;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Plain; with one-byte extensions (mid, transport-wide number); with two-byte extensions, a CSRC and padding.
pub(crate) fn rtp() -> Vec<Vec<u8>> {
    vec![
        vec![0x80, 0x60, 0x12, 0x34, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4],
        vec![
            0x90, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0xbe, 0xde, 0, 2, 0x10, b'0', 0x31, 0, 7, 0, 0, 0, 0x10, 0, 0x9d,
            0x01, 0x2a,
        ],
        vec![
            0xb1, 0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 5, 0x10, 0, 0, 1, 0x03, 0x02, b'q',
            b'h', 9, 9, 9, 9, 0, 0, 0, 4,
        ],
    ]
}

/// One packet: version 2, the format in the first byte's low bits, the length in words (RFC 3550 §6.4.1).
fn rtcp_packet(format: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let words = (body.len() / 4) as u16;
    [&[0x80 | format, kind], &words.to_be_bytes()[..], body].concat()
}

/// A sender report with SDES; a receiver report; NACK, PLI, FIR; transport-wide feedback; REMB; a goodbye.
pub(crate) fn rtcp() -> Vec<Vec<u8>> {
    let ssrcs = [0, 0, 0, 1, 0, 0, 0, 9];
    let with = |tail: &[u8]| [&ssrcs[..], tail].concat();
    let block = [0, 0, 0, 9, 5, 0, 0, 3, 0, 0, 0x12, 0x34, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        [
            rtcp_packet(
                0,
                200,
                &[0, 0, 0, 9, 0xe9, 0, 0, 0, 0x80, 0, 0, 0, 0, 1, 0x5f, 0x90, 0, 0, 0, 5, 0, 0, 0x10, 0],
            ),
            rtcp_packet(1, 202, &[0, 0, 0, 9, 1, 3, b'a', b'b', b'c', 0, 0, 0]),
        ]
        .concat(),
        rtcp_packet(1, 201, &[&[0, 0, 0, 1][..], &block].concat()),
        rtcp_packet(1, 205, &with(&[0x12, 0x34, 0x80, 0x01])),
        [rtcp_packet(1, 206, &ssrcs), rtcp_packet(4, 206, &with(&[0, 0, 0, 9, 3, 0, 0, 0]))].concat(),
        // Base 0, 8 statuses, a run of 4 small deltas, a vector of two-bit symbols, deltas.
        rtcp_packet(15, 205, &with(&[0, 0, 0, 8, 0, 0, 1, 0, 0x20, 4, 0xd9, 0, 4, 4, 4, 4, 0x10, 0, 4, 4])),
        rtcp_packet(15, 206, &[0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0x0b, 0xff, 0xff, 0, 0, 0, 9]),
        rtcp_packet(1, 203, &[0, 0, 0, 9]),
    ]
}

/// VP8 with every extension, H.264 single, aggregated and in fragments, Opus.
pub(crate) fn payloads() -> Vec<Vec<u8>> {
    vec![
        vec![0x90, 0xf0, 0x80, 1, 7, 0x60, 0x10, 0, 0, 0x9d, 1, 0x2a, 0, 5, 0xd0, 2],
        vec![0x80, 0x20, 0x40, 0x11, 1, 2],
        vec![0x65, 0xb8, 1],
        [&[0x78, 0, SPS.len() as u8][..], &SPS, &[0, 4], &PPS].concat(),
        vec![0x7c, 0x85, 0xb8, 1],
        vec![0xfc, 0xff, 0xfe],
    ]
}

/// Bytes without meaning, always the same ones.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    ChaCha8Rng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

/// A session of forty VP8 packets, every third number, each behind its length; noise.
pub(crate) fn ingest() -> Vec<Vec<u8>> {
    let mut session = Vec::new();
    for n in 0..40u8 {
        let head = [0x80, 0xe0, 0, n * 3, 0, 0, n, 0, 0, 0, 0, 1];
        // A picture id, a keyframe every ninth.
        let payload = [&[0x90, 0x80, n, u8::from(n % 9 != 0), 0, 0, 0x9d, 1, 0x2a][..], &[n; 20]].concat();
        session.push((head.len() + payload.len()) as u8);
        session.extend([&head[..], &payload].concat());
    }
    vec![session, noise(3, 2_000)]
}

/// Arrivals of packets as number and milliseconds since the one before.
pub(crate) fn arrivals() -> Vec<Vec<u8>> {
    vec![(0..300u16).flat_map(|n| [(n >> 8) as u8, n as u8, (n % 20) as u8]).collect(), noise(4, 3_000)]
}

/// Operations on a subscriber, four bytes each: any bytes are some.
pub(crate) fn operations() -> Vec<Vec<u8>> {
    (0..8).map(|n| noise(100 + n, 4_000)).collect()
}

/// A STUN attribute, padded to four bytes (RFC 8489 §14).
fn stun_attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value, &padding].concat()
}

/// A Binding request as a controlling agent sends it, with a wrong MESSAGE-INTEGRITY; an indication.
pub(crate) fn stun() -> Vec<Vec<u8>> {
    let message = |kind: u16, attributes: &[Vec<u8>]| {
        let body = attributes.concat();
        let head = [kind.to_be_bytes(), (body.len() as u16).to_be_bytes()].concat();
        [&head[..], &[0x21, 0x12, 0xa4, 0x42], &[7; 12], &body].concat()
    };
    let request = [
        stun_attribute(0x0006, b"ours:theirs"),
        stun_attribute(0x0024, &[0, 0, 0, 1]),
        stun_attribute(0x802a, &[1; 8]),
        stun_attribute(0x0025, &[]),
        stun_attribute(0x0008, &[0; 20]),
        stun_attribute(0x8028, &[0; 4]),
    ];
    vec![message(0x0001, &request), message(0x0011, &[])]
}

/// A ClientHello with ECDHE-ECDSA-AES128-GCM, P-256, use_srtp and the extended master secret, behind its length.
pub(crate) fn dtls() -> Vec<Vec<u8>> {
    let extension =
        |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &(body.len() as u16).to_be_bytes(), body].concat();
    let extensions = [
        extension(10, &[0, 2, 0, 23]),
        extension(11, &[1, 0]),
        extension(13, &[0, 4, 4, 3, 4, 1]),
        extension(14, &[0, 4, 0, 7, 0, 1, 0]),
        extension(23, &[]),
        extension(0xff01, &[0]),
    ]
    .concat();
    let mut hello = vec![0xfe, 0xfd];
    hello.extend([9; 32]);
    hello.extend([0, 0]); // no session, no cookie
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x0a, 1, 0]);
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let length = (hello.len() as u32).to_be_bytes();
    let handshake = [&[1], &length[1..], &[0, 0, 0, 0, 0], &length[1..], &hello].concat();
    let record =
        [&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0][..], &(handshake.len() as u16).to_be_bytes(), &handshake].concat();
    let datagram = [&(record.len() as u16).to_be_bytes()[..], &record].concat();
    let alert = [0, 15, 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0];
    vec![datagram.clone(), [&datagram[..], &datagram].concat(), [&datagram[..], &alert].concat()]
}

/// A publisher's offer with simulcast and retransmission; a viewer's.
pub(crate) fn sdp() -> Vec<Vec<u8>> {
    let session = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS\r\n";
    let transport = "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
        a=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n";
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n";
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 106 107\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n\
        a=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:106 H264/90000\r\n\
        a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:107 rtx/90000\r\na=fmtp:107 apt=106\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n";
    let sending = format!(
        "{session}{audio}{transport}a=sendonly\r\na=ssrc:1 cname:x\r\n{video}{transport}a=sendonly\r\na=rid:q send\r\na=rid:h send\r\n\
         a=rid:f send\r\na=simulcast:send q;h;f\r\n"
    );
    let receiving = format!("{session}{audio}{transport}a=recvonly\r\n{video}{transport}a=recvonly\r\n");
    vec![sending.into_bytes(), receiving.into_bytes()]
}

pub(crate) fn client_messages() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"type":"hello","version":1,"grant":"eyJ"}"#,
        r#"{"type":"publish","req":1,"sdp":"v=0\r\n","lines":[{"mid":"0","source":"camera"},{"mid":"1","source":"microphone"}]}"#,
        r#"{"type":"subscribe","req":2,"sdp":"v=0\r\n"}"#,
        r#"{"type":"assign","lines":[{"mid":"3","track":null,"height_px":720,"priority":"screen"}]}"#,
        r#"{"type":"mute_self","source":"screen_audio","muted":true}"#,
        r#"{"type":"chat","text":"三角形的内角和"}"#,
        r#"{"type":"answer","question":7,"text":null}"#,
        r#"{"type":"waiting_room","on":false}"#,
        r#"{"type":"open"}"#,
        r#"{"type":"ping","req":4294967295}"#,
    ])
}

/// The templates that people fill in, also with semicolons, as some spreadsheets save them.
pub(crate) fn timetables() -> Vec<Vec<u8>> {
    let templates = [import::template(false), import::template(true)];
    templates.iter().flat_map(|text| [text.clone(), text.replace(',', ";")]).map(String::into_bytes).collect()
}

pub(crate) fn api_bodies() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"login":"wang","password":"correct horse battery staple"}"#,
        r#"{"token":"abc","password":"0123456789"}"#,
        r#"{"name":"小明","classroom":false,"resume":null}"#,
        r#"{"position_ms":18446744073709551615}"#,
        r#"{"parent":"01JD0000000000000000000000","level":"school","name":"第一小学"}"#,
        r#"{"login":"li","name":"李老师","roles":[{"role":"teacher","place":"01JD0000000000000000000000"}]}"#,
        r#"{"title":"三角形","subject":"数学","grade":"四年级","teacher":"01JD0000000000000000000000","place":"01JD0000000000000000000000","mode":"dedicated","starts":1790000000000,"duration_min":40,"repeat":"weekly","until":null,"waiting_room":true,"record":true}"#,
    ])
}

/// A sequence parameter set of 1280x720 constrained baseline.
const SPS: [u8; 23] =
    [0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec, 4, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// Payloads as the depacketizer targets take them: each behind its sequence step, time step, marker, delay and length.
pub(crate) fn packets(payloads: &[&[u8]]) -> Vec<u8> {
    payloads.iter().flat_map(|payload| [&[1, 90, 1, 20, payload.len() as u8][..], payload].concat()).collect()
}

/// An aggregation packet with parameter sets and a keyframe slice; a slice in fragments; a single slice (RFC 6184 §5).
pub(crate) fn h264_packets() -> Vec<Vec<u8>> {
    let mut key = vec![0x78, 0, SPS.len() as u8];
    key.extend(SPS);
    key.extend([0, PPS.len() as u8]);
    key.extend(PPS);
    key.extend([0, 3, 0x65, 0xb8, 1]);
    vec![
        packets(&[&key, &[0x7c, 0x81, 0x9a, 1], &[0x7c, 0x41, 2], &[0x41, 0x9a]]),
        packets(&[&[0x65, 0xb8], &[0x41, 0x9a]]),
    ]
}

/// VPS, SPS and PPS as x265 writes them for 1920×1080.
const HEVC_SETS: [&[u8]; 3] = [
    &[0x40, 1, 0x0c, 1, 0xff, 0xff, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x78, 0x92, 0x80, 0x90],
    &[
        0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x78, 0xa0, 3, 0xc0, 0x80, 0x10, 0xe5, 0x96, 0x4a,
        0x92, 0x4c, 0xaf, 1, 0x68, 8, 0, 0, 3, 0, 8, 0, 0, 3, 0, 0xc8, 0x40,
    ],
    &[0x44, 1, 0xc1, 0x72, 0xb4, 0x62, 0x40],
];

/// Parameter sets alone, a keyframe's slice in fragments, a single slice; an aggregation packet; sets told beside the packets
/// (RFC 7798 §4.4).
pub(crate) fn h265_packets() -> Vec<Vec<u8>> {
    let [vps, sps, pps] = HEVC_SETS;
    let told: Vec<u8> = HEVC_SETS.iter().flat_map(|s| [&[0, s.len() as u8][..], s].concat()).collect();
    let told = [&[1, 0, 0xfa, 0, told.len() as u8][..], &told].concat();
    vec![
        packets(&[vps, sps, pps, &[0x62, 1, 0x93, 0xaf, 1], &[0x62, 1, 0x53, 3], &[2, 1, 0xd0, 1]]),
        packets(&[&[0x60, 1, 0, 3, 2, 1, 0xd0, 0, 3, 2, 1, 0x50]]),
        [told, packets(&[&[0x26, 1, 0xaf, 1]])].concat(),
    ]
}

/// The configuration, two units in a packet, one unit in two fragments (RFC 3640 §3.2).
pub(crate) fn aac_packets() -> Vec<Vec<u8>> {
    let told = vec![1, 0, 0xfa, 0, 2, 0x14, 8];
    let units: [&[u8]; 3] = [&[0, 32, 0, 16, 0, 8, 1, 2, 3], &[0, 16, 0, 32, 1, 2], &[0, 16, 0, 32, 3, 4]];
    vec![[told, packets(&units)].concat(), vec![0x14, 8]]
}

pub(crate) fn fmtps() -> Vec<Vec<u8>> {
    texts(&[
        "packetization-mode=1; sprop-parameter-sets=Z0IA,aM48gA==; profile-level-id=42C01F",
        "sprop-vps=QAEM;sprop-pps=RAHB;sprop-max-don-diff=0",
        "streamtype=5;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408",
    ])
}

/// A keyframe and an inter frame with 15-bit picture ids (RFC 7741 §4.2).
pub(crate) fn vp8_packets() -> Vec<Vec<u8>> {
    vec![packets(&[&[0x90, 0x80, 0x80, 1, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0], &[0x90, 0x80, 0x80, 2, 0x11, 1]])]
}

pub(crate) fn opus_packets() -> Vec<Vec<u8>> {
    vec![packets(&[&[0xfc, 0xff, 0xfe], &[0xfb, 3, 1]])]
}

fn avc_config() -> Option<AvcConfig> {
    AvcConfig::new(vec![Bytes::from_static(&SPS)], vec![Bytes::from_static(&PPS)])
}

pub(crate) fn parameter_sets() -> Vec<Vec<u8>> {
    let hevc = HEVC_SETS.map(<[u8]>::to_vec);
    [SPS.to_vec(), PPS.to_vec()].into_iter().chain(hevc).chain(avc_config().map(|config| config.record())).collect()
}

pub(crate) fn archive_files() -> Vec<Vec<u8>> {
    let sample = |keyframe| Sample { duration: 3000, keyframe, composition: 0, data: Bytes::from_static(b"data") };
    let fragments = [fragment(1, 5, &[sample(true), sample(false)]), fragment(2, 5, &[sample(true)])];
    avc_config().map(|config| init_segment(&TrackConfig::Avc(config))).into_iter().chain(fragments).collect()
}

/// A length, a range, and the version that it is of.
pub(crate) fn ranges() -> Vec<Vec<u8>> {
    let of = |len: u8, text: &str| [&[len], text.as_bytes()].concat();
    vec![
        of(100, "bytes=0-9"),
        of(100, "bytes=50-"),
        of(100, "bytes=-7\n\"a-10\""),
        of(0, "bytes=0-0"),
        of(9, "bytes=0-1,5-6"),
        of(255, "bytes=18446744073709551615-18446744073709551615"),
    ]
}
