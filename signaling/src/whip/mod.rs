//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): two directions of one driver. A POST with an offer makes a session, a
//! PATCH trickles or restarts ICE, a DELETE ends it.
//!
//! Belongs here: the HTTP of it. Does not belong here: what a device or a player is in the room ([`crate::room`]).

pub mod sdp;
mod session;

pub use session::Sessions;

use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{bearer, body_refusal, has_media_type},
    http::refuse_revoked,
    hub::RoomHandle,
    join::entrant,
    ports::IceCredentials,
    room::{DeviceRefusal, Watch},
    route::{Right, Route, Verb},
};
use axum::{
    body::Bytes,
    extract::{Path, Query, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, options, patch, post},
};
use lectern_auth::{Grant, Purpose};
use lectern_media::{ParticipantId, PeerId, RoomId, TrackId, UnixMillis};
use lectern_protocol::ws::LessonState;
use serde::Deserialize;
use session::{Direction, Session};
use std::time::Duration;

/// Media types of the two bodies (RFC 9725 §4.2, RFC 8840 §9).
const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// The longest offer in bytes; Chromium's with three simulcast layers has 8,000.
const OFFER_LEN_MAX: usize = 64 * 1024;

/// This module's routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Post, "/whip/{room}", Right::Grant(Purpose::Whip), "Publishes into a class (RFC 9725).", || {
        post(publish)
    })
    .body_len_max(OFFER_LEN_MAX),
    Route::new(Verb::Options, "/whip/{room}", Right::Public, "What WHIP takes here.", || options(offered)),
    Route::new(
        Verb::Patch,
        "/whip/{room}/{session}",
        Right::Grant(Purpose::Whip),
        "Trickles candidates or restarts ICE (RFC 9725 §4.3).",
        || patch(patch_whip),
    ),
    Route::new(Verb::Delete, "/whip/{room}/{session}", Right::Grant(Purpose::Whip), "Ends publishing.", || {
        delete(end_whip)
    }),
    Route::new(Verb::Options, "/whip/{room}/{session}", Right::Public, "What WHIP takes here.", || options(offered)),
    Route::new(
        Verb::Post,
        "/whep/{room}",
        Right::Grant(Purpose::Whep),
        "Watches the stage: its main picture and sound, or the track of `?track=` (draft-ietf-wish-whep).",
        || post(watch),
    )
    .body_len_max(OFFER_LEN_MAX),
    Route::new(Verb::Options, "/whep/{room}", Right::Public, "What WHEP takes here.", || options(offered)),
    Route::new(
        Verb::Patch,
        "/whep/{room}/{session}",
        Right::Grant(Purpose::Whep),
        "Trickles candidates or restarts ICE.",
        || patch(patch_whep),
    ),
    Route::new(Verb::Delete, "/whep/{room}/{session}", Right::Grant(Purpose::Whep), "Ends watching.", || {
        delete(end_whep)
    }),
    Route::new(Verb::Options, "/whep/{room}/{session}", Right::Public, "What WHEP takes here.", || options(offered)),
];

/// The grant in the request, if it is one for this room and direction. A device that publishes may watch as well.
fn granted(app: &App, headers: &HeaderMap, room: &str, direction: Direction) -> ApiResult<(RoomId, Grant)> {
    let token = bearer(headers)?;
    let room: RoomId = room.parse().map_err(|_| ApiError::from(Code::UnknownRoom))?;
    let now = UnixMillis::now();
    let grant = match direction {
        Direction::Publish => app.keys.verify_for(token, Purpose::Whip, room, now),
        Direction::Watch => app
            .keys
            .verify_for(token, Purpose::Whep, room, now)
            .or_else(|_| app.keys.verify_for(token, Purpose::Whip, room, now)),
    }?;
    Ok((room, grant))
}

