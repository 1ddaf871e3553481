//! The day of a camera, its bookmarks, and holds.

use super::{alarms::FIRST_REACHED, by, note, range, to_its_end, viewer};
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
        access::{Seen, Viewer},
        ports::FootageDay,
        trail::Act,
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use lectern_auth::Action;
use lectern_library::{AlarmQuery, Bookmark, By, Camera, Conflict, Hold, StoreError};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{
    self, AuditAction, CameraDay, CameraGap, NewBookmark, NewHold, ReleaseIntent, ReleaseWish, Span,
};
use serde::Deserialize;
use std::{collections::HashSet, time::Duration};
use ulid::Ulid;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/cameras/{id}/day",
        Right::May(Action::PlayCamera),
        "What a camera's recording holds from `?from=` to `&to=`, what is missing and why, alarms, bookmarks, holds",
        || get(day),
    )
    .gives::<CameraDay>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/cameras/{id}/bookmarks",
        Right::May(Action::BookmarkCamera),
        "Set a bookmark",
        || post(add_bookmark),
    )
    .takes::<NewBookmark>()
    .gives::<api::Bookmark>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/bookmarks/{id}",
        Right::May(Action::BookmarkCamera),
        "Remove one's own bookmark",
        || delete(remove_bookmark),
    ),
    Route::new(
        Verb::Get,
        "/api/v1/patrol/places/{id}/holds",
        Right::SignedIn,
        "The holds on cameras of a place and below",
        || get(holds),
    )
    .gives_list::<api::Hold>(),
    Route::new(Verb::Post, "/api/v1/patrol/holds", Right::May(Action::HoldFootage), "Hold footage", || post(set_holds))
        .takes::<NewHold>()
        .gives_list::<api::Hold>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/holds/{id}/release",
        Right::May(Action::ReleaseHold),
        "Ask for the release of a hold, or, another person, agree to it: it ends",
        || post(release),
    )
    .takes::<ReleaseWish>()
    .gives::<api::Hold>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/holds/{id}/release",
        Right::May(Action::ReleaseHold),
        "Take a request for release back",
        || delete(keep),
    )
    .gives::<api::Hold>(),
];

/// Cameras in one hold.
const HOLD_CAMERAS_MAX: usize = 100;
/// How long a request for release waits for the second person; then it is as if nobody had asked.
pub(crate) const RELEASE_ASKED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Milliseconds after a camera was created in which its first recording begins.
const BEGUN_MS: i64 = 2_000;
/// Alarms in one day of a camera.
const ALARMS_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
struct DayQuery {
    from: UnixMillis,
    to: UnixMillis,
}

async fn day(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<CameraId>,
    Params(query): Params<DayQuery>,
) -> ApiResult<Json<CameraDay>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let now = UnixMillis::now();
    let span = range(query.from, query.to.min(now).max(UnixMillis(query.from.0.saturating_add(1))))?;
    let Seen { camera, allowed, refused } = v.footage(id, &[Action::PlayCamera], &span)?;
    let store = app.library.store();
    let mut facts = FootageDay::default();
    for piece in &allowed {
        let more = p.0.footage.day(id, piece.span.clone()).await?;
        facts.main.extend(more.main);
        facts.sub.extend(more.sub);
        facts.sound.extend(more.sound);
        facts.gaps.extend(more.gaps);
        facts.main_codec = if more.main_codec.is_empty() { facts.main_codec } else { more.main_codec };
        facts.durable = more.durable;
    }
    let seen = |from: UnixMillis, to: UnixMillis| allowed.iter().any(|p| from < p.span.to && p.span.from <= to);
    let alarms = AlarmQuery {
        cameras: Some(HashSet::from([id])),
        from: Some(span.from),
        to: Some(span.to),
        limit: ALARMS_MAX,
        ..AlarmQuery::default()
    };
    let mut alarms = store.alarms(alarms).await?;
    alarms.retain(|a| seen(a.since, a.until.unwrap_or(now)));
    let mut bookmarks = store.bookmarks(id, span.from..span.to).await?;
    bookmarks.retain(|b| seen(b.at, b.at));
    let holds = store.holds_of(id).await?;
    let touches = |h: &&Hold| h.released.is_none() && seen(h.from, UnixMillis(h.to.0 - 1));
    Ok(Json(CameraDay {
        camera: id,
        from: span.from,
        to: span.to,
        main: facts.main,
        sub: facts.sub,
        sound: facts.sound,
        main_codec: facts.main_codec,
        gaps: since_reached(facts.gaps, camera.created),
        elsewhere: refused,
        alarms: alarms.iter().filter_map(|a| v.alarm(p.alarm_item(a)?)).collect(),
        bookmarks: bookmarks.iter().map(|b| shown_bookmark(b, &caller)).collect(),
        holds: shown_holds(&app, holds.iter().filter(touches), &v, &caller).await?,
        durable: facts.durable,
    }))
}

