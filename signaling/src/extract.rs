//! What handlers ask of a request: who is calling, from where, with which JSON body or bearer token.
//!
//! Belongs here: extraction with refusals as [`ApiError`]. Does not belong here: what a right allows (auth).

use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
};
use axum::{
    extract::{
        ConnectInfo, FromRequest, FromRequestParts, OptionalFromRequestParts, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use lectern_auth::{Action, Object, PlaceTree, Rights, TokenHash, TokenText, session::csrf_token};
use lectern_media::{AccountId, UnixMillis};
use serde::de::DeserializeOwned;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// The session cookie's name over TLS: the prefix makes browsers insist on Secure, Path=/ and no Domain.
pub const COOKIE_TLS: &str = "__Host-lectern";
/// The session cookie's name on plain-http localhost, where the prefix is not allowed.
pub const COOKIE_PLAIN: &str = "lectern";
/// The header that carries the CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The session token in the request's cookie, if there is one.
#[must_use]
pub fn session_token(headers: &HeaderMap, tls: bool) -> Option<TokenText> {
    let name = if tls { COOKIE_TLS } else { COOKIE_PLAIN };
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .and_then(|(_, value)| value.parse().ok())
}

/// The person who is signed in, with what they may do at this moment. As an argument it refuses strangers with 401;
/// `Option<Caller>` lets them in.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The name to show.
    pub name: String,
    /// The session, to end it.
    pub session: TokenHash,
    /// The session's CSRF token.
    pub csrf: String,
    /// What the account may do.
    pub rights: Rights,
    /// The tree at which rights are asked.
    pub tree: Arc<PlaceTree>,
}

impl Caller {
    /// Whether the caller may.
    #[must_use]
    pub fn may(&self, action: Action, object: impl Into<Object>) -> bool {
        self.rights.may(action, object, &self.tree)
    }

    /// Refuses with 403 unless the caller may.
    ///
    /// # Errors
    /// [`Code::Forbidden`]
    pub fn require(&self, action: Action, object: impl Into<Object>) -> ApiResult<()> {
        if self.may(action, object) {
            Ok(())
        } else {
            tracing::info!(account = %self.account, ?action, "refused: the right is missing");
            Err(ApiError::new(Code::Forbidden, format!("this needs the right {action:?} at that place")))
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        <Self as OptionalFromRequestParts<App>>::from_request_parts(parts, app)
            .await?
            .ok_or_else(|| ApiError::from(Code::NotSignedIn))
    }
}

impl OptionalFromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Option<Self>> {
        // The guard before the handler has looked already.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(Some(known.clone()));
        }
        let Some(token) = session_token(&parts.headers, app.settings.tls) else { return Ok(None) };
        let found = app.library.authenticate(&token, UnixMillis::now()).await?.map(|known| Self {
            account: known.account.id,
            session: known.session.hash,
            csrf: csrf_token(&token),
            rights: app.library.rights(&known.account),
            tree: app.library.tree(),
            name: known.account.name.0,
        });
        if let Some(caller) = &found {
            parts.extensions.insert(caller.clone());
        }
        Ok(found)
    }
}

/// The address a request came from. A reverse proxy on this machine names it in `X-Forwarded-For`; nobody else is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        Ok(Self::of(&parts.extensions, &parts.headers))
    }
}

impl ClientAddr {
    /// The address in a request's extensions; requests made in-process come from localhost.
    #[must_use]
    pub fn of(extensions: &axum::http::Extensions, headers: &HeaderMap) -> Self {
        let ip = extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |c| c.0.ip());
        // One machine behind a dual-stack socket is one machine.
        let ip = ip.to_canonical();
        if !ip.is_loopback() {
            return Self(ip);
        }
        // The last entry is the one that our own proxy wrote; those before it are what the client claims.
        let told = headers
            .get_all("x-forwarded-for")
            .iter()
            .next_back()
            .and_then(|v| v.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        Self(told.map_or(ip, |ip| ip.to_canonical()))
    }
}

/// A JSON body. Refuses other types (415), what is not JSON (400) and what is too long (413).
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(req: Request, state: &S) -> ApiResult<Self> {
        if !has_media_type(req.headers(), "application/json") {
            return Err(ApiError::new(Code::UnsupportedType, "send the body as application/json"));
        }
        let bytes = Bytes::from_request(req, state).await.map_err(body_refusal)?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|e| ApiError::new(Code::BadJson, format!("line {}, column {}: {e}", e.line(), e.column())))
    }
}

/// Whether `Content-Type` is `essence`, whatever its parameters.
#[must_use]
pub fn has_media_type(headers: &HeaderMap, essence: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(';').next())
        .is_some_and(|v| v.trim().eq_ignore_ascii_case(essence))
}

/// A body that could not be read, as a refusal.
#[must_use]
pub fn body_refusal(e: BytesRejection) -> ApiError {
    match e {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::new(Code::TooLarge, "the body is longer than this address takes")
        }
        other => ApiError::new(Code::BadRequest, other.to_string()),
    }
}

/// The bearer token of a request (RFC 6750 §2.1).
///
/// # Errors
/// [`Code::GrantInvalid`] if there is none.
pub fn bearer(headers: &HeaderMap) -> ApiResult<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| ApiError::new(Code::GrantInvalid, "send the token in the header Authorization: Bearer …"))
}
