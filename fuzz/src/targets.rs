//! The table itself. What a crate can say best about its own parser stands in that crate's `fuzz` module and is only named here.

use crate::{Target, seeds};
use axum::http::{HeaderMap, HeaderValue, header};
use jiff::tz::TimeZone;
use lectern_audit::fuzz as audit;
use lectern_auth::{Grant, GrantRole, Keyring, Purpose, fuzz as auth};
use lectern_fmp4::fuzz as fmp4;
use lectern_health::fuzz as health;
use lectern_ingest::fuzz as ingest;
use lectern_library::{fuzz as library, import};
use lectern_media::{ParticipantId, RoomId, RtpView, UnixMillis};
use lectern_protocol::{api, ws};
use lectern_recorder::fuzz as recorder;
use lectern_sfu::fuzz as sfu;
use lectern_sfu_core::fuzz as core;
use lectern_signaling::{http::range_of, whip::sdp as device};
use lectern_transcode::fuzz as transcode;
use serde::{Serialize, de::DeserializeOwned};

/// All targets, lowest crate first.
pub(crate) fn all() -> Vec<Target> {
    vec![
        Target { name: "rtp", run: rtp, seeds: seeds::rtp, weight: 1 },
        Target { name: "rtcp", run: core::rtcp, seeds: seeds::rtcp, weight: 1 },
        Target { name: "payload_shape", run: core::payload, seeds: seeds::payloads, weight: 1 },
        // These take a whole session in one input.
        Target { name: "ingest", run: core::ingest, seeds: seeds::ingest, weight: 20 },
        Target { name: "transport_feedback", run: core::twcc, seeds: seeds::arrivals, weight: 20 },
        Target { name: "subscriber", run: core::subscriber, seeds: seeds::operations, weight: 40 },
        Target { name: "stun", run: sfu::stun, seeds: seeds::stun, weight: 1 },
        Target { name: "dtls", run: sfu::dtls, seeds: seeds::dtls, weight: 1 },
        Target { name: "srtp", run: sfu::srtp, seeds: seeds::rtp, weight: 1 },
        Target { name: "sdp", run: sfu::sdp, seeds: seeds::sdp, weight: 1 },
        Target { name: "device_offer", run: device_offer, seeds: seeds::sdp, weight: 1 },
        Target { name: "client_message", run: json::<ws::ClientMessage>, seeds: seeds::client_messages, weight: 1 },
        Target { name: "api_bodies", run: api_bodies, seeds: seeds::api_bodies, weight: 1 },
        Target { name: "grant", run: grant, seeds: || vec![signed_grant().0.into_bytes()], weight: 1 },
        Target { name: "grant_of_any_kind", run: auth::grant, seeds: auth::grant_seeds, weight: 1 },
        Target { name: "security_key", run: auth::webauthn, seeds: auth::webauthn_seeds, weight: 1 },
        Target { name: "audit_log", run: audit::log, seeds: audit::log_seeds, weight: 2 },
        Target { name: "timetable_csv", run: timetable_csv, seeds: seeds::timetables, weight: 1 },
        Target { name: "depay_h264", run: fmp4::h264, seeds: seeds::h264_packets, weight: 1 },
        Target { name: "depay_vp8", run: fmp4::vp8, seeds: seeds::vp8_packets, weight: 1 },
        Target { name: "depay_opus", run: fmp4::opus, seeds: seeds::opus_packets, weight: 1 },
        Target { name: "depay_h265", run: fmp4::h265, seeds: seeds::h265_packets, weight: 1 },
        Target { name: "depay_aac", run: fmp4::aac, seeds: seeds::aac_packets, weight: 1 },
        Target { name: "depay_g711", run: fmp4::g711, seeds: || vec![seeds::packets(&[&[0xd5; 80]])], weight: 1 },
        Target { name: "fmtp", run: fmp4::fmtp, seeds: seeds::fmtps, weight: 1 },
        Target { name: "parameter_sets", run: fmp4::parameter_sets, seeds: seeds::parameter_sets, weight: 1 },
        Target { name: "archive_files", run: fmp4::files, seeds: seeds::archive_files, weight: 1 },
        Target { name: "camera_rtsp", run: ingest::rtsp, seeds: ingest::rtsp_seeds, weight: 2 },
        Target { name: "camera_sdp", run: ingest::description, seeds: ingest::description_seeds, weight: 1 },
        Target { name: "camera_rtp", run: ingest::door, seeds: ingest::door_seeds, weight: 2 },
        Target { name: "camera_rtcp", run: ingest::reports, seeds: ingest::report_seeds, weight: 1 },
        Target { name: "camera_live", run: ingest::repacked, seeds: ingest::repacked_seeds, weight: 2 },
        Target {
            name: "catalogue_journal",
            run: library::catalogue_journal,
            seeds: library::catalogue_journals,
            weight: 2,
        },
        // Goes to the disk.
        Target { name: "archive_index", run: recorder::archive_index, seeds: recorder::archive_indexes, weight: 40 },
        Target { name: "camera_archive", run: recorder::camera_archive, seeds: recorder::camera_archives, weight: 1 },
        Target { name: "camera_index", run: recorder::camera_index, seeds: recorder::archive_indexes, weight: 80 },
        Target { name: "evidence", run: recorder::evidence, seeds: recorder::evidences, weight: 10 },
        Target { name: "health_requests", run: health::requests, seeds: health::request_seeds, weight: 1 },
        Target { name: "health_reports", run: health::reports, seeds: health::report_seeds, weight: 4 },
        Target { name: "health_pictures", run: health::pictures, seeds: health::picture_seeds, weight: 40 },
        Target { name: "sound_requests", run: transcode::requests, seeds: transcode::request_seeds, weight: 1 },
        Target { name: "sound_answers", run: transcode::answers, seeds: transcode::answer_seeds, weight: 1 },
        Target { name: "sound_units", run: transcode::units, seeds: transcode::unit_seeds, weight: 40 },
        Target { name: "http_range", run: http_range, seeds: seeds::ranges, weight: 1 },
    ]
}

