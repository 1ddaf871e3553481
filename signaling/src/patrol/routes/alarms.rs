//! Alarms, and the check of a site before an exam.

use super::{at_place, by, note, to_its_end, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::{
        params::{Id, Params},
        words,
    },
    patrol::{
        Patrol,
        access::Viewer,
        ports::{ChainCheck, FootageDay},
        told::alarm_span,
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    routing::{get, patch, post},
};
use futures::{StreamExt as _, stream};
use lectern_auth::{Action, Redacted};
use lectern_library::{Alarm, AlarmQuery, Camera, Hung, patrol::group_to_api};
use lectern_media::{CameraId, CameraStream, PlaceId, UnixMillis};
use lectern_protocol::api::{
    AlarmChange, AlarmItem, AlarmPage, AuditAction, CameraState, CheckFinding, CheckItem, CheckedCamera, HealthFault,
    PreExamReport, Span,
};
use serde::Deserialize;
use std::{collections::HashSet, time::Duration};
use ulid::Ulid;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/alarms",
        Right::SignedIn,
        "Alarms of cameras that the caller may see: `?place=&camera=&open=&from=&to=&after=`",
        || get(list),
    )
    .gives::<AlarmPage>(),
    Route::new(
        Verb::Patch,
        "/api/v1/patrol/alarms/{id}",
        Right::May(Action::HandleAlarm),
        "Acknowledge an alarm, note on it, hand it over",
        || patch(change),
    )
    .takes::<AlarmChange>()
    .gives::<AlarmItem>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/places/{id}/check",
        Right::May(Action::CheckSite),
        "Check every camera of a site before an exam",
        || post(check),
    )
    .gives::<PreExamReport>(),
];

/// Alarms on one page.
const PAGE: usize = 100;
/// Alarms read at once to find a page of them.
const LOOKED_AT: usize = 1_000;
/// Alarms counted as open.
const OPEN_MAX: usize = 10_000;
/// Cameras checked at the same time: each reads a minute of recording.
const CHECKS_AT_ONCE: usize = 4;
/// The stretch of the recording in which there must be no gap.
const CONTINUOUS: Duration = Duration::from_secs(600);
/// A camera that was just added may take so long to be reached.
pub(super) const FIRST_REACHED: Duration = Duration::from_secs(20);
/// The stretch whose chain and signatures are verified.
const SIGNED: Duration = Duration::from_secs(60);
/// A recording whose last durable moment is older is not running.
const DURABLE_WITHIN: Duration = Duration::from_secs(10);
/// A clock that is off by more is wrong.
const CLOCK_MS: i64 = 1_000;

#[derive(Debug, Deserialize)]
struct ListQuery {
    place: Option<PlaceId>,
    camera: Option<CameraId>,
    #[serde(default)]
    open: bool,
    from: Option<UnixMillis>,
    to: Option<UnixMillis>,
    after: Option<String>,
}

fn cursor(text: &str) -> Option<(UnixMillis, Ulid)> {
    let (since, id) = text.split_once('-')?;
    Some((UnixMillis(since.parse().ok()?), Ulid::from_string(id).ok()?))
}

async fn list(State(app): State<App>, caller: Caller, Params(query): Params<ListQuery>) -> ApiResult<Json<AlarmPage>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let after = query.after.as_deref().map(|text| cursor(text).ok_or_else(|| ApiError::field("after", "not a cursor")));
    let cameras: HashSet<CameraId> = v
        .cameras
        .all()
        .filter(|c| query.camera.is_none_or(|id| id == c.id))
        .filter(|c| c.hung().any(|h| sees_there(&v, c, &h, query.place)))
        .map(|c| c.id)
        .collect();
    // Of one that was moved, those of the time when it hung there.
    let now = UnixMillis::now();
    let shown = |a: &Alarm| {
        let Span { from, to } = alarm_span(a.since, a.until, now);
        let camera = v.cameras.get(a.camera);
        camera.is_some_and(|c| c.hung_over(from, to).any(|h| sees_there(&v, c, &h, query.place)))
    };
    let store = app.library.store();
    let open = AlarmQuery { cameras: Some(cameras.clone()), open: true, limit: OPEN_MAX, ..AlarmQuery::default() };
    let open = store.alarms(open).await?.iter().filter(|a| a.acknowledged.is_none() && shown(a)).count() as u32;
    let mut wanted = AlarmQuery {
        cameras: Some(cameras),
        open: query.open,
        from: query.from,
        to: query.to,
        after: after.transpose()?,
        limit: LOOKED_AT,
    };
    // Of cameras that were moved, alarms of other times are among those found: pages are filled with what is shown, and the cursor names
    // nothing else.
    let mut alarms: Vec<Alarm> = Vec::new();
    loop {
        let found = store.alarms(wanted.clone()).await?;
        let last = found.last().filter(|_| found.len() == LOOKED_AT).map(|a| (a.since, a.id));
        alarms.extend(found.into_iter().filter(&shown));
        wanted.after = last;
        if last.is_none() || alarms.len() > PAGE {
            break;
        }
    }
    let more = alarms.len() > PAGE;
    alarms.truncate(PAGE);
    let next = alarms.last().filter(|_| more).map(|a| format!("{}-{}", a.since.0, a.id));
    let mut items: Vec<AlarmItem> = alarms.iter().filter_map(|a| v.alarm(p.alarm_item(a)?)).collect();
    items.sort_by_key(|a| a.until.is_some());
    Ok(Json(AlarmPage { items, next, open }))
}