/// What is missing of a camera that was `created` then: not the time before, nor that in which it was reached for the first time.
fn since_reached(gaps: Vec<CameraGap>, created: UnixMillis) -> Vec<CameraGap> {
    let reached = UnixMillis(created.0.saturating_add(FIRST_REACHED.as_millis() as i64));
    let missing = |gap: CameraGap| {
        let first = gap.from.0 < created.0.saturating_add(BEGUN_MS);
        (!first || gap.to > reached).then(|| CameraGap { from: gap.from.max(created), ..gap })
    };
    gaps.into_iter().filter_map(missing).collect()
}

fn shown_bookmark(b: &Bookmark, caller: &Caller) -> api::Bookmark {
    api::Bookmark {
        id: b.id,
        camera: b.camera,
        at: b.at,
        text: b.text.clone(),
        by: b.by.name.0.clone(),
        mine: b.by.account == caller.account,
    }
}

async fn add_bookmark(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
    Body(body): Body<NewBookmark>,
) -> ApiResult<(StatusCode, Json<api::Bookmark>)> {
    viewer(&app.patrol, &caller).at(id, Action::BookmarkCamera, body.at)?;
    if body.at.0 < 0 || body.at > UnixMillis::now() {
        return Err(ApiError::field("at", "a moment of the past"));
    }
    let text = words::text("text", &body.text, 0, 200)?;
    let bookmark = Bookmark { id: Ulid::new(), camera: id, at: body.at, text, by: by(&caller) };
    note_bookmark(&app, &caller, addr, AuditAction::BookmarkSet, &bookmark).await?;
    app.library.store().put_bookmark(bookmark.clone()).await?;
    Ok((StatusCode::CREATED, Json(shown_bookmark(&bookmark, &caller))))
}

/// Writes down that a bookmark is set or removed: which moment, and what stands in it.
async fn note_bookmark(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    action: AuditAction,
    bookmark: &Bookmark,
) -> ApiResult<()> {
    let (who, what) = (super::who(caller, addr), app.patrol.what_at(bookmark.camera, bookmark.at));
    let act = Act::new(UnixMillis::now(), who, action, what, bookmark.text.clone());
    super::write(&app.patrol, act.range(bookmark.at, bookmark.at)).await
}

async fn remove_bookmark(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<Ulid>,
) -> ApiResult<StatusCode> {
    let v = viewer(&app.patrol, &caller);
    let nothing = || ApiError::not_found("bookmark").because("unknown_bookmark");
    let bookmark = app.library.store().bookmark(id).await?.ok_or_else(nothing)?;
    if let Err(e) = v.at(bookmark.camera, Action::BookmarkCamera, bookmark.at) {
        return Err(if e.code == Code::NotFound { nothing() } else { e });
    }
    if bookmark.by.account != caller.account {
        return Err(ApiError::forbidden("remove what another set").because("not_own").camera(bookmark.camera));
    }
    note_bookmark(&app, &caller, addr, AuditAction::BookmarkRemoved, &bookmark).await?;
    app.library.store().remove_bookmark(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

// ------------------------------------------------------------------------------------------------------------ holds

/// Who asked for the release, if that was not too long ago.
fn asked(h: &Hold, now: UnixMillis) -> Option<&By> {
    h.release_asked.as_ref().filter(|by| now.since(by.at) < RELEASE_ASKED_FOR)
}

/// Who asked for the release, if that still counts: not too long ago, and by somebody who might still ask, as rights are taken
/// away and accounts end.
async fn asking<'a>(app: &App, h: &'a Hold) -> ApiResult<Option<&'a By>> {
    let now = UnixMillis::now();
    let Some(by) = asked(h, now) else { return Ok(None) };
    let Some(account) = app.library.store().account(by.account).await?.filter(|a| !a.disabled) else {
        return Ok(None);
    };
    let rights = app.library.rights(&account);
    // They showed their second factor when they asked.
    let (cameras, tree) = (app.library.cameras(), app.library.tree());
    let Some(camera) = cameras.get(h.camera) else { return Ok(None) };
    let there = (camera, &camera.hung_at(h.from).object);
    let decision = cameras.may_look_there(&rights, Some(now), there, Action::ReleaseHold, &tree, now);
    Ok(decision.is_allowed().then_some(by))
}

