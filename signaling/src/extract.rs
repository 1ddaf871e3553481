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
use lectern_auth::{Action, Object, PlaceTree, Rights, TokenHash, TokenText, second_factor_good, session::csrf_token};
use lectern_base::Network;
use lectern_library::{Authenticated, Library};
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
    /// The log-in name.
    pub login: String,
    /// When the session showed the account's second factor.
    pub second_factor: Option<UnixMillis>,
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
    /// Somebody whose session lives.
    #[must_use]
    pub fn of(library: &Library, token: &TokenText, known: Authenticated) -> Self {
        Self {
            account: known.account.id,
            session: known.session.hash,
            second_factor: known.session.second_factor,
            login: known.account.login.clone(),
            csrf: csrf_token(token),
            rights: library.rights(&known.account),
            tree: library.tree(),
            name: known.account.name.0,
        }
    }

    /// Whether the caller may.
    #[must_use]
    pub fn may(&self, action: Action, object: impl Into<Object>) -> bool {
        self.rights.may(action, object, &self.tree)
    }

    /// Refuses with 403 unless the caller may, and has shown the second factor if the action needs one.
    ///
    /// # Errors
    /// [`Code::Forbidden`], [`Code::NeedsSecondFactor`]
    pub fn require(&self, action: Action, object: impl Into<Object>) -> ApiResult<()> {
        if self.may(action, object) {
            self.require_factor(action)
        } else {
            tracing::info!(account = %self.account, ?action, "refused: the right is missing");
            Err(ApiError::new(Code::Forbidden, format!("this needs the right {action:?} at that place")))
        }
    }

    /// Refuses with 403 if the action needs a second factor that this session has not shown.
    ///
    /// # Errors
    /// [`Code::NeedsSecondFactor`]
    pub fn require_factor(&self, action: Action) -> ApiResult<()> {
        let needed = action.needs_second_factor(self.rights.is_separated());
        if !needed || second_factor_good(self.second_factor, UnixMillis::now()) {
            Ok(())
        } else {
            Err(ApiError::new(Code::NeedsSecondFactor, format!("{action:?} needs the second factor of this account")))
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
        let found = app.library.authenticate(&token, UnixMillis::now()).await?;
        let found = found.map(|known| Self::of(&app.library, &token, known));
        if let Some(caller) = &found {
            parts.extensions.insert(caller.clone());
        }
        Ok(found)
    }
}

/// The address a request came from. Only trusted proxies are believed when they name another in `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

impl FromRequestParts<App> for ClientAddr {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        Ok(Self::of(&parts.extensions, &parts.headers, &app.settings.trusted_proxies))
    }
}

impl ClientAddr {
    /// The address in a request's extensions; requests made in-process come from localhost.
    #[must_use]
    pub fn of(extensions: &axum::http::Extensions, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let ip = extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |c| c.0.ip());
        // One machine behind a dual-stack socket is one machine.
        let mut client = ip.to_canonical();
        let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
        let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
        // Each proxy adds whom it heard at the end. What stands before the first that we don't trust, it claims itself.
        let mut told = lines.iter().rev().flat_map(|line| line.rsplit(','));
        while is_trusted(client)
            && let Some(before) = told.next().and_then(|text| text.trim().parse::<IpAddr>().ok())
        {
            client = before.to_canonical();
        }
        Self(client)
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{Extensions, HeaderValue};

    #[test]
    fn whose_request_it_is() {
        let here = Network::list(&Network::LOOPBACK);
        let chain = Network::list(&["127.0.0.0/8", "10.0.0.0/8"]);
        // (whom we trust, who is connected, what the headers say, who it is)
        for (trusted, peer, told, want) in [
            (&here, "203.0.113.5", vec!["192.0.2.1"], "203.0.113.5"),
            (&here, "127.0.0.1", vec![], "127.0.0.1"),
            (&here, "::ffff:127.0.0.1", vec!["192.0.2.1"], "192.0.2.1"),
            (&here, "127.0.0.1", vec!["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (&here, "127.0.0.1", vec!["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
            (&here, "127.0.0.1", vec!["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            (&here, "127.0.0.1", vec!["192.0.2.1, 10.1.1.1"], "10.1.1.1"),
            (&chain, "127.0.0.1", vec!["192.0.2.1, 10.1.1.1"], "192.0.2.1"),
            (&chain, "10.1.1.1", vec!["6.6.6.6, 192.0.2.1, 10.2.2.2"], "192.0.2.1"),
            (&chain, "10.1.1.1", vec!["unknown"], "10.1.1.1"),
            (&vec![], "127.0.0.1", vec!["192.0.2.1"], "127.0.0.1"),
        ] {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            let mut headers = HeaderMap::new();
            for line in &told {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            assert_eq!(ClientAddr::of(&extensions, &headers, trusted).0.to_string(), want, "{peer} {told:?}");
        }
    }
}
