//! Grants for the media of one camera, and the media itself: playlists, segments, snapshots.
//!
//! A grant is part of the path, so that players carry it; it is worth something only beside the cookie of the session that
//! asked, and every fetch asks for the right again: for that to listen, too, where it is sound.

use super::{range, viewer, who};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::{
        bytes::{answer, etag_of, range_of},
        params::{Id, Params},
    },
    patrol::{
        Patrol,
        access::{Piece, Viewer, hung_elsewhere},
        ports::{FootagePart, Opened, PlayStream},
        trail::{Act, Who},
    },
    ports::{Served, ServedBody},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use lectern_auth::{Action, CAMERA_GRANT_LIFE_MAX, CameraGrant, CameraGrantError, GrantError, TokenHash};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::{AuditAction, MediaGrant, MediaUse, NewMediaGrant, Span};
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Post,
        "/api/v1/patrol/cameras/{id}/grants",
        Right::May(Action::PlayCamera),
        "A grant for the media of one camera, for this session, for a minute",
        || post(grant),
    )
    .takes::<NewMediaGrant>()
    .gives::<MediaGrant>(),
    Route::new(
        Verb::Get,
        "/api/v1/patrol/media/{token}/{*path}",
        Right::SignedIn,
        "What a grant gives: `index.m3u8?stream=main|sub|sound|keyframes`, its segments, `snapshot.mp4`, `export`",
        || get(fetch),
    ),
];

/// The longest path behind a grant, in bytes.
const PATH_LEN_MAX: usize = 300;
/// What one session plays of one camera is one entry for this long.
const COALESCE: Duration = Duration::from_secs(10);
/// A snapshot of a moment takes the keyframe at or before it, at most this long before.
const SNAPSHOT_BACK: Duration = Duration::from_secs(60);
/// Plays that are summed up at the same time; beyond that each is an entry of its own.
const PLAYS_MAX: usize = 2_000;

async fn grant(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<CameraId>,
    Body(body): Body<NewMediaGrant>,
) -> ApiResult<Json<MediaGrant>> {
    let v = viewer(&app.patrol, &caller);
    let (action, span) = match (body.purpose, body.from, body.to) {
        (MediaUse::Play, Some(from), Some(to)) => {
            let span = range(from, to)?;
            // What of it may be had is asked again with each fetch.
            v.footage(id, &[Action::PlayCamera], &span)?;
            (Action::PlayCamera, Some(span))
        }
        (MediaUse::Play, _, _) => {
            v.camera(id, Action::PlayCamera)?;
            return Err(ApiError::field("from", "say from and to"));
        }
        (MediaUse::Snapshot, Some(from), to) => {
            let span = range(from, to.unwrap_or(UnixMillis(from.0.saturating_add(1))))?;
            // What was recorded is played by the right to play, what is now by the right to look.
            v.footage(id, &[Action::SnapshotCamera, Action::PlayCamera], &span)?;
            let from = UnixMillis(from.0.saturating_sub(SNAPSHOT_BACK.as_millis() as i64).max(0));
            (Action::SnapshotCamera, Some(range(from, span.to)?))
        }
        (MediaUse::Snapshot, None, _) => {
            v.camera(id, Action::SnapshotCamera)?;
            v.camera(id, Action::LiveCamera)?;
            (Action::SnapshotCamera, None)
        }
        (MediaUse::Export, _, _) => {
            v.camera(id, Action::ExportCamera)?;
            return Err(ApiError::field("purpose", "ask POST /api/v1/patrol/exports/{id}/grants"));
        }
    };
    let now = UnixMillis::now();
    let expires = now.plus(CAMERA_GRANT_LIFE_MAX);
    let grant = CameraGrant {
        camera: id,
        action,
        range: span.map(|s| (s.from, s.to)),
        job: None,
        account: caller.account,
        session: caller.session,
        expires,
    };
    Ok(Json(MediaGrant { token: app.keys.sign_camera(grant, now), expires }))
}

#[derive(Debug, Deserialize)]
struct FetchQuery {
    stream: Option<String>,
    from: Option<UnixMillis>,
    to: Option<UnixMillis>,
    at: Option<UnixMillis>,
}

