//! Entry points for fuzzing, one for each parser of a camera's bytes: each takes anything and must neither panic nor loop.

use crate::{
    clock::ClockOffset,
    config::split_credentials,
    driver,
    guard::Guard,
    inlet::{Got, Inlet},
    payload::{self, KeyframeWatch},
    reorder::Stamp,
    repack,
    rtsp::{
        header, rtcp, sdp,
        wire::{Incoming, MESSAGE_BYTES_MAX, Reader},
    },
};
use bytes::Bytes;
use lectern_media::{Bitrate, CameraStream, Codec, Ssrc, UnixMillis};
use std::time::{Duration, Instant};
use url::Url;

/// An RTSP connection: messages, headers, descriptions, interleaved packets. The first byte says in what pieces it comes.
pub fn rtsp(data: &[u8]) {
    let Some((step, rest)) = data.split_first() else { return };
    let mut reader = Reader::new();
    for piece in rest.chunks(usize::from(*step).max(1)) {
        reader.buffer().extend_from_slice(piece);
        loop {
            match reader.next() {
                Ok(Some(Incoming::Response(head, body))) => {
                    assert!(body.len() <= MESSAGE_BYTES_MAX, "a body is bounded");
                    for name in ["Session", "Transport", "Public"] {
                        let Some(value) = head.headers.get(name) else { continue };
                        let _ = header::session(value).map(|s| assert!(s.timeout_secs >= 4, "keepalives are bounded"));
                        let _ = (header::transport(value), header::keepalive_method(Some(value)));
                    }
                    description(&body);
                }
                Ok(Some(Incoming::Data { packet, .. })) => drop(rtcp::sender_report(&packet)),
                Ok(Some(Incoming::Request)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// A session description.
pub fn description(data: &[u8]) {
    let Ok(base) = Url::parse("rtsp://10.0.0.1/main") else { return };
    let Some(description) = sdp::parse(&base, data) else { return };
    assert!(description.media.len() <= 16, "streams are bounded");
    for media in &description.media {
        assert!(media.control.bytes().all(|b| b.is_ascii_graphic()), "no control URL breaks a request line");
        let rest: usize = sdp::split_sets(&media.config).map(|set| 2 + set.len()).sum();
        if matches!(media.codec, Some(Codec::H264 | Codec::H265)) {
            assert_eq!(rest, media.config.len(), "parameter sets read back");
        }
        let _ = media.codec.and_then(|codec| payload::size_of_config(codec, &media.config));
    }
    let _ = (driver::choose(CameraStream::Main, &description), driver::choose(CameraStream::Sub, &description));
}

/// RTP packets at a stream's door, each behind its delay in milliseconds and its length: in order out, whatever comes in.
pub fn door(data: &[u8]) {
    let (mut inlet, mut guard) = (Inlet::new(96), Guard::new(Bitrate::kbps(1_000)));
    let (start, mut ms, mut rest) = (Instant::now(), 0u64, data);
    let (mut out, mut last, mut watch) = (Vec::new(), None, KeyframeWatch::new(Codec::H264));
    while let [delay, len, tail @ ..] = rest {
        ms += u64::from(*delay);
        let (packet, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        let now = Stamp { wall: UnixMillis(ms as i64), at: start + Duration::from_millis(ms) };
        inlet.push(now, Bytes::copy_from_slice(packet), &mut guard, |ssrc| ssrc == Ssrc(0), &mut out);
        inlet.poll(now.at, &mut out);
        for got in out.drain(..) {
            match got {
                Got::NewSource => last = None,
                Got::Packet { packet, .. } => {
                    assert!(last.is_none_or(|last| packet.seq > last), "what comes out ascends");
                    last = Some(packet.seq);
                    watch.begins(packet.timestamp, &packet.payload, false);
                    let _ = (payload::size(Codec::H264, &packet.payload), payload::size(Codec::H265, &packet.payload));
                }
            }
        }
    }
}

/// NAL units, each behind its length of two bytes, packed for browsers: nothing too large, nothing lost.
pub fn repacked(data: &[u8]) {
    let units: Vec<Bytes> = sdp::split_sets(&Bytes::copy_from_slice(data)).collect();
    let bytes: usize = units.iter().map(Bytes::len).sum();
    if let Ok(payloads) = repack::payloads(units) {
        assert!(payloads.iter().all(|p| !p.is_empty() && p.len() <= repack::PAYLOAD_BYTES_MAX), "payloads fit");
        let out: usize = payloads.iter().map(Bytes::len).sum();
        assert!(out + payloads.len() >= bytes, "nothing is left out");
    }
}

/// RTCP, and the clock that it tells; a URL from a form.
pub fn reports(data: &[u8]) {
    if let Some(report) = rtcp::sender_report(data) {
        let mut clock = ClockOffset::default();
        for at in [0, 1_000, i64::MAX, i64::MIN] {
            let _ = clock.report(report.ntp, UnixMillis(at));
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let (url, _) = split_credentials(text);
        assert_eq!(split_credentials(&url).0, url, "what is clean stays as it is");
    }
}

/// Valid inputs of [`rtsp`].
#[must_use]
pub fn rtsp_seeds() -> Vec<Vec<u8>> {
    let sdp = &description_seeds()[0];
    let head = format!(
        "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://10.0.0.1/main/\r\nContent-Length: {}\r\n\r\n",
        sdp.len()
    );
    let setup = "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 12345678;timeout=60\r\n\
        Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
    let data = [&b"$\x01\x00\x1c"[..], &report_seeds()[0]].concat();
    vec![[&[7][..], head.as_bytes(), sdp, setup.as_bytes(), &data, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"].concat()]
}

/// Valid inputs of [`description`].
#[must_use]
pub fn description_seeds() -> Vec<Vec<u8>> {
    let h264 = "v=0\r\ns=x\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAH9oBQBbsBEAAAAMAQAAADwPGDKg=,aM48gA==\r\na=control:t1\r\n\
        m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\n\
        a=fmtp:97 mode=AAC-hbr;config=1408;sizelength=13\r\na=control:rtsp://u:p@10.0.0.1/t2\r\n";
    let h265 = "v=0\r\nm=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\n\
        a=fmtp:98 sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwB4ugJA;sprop-sps=QgEB;sprop-pps=RAHAc8GJ\r\nm=audio 0 RTP/AVP 8\r\n";
    vec![h264.into(), h265.into()]
}

/// Valid inputs of [`door`].
#[must_use]
pub fn door_seeds() -> Vec<Vec<u8>> {
    let packet = |delay: u8, seq: u16, ssrc: u32, payload: &[u8]| {
        let head = [&[0x80, 96][..], &seq.to_be_bytes(), &9u32.to_be_bytes(), &ssrc.to_be_bytes()].concat();
        [&[delay, (head.len() + payload.len()) as u8][..], &head, payload].concat()
    };
    let order = [65_534u16, 65_535, 1, 0, 3, 4].map(|seq| packet(10, seq, 7, &[0x65, 0xb8, 1]));
    let restart: Vec<_> = (0..8).map(|n| packet(200, 30_000 + n, 9, &[0x78, 0, 2, 0x67, 1])).collect();
    vec![order.concat(), [order.concat(), restart.concat()].concat()]
}

/// Valid inputs of [`repacked`].
#[must_use]
pub fn repacked_seeds() -> Vec<Vec<u8>> {
    let unit = |unit: &[u8]| [&(unit.len() as u16).to_be_bytes()[..], unit].concat();
    vec![[unit(&[0x67, 1, 2]), unit(&[0x68, 3]), unit(&[&[0x65, 0xb8][..], &[7; 3_000]].concat())].concat()]
}

/// Valid inputs of [`reports`].
#[must_use]
pub fn report_seeds() -> Vec<Vec<u8>> {
    let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, 7];
    report.extend(((1_767_225_600u64 + 2_208_988_800) << 32).to_be_bytes());
    report.extend([0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
    vec![report, b"rtsp://admin:p%40ss@10.0.0.1:554/main?x=1".to_vec()]
}
