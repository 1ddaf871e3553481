//! Exam patrol where it is turned off (`patrol.enabled = false`): no camera runs, nothing is recorded, every question has an
//! answer that says so.

use async_trait::async_trait;
use lectern_library::Hold;
use lectern_media::{CameraId, ParticipantId, PeerId, UnixMillis};
use lectern_protocol::api::{CameraFault, CameraReport, CameraState, CameraStatus, ProbeFault, Span};
use lectern_signaling::{
    patrol::ports::{
        CameraFacts, CameraFeed, Cameras, ChainCheck, ExportDone, ExportFault, ExportOrder, Footage, FootageDay,
        FootageDisk, FootagePart, Opened, WallLine, WallPlane,
    },
    ports::{MediaError, PortError, Subscribed},
};
use std::time::Duration;
use ulid::Ulid;

/// Nothing runs.
pub struct Idle;

fn off(what: &'static str) -> PortError {
    PortError { part: "exam patrol", what, cause: "it is turned off (patrol.enabled)".into() }
}

#[async_trait]
impl Cameras for Idle {
    async fn run(&self, _: CameraFeed, _: CameraFacts) -> Result<(), PortError> {
        Ok(())
    }
    async fn stop(&self, _: CameraId) {}
    async fn remove(&self, _: CameraId) {}
    fn status(&self, _: CameraId) -> CameraStatus {
        CameraStatus {
            state: CameraState::Off,
            since: UnixMillis(0),
            streams: vec![],
            clock_offset_ms: None,
            recording: false,
            durable: None,
        }
    }
    async fn probe(&self, _: CameraFeed, _: Duration) -> CameraReport {
        let detail = "exam patrol is turned off on this server".to_owned();
        let fault = CameraFault { fault: ProbeFault::Unreachable, stream: None, detail };
        CameraReport { usable: false, streams: vec![], faults: vec![fault], clock_offset_ms: None, picture: None }
    }
}

#[async_trait]
impl WallPlane for Idle {
    async fn subscribe(&self, _: ParticipantId, _: Option<PeerId>, _: &str) -> Result<Subscribed, MediaError> {
        Err(MediaError::Busy)
    }
    async fn assign(&self, _: PeerId, _: &[WallLine]) -> Result<(), MediaError> {
        Err(MediaError::UnknownPeer)
    }
    async fn close_peer(&self, _: PeerId) {}
}

#[async_trait]
impl Footage for Idle {
    async fn day(&self, _: CameraId, _: Span) -> Result<FootageDay, PortError> {
        Ok(FootageDay::default())
    }
    async fn open(&self, _: CameraId, _: Span, _: &Span, _: &FootagePart) -> Result<Option<Opened>, PortError> {
        Ok(None)
    }
    async fn hold(&self, _: &Hold) -> Result<(), PortError> {
        Err(off("hold footage"))
    }
    async fn release(&self, _: Ulid) -> Result<(), PortError> {
        Err(off("release footage"))
    }
    async fn verify(&self, _: CameraId, _: Duration, _: UnixMillis) -> Result<ChainCheck, PortError> {
        Ok(ChainCheck::Nothing)
    }
    async fn disk(&self) -> Result<FootageDisk, PortError> {
        Ok(FootageDisk::default())
    }
    async fn confirm_clock(&self, _: UnixMillis) -> Result<(), PortError> {
        Err(off("confirm the clock"))
    }
    async fn export(&self, _: ExportOrder) -> Result<ExportDone, ExportFault> {
        Err(ExportFault { code: "nothing_recorded", detail: "exam patrol is turned off".into() })
    }
}
