//! How cameras do, as clients are told: what ingest knows, or that they are off.

use super::Patrol;
use crate::patrol::wall::Playable;
use lectern_library::Camera;
use lectern_media::{CameraId, CameraStream, Codec, UnixMillis};
use lectern_protocol::api::{CameraState, CameraStatus};

impl Patrol {
    /// How the camera does.
    #[must_use]
    pub fn status(&self, camera: &Camera) -> CameraStatus {
        if camera.enabled && camera.removed.is_none() { self.0.cameras.status(camera.id) } else { off(camera.created) }
    }

    /// What of a camera a browser can show, by what arrives of it.
    #[must_use]
    pub fn playable(&self, camera: CameraId) -> Playable {
        let status = self.0.cameras.status(camera);
        let codec = |stream| status.streams.iter().find(|s| s.stream == stream).map(|s| s.codec);
        match (codec(CameraStream::Main), codec(CameraStream::Sub)) {
            (None, None) | (Some(Codec::H264), _) => Playable::All,
            (_, Some(Codec::H264)) => Playable::SubOnly,
            // The main stream came first; the other may follow in a moment.
            (Some(_), None) if status.state != CameraState::Live => Playable::All,
            _ => Playable::Nothing,
        }
    }
}

pub(super) fn off(since: UnixMillis) -> CameraStatus {
    CameraStatus {
        state: CameraState::Off,
        since,
        streams: vec![],
        clock_offset_ms: None,
        recording: false,
        durable: None,
    }
}
