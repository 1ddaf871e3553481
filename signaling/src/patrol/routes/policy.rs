//! Retention and thresholds: what is set at a place holds there and below, until something nearer is set.

use super::{at_place, note, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult},
    extract::{Body, Caller, ClientAddr},
    http::params::Id,
    patrol::{Patrol, access::Viewer},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    routing::{delete, get, put},
};
use lectern_auth::{Action, CameraGroup as Group};
use lectern_library::{
    ThresholdsAt,
    patrol::{group_from_api, group_to_api},
};
use lectern_media::PlaceId;
use lectern_protocol::api::{AuditAction, CameraGroup, HealthFault, Retention, RetentionRule, Thresholds};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/places/{id}/retention",
        Right::SignedIn,
        "Rules of retention at a place, above and below it, and the disk",
        || get(retention),
    )
    .gives::<Retention>(),
    Route::new(
        Verb::Put,
        "/api/v1/patrol/places/{id}/retention",
        Right::May(Action::SetPatrolPolicy),
        "Set how long footage of a group is kept at a place and below",
        || put(set_retention),
    )
    .takes::<RetentionRule>()
    .gives::<Retention>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/places/{id}/retention/{group}",
        Right::May(Action::SetPatrolPolicy),
        "Take a rule of retention away",
        || delete(remove_retention),
    )
    .gives::<Retention>(),
    Route::new(
        Verb::Get,
        "/api/v1/patrol/places/{id}/thresholds",
        Right::SignedIn,
        "The thresholds in force at a place, one set for each group",
        || get(thresholds),
    )
    .gives_list::<Thresholds>(),
    Route::new(
        Verb::Put,
        "/api/v1/patrol/places/{id}/thresholds",
        Right::May(Action::SetPatrolPolicy),
        "Set the thresholds of a group at a place and below",
        || put(set_thresholds),
    )
    .takes::<Thresholds>()
    .gives_list::<Thresholds>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/places/{id}/thresholds/{group}",
        Right::May(Action::SetPatrolPolicy),
        "Take thresholds away: those above hold again",
        || delete(remove_thresholds),
    )
    .gives_list::<Thresholds>(),
];

const DAYS_MAX: u32 = 3_650;

/// A place whose policy may be read: whoever sees a camera there.
fn readable(v: &Viewer, id: PlaceId) -> ApiResult<()> {
    let set = v.rights.may(Action::SetPatrolPolicy, id, &v.tree) || v.rights.may(Action::ManageCamera, id, &v.tree);
    if set || !v.below(id).is_empty() { Ok(()) } else { Err(ApiError::not_found("place").because("unknown_place")) }
}

async fn shown_retention(app: &App, v: &Viewer, id: PlaceId) -> ApiResult<Json<Retention>> {
    let rules = app.library.store().retention().await?;
    let near = |place| v.tree.within(place, id) || v.tree.within(id, place);
    let disk = app.patrol.0.footage.disk().await?;
    let full_in_days =
        (disk.bytes_per_day > 0).then(|| (disk.free_bytes / disk.bytes_per_day).min(u64::from(u32::MAX)) as u32);
    Ok(Json(Retention {
        rules: rules
            .into_iter()
            .filter(|r| near(r.place))
            .map(|r| RetentionRule { place: r.place, group: group_to_api(r.group), days: r.days })
            .collect(),
        default_days: app.patrol.0.settings.default_days,
        used_bytes: disk.used_bytes,
        free_bytes: disk.free_bytes,
        full_in_days,
    }))
}

async fn retention(State(app): State<App>, caller: Caller, Id(id): Id<PlaceId>) -> ApiResult<Json<Retention>> {
    let v = viewer(&app.patrol, &caller);
    readable(&v, id)?;
    shown_retention(&app, &v, id).await
}

async fn put_retention(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: PlaceId,
    group: Group,
    days: Option<u32>,
) -> ApiResult<Json<Retention>> {
    let v = viewer(&app.patrol, caller);
    let place = v.place(id, Action::SetPatrolPolicy)?;
    if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return Err(ApiError::field("days", "1 to 3,650"));
    }
    let detail = match days {
        Some(days) => format!("retention {} {days} days", word(group)),
        None => format!("retention {} removed", word(group)),
    };
    note(&app.patrol, caller, addr, AuditAction::PolicyChanged, at_place(&place), detail).await?;
    app.library.store().set_retention(id, group, days).await?;
    shown_retention(app, &v, id).await
}

