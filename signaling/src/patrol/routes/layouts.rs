//! Saved layouts of walls: each account has its own.

use crate::{
    app::App,
    error::{ApiError, ApiResult},
    extract::{Body, Caller},
    http::{params::Id, words},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post, put},
};
use lectern_library::Layout;
use lectern_media::UnixMillis;
use lectern_protocol::api::{WallContent, WallLayout, WallLayoutForm};
use ulid::Ulid;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/patrol/layouts", Right::SignedIn, "One's own layouts", || get(list))
        .gives_list::<WallLayout>(),
    Route::new(Verb::Post, "/api/v1/patrol/layouts", Right::SignedIn, "Save a layout", || post(create))
        .takes::<WallLayoutForm>()
        .gives::<WallLayout>(),
    Route::new(Verb::Put, "/api/v1/patrol/layouts/{id}", Right::SignedIn, "Save a layout again", || put(replace))
        .takes::<WallLayoutForm>()
        .gives::<WallLayout>(),
    Route::new(Verb::Delete, "/api/v1/patrol/layouts/{id}", Right::SignedIn, "Remove a layout", || delete(remove)),
];

/// How many tiles a wall may have.
const TILES: [u8; 7] = [1, 4, 9, 16, 25, 36, 64];

/// A layout as it is shown. Cameras in it are ids; what they show is asked for, and refused, when they are shown.
fn shown(layout: &Layout) -> Option<WallLayout> {
    let content = serde_json::from_value::<WallContent>(layout.content.clone())
        .inspect_err(|error| tracing::warn!(layout = %layout.id, %error, "a saved layout is not understood"))
        .ok()?;
    Some(WallLayout { id: layout.id, name: layout.name.clone(), content, saved: layout.saved })
}

fn checked(caller: &Caller, id: Ulid, form: WallLayoutForm) -> ApiResult<Layout> {
    let name = words::text("name", &form.name, 1, 60)?;
    let content = form.content;
    if !TILES.contains(&content.tiles) {
        return Err(ApiError::field("tiles", "1, 4, 9, 16, 25, 36 or 64"));
    }
    if content.cameras.len() > usize::from(content.tiles) {
        return Err(ApiError::field("cameras", "at most one for each tile"));
    }
    if content.tour.as_ref().is_some_and(|t| !(3..=600).contains(&t.dwell_s) || t.groups.len() > 5) {
        return Err(ApiError::field("tour", "a page stays 3 to 600 seconds"));
    }
    let content = serde_json::to_value(content).map_err(ApiError::internal)?;
    Ok(Layout { id, account: caller.account, name, content, saved: UnixMillis::now() })
}

async fn saved(app: &App, layout: Layout) -> ApiResult<Json<WallLayout>> {
    app.library.store().put_layout(layout.clone()).await?;
    shown(&layout).map(Json).ok_or_else(|| ApiError::internal("a layout that was just written is not understood"))
}

async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Vec<WallLayout>>> {
    let mut layouts = app.library.store().layouts(caller.account).await?;
    layouts.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(Json(layouts.iter().filter_map(shown).collect()))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(form): Body<WallLayoutForm>,
) -> ApiResult<(StatusCode, Json<WallLayout>)> {
    let layout = checked(&caller, Ulid::new(), form)?;
    Ok((StatusCode::CREATED, saved(&app, layout).await?))
}

async fn replace(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<Ulid>,
    Body(form): Body<WallLayoutForm>,
) -> ApiResult<Json<WallLayout>> {
    own(&app, &caller, id).await?;
    saved(&app, checked(&caller, id, form)?).await
}

async fn own(app: &App, caller: &Caller, id: Ulid) -> ApiResult<()> {
    let layouts = app.library.store().layouts(caller.account).await?;
    if layouts.iter().any(|l| l.id == id) {
        Ok(())
    } else {
        Err(ApiError::not_found("layout").because("unknown_layout"))
    }
}

async fn remove(State(app): State<App>, caller: Caller, Id(id): Id<Ulid>) -> ApiResult<StatusCode> {
    own(&app, &caller, id).await?;
    app.library.store().remove_layout(caller.account, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