/// Whether the camera could be seen where it hung then, at a place or below if one is named.
fn sees_there(v: &Viewer, camera: &Camera, hung: &Hung<'_>, place: Option<PlaceId>) -> bool {
    place.is_none_or(|place| v.tree.within(hung.object.place, place)) && v.sees_there(camera, hung)
}

fn unknown() -> ApiError {
    ApiError::not_found("alarm").because("unknown_alarm")
}

async fn alarm(app: &App, caller: &Caller, id: Ulid) -> ApiResult<Alarm> {
    let alarm = app.library.store().alarm(id).await?.ok_or_else(unknown)?;
    let span = alarm_span(alarm.since, alarm.until, UnixMillis::now());
    // One that went on while the camera was moved is a matter of both places.
    match viewer(&app.patrol, caller).footage(alarm.camera, &[Action::HandleAlarm], &span) {
        Ok(_) => Ok(alarm),
        Err(e) if e.code == Code::NotFound => Err(unknown().camera(alarm.camera)),
        Err(e) => Err(e),
    }
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<Ulid>,
    Body(body): Body<AlarmChange>,
) -> ApiResult<Json<AlarmItem>> {
    to_its_end(async move { changed(&app, &caller, addr, id, body).await }).await
}

async fn changed(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: Ulid,
    body: AlarmChange,
) -> ApiResult<Json<AlarmItem>> {
    let p = &app.patrol;
    let old = alarm(app, caller, id).await?;
    let note_text = body.note.map(|text| words::text("note", &text, 0, 500)).transpose()?;
    let handed_to = body.hand_to.map(|name| words::text("hand_to", &name, 1, 60)).transpose()?;
    // Who handles no alarms where it began says what they say for their own place, and changes nothing of what was said there.
    let v = viewer(p, caller);
    let side = v.cameras.get(old.camera).and_then(|c| v.alarm_side(c, (old.since, old.until), Action::HandleAlarm));
    let side = side.ok_or_else(|| unknown().camera(old.camera))?;
    let own = Some(side).filter(|h| h.from > old.since);
    let change = lectern_library::AlarmChange {
        elsewhere: own.map(|h| (h.object.place, h.object.group)),
        acknowledged: (body.acknowledge == Some(true)).then(|| by(caller)),
        note: note_text,
        handed_to: handed_to.map(Redacted),
    };
    let detail = match (&change.acknowledged, &change.handed_to) {
        (_, Some(_)) => "handed over",
        (Some(_), None) => "acknowledged",
        (None, None) => "noted",
    };
    let what = p.what_at(old.camera, side.from);
    note(p, caller, addr, AuditAction::AlarmHandled, what.clone(), detail).await?;
    let (was, changed) = match app.library.store().change_alarm(id, change).await {
        Ok(changed) => changed,
        Err(error) => {
            note(p, caller, addr, AuditAction::AlarmHandled, what, "not done").await?;
            return Err(error.into());
        }
    };
    p.alarm_news(&changed, Some(&was), "changed");
    let item = p.alarm_item(&changed).and_then(|item| viewer(p, caller).alarm(item));
    item.map(Json).ok_or_else(unknown)
}

// ------------------------------------------------------------------------------------------------------------ check

async fn check(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<PlaceId>,
) -> ApiResult<Json<PreExamReport>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let place = v.place(id, Action::CheckSite)?;
    note(p, &caller, addr, AuditAction::PreExamCheck, at_place(&place), "").await?;
    let now = UnixMillis::now();
    let open = AlarmQuery { open: true, limit: OPEN_MAX, ..AlarmQuery::default() };
    let alarms = app.library.store().alarms(open).await?;
    let cameras: Vec<Camera> = v.below(id).into_iter().cloned().collect();
    let checks = cameras.into_iter().map(|camera| {
        let faults: Vec<Alarm> = alarms.iter().filter(|a| a.camera == camera.id).cloned().collect();
        let place_name = v.place_name(camera.place);
        check_camera(p.clone(), camera, place_name, faults, now)
    });
    let cameras: Vec<CheckedCamera> = stream::iter(checks).buffered(CHECKS_AT_ONCE).collect().await;
    let disk = p.0.footage.disk().await?;
    let hours_left = (disk.bytes_per_day > 0)
        .then(|| (disk.free_bytes.saturating_mul(24) / disk.bytes_per_day).min(u64::from(u32::MAX)) as u32);
    Ok(Json(PreExamReport {
        place: id,
        place_name: place.name,
        at: now,
        by: caller.name,
        green: cameras.iter().filter(|c| c.green).count() as u32,
        cameras,
        free_bytes: disk.free_bytes,
        hours_left,
    }))
}

