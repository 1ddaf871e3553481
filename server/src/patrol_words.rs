//! Ingest's words on cameras in those of the wire.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lectern_fmp4::{
    config::{AvcConfig, TrackConfig},
    fragment::{Sample, fragment},
    init::init_segment,
};
use lectern_ingest::{
    CameraState as Ingested, ProbeFault as Found, ProbeReport, ProbedSound, ProbedVideo, StreamStatus,
};
use lectern_media::{CameraStream, Codec};
use lectern_protocol::api::{CameraFault, CameraReport, CameraState, CameraStreamInfo, ProbeFault};
use std::time::Duration;

/// Keyframes further apart are told of: pictures appear late.
const KEYFRAMES_APART_MAX: Duration = Duration::from_millis(4_200);
/// A clock that is off by more is told of.
const CLOCK_OFF_MS: i64 = 1_000;

pub fn camera_state(state: &Ingested) -> CameraState {
    match state {
        Ingested::Off => CameraState::Off,
        Ingested::Connecting => CameraState::Connecting,
        Ingested::Live => CameraState::Live,
        Ingested::Silent => CameraState::Silent,
        Ingested::Unreachable => CameraState::Unreachable,
        Ingested::WrongPassword => CameraState::WrongPassword,
        Ingested::Unsupported(_) => CameraState::Unsupported,
        Ingested::RateExceeded => CameraState::RateExceeded,
        _ => CameraState::Refused,
    }
}

pub fn stream_info(s: &StreamStatus) -> Option<CameraStreamInfo> {
    Some(CameraStreamInfo {
        stream: s.stream,
        codec: s.codec?,
        width: s.width,
        height: s.height,
        fps_x10: tenths(s.fps),
        kbps: kbps(s.bitrate.as_bps()),
        keyframe_ms: s.keyframe_interval.map_or(0, |d| d.as_millis() as u32),
        b_frames: s.b_frames,
        lost: s.lost,
        reordered: s.reordered,
    })
}

fn tenths(fps: f32) -> u32 {
    (fps.max(0.0) * 10.0).round() as u32
}

fn kbps(bps: u64) -> u32 {
    (bps / 1_000).min(u64::from(u32::MAX)) as u32
}

fn fault(found: &Found, stream: CameraStream) -> CameraFault {
    let kind = match found {
        Found::Unreachable
        | Found::AddressRefused
        | Found::Busy
        | Found::Closed
        | Found::Reset
        | Found::Internal(_) => ProbeFault::Unreachable,
        Found::Timeout(_) | Found::Silent => ProbeFault::Timeout,
        Found::WrongPassword => ProbeFault::WrongPassword,
        Found::NotFound | Found::BadUrl => ProbeFault::NotFound,
        Found::NoVideo => ProbeFault::NoVideo,
        Found::CodecNotSupported(_) => ProbeFault::CodecNotSupported,
        Found::SubstreamNotH264(_) => ProbeFault::SubstreamNotH264,
        Found::NoKeyframe => ProbeFault::NoKeyframe,
        _ => ProbeFault::NotRtsp,
    };
    CameraFault { fault: kind, stream: Some(stream), detail: found.to_string() }
}