async fn shown_hold(app: &App, h: &Hold, v: &Viewer, caller: &Caller) -> ApiResult<api::Hold> {
    let asked = asking(app, h).await?;
    let other = asked.is_some_and(|by| by.account != caller.account);
    let held = |c: &Camera| v.decide_there(c, &c.hung_at(h.from).object, Action::ReleaseHold).is_allowed();
    let may = v.cameras.get(h.camera).is_some_and(held);
    Ok(api::Hold {
        id: h.id,
        camera: h.camera,
        from: h.from,
        to: h.to,
        why: h.why.clone(),
        by: h.set.name.0.clone(),
        at: h.set.at,
        release_asked_by: asked.map(|by| by.name.0.clone()),
        release_failed: h.release_failed.as_ref().map(|f| api::ReleaseFailure { at: f.at, why: f.why.clone() }),
        may_release: other && may && h.released.is_none(),
    })
}

async fn shown_holds<'a>(
    app: &App,
    holds: impl Iterator<Item = &'a Hold>,
    v: &Viewer,
    caller: &Caller,
) -> ApiResult<Vec<api::Hold>> {
    let mut shown = Vec::new();
    for hold in holds {
        shown.push(shown_hold(app, hold, v, caller).await?);
    }
    Ok(shown)
}

async fn holds(State(app): State<App>, caller: Caller, Id(id): Id<PlaceId>) -> ApiResult<Json<Vec<api::Hold>>> {
    let v = viewer(&app.patrol, &caller);
    // A hold belongs to the place where the camera hung when what it holds begins.
    let shown = |h: &Hold| {
        let Some(camera) = v.cameras.get(h.camera) else { return false };
        let there = camera.hung_at(h.from).object;
        v.tree.within(there.place, id)
            && v.decide_there(camera, &there, Action::PlayCamera).reason() != Some("no_role")
            && v.decide_there(camera, &there, Action::ViewCamera).is_allowed()
    };
    let mut holds = app.library.store().open_holds().await?;
    holds.retain(shown);
    holds.sort_by_key(|h| std::cmp::Reverse((h.set.at, h.id)));
    Ok(Json(shown_holds(&app, holds.iter(), &v, &caller).await?))
}

async fn set_holds(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<NewHold>,
) -> ApiResult<(StatusCode, Json<Vec<api::Hold>>)> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let cameras: HashSet<CameraId> = body.cameras.iter().copied().collect();
    if !(1..=HOLD_CAMERAS_MAX).contains(&cameras.len()) {
        return Err(ApiError::field("cameras", "1 to 100 cameras"));
    }
    if body.from.0 < 0 || body.to <= body.from {
        return Err(ApiError::field("to", "must be after from"));
    }
    let why = words::text("why", &body.why, 2, 200)?;
    for camera in &cameras {
        v.whole(*camera, &[Action::HoldFootage], &Span { from: body.from, to: body.to })?;
    }
    let set = by(&caller);
    let hold = |camera| Hold {
        id: Ulid::new(),
        camera,
        from: body.from,
        to: body.to,
        why: why.clone(),
        set: set.clone(),
        release_asked: None,
        released: None,
        release_failed: None,
    };
    let holds: Vec<Hold> = cameras.into_iter().map(hold).collect();
    for hold in &holds {
        let act = Act::new(
            set.at,
            super::who(&caller, addr),
            AuditAction::HoldSet,
            p.what_at(hold.camera, hold.from),
            why.clone(),
        );
        super::write(p, act.range(hold.from, hold.to)).await?;
    }
    app.library.store().set_holds(holds.clone()).await?;
    for hold in &holds {
        // Retention reads holds from beside the recordings.
        p.0.footage.hold(hold).await?;
    }
    tracing::info!(by = %caller.account, holds = holds.len(), "held footage");
    Ok((StatusCode::CREATED, Json(shown_holds(&app, holds.iter(), &v, &caller).await?)))
}

/// A hold whose release the caller may be asked about.
async fn hold(app: &App, v: &Viewer, id: Ulid) -> ApiResult<Hold> {
    let nothing = || ApiError::not_found("hold").because("unknown_hold");
    let hold = app.library.store().hold(id).await?.filter(|h| h.released.is_none()).ok_or_else(nothing)?;
    match v.at(hold.camera, Action::ReleaseHold, hold.from) {
        Ok(_) => Ok(hold),
        Err(e) if e.code == Code::NotFound => Err(nothing().camera(hold.camera)),
        Err(e) => Err(e),
    }
}

async fn release(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<Ulid>,
    Body(ReleaseWish { intent }): Body<ReleaseWish>,
) -> ApiResult<Json<api::Hold>> {
    to_its_end(async move { released(&app, &caller, addr, id, intent).await }).await
}

