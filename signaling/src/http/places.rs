//! The tree of places.

use super::{params::Id, words};
use crate::{
    app::App,
    error::{ApiError, ApiResult},
    extract::{Body, Caller},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, patch, post},
};
use lectern_auth::{Action, PlaceNode};
use lectern_media::PlaceId;
use lectern_protocol::api::{NewPlace, Place, PlaceChange};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/places", Right::SignedIn, "The places that the caller may see", || get(list))
        .gives_list::<Place>(),
    Route::new(Verb::Post, "/api/v1/places", Right::May(Action::CreatePlace), "Make a place", || post(create))
        .takes::<NewPlace>()
        .gives::<Place>(),
    Route::new(Verb::Patch, "/api/v1/places/{id}", Right::May(Action::EditPlace), "Rename a place", || patch(rename))
        .takes::<PlaceChange>()
        .gives::<Place>(),
    Route::new(Verb::Delete, "/api/v1/places/{id}", Right::May(Action::RemovePlace), "Remove an empty place", || {
        delete(remove)
    }),
];

async fn list(caller: Caller) -> Json<Vec<Place>> {
    let mut places: Vec<&PlaceNode> = caller.tree.iter().filter(|p| caller.may(Action::ViewPlace, p.id)).collect();
    places.sort_by(|a, b| (a.level.depth(), &a.name, a.id).cmp(&(b.level.depth(), &b.name, b.id)));
    Json(places.into_iter().map(words::place).collect())
}

/// A place that the caller may do `action` to: 404 if it may not be seen, 403 if only the right is missing.
fn place(caller: &Caller, id: PlaceId, action: Action) -> ApiResult<PlaceNode> {
    let place = caller.tree.get(id).filter(|_| caller.may(Action::ViewPlace, id));
    let place = place.ok_or_else(|| ApiError::not_found("place"))?;
    caller.require(action, id)?;
    Ok(place.clone())
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<NewPlace>,
) -> ApiResult<(StatusCode, Json<Place>)> {
    let parent = place(&caller, body.parent, Action::CreatePlace)?;
    let level = words::level_from(body.level);
    if !level.fits_under(parent.level) {
        return Err(ApiError::field("level", "the level must be below the parent's"));
    }
    let made = PlaceNode {
        id: PlaceId::generate(),
        parent: Some(parent.id),
        level,
        name: words::text("name", &body.name, 1, 100)?,
    };
    app.library.put_place(made.clone()).await?;
    tracing::info!(by = %caller.account, place = %made.id, "made a place");
    Ok((StatusCode::CREATED, Json(words::place(&made))))
}

async fn rename(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PlaceId>,
    Body(body): Body<PlaceChange>,
) -> ApiResult<Json<Place>> {
    let mut changed = place(&caller, id, Action::EditPlace)?;
    changed.name = words::text("name", &body.name, 1, 100)?;
    app.library.put_place(changed.clone()).await?;
    tracing::info!(by = %caller.account, place = %id, "renamed a place");
    Ok(Json(words::place(&changed)))
}

async fn remove(State(app): State<App>, caller: Caller, Id(id): Id<PlaceId>) -> ApiResult<StatusCode> {
    place(&caller, id, Action::RemovePlace)?;
    app.library.remove_place(id).await?;
    tracing::info!(by = %caller.account, place = %id, "removed a place");
    Ok(StatusCode::NO_CONTENT)
}
