//! `watch`: many viewers of one class, through WHEP or by its join code, joining one after the other.

use super::{Load, Target, origin, runtime};
use crate::{
    client::{
        api::Api,
        near_and_far,
        peer::{Viewer, ViewerResult, lines_of},
        room::Room,
    },
    report::{Check, Curve, Outputs, Plot, Report, Table},
    stats::Histogram,
};
use anyhow::{Context, Result, bail};
use lectern_media::{TrackKind, TrackSource};
use lectern_protocol::ws::{ClientMessage, LineAssignment, LinePriority, ServerMessage, Track};
use serde::Serialize;
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

/// Reports what the viewers felt and what is good enough of it.
///
/// # Errors
/// If a file can't be written.
pub fn conclude(mut report: Report, results: &[Result<ViewerResult>], outputs: &Outputs) -> Result<bool> {
    let good: Vec<&ViewerResult> = results.iter().filter_map(|r| r.as_ref().ok()).collect();
    for failed in results.iter().filter_map(|r| r.as_ref().err()) {
        eprintln!("a viewer failed: {failed:#}");
    }
    let (mut first, mut connected, mut delays, mut gaps) =
        (Histogram::default(), Histogram::default(), Histogram::default(), Histogram::default());
    for r in &good {
        r.video.first_frame_ms.into_iter().for_each(|ms| first.record(ms));
        r.connected_ms.into_iter().for_each(|ms| connected.record(ms));
        delays.merge(&r.delays);
        gaps.record(r.audio.gap_ms_max);
    }
    let sum = |f: &dyn Fn(&ViewerResult) -> u64| good.iter().map(|r| f(r)).sum::<u64>();
    let (frames, missing) = (sum(&|r| r.video.frames), sum(&|r| r.video.frames_missing));
    let (packets, lost) = (sum(&|r| r.video.packets + r.audio.packets), sum(&|r| r.video.lost + r.audio.lost));
    let freezes = sum(&|r| r.video.freezes);
    let frozen_ms = good.iter().fold(0.0, |ms, r| ms + r.video.freeze_ms);

    let mut table = Table::new("what viewers felt", &["", "count", "p50", "p95", "p99", "max"]);
    for (name, histogram, scale) in [
        ("request to connection, ms", &connected, 1.0),
        ("request to first frame, ms", &first, 1.0),
        ("delay of frames, ms", &delays, 1e-3),
        ("longest gap in sound, ms", &gaps, 1.0),
    ] {
        let s = histogram.summary();
        let ms = |v: f64| format!("{:.1}", v * scale);
        table.row([name.to_owned(), s.count.to_string(), ms(s.p50), ms(s.p95), ms(s.p99), ms(s.max)]);
    }
    report.tables.push(table);
    let mut table = Table::new("totals", &["", "value"]);
    for (name, value) in [
        ("viewers", format!("{} of {}", good.len(), results.len())),
        ("frames shown / skipped", format!("{frames} / {missing}")),
        ("packets received / lost", format!("{packets} / {lost}")),
        ("freezes (ms in all)", format!("{freezes} ({frozen_ms:.0})")),
    ] {
        table.row([name.to_owned(), value]);
    }
    report.tables.push(table);
    let curve = |name: &str, h: &Histogram, scale: f64| Curve {
        name: name.to_owned(),
        points: h.curve().into_iter().map(|(v, share)| (v * scale, share)).collect(),
    };
    report.plots.push(Plot {
        title: "Delay of frames".to_owned(),
        x: "milliseconds".to_owned(),
        y: "share of frames at or below".to_owned(),
        log_x: true,
        curves: vec![curve("delay", &delays, 1e-3)],
    });
    report.plots.push(Plot {
        title: "Joining".to_owned(),
        x: "milliseconds".to_owned(),
        y: "share of viewers at or below".to_owned(),
        log_x: true,
        curves: vec![curve("connected", &connected, 1.0), curve("first frame", &first, 1.0)],
    });
    let percent = |part: u64, whole: u64| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    report.checks.extend([
        Check::at_least("viewers with a picture", percent(first.summary().count, results.len() as u64), 100.0, "%"),
        Check::at_most("first frame p95", first.summary().p95, 1000.0, "ms"),
        Check::at_least("frames shown", percent(frames, frames + missing), 99.5, "%"),
        Check::at_most("delay p95", delays.summary().p95 / 1000.0, 200.0, "ms"),
        Check::at_most("longest gap in sound, p95", gaps.summary().p95, 100.0, "ms"),
    ]);
    #[derive(Serialize)]
    struct Data<'a> {
        viewers: Vec<&'a ViewerResult>,
        failed: Vec<String>,
    }
    let failed = results.iter().filter_map(|r| r.as_ref().err()).map(|e| format!("{e:#}")).collect();
    report.finish(outputs, &Data { viewers: good, failed })
}