/// Headers, extensions, payload: whatever parses must stay inside the packet.
fn rtp(data: &[u8]) {
    if let Ok(packet) = RtpView::parse(data) {
        let extensions: usize = packet.extensions().map(|(_, bytes)| bytes.len()).sum();
        assert!(packet.header_len_bytes() + packet.payload().len() <= data.len(), "a packet holds its parts");
        assert!(extensions <= packet.header_len_bytes(), "extensions are part of the header (RFC 8285)");
    }
}

/// The `Range` of a request for a body as long as the first byte says; behind a line break, `If-Range`. What is given
/// lies within the body and is not empty.
fn http_range(data: &[u8]) {
    let Some((len, text)) = data.split_first() else { return };
    let (len, mut parts) = (u64::from(*len), text.split(|b| *b == b'\n'));
    let mut headers = HeaderMap::new();
    for name in [header::RANGE, header::IF_RANGE] {
        if let Some(value) = parts.next().and_then(|value| HeaderValue::from_bytes(value).ok()) {
            headers.insert(name, value);
        }
    }
    if let Ok(Some(range)) = range_of(&headers, len, Some("\"a-10\"")) {
        assert!(range.start < range.end && range.end <= len, "{range:?} of {len} bytes");
    }
}

/// What WHIP and WHEP read of an offer before the media plane sees it, and of a fragment.
fn device_offer(data: &[u8]) {
    let Ok(sdp) = std::str::from_utf8(data) else { return };
    assert!(device::publish_lines(sdp).len() <= 4, "a device has a camera, a screen, and the sound of each");
    assert!(device::watch_lines(sdp).len() <= 64, "an offer's lines are bounded");
    if let Some(credentials) = device::credentials(sdp) {
        assert!((4..=256).contains(&credentials.ufrag.len()), "ice-ufrag (RFC 8839 §5.4)");
        assert!((22..=256).contains(&credentials.pwd.len()), "ice-pwd (RFC 8839 §5.4)");
    }
    let candidates = device::candidates(sdp);
    assert_eq!(device::candidates(&candidates.join("\n")), candidates, "each once, whatever was between them");
    let media = device::first_media(sdp);
    assert_eq!(device::first_media(&media), media, "a fragment repeats what was read (RFC 8840 §9)");
}

const KEY: &str = "k1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A grant and its content, always the same.
fn signed_grant() -> (String, Grant) {
    let grant = Grant {
        room: RoomId(1.into()),
        participant: ParticipantId(2.into()),
        role: GrantRole::Student,
        name: "小明".to_owned(),
        account: None,
        expires: UnixMillis(2_000_000_000_000),
        purpose: Purpose::Join,
        generation: 0,
    };
    (Keyring::parse(KEY).expect("the key is well-formed").sign(&grant), grant)
}

/// Whatever was damaged, no other grant than the one that was signed comes out.
fn grant(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let keys = Keyring::parse(KEY).expect("the key is well-formed");
    if let Ok(grant) = keys.verify(text, Purpose::Join, UnixMillis(0)) {
        assert_eq!(grant, signed_grant().1, "a grant was forged");
    }
    // Key files come from disk, where people edit them.
    let _ = Keyring::parse(text);
}

fn timetable_csv(data: &[u8]) {
    let _ = import::parse(data, &TimeZone::UTC);
}

/// What was understood is written and understood as the same.
fn json<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&message).expect("what was read from JSON can be written as JSON");
    assert_eq!(serde_json::from_slice::<T>(&written).ok().as_ref(), Some(&message));
}

fn api_bodies(data: &[u8]) {
    json::<api::NewClass>(data);
    json::<api::NewAccount>(data);
    json::<api::NewPlace>(data);
    json::<api::SignIn>(data);
    json::<api::ChoosePassword>(data);
    json::<api::JoinRequest>(data);
    json::<api::Position>(data);
}
