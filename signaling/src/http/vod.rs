//! The bytes of recordings: what the player fetches below `/vod`, and the download as one file.

use super::{
    bytes::{answer, etag_of, range_of},
    params::{Id, Params},
    recordings::recording,
};
use crate::{
    app::App,
    error::{ApiError, ApiResult},
    extract::Caller,
    ports::DownloadChoice,
    route::{Right, Route, Verb},
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use jiff::Timestamp;
use lectern_auth::Action;
use lectern_library::Recording;
use lectern_media::{RecordingId, TrackId};
use serde::Deserialize;
use std::fmt::Write as _;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/vod/{recording}/{*path}",
        Right::May(Action::WatchRecording),
        "Playlists, segments and WebM of a recording",
        || get(serve),
    ),
    Route::new(
        Verb::Get,
        "/api/v1/recordings/{id}/download",
        Right::May(Action::DownloadRecording),
        "The recording as one file: MP4, or WebM if the picture is VP8",
        || get(download),
    ),
];

/// The longest path below a recording, in bytes.
const PATH_LEN_MAX: usize = 200;
/// Tracks that a download may name.
const TRACKS_MAX: usize = 64;

async fn serve(
    State(app): State<App>,
    caller: Caller,
    Id((id, path)): Id<(RecordingId, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    recording(&app, &caller, id, Action::WatchRecording).await?;
    let nothing = || ApiError::not_found("part of a recording");
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if path.len() > PATH_LEN_MAX || !path.split('/').all(plain) {
        return Err(nothing());
    }
    let served = app.files.open(id, &path).await?.ok_or_else(nothing)?;
    let etag = etag_of(&served, &path.replace('/', "-"));
    if unchanged(&headers, etag.as_deref()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let range = range_of(&headers, served.len_bytes, etag.as_deref())?;
    answer(served, range, etag.as_deref()).await
}

fn unchanged(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    etag.is_some_and(|etag| known.is_some_and(|known| known.split(',').any(|k| k.trim() == etag)))
}

#[derive(Debug, Deserialize)]
struct DownloadQuery {
    /// Track ids, separated by commas.
    #[serde(default)]
    tracks: String,
}

async fn download(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RecordingId>,
    Params(query): Params<DownloadQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let recording = recording(&app, &caller, id, Action::DownloadRecording).await?;
    let named = query.tracks.split(',').filter(|t| !t.is_empty()).take(TRACKS_MAX);
    let tracks = named.map(|t| t.parse::<TrackId>().map_err(|_| ApiError::field("tracks", "track ids")));
    let choice = DownloadChoice { tracks: tracks.collect::<ApiResult<_>>()? };
    let nothing = || ApiError::not_found("recording to download");
    let served = app.files.download(id, &choice).await?.ok_or_else(nothing)?;
    let ending = if served.content_type == "video/webm" { "webm" } else { "mp4" };
    let etag = etag_of(&served, &id.to_string());
    let range = range_of(&headers, served.len_bytes, etag.as_deref())?;
    let mut response = answer(served, range, etag.as_deref()).await?;
    let name = file_name(&app, &recording, ending);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    tracing::info!(by = %caller.account, recording = %id, "downloads a recording");
    Ok(response)
}

/// `2026-09-01 分数乘法 王芳.mp4`, percent-encoded (RFC 8187 §3.2).
fn file_name(app: &App, r: &Recording, ending: &str) -> String {
    let started = Timestamp::from_millisecond(r.started.0).unwrap_or_default().to_zoned(app.library.zone().clone());
    percent_encoded(&format!("{} {} {}.{ending}", started.strftime("%Y-%m-%d"), r.title, r.teacher_name))
}

fn percent_encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_encoded() {
        assert_eq!(percent_encoded("课 \"1\"/a.mp4"), "%E8%AF%BE%20%221%22%2Fa.mp4");
    }
}