/// The offer in the body.
fn offer(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> ApiResult<String> {
    if !has_media_type(headers, SDP) {
        return Err(ApiError::new(Code::UnsupportedType, "send the offer as application/sdp"));
    }
    if !accepts(headers, SDP) {
        return Err(ApiError::new(Code::NotAcceptable, "the answer is application/sdp"));
    }
    let body = body.map_err(body_refusal)?;
    let text = String::from_utf8(body.into()).map_err(|_| ApiError::new(Code::BadRequest, "the offer is not UTF-8"))?;
    if !text.starts_with("v=0") {
        return Err(ApiError::new(
            Code::BadRequest,
            "the body is not a session description: it does not begin with v=0",
        ));
    }
    Ok(text)
}

/// Whether `Accept` allows the media type; without the header everything is allowed (RFC 9110 §12.5.1).
fn accepts(headers: &HeaderMap, essence: &str) -> bool {
    let family = essence.split('/').next().unwrap_or_default();
    let mut given = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).peekable();
    given.peek().is_none()
        || given.flat_map(|v| v.split(',')).any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|p| matches!(p.strip_prefix("q="), Some(q) if q.parse() == Ok(0.0_f32)));
            let fits = name == "*/*" || name.eq_ignore_ascii_case(essence) || name == format!("{family}/*");
            fits && !refused
        })
}

async fn publish(
    State(app): State<App>,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Response> {
    let (room, grant) = granted(&app, &headers, &room, Direction::Publish)?;
    let sdp = offer(&headers, body)?;
    let handle = open_room(&app, room).await?;
    let lines = sdp::publish_lines(&sdp);
    if lines.is_empty() {
        return Err(ApiError::new(Code::BadOffer, "the offer has no media line that sends"));
    }
    let answer = app.media.publish(room, grant.participant, None, &sdp, &lines).await?;
    app.rooms.note_peer(answer.peer, room);
    let session = Session::new(Direction::Publish, room, &grant, &sdp, &answer.sdp);
    let created = app.sessions.add(answer.peer, session, |peer| app.rooms.knows_peer(peer));
    if let Err(revoked) = refuse_revoked(&app, &headers).await {
        return Err(give_up(&app, answer.peer, revoked).await);
    }
    let entered = handle.device_published(entrant(grant), answer.peer).await;
    if let (Some(etag), Ok(Ok(())), true) = (&created, &entered, app.sessions.has(answer.peer)) {
        return Ok(created_response(&app, "whip", room, answer.peer, etag, answer.sdp));
    }
    if entered == Ok(Ok(())) && handle.device_left(answer.peer).await.is_err() {
        tracing::trace!("the room ended before its device");
    }
    let why = match entered {
        Ok(Err(refusal @ DeviceRefusal::Removed)) => ApiError::new(Code::Forbidden, refusal.to_string()),
        Ok(Err(refusal @ DeviceRefusal::Over)) => ApiError::new(Code::ClassClosed, refusal.to_string()),
        _ => ApiError::retry(Code::Busy, Duration::from_secs(5), "the class cannot take the device at the moment"),
    };
    Err(give_up(&app, answer.peer, why).await)
}

/// Takes back a session that cannot stand. The token is looked at twice after the session was added: [`end_all`] ends what it
/// finds in the table, so a revocation before that shows in the token, and one after it in the table.
async fn give_up(app: &App, peer: PeerId, why: ApiError) -> ApiError {
    app.sessions.remove(peer);
    app.rooms.close_orphan(peer).await;
    why
}

/// What a player may ask for.
#[derive(Debug, Deserialize)]
struct WatchQuery {
    /// A track instead of the main one of its kind.
    track: Option<String>,
}

async fn watch(
    State(app): State<App>,
    Path(room): Path<String>,
    Query(query): Query<WatchQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Response> {
    let (room, grant) = granted(&app, &headers, &room, Direction::Watch)?;
    let sdp = offer(&headers, body)?;
    let handle = open_room(&app, room).await?;
    let closed = |_| ApiError::from(Code::ClassClosed);
    let facts = handle.facts().await.map_err(closed)?;
    if facts.state != LessonState::Live {
        let detail = "nothing is shown before the class is open";
        return Err(ApiError::retry(Code::ClassClosed, Duration::from_secs(5), detail));
    }
    let track = match &query.track {
        None => None,
        Some(text) => {
            let track: TrackId = text.parse().map_err(|_| ApiError::not_found("track"))?;
            if !handle.has_track(track).await.map_err(closed)? {
                return Err(ApiError::not_found("track"));
            }
            Some(track)
        }
    };
    let lines = sdp::watch_lines(&sdp);
    if lines.is_empty() {
        return Err(ApiError::new(Code::BadOffer, "the offer has no media line that receives"));
    }
    // Each player is someone of its own for the media plane: one token may be used by several.
    let answer = app.media.subscribe(room, ParticipantId::generate(), None, &sdp).await?;
    app.rooms.note_peer(answer.peer, room);
    let session = Session::new(Direction::Watch, room, &grant, &sdp, &answer.sdp);
    let created = app.sessions.add(answer.peer, session, |peer| app.rooms.knows_peer(peer));
    if let Err(revoked) = refuse_revoked(&app, &headers).await {
        return Err(give_up(&app, answer.peer, revoked).await);
    }
    let watched = handle.watch(answer.peer, Watch::new(lines, track)).await;
    match created {
        Some(etag) if watched == Ok(true) && app.sessions.has(answer.peer) => {
            Ok(created_response(&app, "whep", room, answer.peer, &etag, answer.sdp))
        }
        _ => {
            if watched == Ok(true) && handle.watch_ended(answer.peer).await.is_err() {
                tracing::trace!("the room ended before its player");
            }
            let full = ApiError::retry(Code::Busy, Duration::from_secs(30), "as many players watch as may");
            Err(give_up(&app, answer.peer, full).await)
        }
    }
}

async fn open_room(app: &App, room: RoomId) -> ApiResult<RoomHandle> {
    app.rooms.room(room).await.map_err(|e| match e {
        crate::hub::EnterError::Unknown => Code::UnknownRoom.into(),
        other => other.into(),
    })
}

/// 201 with the answer (RFC 9725 §4.2).
fn created_response(app: &App, endpoint: &str, room: RoomId, peer: PeerId, etag: &str, sdp: String) -> Response {
    let mut response = (StatusCode::CREATED, sdp).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    insert(headers, header::LOCATION, &format!("/{endpoint}/{room}/{peer}"));
    insert(headers, header::ETAG, etag);
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT));
    links(app, headers);
    cors(headers);
    response
}

