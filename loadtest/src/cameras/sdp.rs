//! The description of a camera's stream (RFC 4566), as cameras write it.

use super::{
    clips::{Clip, Codec},
    sound::SoundCodec,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// RTP payload type of pictures.
pub const VIDEO_PAYLOAD_TYPE: u8 = 96;

/// Describes a stream; `sprop`: with its parameter sets.
#[must_use]
pub fn describe(name: &str, clip: &Clip, sound: SoundCodec, sprop: bool) -> String {
    let mut lines = vec![
        "v=0".to_owned(),
        "o=- 1 1 IN IP4 127.0.0.1".to_owned(),
        format!("s={name}"),
        "c=IN IP4 0.0.0.0".to_owned(),
        "t=0 0".to_owned(),
        "a=control:*".to_owned(),
        "a=range:npt=now-".to_owned(),
        format!("m=video 0 RTP/AVP {VIDEO_PAYLOAD_TYPE}"),
    ];
    let sets: Vec<String> = clip.parameters.iter().map(|p| STANDARD.encode(p)).collect();
    let fmtp = match (clip.shape.codec, sets.as_slice()) {
        (Codec::H264, [sps, pps]) => {
            lines.push(format!("a=rtpmap:{VIDEO_PAYLOAD_TYPE} H264/90000"));
            let level = clip.parameters[0][1..4].iter().map(|b| format!("{b:02X}")).collect::<String>();
            let sets = if sprop { format!(";sprop-parameter-sets={sps},{pps}") } else { String::new() };
            format!("packetization-mode=1;profile-level-id={level}{sets}")
        }
        (_, [vps, sps, pps, ..]) => {
            lines.push(format!("a=rtpmap:{VIDEO_PAYLOAD_TYPE} H265/90000"));
            if sprop { format!("sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}") } else { String::new() }
        }
        _ => String::new(),
    };
    if !fmtp.is_empty() {
        lines.push(format!("a=fmtp:{VIDEO_PAYLOAD_TYPE} {fmtp}"));
    }
    lines.push(format!("a=framerate:{}", clip.shape.fps()));
    lines.push("a=control:trackID=1".to_owned());
    let payload_type = sound.payload_type();
    match sound {
        SoundCodec::Aac => lines.extend([
            format!("m=audio 0 RTP/AVP {payload_type}"),
            format!("a=rtpmap:{payload_type} MPEG4-GENERIC/16000/1"),
            // ISO/IEC 14496-3 §1.6.2.1: AAC-LC (2), 16 kHz (8), one channel.
            format!(
                "a=fmtp:{payload_type} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;\
                 indexdeltalength=3;config=1408"
            ),
            "a=control:trackID=2".to_owned(),
        ]),
        SoundCodec::Pcma => lines.extend([
            format!("m=audio 0 RTP/AVP {payload_type}"),
            format!("a=rtpmap:{payload_type} PCMA/8000"),
            "a=control:trackID=2".to_owned(),
        ]),
        SoundCodec::None => {}
    }
    lines.join("\r\n") + "\r\n"
}