async fn check_camera(
    p: Patrol,
    camera: Camera,
    place_name: String,
    alarms: Vec<Alarm>,
    now: UnixMillis,
) -> CheckedCamera {
    let status = p.status(&camera);
    let mut wrong = Vec::new();
    let mut find = |item, fault, measure| wrong.push(CheckFinding { item, fault, measure });
    if status.state != CameraState::Live {
        find(CheckItem::Reached, Some(HealthFault::NoStream), None);
    }
    for alarm in &alarms {
        let item = match alarm.fault {
            HealthFault::NoStream => CheckItem::Reached,
            HealthFault::NoSound => CheckItem::Sound,
            HealthFault::WrongClock => CheckItem::Clock,
            HealthFault::NotRecorded => CheckItem::Recorded,
            _ => CheckItem::Picture,
        };
        if item != CheckItem::Reached || status.state == CameraState::Live {
            find(item, Some(alarm.fault), None);
        }
    }
    if let Some(offset) = status.clock_offset_ms.filter(|ms| ms.abs() > CLOCK_MS)
        && !alarms.iter().any(|a| a.fault == HealthFault::WrongClock)
    {
        find(CheckItem::Clock, Some(HealthFault::WrongClock), Some(offset));
    }
    let pictures = status.streams.iter().any(|s| s.stream != CameraStream::Sound && s.kbps > 0);
    if status.state == CameraState::Live && !pictures {
        find(CheckItem::Picture, Some(HealthFault::NoStream), None);
    }
    if camera.record {
        let back = |d: Duration| UnixMillis(now.0 - d.as_millis() as i64);
        let durable = status.durable.filter(|d| now.since(*d) <= DURABLE_WITHIN);
        if durable.is_none() {
            let behind = status.durable.map(|d| now.since(d).as_millis() as i64);
            find(CheckItem::Recorded, Some(HealthFault::NotRecorded), behind);
        }
        // Until it was first reached, a new camera had nothing to miss; nor had one that was carried here.
        let here = camera.created.max(camera.hung_at(UnixMillis(i64::MAX)).from);
        let from = back(CONTINUOUS).max(here.plus(FIRST_REACHED)).min(now);
        match p.0.footage.day(camera.id, Span { from, to: now }).await {
            Ok(day) => {
                let missing = missing_ms(&day, from, now);
                if missing > 0 {
                    find(CheckItem::Continuous, None, Some(missing));
                }
            }
            Err(error) => {
                tracing::warn!(camera = %camera.id, %error, "a recording could not be checked");
                find(CheckItem::Continuous, None, None);
            }
        }
        match p.0.footage.verify(camera.id, SIGNED, now).await {
            Ok(ChainCheck::Right) => {}
            Ok(ChainCheck::Nothing | ChainCheck::Wrong) => find(CheckItem::Signed, None, None),
            Err(error) => {
                tracing::warn!(camera = %camera.id, %error, "a recording's chain could not be checked");
                find(CheckItem::Signed, None, None);
            }
        }
    } else {
        find(CheckItem::Recorded, Some(HealthFault::NotRecorded), None);
    }
    CheckedCamera {
        camera: camera.id,
        name: camera.name.clone(),
        place_name,
        group: group_to_api(camera.group),
        green: wrong.is_empty(),
        wrong,
    }
}

/// Milliseconds that gaps of the main stream, or of all, take of the stretch.
fn missing_ms(day: &FootageDay, from: UnixMillis, to: UnixMillis) -> i64 {
    let of_main = day.gaps.iter().filter(|g| matches!(g.stream, None | Some(CameraStream::Main)));
    of_main.map(|g| (g.to.min(to).0 - g.from.max(from).0).max(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_go_both_ways() {
        let id = Ulid::new();
        assert_eq!(cursor(&format!("{}-{id}", 17)), Some((UnixMillis(17), id)));
        for wrong in ["", "x", "1-", "1-x", "-1"] {
            assert_eq!(cursor(wrong), None, "{wrong}");
        }
    }
}