async fn set_retention(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<PlaceId>,
    Body(body): Body<RetentionRule>,
) -> ApiResult<Json<Retention>> {
    if body.place != id {
        return Err(ApiError::field("place", "the place of the address"));
    }
    put_retention(&app, &caller, addr, id, group_from_api(body.group), Some(body.days)).await
}

async fn remove_retention(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id((id, group)): Id<(PlaceId, CameraGroup)>,
) -> ApiResult<Json<Retention>> {
    put_retention(&app, &caller, addr, id, group_from_api(group), None).await
}

/// A group as the audit log says it.
fn word(group: Group) -> &'static str {
    match group {
        Group::ExamRoom => "exam_room",
        Group::SealedRoom => "sealed_room",
        Group::Gate => "gate",
        Group::Corridor => "corridor",
        Group::Other => "other",
    }
}

// ------------------------------------------------------------------------------------------------------- thresholds

/// What holds for a group where nothing was set.
#[must_use]
pub fn default_thresholds(group: CameraGroup) -> Thresholds {
    let mut watched = vec![
        HealthFault::NoStream,
        HealthFault::Frozen,
        HealthFault::Black,
        HealthFault::White,
        HealthFault::Covered,
        HealthFault::Blurred,
        HealthFault::Moved,
        HealthFault::WrongClock,
        HealthFault::BitRate,
        HealthFault::FrameRate,
        HealthFault::Undecodable,
        HealthFault::NotRecorded,
    ];
    if matches!(group, CameraGroup::ExamRoom | CameraGroup::SealedRoom) {
        watched.push(HealthFault::NoSound);
    }
    Thresholds {
        group,
        watched,
        silent_s: 2,
        sharpness_percent: 40,
        moved_percent: 10,
        clock_ms: 1_000,
        rate_percent: 30,
        tone: !matches!(group, CameraGroup::Corridor | CameraGroup::Other),
    }
}

impl Patrol {
    /// The thresholds in force at a place: the nearest set at or above it, or the defaults.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn thresholds(&self, place: PlaceId) -> Result<Vec<Thresholds>, lectern_library::StoreError> {
        let (set, tree) = (self.library().store().thresholds().await?, self.library().tree());
        let in_force = |group: Group| {
            let group = group_to_api(group);
            let fits = |at: &&ThresholdsAt| at.thresholds.group == group && tree.within(place, at.place);
            let depth = |at: &&ThresholdsAt| tree.get(at.place).map_or(0, |p| p.level.depth());
            let nearest = set.iter().filter(fits).max_by_key(depth);
            nearest.map_or_else(|| default_thresholds(group), |at| at.thresholds.clone())
        };
        Ok(Group::ALL.into_iter().map(in_force).collect())
    }
}

async fn thresholds(State(app): State<App>, caller: Caller, Id(id): Id<PlaceId>) -> ApiResult<Json<Vec<Thresholds>>> {
    readable(&viewer(&app.patrol, &caller), id)?;
    Ok(Json(app.patrol.thresholds(id).await?))
}

async fn set_thresholds(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<PlaceId>,
    Body(body): Body<Thresholds>,
) -> ApiResult<Json<Vec<Thresholds>>> {
    let place = viewer(&app.patrol, &caller).place(id, Action::SetPatrolPolicy)?;
    for (field, good) in [
        ("silent_s", (1..=60).contains(&body.silent_s)),
        ("sharpness_percent", (1..=100).contains(&body.sharpness_percent)),
        ("moved_percent", (1..=50).contains(&body.moved_percent)),
        ("clock_ms", (50..=60_000).contains(&body.clock_ms)),
        ("rate_percent", (10..=100).contains(&body.rate_percent)),
        ("watched", body.watched.len() <= 20),
    ] {
        if !good {
            return Err(ApiError::field(field, "out of range"));
        }
    }
    let detail = format!("thresholds {}", word(group_from_api(body.group)));
    note(&app.patrol, &caller, addr, AuditAction::PolicyChanged, at_place(&place), detail).await?;
    app.library.store().set_thresholds(ThresholdsAt { place: id, thresholds: body }).await?;
    Ok(Json(app.patrol.thresholds(id).await?))
}

async fn remove_thresholds(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id((id, group)): Id<(PlaceId, CameraGroup)>,
) -> ApiResult<Json<Vec<Thresholds>>> {
    let place = viewer(&app.patrol, &caller).place(id, Action::SetPatrolPolicy)?;
    let detail = format!("thresholds {} removed", word(group_from_api(group)));
    note(&app.patrol, &caller, addr, AuditAction::PolicyChanged, at_place(&place), detail).await?;
    app.library.store().remove_thresholds(id, group).await?;
    Ok(Json(app.patrol.thresholds(id).await?))
}
