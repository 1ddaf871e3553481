//! The table itself. What a crate can say best about its own parser stands in that crate's `fuzz` module and is only named here.

use crate::{Target, seeds};
use lectern_fmp4::fuzz as fmp4;
use lectern_media::RtpView;
use lectern_protocol::{api, ws};
use serde::{Serialize, de::DeserializeOwned};

/// All targets, lowest crate first.
pub(crate) fn all() -> Vec<Target> {
    vec![
        Target { name: "rtp", run: rtp, seeds: seeds::rtp },
        Target { name: "client_message", run: json::<ws::ClientMessage>, seeds: seeds::client_messages },
        Target { name: "api_bodies", run: api_bodies, seeds: seeds::api_bodies },
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