/// A grant that was copied, has expired or is for something else.
fn refused(e: CameraGrantError) -> ApiError {
    let code = match e {
        CameraGrantError::Grant(GrantError::Expired) => Code::GrantExpired,
        CameraGrantError::WrongSession
        | CameraGrantError::WrongCamera
        | CameraGrantError::WrongAction
        | CameraGrantError::WrongRange => Code::GrantForeign,
        _ => Code::GrantInvalid,
    };
    metrics::counter!("lectern_http_grants_refused_total", "reason" => e.reason()).increment(1);
    ApiError::new(code, e.to_string()).because(e.reason())
}

async fn fetch(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id((token, path)): Id<(String, String)>,
    Params(query): Params<FetchQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let now = UnixMillis::now();
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if path.len() > PATH_LEN_MAX || !path.split('/').all(plain) {
        return Err(ApiError::not_found("medium").because("bad_path"));
    }
    let action = match path.as_str() {
        "export" => Action::ExportCamera,
        "snapshot.mp4" => Action::SnapshotCamera,
        _ => Action::PlayCamera,
    };
    let grant = app.keys.verify_camera(&token, action, caller.session, now).map_err(refused)?;
    if grant.account != caller.account {
        return Err(refused(CameraGrantError::WrongSession));
    }
    // The right may have ended since: it is asked for again with each fetch, at the time that is looked at.
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    match action {
        Action::ExportCamera => super::evidence::download(&app, &caller, addr, &v, &grant, &headers).await,
        Action::SnapshotCamera => {
            let (span, within) = match (grant.range, query.at) {
                (Some((from, to)), at) => {
                    let at = at.unwrap_or(to);
                    grant.check_range(at, at).map_err(|e| refused(e).camera(grant.camera))?;
                    // The end of a range is not in it.
                    let of =
                        Span { from: UnixMillis(at.0 - i64::from(at == to)), to: UnixMillis(at.0.saturating_add(1)) };
                    let seen = v.footage(grant.camera, &[Action::SnapshotCamera, Action::PlayCamera], &of)?;
                    let Piece { span, within } = seen.allowed.into_iter().next_back().ok_or(Code::NotFound)?;
                    (Span { from: from.max(within.from), to: span.to }, within)
                }
                (None, None) => {
                    v.camera(grant.camera, Action::SnapshotCamera)?;
                    let camera = v.camera(grant.camera, Action::LiveCamera)?;
                    let back = UnixMillis(now.0 - SNAPSHOT_BACK.as_millis() as i64);
                    // Of a camera that came a moment ago, nothing from where it was.
                    let hung = camera.hung_at(UnixMillis(i64::MAX));
                    let span = Span { from: back.max(hung.from), to: UnixMillis(now.0 + 1_000) };
                    (span, Span { from: hung.from, to: hung.to })
                }
                (None, Some(_)) => return Err(refused(CameraGrantError::WrongRange).camera(grant.camera)),
            };
            let stream = stream_of(query.stream.as_deref(), PlayStream::Main)?;
            if stream == PlayStream::Sound {
                return Err(ApiError::field("stream", "a picture has no sound"));
            }
            let part = FootagePart::Snapshot { stream };
            let served = p.0.footage.open(grant.camera, span.clone(), &within, &part).await?;
            let opened = served.ok_or_else(|| ApiError::not_found("picture"))?;
            let taken = opened.times.unwrap_or(span);
            let act = Act::new(now, who(&caller, addr), AuditAction::Snapshot, p.what_at(grant.camera, taken.from), "");
            super::write(p, act.range(taken.from, taken.to)).await?;
            let mut response = answer(opened.served, None, None).await?;
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        _ => {
            let (first, end) = grant.range.ok_or_else(|| refused(CameraGrantError::WrongRange).camera(grant.camera))?;
            if !p.trail().takes_looks() {
                // Nothing is shown that can't be written down.
                return Err(ApiError::retry(Code::Busy, Duration::from_secs(5), "the audit log takes nothing now"));
            }
            let (from, to) = (query.from.unwrap_or(first), query.to.unwrap_or(end));
            grant.check_range(from, to).map_err(|e| refused(e).camera(grant.camera))?;
            let part = match path.as_str() {
                "index.m3u8" => FootagePart::Playlist { stream: stream_of(query.stream.as_deref(), PlayStream::Sub)? },
                _ => FootagePart::Segment { path: path.clone() },
            };
            let sound = part == (FootagePart::Playlist { stream: PlayStream::Sound });
            let actions: &[Action] = if sound { &HEARS } else { &HEARS[..1] };
            let seen = v.footage(grant.camera, actions, &Span { from, to })?;
            let mut opened: Option<Opened> = None;
            for Piece { span, within } in &seen.allowed {
                let found = p.0.footage.open(grant.camera, span.clone(), within, &part).await?;
                let Some(mut found) = found else { continue };
                if found.sound && !sound {
                    // Which track a segment is of stands in its path, which the recorder reads.
                    found = match &found.times {
                        Some(times) => v.whole(grant.camera, &HEARS, times).map(|_| found)?,
                        None => heard(p, &v, grant.camera, span, &part).await?,
                    };
                }
                opened = Some(match (opened, &part) {
                    (None, _) => found,
                    (Some(before), FootagePart::Playlist { .. }) => joined(before, found)?,
                    (Some(before), _) => before,
                });
            }
            let nothing = || match seen.refused.first() {
                None => {
                    ApiError::not_found("part of this stretch").because("wrong_range").camera(grant.camera).at(from)
                }
                Some(elsewhere) => hung_elsewhere(grant.camera).at(elsewhere.from),
            };
            let Opened { served, times, sound } = opened.ok_or_else(nothing)?;
            if let Some(Span { from, to }) = times {
                let of = Of { session: caller.session, camera: grant.camera, sound };
                played(p, who(&caller, addr), of, Span { from, to }, now);
            }
            let etag = etag_of(&served, &path.replace('/', "-"));
            let wanted = range_of(&headers, served.len_bytes, etag.as_deref())?;
            answer(served, wanted, etag.as_deref()).await
        }
    }
}

/// What has no time of its own (how a track begins) of a sound, if it belongs to a stretch that may be heard.
async fn heard(p: &Patrol, v: &Viewer, camera: CameraId, span: &Span, part: &FootagePart) -> ApiResult<Opened> {
    for Piece { span, within } in v.footage(camera, &HEARS, span)?.allowed {
        if let Some(found) = p.0.footage.open(camera, span, &within, part).await? {
            return Ok(found);
        }
    }
    Err(hung_elsewhere(camera).at(span.from))
}

/// What is asked of who plays recorded sound: the right to play and that to listen, both.
const HEARS: [Action; 2] = [Action::PlayCamera, Action::ListenCamera];

/// Two playlists of one track, one behind the other, as one: what lies between is not the caller's, and not named.
fn joined(first: Opened, second: Opened) -> ApiResult<Opened> {
    let text = |opened: &Opened| match &opened.served.body {
        ServedBody::Bytes(bytes) => String::from_utf8(bytes.to_vec()).map_err(ApiError::internal),
        _ => Err(ApiError::internal("a playlist that is no text")),
    };
    let bytes = Bytes::from(joined_text(&text(&first)?, &text(&second)?));
    let served = Served { len_bytes: bytes.len() as u64, body: ServedBody::Bytes(bytes), ..second.served };
    Ok(Opened { served, ..second })
}

fn joined_text(first: &str, second: &str) -> String {
    // RFC 8216 §4.3: what stands before the first of these is about the whole list.
    let of_segments = ["#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-GAP", "#EXTINF", "#EXT-X-DISCONTINUITY\n"];
    let split = |text: &str| of_segments.iter().filter_map(|tag| text.find(tag)).min().unwrap_or(text.len());
    let ((_, before), (head, after)) = (first.split_at(split(first)), second.split_at(split(second)));
    const TARGET: &str = "#EXT-X-TARGETDURATION:";
    let target = |text: &str| text.lines().find_map(|l| l.strip_prefix(TARGET)?.parse::<u64>().ok()).unwrap_or(0);
    let longest = target(first).max(target(second));
    let mut out = String::with_capacity(first.len() + second.len());
    for line in head.lines() {
        match line.strip_prefix(TARGET) {
            Some(_) => out.push_str(&format!("{TARGET}{longest}")),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out.push_str(before.replace("#EXT-X-ENDLIST\n", "").trim_end());
    out.push_str("\n#EXT-X-DISCONTINUITY\n");
    out.push_str(after);
    out
}

fn stream_of(name: Option<&str>, absent: PlayStream) -> ApiResult<PlayStream> {
    Ok(match name {
        None => absent,
        Some("main") => PlayStream::Main,
        Some("sub") => PlayStream::Sub,
        Some("sound") => PlayStream::Sound,
        Some("keyframes") => PlayStream::Keyframes,
        Some(_) => return Err(ApiError::field("stream", "main, sub, sound or keyframes")),
    })
}

/// What sessions play, summed up before it is written down.
#[derive(Debug, Default)]
pub(crate) struct Plays(HashMap<Of, Play>);

/// Whose play of what it is. Sound is written down apart: its entry says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Of {
    session: TokenHash,
    camera: CameraId,
    sound: bool,
}

#[derive(Debug)]
struct Play {
    who: Who,
    began: UnixMillis,
    from: UnixMillis,
    to: UnixMillis,
}

/// Notes that a stretch was fetched for playing.
fn played(p: &Patrol, who: Who, of: Of, Span { from, to }: Span, now: UnixMillis) {
    let mut plays = p.0.plays.lock();
    let full = plays.0.len() >= PLAYS_MAX;
    match plays.0.get_mut(&of) {
        // A jump to elsewhere is a stretch of its own: the one between was not seen.
        Some(play) if from.0 <= play.to.0.saturating_add(2_000) && play.from.0 <= to.0.saturating_add(2_000) => {
            play.from = play.from.min(from);
            play.to = play.to.max(to);
        }
        Some(play) => {
            let before = std::mem::replace(play, Play { who, began: now, from, to });
            write_play(p, of, before, now);
        }
        None if full => write_play(p, of, Play { who, began: now, from, to }, now),
        None => drop(plays.0.insert(of, Play { who, began: now, from, to })),
    }
}

/// What was played, as entries: one for each place where the camera hung, whose people ask who looked.
fn acts_of(p: &Patrol, of: Of, play: Play, now: UnixMillis) -> Vec<Act> {
    let cameras = p.library().cameras();
    let spans: Vec<(UnixMillis, UnixMillis)> = match cameras.get(of.camera) {
        Some(camera) if play.from < play.to => camera.hung_over(play.from, play.to).map(|h| (h.from, h.to)).collect(),
        _ => vec![(play.from, play.to)],
    };
    let detail = if of.sound { "sound" } else { "" };
    let act = |(from, to): (UnixMillis, UnixMillis)| {
        let what = p.what_at(of.camera, from);
        let seconds = (to.since(from).as_millis() as u64).div_ceil(1_000);
        Act::new(now, play.who.clone(), AuditAction::Played, what, detail).range(from, to).seconds(seconds)
    };
    spans.into_iter().map(act).collect()
}

fn write_play(p: &Patrol, of: Of, play: Play, now: UnixMillis) {
    for act in acts_of(p, of, play, now) {
        p.trail().note_now(act);
    }
}

/// Writes down what was played more than [`COALESCE`] ago; all of it if `all`.
pub(crate) async fn write_plays(p: &Patrol, now: UnixMillis, all: bool) {
    let over: Vec<(Of, Play)> = {
        let mut plays = p.0.plays.lock();
        let is_over = |play: &Play| all || now.since(play.began) >= COALESCE || now < play.began;
        plays.0.extract_if(|_, play| is_over(play)).collect()
    };
    // There may be more of them than the queue has room for at once.
    for (of, play) in over {
        for act in acts_of(p, of, play, now) {
            p.trail().note(act).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_playlists_become_one_that_says_nothing_of_what_lies_between() {
        let list = |target: u64, kind: &str, segment: &str, end: &str| {
            format!(
                "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-PLAYLIST-TYPE:{kind}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n\
                 #EXT-X-MAP:URI=\"{segment}/init.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:x\n#EXTINF:2.0,\n{segment}/1.m4s\n{end}"
            )
        };
        let one = joined_text(&list(9, "VOD", "a", "#EXT-X-ENDLIST\n"), &list(5, "EVENT", "b", ""));
        let want = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-TARGETDURATION:9\n#EXT-X-MEDIA-SEQUENCE:0\n\
            #EXT-X-MAP:URI=\"a/init.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:x\n#EXTINF:2.0,\na/1.m4s\n#EXT-X-DISCONTINUITY\n\
            #EXT-X-MAP:URI=\"b/init.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:x\n#EXTINF:2.0,\nb/1.m4s\n";
        assert_eq!(one, want);
    }
}
