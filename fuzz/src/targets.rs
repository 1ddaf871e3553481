//! The table itself. What a crate can say best about its own parser stands in that crate's `fuzz` module and is only named here.

use crate::{Target, seeds};
use jiff::tz::TimeZone;
use lectern_auth::{Grant, GrantRole, Keyring, Purpose};
use lectern_fmp4::fuzz as fmp4;
use lectern_library::import;
use lectern_media::{Codec, ParticipantId, RoomId, RtpView, UnixMillis};
use lectern_protocol::{api, ws};
use lectern_sfu::fuzz as sfu;
use lectern_sfu_core::{
    descriptor::PayloadShape,
    rtcp::{Compound, Packet},
    twcc::SendLog,
};
use serde::{Serialize, de::DeserializeOwned};
use std::time::{Duration, Instant};

/// All targets, lowest crate first.
pub(crate) fn all() -> Vec<Target> {
    vec![
        Target { name: "rtp", run: rtp, seeds: seeds::rtp },
        Target { name: "rtcp", run: rtcp, seeds: seeds::rtcp },
        Target { name: "payload_shape", run: payload_shape, seeds: seeds::payloads },
        Target { name: "stun", run: sfu::stun, seeds: seeds::stun },
        Target { name: "dtls", run: sfu::dtls, seeds: seeds::dtls },
        Target { name: "srtp", run: sfu::srtp, seeds: seeds::rtp },
        Target { name: "sdp", run: sfu::sdp, seeds: seeds::sdp },
        Target { name: "client_message", run: json::<ws::ClientMessage>, seeds: seeds::client_messages },
        Target { name: "api_bodies", run: api_bodies, seeds: seeds::api_bodies },
        Target { name: "grant", run: grant, seeds: || vec![signed_grant().0.into_bytes()] },
        Target { name: "timetable_csv", run: timetable_csv, seeds: seeds::timetables },
        Target { name: "depay_h264", run: fmp4::h264, seeds: seeds::h264_packets },
        Target { name: "depay_vp8", run: fmp4::vp8, seeds: seeds::vp8_packets },
        Target { name: "depay_opus", run: fmp4::opus, seeds: seeds::opus_packets },
        Target { name: "parameter_sets", run: fmp4::parameter_sets, seeds: seeds::parameter_sets },
        Target { name: "archive_files", run: fmp4::files, seeds: seeds::archive_files },
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

/// A compound, walked to its end; feedback is applied to a log of packets that were really sent.
fn rtcp(data: &[u8]) {
    let now = Instant::now();
    let mut log = SendLog::new(256);
    for _ in 0..200 {
        log.on_sent(now, 1200);
    }
    for packet in Compound::new(data).map_while(Result::ok) {
        match packet {
            Packet::SenderReport(_, blocks) | Packet::ReceiverReport(_, blocks) => drop(blocks.iter().count()),
            Packet::Nack(nack) => {
                assert!(nack.lost().count() <= data.len() * 17, "an entry covers 17 packets (RFC 4585 §6.2.1)")
            }
            Packet::TransportCc(feedback) => {
                // Inconsistent feedback is an error like any other.
                let _ = log.on_feedback(&feedback, |result| {
                    assert!(
                        result.arrived.is_none_or(|at| at < Duration::from_secs(1 << 40)),
                        "arrival {:?}",
                        result.arrived
                    );
                });
            }
            _ => {}
        }
    }
}

/// The first bytes of payloads, as every codec would read them.
fn payload_shape(data: &[u8]) {
    for codec in [Codec::Vp8, Codec::H264, Codec::Opus] {
        if let Ok(shape) = PayloadShape::describe(codec, data) {
            assert!(shape.temporal() < 4, "temporal layers have two bits (RFC 7741 §4.2)");
            let _ = (shape.is_keyframe_start(), shape.resolution());
        }
    }
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
