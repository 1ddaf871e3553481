//! `watch`: many viewers of one class, through WHEP or by its join code, joining one after the other.

use super::{Load, Target, origin, runtime, verdict::conclude};
use crate::{
    client::{
        api::Api,
        near_and_far,
        peer::{Viewer, ViewerResult, lines_of},
        room::Room,
    },
    report::{Outputs, Report},
};
use anyhow::{Context, Result, bail};
use lectern_media::{TrackKind, TrackSource};
use lectern_protocol::ws::{ClientMessage, LineAssignment, LinePriority, ServerMessage, Track};
use std::{
    future::Future,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

/// `lectern-loadtest watch`
#[derive(Debug, Clone, clap::Args)]
pub struct WatchArgs {
    #[command(flatten)]
    target: Target,
    /// Watch by WHEP: the whole address of the endpoint, instead of --url and --room.
    #[arg(long, requires = "token")]
    whep: Option<String>,
    /// Watch by WHEP: the room.
    #[arg(long, requires = "token", conflicts_with = "whep")]
    room: Option<String>,
    /// Watch by WHEP: the bearer token.
    #[arg(long, env = "LECTERN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Watch in class: the code of its join link.
    #[arg(long, conflicts_with_all = ["room", "whep"])]
    code: Option<String>,
    #[command(flatten)]
    load: Load,
    /// Height in pixels at which the picture is shown (in class), which chooses the layer.
    #[arg(long, default_value_t = 720)]
    height: u16,
    #[command(flatten)]
    outputs: Outputs,
}

impl WatchArgs {
    /// Runs the command; true if the viewers had what they came for.
    ///
    /// # Errors
    /// If there is nothing to measure.
    pub fn run(&self) -> Result<bool> {
        runtime()?.block_on(async {
            let report = Report::begin(&format!("{} viewers for {} s", self.load.viewers, self.load.secs));
            let by_room = self.room.as_ref().map(|room| format!("{}/whep/{room}", self.target.url));
            let endpoint = self.whep.clone().or(by_room);
            let url = endpoint.as_deref().map_or_else(|| self.target.url.clone(), origin);
            let api = Api::new(&url, self.target.insecure)?;
            let results = match (&endpoint, &self.token, &self.code) {
                (Some(endpoint), Some(token), _) => {
                    ramp(&self.load, |_, until| by_whep(api.clone(), endpoint.clone(), token.clone(), until)).await
                }
                (_, _, Some(code)) => {
                    let height = self.height;
                    ramp(&self.load, |n, until| in_class(api.clone(), code.clone(), student_name(n), height, until))
                        .await
                }
                _ => bail!("give --whep or --room with --token (WHEP) or --code (in class)"),
            };
            conclude(report, &results, &self.outputs)
        })
    }
}

/// The name under which synthetic student `n` joins.
pub fn student_name(n: u32) -> String {
    format!("测试学生 {}", n + 1)
}

/// Starts the viewers one after the other and waits for all of them.
pub async fn ramp<F>(load: &Load, start: impl Fn(u32, Duration) -> F) -> Vec<Result<ViewerResult>>
where
    F: Future<Output = Result<ViewerResult>> + Send + 'static,
{
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for n in 0..load.viewers {
        sleep_until((begun + Duration::from_secs_f64(f64::from(n) / load.per_sec.max(0.01))).into()).await;
        running.spawn(start(n, Duration::from_secs(load.secs)));
    }
    let mut results = Vec::new();
    while let Some(joined) = running.join_next().await {
        results.push(joined.context("a viewer crashed").and_then(|r| r));
    }
    results
}

async fn by_whep(api: Api, endpoint: String, token: String, stay: Duration) -> Result<ViewerResult> {
    let asked = Instant::now();
    let (near, _) = near_and_far(api.url());
    let (mut viewer, offer) = Viewer::new(near, asked).await?;
    let (session, answer) = api.offer(&endpoint, &token, offer).await?;
    viewer.accept(&answer).await?;
    sleep_until((asked + stay).into()).await;
    let result = viewer.result();
    api.end_session(&session, &token).await.context("ending the session")?;
    viewer.close().await;
    Ok(result)
}

/// Joins by code, watches the stage, leaves.
///
/// # Errors
/// What the server says.
pub async fn in_class(api: Api, code: String, name: String, height_px: u16, stay: Duration) -> Result<ViewerResult> {
    let asked = Instant::now();
    let grant = api.join(&code, &name).await?;
    let mut room = Room::enter(&api, &grant.grant).await?;
    let (near, _) = near_and_far(api.url());
    let (mut viewer, offer) = Viewer::new(near, asked).await?;
    let mids = lines_of(&offer);
    let answer = room.subscribe(offer).await?;
    let mut tracks = room.snapshot.tracks.clone();
    assign(&room, &mids, &tracks, height_px).await?;
    viewer.accept(&answer).await?;
    let deadline = asked + stay;
    while let Ok(news) = timeout(deadline.saturating_duration_since(Instant::now()), room.news.recv()).await {
        match news.context("the class socket closed")? {
            ServerMessage::TrackChanged { track } => {
                tracks.retain(|t| t.info.id != track.info.id);
                tracks.push(track);
                assign(&room, &mids, &tracks, height_px).await?;
            }
            ServerMessage::TrackEnded { track } => {
                tracks.retain(|t| t.info.id != track);
                assign(&room, &mids, &tracks, height_px).await?;
            }
            ServerMessage::Closed { reason } => bail!("the class was closed: {reason:?}"),
            ServerMessage::PeerLost { .. } => bail!("the server lost the connection"),
            _ => {}
        }
    }
    let result = viewer.result();
    room.say(ClientMessage::Leave {}).await?;
    viewer.close().await;
    Ok(result)
}

/// Puts the screen (or else a camera) and a microphone on the lines.
async fn assign(room: &Room, mids: &[(String, bool)], tracks: &[Track], height_px: u16) -> Result<()> {
    let lines = mids.iter().filter_map(|(mid, video)| {
        let kind = if *video { TrackKind::Video } else { TrackKind::Audio };
        let mut fitting: Vec<_> = tracks.iter().filter(|t| t.info.source.kind() == kind).collect();
        fitting.sort_by_key(|t| (t.info.source != TrackSource::Screen, t.info.source, t.info.id));
        let track = Some(fitting.first()?.info.id);
        Some(LineAssignment { mid: mid.clone(), track, height_px, priority: LinePriority::Speaker })
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return Ok(()); // nothing to see yet
    }
    room.say(ClientMessage::Assign { lines }).await
}
