//! The web app, out of the binary: hashed assets for ever, pages always fresh, everything else the app's one page.

use crate::{app::App, error::ApiError};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use lectern_library::timetable;
use rust_embed::{EmbeddedFile, RustEmbed};

// In a debug build the files are read from the folder at each request, so that a rebuilt web app shows at once.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/dist"]
#[allow_missing = true]
struct Dist;

/// Addresses that belong to programs: what is unknown there is a problem document, never a page.
const PROGRAMS: [&str; 6] = ["/api/", "/whip/", "/whep/", "/vod/", "/hls/", "/ws"];

/// The app's one page.
const PAGE: &str = "index.html";
/// Where the page is told the service's time zone, before anybody has signed in and before it draws the first time of day.
const ZONE: &str = r#"name="lectern-zone" content=""#;

/// Serves the web app.
pub async fn page(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if PROGRAMS.iter().any(|p| path.starts_with(p)) || !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::not_found("address").into_response();
    }
    let name = path.trim_start_matches('/');
    if name != PAGE
        && let Some(found) = file(name, &headers)
    {
        return found;
    }
    // A missing asset is missing; anything else is a page of the app, which has its own words for unknown ones.
    if name != PAGE && (name.starts_with("assets/") || name.rsplit('/').next().is_some_and(|last| last.contains('.'))) {
        return ApiError::not_found("file").into_response();
    }
    index(timetable::name_of(app.library.zone()), &headers)
        .unwrap_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, Html(include_str!("unbuilt.html"))).into_response())
}

/// The page, with the zone in it. Small enough not to be kept compressed.
fn index(zone: &str, headers: &HeaderMap) -> Option<Response> {
    let plain = Dist::get(PAGE)?;
    let etag = format!("{}-{zone}\"", etag(&plain).trim_end_matches('"'));
    let text = with_zone(&String::from_utf8_lossy(&plain.data), zone);
    let fresh = headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
    let mut response = if fresh { StatusCode::NOT_MODIFIED.into_response() } else { Html(text).into_response() };
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(header::ETAG, HeaderValue::from_str(&etag).ok()?);
    Some(response)
}

fn with_zone(page: &str, zone: &str) -> String {
    // Nothing of an IANA name needs escaping in an attribute; what is no name is left out.
    let plain = zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    page.replacen(ZONE, &format!("{ZONE}{}", if plain { zone } else { "" }), 1)
}

fn file(name: &str, headers: &HeaderMap) -> Option<Response> {
    let plain = Dist::get(name)?;
    let accepts_br = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|e| e.split(';').next().is_some_and(|e| e.trim() == "br")));
    let compressed = if accepts_br { Dist::get(&format!("{name}.br")) } else { None };
    let etag = etag(&plain);
    let fresh = headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(compressed.as_ref().unwrap_or(&plain).data.to_vec()).into_response();
        if compressed.is_some() {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        response
    };
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind = match kind.type_() {
        mime_guess::mime::TEXT => format!("{kind}; charset=utf-8"),
        _ => kind.to_string(),
    };
    // Vite puts a hash of the content into the names below assets/: they never change.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_str(&kind).ok()?);
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(header::ETAG, HeaderValue::from_str(&etag).ok()?);
    Some(response)
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let short: String = hash[..12].iter().map(|b| format!("{b:02x}")).collect();
    format!("\"{short}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_the_zone() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/index.html"));
        assert_eq!(page.matches(ZONE).count(), 1);
        for zone in ["Asia/Shanghai", "America/Port-au-Prince", "Etc/GMT+8"] {
            let told = with_zone(page, zone);
            assert!(told.contains(&format!("<meta name=\"lectern-zone\" content=\"{zone}\"")), "{told}");
        }
        assert_eq!(with_zone(page, "\"><script>"), page);
    }
}
