//! The library: list and search, detail, where one stopped watching, deletion that can be taken back.
//!
//! Whoever may not see a recording is told that there is none.

use super::params::{Id, Params};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller},
    ports::RecordingFacts,
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post, put},
};
use lectern_auth::Action;
use lectern_library::{Position, Query, Recording};
use lectern_media::{PlaceId, RecordingId, UnixMillis};
use lectern_protocol::api::{
    Chapter, ClassEvent, Position as PositionBody, RecordedTrack, RecordingDetail, RecordingItem, RecordingPage,
    RecordingStatus, TextHit, TimelineEvent,
};
use serde::Deserialize;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/recordings", Right::SignedIn, "List and search recordings", || get(list))
        .gives::<RecordingPage>(),
    Route::new(
        Verb::Get,
        "/api/v1/recordings/{id}",
        Right::May(Action::WatchRecording),
        "Everything the player needs",
        || get(detail),
    )
    .gives::<RecordingDetail>(),
    Route::new(
        Verb::Put,
        "/api/v1/recordings/{id}/position",
        Right::May(Action::WatchRecording),
        "Remember where one stopped",
        || put(position),
    )
    .takes::<PositionBody>(),
    Route::new(
        Verb::Delete,
        "/api/v1/recordings/{id}",
        Right::May(Action::DeleteRecording),
        "Delete a recording; it can be restored for ten seconds",
        || delete(remove),
    ),
    Route::new(
        Verb::Post,
        "/api/v1/recordings/{id}/restore",
        Right::May(Action::DeleteRecording),
        "Take a deletion back",
        || post(restore),
    ),
];

/// Recordings on a page unless the request says otherwise.
const PAGE_LEN: usize = 24;

#[derive(Debug, Deserialize)]
struct ListQuery {
    #[serde(default)]
    q: String,
    subject: Option<String>,
    teacher: Option<String>,
    school: Option<String>,
    place: Option<PlaceId>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<RecordingPage>> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = Query {
        text: query.q,
        subject: given(query.subject),
        teacher: given(query.teacher),
        school: given(query.school),
        place: query.place,
        cursor: given(query.cursor),
        limit: query.limit.unwrap_or(PAGE_LEN),
    };
    let page = app.library.search(query, &caller.rights).await?;
    let ids = page.items.iter().map(|found| found.recording.id).collect();
    let positions = app.library.store().positions(caller.account, ids).await?;
    let items = page.items.into_iter().map(|found| {
        let position = positions.get(&found.recording.id).copied();
        let hit = found.hit.map(|line| TextHit { at_ms: line.at_ms, text: line.text });
        item(found.recording, position, hit)
    });
    Ok(Json(RecordingPage { items: items.collect(), next: page.next, total: page.total }))
}

fn item(r: Recording, position: Option<Position>, hit: Option<TextHit>) -> RecordingItem {
    RecordingItem {
        id: r.id,
        lesson: r.lesson,
        title: r.title,
        subject: r.subject,
        grade: r.grade,
        teacher: r.teacher_name,
        school: r.school,
        started: r.started,
        duration_ms: r.duration_ms,
        status: r.status,
        size_bytes: r.size_bytes,
        position_ms: position.map(|p| p.position_ms),
        hit,
    }
}

/// A recording that the caller may do `action` to: 404 if it may not be seen, 403 if only the right is missing.
pub(super) async fn recording(app: &App, caller: &Caller, id: RecordingId, action: Action) -> ApiResult<Recording> {
    let found = app.library.recording(id, Action::WatchRecording, &caller.rights).await?;
    let found = found.ok_or_else(|| ApiError::not_found("recording"))?;
    caller.require(action, &found)?;
    Ok(found)
}

async fn detail(State(app): State<App>, caller: Caller, Id(id): Id<RecordingId>) -> ApiResult<Json<RecordingDetail>> {
    let recording = recording(&app, &caller, id, Action::WatchRecording).await?;
    let facts = app.files.facts(id).await?.ok_or_else(|| ApiError::not_found("recording"))?;
    let position = app.library.store().positions(caller.account, vec![id]).await?.remove(&id);
    let mut item = item(recording, position, None);
    // The files know best, and while the class runs they know more by the second.
    item.started = facts.started;
    item.duration_ms = facts.duration.as_millis() as u64;
    // A recording that ended without a seal looks to its reader as if it grew; the catalogue knows that it is over.
    if facts.status != RecordingStatus::Live {
        item.status = facts.status;
    }
    item.size_bytes = facts.size_bytes;
    Ok(Json(described(id, item, facts)))
}