/// What a test found.
pub fn report(found: ProbeReport) -> CameraReport {
    let (mut streams, mut faults) = (Vec::new(), Vec::new());
    let mut look = |stream, video: &Result<ProbedVideo, Found>| match video {
        Ok(v) => {
            streams.push(info(stream, v));
            if v.keyframe_interval.is_some_and(|d| d > KEYFRAMES_APART_MAX) {
                let detail = format!("{} ms", v.keyframe_interval.unwrap_or_default().as_millis());
                faults.push(CameraFault { fault: ProbeFault::KeyframesFarApart, stream: Some(stream), detail });
            }
            if v.b_frames {
                faults.push(CameraFault { fault: ProbeFault::BFrames, stream: Some(stream), detail: String::new() });
            }
        }
        Err(e) => faults.push(fault(e, stream)),
    };
    look(CameraStream::Main, &found.main);
    if let Some(sub) = &found.sub {
        look(CameraStream::Sub, sub);
    }
    let plain = |fault, stream, detail: &str| CameraFault { fault, stream, detail: detail.to_owned() };
    let h264_main = matches!(&found.main, Ok(v) if v.codec == Codec::H264);
    if found.sub.is_none() && !h264_main {
        faults.push(plain(ProbeFault::NoSubstream, Some(CameraStream::Sub), "walls show H.264 substreams"));
    }
    match &found.sound {
        ProbedSound::Codec(codec) => streams.push(CameraStreamInfo {
            stream: CameraStream::Sound,
            codec: *codec,
            width: 0,
            height: 0,
            fps_x10: 0,
            kbps: 0,
            keyframe_ms: 0,
            b_frames: false,
            lost: 0,
            reordered: 0,
        }),
        ProbedSound::NotSupported(name) => {
            faults.push(plain(ProbeFault::CodecNotSupported, Some(CameraStream::Sound), name));
        }
        ProbedSound::None => {}
    }
    if found.main.is_ok() {
        match found.clock_offset_ms {
            Some(ms) if ms.abs() > CLOCK_OFF_MS => {
                faults.push(plain(ProbeFault::ClockOff, None, &format!("{ms} ms")));
            }
            Some(_) => {}
            None => faults.push(plain(ProbeFault::NoClock, None, "no sender report came")),
        }
    }
    CameraReport {
        usable: found.main.is_ok() && !matches!(found.sub, Some(Err(_))),
        streams,
        faults,
        clock_offset_ms: found.clock_offset_ms,
        picture: found.keyframe.and_then(|(codec, annexb)| picture(codec, &annexb)),
    }
}

fn info(stream: CameraStream, v: &ProbedVideo) -> CameraStreamInfo {
    CameraStreamInfo {
        stream,
        codec: v.codec,
        width: v.width,
        height: v.height,
        fps_x10: tenths(v.fps),
        kbps: kbps(v.bitrate.as_bps()),
        keyframe_ms: v.keyframe_interval.map_or(0, |d| d.as_millis() as u32),
        b_frames: v.b_frames,
        lost: 0,
        reordered: 0,
    }
}

/// One H.264 keyframe with start codes as fragmented MP4 that a `<video>` shows.
fn picture(codec: Codec, annexb: &[u8]) -> Option<String> {
    if codec != Codec::H264 {
        return None;
    }
    let (mut sps, mut pps, mut slices) = (Vec::new(), Vec::new(), Vec::new());
    for nal in nals(annexb) {
        match nal.first()? & 0x1f {
            7 => sps.push(nal.to_vec().into()),
            8 => pps.push(nal.to_vec().into()),
            1 | 5 | 6 => slices.push(nal),
            _ => {}
        }
    }
    let config = TrackConfig::Avc(AvcConfig::new(sps, pps)?);
    let data: Vec<u8> = slices.iter().flat_map(|n| [&(n.len() as u32).to_be_bytes()[..], n].concat()).collect();
    let mut mp4 = init_segment(&config);
    mp4.extend(fragment(1, 0, &[Sample { duration: 90_000, keyframe: true, composition: 0, data: data.into() }]));
    Some(format!("data:video/mp4;base64,{}", STANDARD.encode(mp4)))
}

/// The NAL units between start codes (ITU-T H.264 annex B).
fn nals(annexb: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> =
        annexb.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).map(|s| s - 3).chain([annexb.len()]).collect::<Vec<_>>();
    starts.into_iter().zip(ends).filter_map(|(from, to)| {
        let nal = annexb.get(from..to)?;
        // Zeros before the next start code belong to that one.
        let len = nal.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        (len > 0).then(|| &nal[..len])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_between_start_codes() {
        let bytes = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 0, 5];
        let found: Vec<&[u8]> = nals(&bytes).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4, 0, 5]]);
        assert_eq!(nals(&[]).count(), 0);
    }
}