const ACCEPT_PATCH: header::HeaderName = header::HeaderName::from_static("accept-patch");
const ACCEPT_POST: header::HeaderName = header::HeaderName::from_static("accept-post");

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The ICE servers (RFC 9725 §4.6).
fn links(app: &App, headers: &mut HeaderMap) {
    for server in &app.settings.ice_servers {
        if let Ok(value) = HeaderValue::from_str(&format!("<{server}>; rel=\"ice-server\"")) {
            headers.append(header::LINK, value);
        }
    }
}

/// Players and publishers live on pages of other origins, too; bearer tokens make that safe.
pub(crate) fn cors(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, etag, link, accept-patch, retry-after"),
    );
}

async fn offered(State(app): State<App>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(SDP_FRAGMENT));
    headers.insert(header::ALLOW, HeaderValue::from_static("OPTIONS, POST, PATCH, DELETE"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("OPTIONS, POST, PATCH, DELETE"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, if-match, accept"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    links(&app, headers);
    cors(headers);
    response
}

async fn patch_whip(
    State(app): State<App>,
    Path((room, session)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Response> {
    patch_session(&app, Direction::Publish, &room, &session, &headers, body).await
}

async fn patch_whep(
    State(app): State<App>,
    Path((room, session)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Response> {
    patch_session(&app, Direction::Watch, &room, &session, &headers, body).await
}

async fn patch_session(
    app: &App,
    direction: Direction,
    room: &str,
    session: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Response> {
    let (peer, session) = find(app, direction, room, session, headers)?;
    if !has_media_type(headers, SDP_FRAGMENT) {
        return Err(ApiError::new(Code::UnsupportedType, "send application/trickle-ice-sdpfrag"));
    }
    let body = body.map_err(body_refusal)?;
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::new(Code::BadRequest, "the fragment is not UTF-8"))?;
    let remote = sdp::credentials(text)
        .ok_or_else(|| ApiError::new(Code::BadRequest, "the fragment names no ice-ufrag and ice-pwd (RFC 8840 §9)"))?;
    let condition = headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()).map(str::trim);
    let restarts = remote.ufrag != session.remote_ufrag;
    match condition {
        None => return Err(ApiError::new(Code::PreconditionRequired, "send If-Match with the session's ETag")),
        // RFC 9725 §4.3.2: a restart comes with `*`, because it is not about one ICE session but makes the next.
        Some("*") => {}
        Some(tag) if tag == session.etag && !restarts => {}
        Some(_) if restarts => {
            return Err(ApiError::new(Code::PreconditionFailed, "an ICE restart comes with If-Match: *"));
        }
        Some(_) => return Err(ApiError::new(Code::PreconditionFailed, "this is the ETag of another ICE session")),
    }
    let mut response = if restarts {
        let local = app.media.restart_ice(peer, remote.clone()).await?;
        let etag = app.sessions.restarted(peer, remote.ufrag).ok_or_else(|| ApiError::not_found("session"))?;
        let mut response = session.fragment(&local).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP_FRAGMENT));
        insert(response.headers_mut(), header::ETAG, &etag);
        response
    } else {
        // We are an ICE-lite agent (RFC 8445 §2.5): checks come from the client, so its candidates are not needed.
        StatusCode::NO_CONTENT.into_response()
    };
    cors(response.headers_mut());
    Ok(response)
}

async fn end_whip(
    State(app): State<App>,
    Path((room, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    end(&app, Direction::Publish, &room, &session, &headers).await
}

async fn end_whep(
    State(app): State<App>,
    Path((room, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    end(&app, Direction::Watch, &room, &session, &headers).await
}

async fn end(app: &App, direction: Direction, room: &str, session: &str, headers: &HeaderMap) -> ApiResult<Response> {
    let (peer, session) = find(app, direction, room, session, headers)?;
    app.sessions.remove(peer);
    close(app, peer, &session).await;
    let mut response = StatusCode::OK.into_response();
    cors(response.headers_mut());
    Ok(response)
}

/// Ends every session of a room, because its tokens were revoked; says how many there were.
pub(crate) async fn end_all(app: &App, room: RoomId) -> usize {
    let sessions = app.sessions.take_room(room);
    for (peer, session) in &sessions {
        close(app, *peer, session).await;
    }
    sessions.len()
}

async fn close(app: &App, peer: PeerId, session: &Session) {
    // Nobody opens a room by leaving it.
    let closed = match app.rooms.opened(session.room) {
        Some(handle) => match session.direction {
            Direction::Publish => handle.device_left(peer).await,
            Direction::Watch => handle.watch_ended(peer).await,
        },
        None => Err(crate::hub::RoomClosed),
    };
    if closed.is_err() {
        app.rooms.close_orphan(peer).await;
    }
}

/// The session at this address, if the token is the one that made it.
fn find(
    app: &App,
    direction: Direction,
    room: &str,
    session: &str,
    headers: &HeaderMap,
) -> ApiResult<(PeerId, Session)> {
    let (room, grant) = granted(app, headers, room, direction)?;
    let missing = || ApiError::not_found("session");
    let peer: PeerId = session.parse().map_err(|_| missing())?;
    let known = app.sessions.get(peer).filter(|s| s.room == room && s.direction == direction).ok_or_else(missing)?;
    if !app.rooms.knows_peer(peer) {
        app.sessions.remove(peer);
        return Err(missing());
    }
    if known.holder != grant.participant {
        return Err(ApiError::new(Code::GrantForeign, "the session was made with another token"));
    }
    Ok((peer, known))
}

/// ICE credentials as lines of SDP (RFC 8839 §5.4).
fn credential_lines(c: &IceCredentials) -> String {
    format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", c.ufrag, c.pwd)
}
