//! Joining: the grant to enter a room.
//!
//! What someone is in a room is decided here, from rights and invitation, never by the client.

use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    hub::{EnterError, LessonPlan},
    limit::network,
    room::Entrant,
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::{Path, State},
    routing::{get, post},
};
use lectern_auth::{Action, Grant, GrantRole, Object, Purpose};
use lectern_media::{AccountId, ParticipantId, UnixMillis};
use lectern_protocol::{
    api::{ClassMode, ClassPreview, JoinGrant, JoinRequest},
    ws::{LessonState, RoomRole},
};
use std::time::{Duration, Instant};

/// How long a join grant opens the door. The page uses it at once; a slow line takes a few seconds.
const GRANT_LIFETIME: Duration = Duration::from_secs(120);
/// How long one can take one's place again.
const RESUME_LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Characters of a name.
const NAME_CHARS_MAX: usize = 60;

/// This module's routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/classes/by-code/{code}",
        Right::Public,
        "What a join link leads to, before joining.",
        || get(preview),
    )
    .gives::<ClassPreview>(),
    Route::new(
        Verb::Post,
        "/api/v1/classes/{id}/join",
        Right::Public,
        "Asks for a grant to enter the class with this join code ({id} is the code of the link). Signed-in people are \
         recognised by their session; its teacher enters as teacher.",
        || post(join),
    )
    .takes::<JoinRequest>()
    .gives::<JoinGrant>(),
];

impl From<EnterError> for ApiError {
    fn from(e: EnterError) -> Self {
        match e {
            EnterError::Unknown => Code::UnknownClass.into(),
            EnterError::Over => Self::new(Code::ClassClosed, "this lesson is over"),
            EnterError::Busy => Self::retry(Code::Busy, Duration::from_secs(5), e.to_string()),
            EnterError::Store(e) => Self::internal(e),
        }
    }
}

/// Someone with a valid grant, as the room knows them.
#[must_use]
pub fn entrant(grant: Grant) -> Entrant {
    let role = match grant.role {
        GrantRole::Teacher => RoomRole::Teacher,
        GrantRole::Student => RoomRole::Student,
        GrantRole::Classroom => RoomRole::Classroom,
        GrantRole::Viewer => RoomRole::Viewer,
    };
    Entrant { participant: grant.participant, account: grant.account, name: grant.name, role }
}

fn object(plan: &LessonPlan) -> Object {
    Object { place: plan.class.entry.place, owner: Some(plan.class.entry.teacher) }
}

/// The class of a code. Codes are short, so that people can type them: an address that asks for many wrong ones waits.
async fn plan(app: &App, addr: ClientAddr, code: &str) -> ApiResult<LessonPlan> {
    let now = Instant::now();
    let refused = |wait| ApiError::retry(Code::TooOften, wait, "too many wrong codes from this address");
    app.limits.joins.take(addr, now).map_err(refused)?;
    app.limits.wrong_codes.lock().check(now, &network(addr.0)).map_err(refused)?;
    app.rooms.plan_by_code(code).await.map_err(|e| {
        if matches!(e, EnterError::Unknown) {
            app.limits.wrong_codes.lock().failed(now, network(addr.0));
        }
        e.into()
    })
}

async fn preview(
    State(app): State<App>,
    addr: ClientAddr,
    caller: Option<Caller>,
    Path(code): Path<String>,
) -> ApiResult<Json<ClassPreview>> {
    let mut plan = plan(&app, addr, &code).await?;
    let mine = caller.is_some_and(|c| c.account == plan.class.entry.teacher);
    if mine && let Some(again) = app.library.again(&plan.class, &plan.lesson, UnixMillis::now()) {
        plan.lesson = again;
    }
    Ok(Json(ClassPreview {
        title: plan.class.entry.title,
        teacher: plan.teacher_name,
        school: plan.school,
        starts: plan.lesson.starts,
        state: plan.lesson.state,
        mine,
        waiting_room: plan.class.entry.waiting_room,
    }))
}