async fn released(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: Ulid,
    intent: ReleaseIntent,
) -> ApiResult<Json<api::Hold>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, caller));
    let _alone = p.0.releasing.lock().await;
    let hold = hold(app, &v, id).await?;
    let (store, me) = (app.library.store(), by(caller));
    let first = asking(app, &hold).await?;
    if first.is_some_and(|first| first.account == me.account) {
        return Err(StoreError::from(Conflict::SamePerson).into());
    }
    // Whoever presses a button means what stood on it, not what the hold has come to since.
    let action = match (intent, first) {
        (ReleaseIntent::Agree, Some(_)) => AuditAction::HoldReleased,
        (ReleaseIntent::Ask, None) => AuditAction::HoldReleaseAsked,
        (ReleaseIntent::Agree, None) => return Err(changed("nobody asks for its release any more", hold.camera)),
        (ReleaseIntent::Ask, Some(_)) => return Err(changed("somebody else asks for its release", hold.camera)),
    };
    note(p, caller, addr, action, p.what_at(hold.camera, hold.from), hold.why.clone()).await?;
    let done = async {
        if first.is_some() {
            return store.agree_release(id, me).await;
        }
        if hold.release_asked.is_some() {
            // A request that counts no longer: this is the first one.
            store.refuse_release(id).await?;
        }
        store.ask_release(id, me).await
    };
    let changed = noted(p, caller, addr, action, &hold, done.await).await?;
    if changed.released.is_some() {
        let ended = p.end_hold(id).await;
        if noted(p, caller, addr, action, &hold, ended).await?.is_some() {
            note(p, caller, addr, action, p.what_at(hold.camera, hold.from), "release failed").await?;
            let detail = "the recorder did not let go: the hold is in force; agree again";
            return Err(ApiError::new(Code::ReleaseFailed, detail).because("release_failed").camera(hold.camera));
        }
    }
    tracing::info!(by = %caller.account, hold = %id, ?action, "release of a hold");
    Ok(Json(shown_hold(app, &changed, &v, caller).await?))
}

fn changed(detail: &str, camera: CameraId) -> ApiError {
    ApiError::new(Code::HoldChanged, detail).because("hold_changed").camera(camera)
}

/// What became of something about a hold that stands in the audit log already: if it was refused, a second entry says so.
async fn noted<T, E: Into<ApiError>>(
    p: &Patrol,
    caller: &Caller,
    addr: ClientAddr,
    action: AuditAction,
    hold: &Hold,
    done: Result<T, E>,
) -> ApiResult<T> {
    match done {
        Ok(done) => Ok(done),
        Err(error) => {
            note(p, caller, addr, action, p.what_at(hold.camera, hold.from), "not done").await?;
            Err(error.into())
        }
    }
}

async fn keep(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<Ulid>,
) -> ApiResult<Json<api::Hold>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let _alone = p.0.releasing.lock().await;
    let mut hold = hold(&app, &v, id).await?;
    // Where nobody asks there is nothing to take back, and nothing to write down.
    if asking(&app, &hold).await?.is_some() {
        let action = AuditAction::HoldReleaseAsked;
        note(p, &caller, addr, action, p.what_at(hold.camera, hold.from), "taken back").await?;
        let done = app.library.store().refuse_release(id).await;
        hold = noted(p, &caller, addr, action, &hold, done).await?;
    }
    Ok(Json(shown_hold(&app, &hold, &v, &caller).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_protocol::api::GapCause;

    #[test]
    fn a_new_camera_misses_nothing_while_it_is_reached() {
        const CREATED: i64 = 1_790_000_000_000;
        /// What; the gap and what is told of it, in milliseconds since the camera was created.
        type Case<'a> = (&'a str, (i64, i64), Option<(i64, i64)>);
        let cases: [Case<'_>; 5] = [
            ("up to its first picture", (20, 4_000), None),
            ("before it was there", (-60_000, -1_000), None),
            ("it was not reached for long", (20, 60_000), Some((20, 60_000))),
            ("from before it was there", (-60_000, 60_000), Some((0, 60_000))),
            ("later", (3_000, 4_000), Some((3_000, 4_000))),
        ];
        for (what, (from, to), want) in cases {
            let at = |ms: i64| UnixMillis(CREATED + ms);
            let gap = CameraGap { from: at(from), to: at(to), stream: None, cause: GapCause::CameraSilent };
            let told = since_reached(vec![gap], UnixMillis(CREATED));
            let told = told.first().map(|g| (g.from.0 - CREATED, g.to.0 - CREATED));
            assert_eq!(told, want, "{what}");
        }
    }
}