fn described(id: RecordingId, item: RecordingItem, facts: RecordingFacts) -> RecordingDetail {
    let address = |path: String| if path.starts_with('/') { path } else { format!("/vod/{id}/{path}") };
    let tracks = facts.tracks.into_iter().map(|track| RecordedTrack {
        playlist: track.playlist.map(address),
        webm: track.webm.map(address),
        ..track
    });
    RecordingDetail {
        item,
        tracks: tracks.collect(),
        gaps: facts.gaps,
        chapters: chapters(&facts.events),
        events: facts.events,
    }
}

/// Chapters: the start, and where the stage or the shared screen changed. Changes within two seconds of the last
/// chapter are one with it.
fn chapters(events: &[TimelineEvent]) -> Vec<Chapter> {
    const APART_MS: u64 = 2_000;
    let mut chapters = vec![Chapter { at_ms: 0, kind: "start".into(), name: String::new() }];
    for event in events {
        let (kind, name) = match &event.event {
            ClassEvent::Screen { name, on: true, .. } => ("screen_on", name),
            ClassEvent::Screen { name, on: false, .. } => ("screen_off", name),
            ClassEvent::Stage { name, on: true, .. } => ("stage_on", name),
            ClassEvent::Stage { name, on: false, .. } => ("stage_off", name),
            _ => continue,
        };
        let chapter = Chapter { at_ms: event.at_ms, kind: kind.into(), name: name.clone() };
        match chapters.last_mut() {
            Some(last) if last.kind != "start" && event.at_ms.saturating_sub(last.at_ms) < APART_MS => *last = chapter,
            _ => chapters.push(chapter),
        }
    }
    chapters
}

async fn position(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RecordingId>,
    Body(body): Body<PositionBody>,
) -> ApiResult<StatusCode> {
    recording(&app, &caller, id, Action::WatchRecording).await?;
    // A week is longer than any lesson; more is a slip of a unit.
    if body.position_ms > 7 * 24 * 3_600_000 {
        return Err(ApiError::field("position_ms", "milliseconds from the start"));
    }
    let position = Position { position_ms: body.position_ms, at: UnixMillis::now() };
    app.library.store().set_position(caller.account, id, position).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(app): State<App>, caller: Caller, Id(id): Id<RecordingId>) -> ApiResult<StatusCode> {
    let found = recording(&app, &caller, id, Action::DeleteRecording).await?;
    if found.status == RecordingStatus::Live {
        return Err(ApiError::new(Code::Conflict, "the lesson is still being recorded; end it first"));
    }
    app.library.delete_recording(id, UnixMillis::now()).await?;
    tracing::info!(by = %caller.account, recording = %id, "deleted a recording");
    Ok(StatusCode::NO_CONTENT)
}

async fn restore(State(app): State<App>, caller: Caller, Id(id): Id<RecordingId>) -> ApiResult<StatusCode> {
    let found = app.library.store().recording(id).await?;
    let found =
        found.filter(|r| caller.may(Action::WatchRecording, r)).ok_or_else(|| ApiError::not_found("recording"))?;
    caller.require(Action::DeleteRecording, &found)?;
    app.library.restore_recording(id).await?;
    tracing::info!(by = %caller.account, recording = %id, "restored a recording");
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::ParticipantId;

    #[test]
    fn chapters_are_where_the_picture_changed() {
        let who = ParticipantId::generate();
        let event = |at_ms, event| TimelineEvent { at_ms, event };
        let stage = |on| ClassEvent::Stage { participant: who, name: "小明".into(), on };
        let screen = |on| ClassEvent::Screen { participant: who, name: "王芳".into(), on };
        let events = [
            event(0, ClassEvent::Opened {}),
            event(1_500, screen(true)),
            event(60_000, stage(true)),
            event(61_000, stage(false)),
            event(61_500, stage(true)),
            event(90_000, ClassEvent::Ended {}),
        ];
        let got: Vec<_> = chapters(&events).into_iter().map(|c| (c.at_ms, c.kind)).collect();
        assert_eq!(got, [(0, "start".into()), (1_500, "screen_on".into()), (61_500, "stage_on".into())]);
    }
}