async fn join(
    State(app): State<App>,
    addr: ClientAddr,
    caller: Option<Caller>,
    Path(code): Path<String>,
    Body(request): Body<JoinRequest>,
) -> ApiResult<Json<JoinGrant>> {
    let mut plan = plan(&app, addr, &code).await?;
    let now = UnixMillis::now();
    // A teacher who is back before the lesson's time has passed ended it by mistake, or too early.
    let teaches = caller.as_ref().is_some_and(|c| !request.classroom && c.may(Action::TeachLesson, object(&plan)));
    if teaches && let Some(again) = app.library.take_up_again(&plan.class, &plan.lesson, now).await? {
        tracing::info!(class = %plan.class.id, over = %plan.lesson.id, again = %again.id, "a lesson is taken up again");
        plan.lesson = again;
    }
    if plan.lesson.state == LessonState::Over {
        return Err(ApiError::new(Code::ClassClosed, "this lesson is over; the next one opens at its time"));
    }
    let room = plan.class.room;
    // A place kept from before, if it is the same person who asks.
    let before = request
        .resume
        .as_deref()
        .and_then(|token| app.keys.verify_for(token, Purpose::Resume, room, now).ok())
        .filter(|g| g.account.is_none() || g.account == caller.as_ref().map(|c| c.account));
    let classroom = before.as_ref().map_or(request.classroom, |g| g.role == GrantRole::Classroom);
    // What one is, is decided each time: the timetable, the roles or the server's rules may have changed since.
    let (role, account) = decide(&app, &plan, caller.as_ref(), classroom)?;
    // The room remembers what the holder of a place is: who is something else now takes another place.
    let before = before.filter(|g| g.role == role && (g.account.is_none() || g.account == account));
    let (participant, name) = match before {
        Some(g) => (g.participant, g.name),
        None => {
            let own_name = caller.filter(|_| account.is_some()).map(|c| c.name.clone());
            (ParticipantId::generate(), name(&request.name, own_name)?)
        }
    };
    let expires = now.plus(GRANT_LIFETIME);
    let grant = Grant { room, participant, role, name, account, expires, purpose: Purpose::Join, generation: 0 };
    let resume = Grant { expires: now.plus(RESUME_LIFETIME), purpose: Purpose::Resume, ..grant.clone() };
    Ok(Json(JoinGrant {
        grant: app.keys.sign(&grant),
        resume: app.keys.sign(&resume),
        participant,
        role: entrant(grant).role,
        title: plan.class.entry.title,
        teacher: plan.teacher_name,
        expires,
    }))
}

/// What someone is in the class, and under which account.
fn decide(
    app: &App,
    plan: &LessonPlan,
    caller: Option<&Caller>,
    classroom: bool,
) -> ApiResult<(GrantRole, Option<AccountId>)> {
    let by_link = if plan.class.entry.mode == ClassMode::Famous { GrantRole::Viewer } else { GrantRole::Student };
    match caller {
        // The account of a teacher who sets up a classroom screen is not the screen's.
        _ if classroom => {}
        Some(c) if c.may(Action::TeachLesson, object(plan)) => return Ok((GrantRole::Teacher, Some(c.account))),
        Some(c) if c.may(Action::AttendLesson, object(plan)) => return Ok((GrantRole::Student, Some(c.account))),
        Some(c) if c.may(Action::ObserveLesson, object(plan)) => return Ok((GrantRole::Viewer, Some(c.account))),
        _ => {}
    }
    if !app.settings.guests && caller.is_none() {
        return Err(ApiError::new(Code::NotSignedIn, "this server lets only signed-in people join"));
    }
    Ok((if classroom { GrantRole::Classroom } else { by_link }, None))
}

/// The name to show: what was typed, or the account's.
fn name(typed: &str, own: Option<String>) -> ApiResult<String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return own.ok_or_else(|| ApiError::field("name", "write the name that others shall see"));
    }
    if typed.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::field("name", "a name has at most 60 characters"));
    }
    if typed.chars().any(char::is_control) {
        return Err(ApiError::field("name", "a name has no control characters"));
    }
    Ok(typed.to_owned())
}
