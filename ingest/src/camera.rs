//! The task of one camera.

use crate::{
    config::CameraConfig,
    fault::Fault,
    ingest::{Desired, Shared, StatusCell},
    probe::{ProbeReport, ProbedSound},
    status::{CameraState, CameraStatus},
};
use lectern_media::UnixMillis;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::watch};
use url::Url;

/// Connects to where a URL points.
async fn connect(url: &str, within: Duration) -> Result<TcpStream, Fault> {
    let url = Url::parse(url).map_err(|_| Fault::BadUrl)?;
    let host = url.host_str().ok_or(Fault::BadUrl)?.trim_matches(['[', ']']).to_owned();
    let port = url.port().unwrap_or(554);
    match tokio::time::timeout(within, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(_)) => Err(Fault::Unreachable),
        Err(_) => Err(Fault::Timeout("connect")),
    }
}

/// Runs until the camera is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut wanted: watch::Receiver<Desired>, cell: StatusCell) {
    loop {
        let desired = wanted.borrow_and_update().clone();
        let state = match desired {
            Desired::Gone => return,
            Desired::Off(_) => CameraState::Off,
            Desired::Run(config) => {
                shared.turn().await;
                match connect(&config.main_url, shared.config.answer_within).await {
                    Ok(_) => CameraState::Silent,
                    Err(fault) => fault.state(),
                }
            }
        };
        cell.publish(
            CameraStatus { detail: state.label().to_owned(), ..CameraStatus::new(state, UnixMillis::now()) },
            true,
        );
        let _ = tokio::time::timeout(Duration::from_secs(5), wanted.changed()).await;
    }
}

/// Looks at a camera once.
pub(crate) async fn probe(config: CameraConfig, within: Duration) -> ProbeReport {
    let main = connect(&config.main_url, within).await.err().unwrap_or(Fault::NoKeyframe);
    let sub = match &config.sub_url {
        Some(url) => Some(Err(connect(url, within).await.err().unwrap_or(Fault::NoKeyframe))),
        None => None,
    };
    ProbeReport { main: Err(main), sub, sound: ProbedSound::None, clock_offset_ms: None, keyframe: None }
}
