//! The one error of the HTTP API and the one function that decides its status.
//!
//! Belongs here: codes, statuses, `application/problem+json` (RFC 9457). Does not belong here: words for people; the
//! client has those, by code and in its language.

use crate::ports::{MediaError, PortError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use lectern_auth::GrantError;
use lectern_library::{Conflict, StoreError};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::Problem;
use std::time::Duration;

tokio::task_local! {
    /// The id of the request that this task answers; set by [`crate::http::request_scope`].
    pub(crate) static REQUEST_ID: String;
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// Stable, machine-readable reason of a refusal. The client has words for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it stands in [`Problem::code`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Short English title.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The HTTP status: decided here and nowhere else.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// The request is not understood.
    BadRequest = "bad_request", BAD_REQUEST, "The request is not understood";
    /// The body is not JSON, or not the JSON that is expected.
    BadJson = "bad_json", BAD_REQUEST, "The body is not the JSON that is expected";
    /// One field has a value that cannot be taken; `field` names it.
    BadField = "bad_field", UNPROCESSABLE_ENTITY, "A field cannot be taken as it is";
    /// The password does not meet the rules.
    WeakPassword = "weak_password", UNPROCESSABLE_ENTITY, "The password does not meet the rules";
    /// The SDP cannot be parsed or used.
    BadOffer = "bad_offer", UNPROCESSABLE_ENTITY, "The session description cannot be used";
    /// Nobody is signed in.
    NotSignedIn = "not_signed_in", UNAUTHORIZED, "Sign in first";
    /// Log-in name or password is wrong, or the account is disabled.
    BadCredentials = "bad_credentials", UNAUTHORIZED, "Name or password is wrong";
    /// No bearer token, or one that is not a grant of this server.
    GrantInvalid = "grant_invalid", UNAUTHORIZED, "The grant is missing or not valid";
    /// The grant has expired: join again.
    GrantExpired = "grant_expired", UNAUTHORIZED, "The grant has expired";
    /// The grant is for another room or purpose.
    GrantForeign = "grant_foreign", FORBIDDEN, "The grant is for something else";
    /// Exam pictures are shown after the second factor only: `POST /api/v1/session/factor`.
    NeedsSecondFactor = "needs_second_factor", FORBIDDEN, "Show your second factor first";
    /// The second factor is wrong, or was used before.
    WrongCode = "wrong_code", FORBIDDEN, "The code is wrong or was used before";
    /// Allowed at other times only.
    NotNow = "not_now", FORBIDDEN, "This is allowed at other times";
    /// What is asked for was recorded while the camera hung where the caller may not look.
    HungElsewhere = "hung_elsewhere", FORBIDDEN, "The camera hung elsewhere then";
    /// The right is missing.
    Forbidden = "forbidden", FORBIDDEN, "You may not do this";
    /// The CSRF token is missing or wrong: reload the page.
    CsrfMismatch = "csrf_mismatch", FORBIDDEN, "The page is out of date";
    /// The request comes from another site.
    ForeignOrigin = "foreign_origin", FORBIDDEN, "The request comes from another site";
    /// There is nothing at this address (or nothing the caller may know of).
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    /// No class has this join code.
    UnknownClass = "unknown_class", NOT_FOUND, "There is no such class";
    /// No room has this id.
    UnknownRoom = "unknown_room", NOT_FOUND, "There is no such room";
    /// The method is not for this address.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This method is not for this address";
    /// The answer can't be given in a form that the client accepts.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "The answer has no form that is accepted";
    /// It exists already.
    Exists = "exists", CONFLICT, "It exists already";
    /// It can't be removed while something hangs on it.
    InUse = "in_use", CONFLICT, "Something still depends on it";
    /// It can't be done in the present state.
    Conflict = "conflict", CONFLICT, "It cannot be done in the present state";
    /// The release of this hold was asked for, or is no longer asked for: look at it again.
    HoldChanged = "hold_changed", CONFLICT, "The hold has changed in between";
    /// What is dated by the server's clock waits until that is believed again.
    ClockDoubted = "clock_doubted", CONFLICT, "The server's clock is doubted";
    /// The class is not open.
    ClassClosed = "class_closed", CONFLICT, "The class is not open";
    /// The one-time link was used or has expired.
    LinkExpired = "link_expired", GONE, "The link is used up or has expired";
    /// Two people agreed to the release of a hold, and the recorder did not let go.
    ReleaseFailed = "release_failed", CONFLICT, "The hold could not be released and is in force";
    /// `If-Match` does not fit.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "It has changed in between";
    /// `If-Match` is missing.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "Say which version you mean";
    /// The body is too large.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body has a type that is not taken here.
    UnsupportedType = "unsupported_type", UNSUPPORTED_MEDIA_TYPE, "This type of body is not taken here";
    /// The range lies outside.
    BadRange = "bad_range", RANGE_NOT_SATISFIABLE, "The range lies outside";
    /// Too many requests, or attempts at signing in; `Retry-After` says when again.
    TooOften = "too_often", TOO_MANY_REQUESTS, "Too many requests";
    /// Not at the moment; `Retry-After` says when again.
    Busy = "busy", SERVICE_UNAVAILABLE, "The server cannot do this at the moment";
    /// The disk is full.
    DiskFull = "disk_full", INSUFFICIENT_STORAGE, "The disk is full";
    /// A fault of ours. The log has more under the request's id.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server made a mistake";
}

/// A refusal on its way to the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct ApiError {
    /// Why.
    pub code: Code,
    /// What happened to this request and what to do, in English, safe to show.
    pub detail: String,
    /// The field at fault.
    pub field: Option<String>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// What the audit log writes down of it; the client is not told.
    pub refusal: Option<Box<Refusal>>,
}

/// What the audit log writes down of a refusal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Why, more exactly than the code that the client gets.
    pub reason: Option<&'static str>,
    /// The camera that it was about.
    pub camera: Option<CameraId>,
    /// The moment of its recording that was asked for: it is written down at the place where the camera hung then.
    pub at: Option<UnixMillis>,
}

/// What handlers return.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A refusal with its detail.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, retry_after: None, refusal: None }
    }

    /// A field that cannot be taken.
    #[must_use]
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::BadField, detail) }
    }

    /// Nothing here, or nothing that the caller may know of.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}, or it is not yours to see"))
    }

    /// The right is missing.
    #[must_use]
    pub fn forbidden(what: &str) -> Self {
        Self::new(Code::Forbidden, format!("you may not {what}"))
    }

    /// Try again after `wait`.
    #[must_use]
    pub fn retry(code: Code, wait: Duration, detail: impl Into<String>) -> Self {
        Self { retry_after: Some(wait), ..Self::new(code, detail) }
    }

    /// The reason that the audit log writes down.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.refusal.get_or_insert_default().reason = Some(reason);
        self
    }

    /// The camera that it was about, for the audit log.
    #[must_use]
    pub fn camera(mut self, camera: CameraId) -> Self {
        self.refusal.get_or_insert_default().camera = Some(camera);
        self
    }

    /// The moment of a camera's recording that it was about, for the audit log.
    #[must_use]
    pub fn at(mut self, at: UnixMillis) -> Self {
        self.refusal.get_or_insert_default().at = Some(at);
        self
    }

    /// A fault of ours: the cause goes to the log, the client gets the request's id.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed by our fault");
        Self::new(Code::Internal, "the log has more under this request's id")
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::new(code, code.title())
    }
}

impl From<PortError> for ApiError {
    fn from(e: PortError) -> Self {
        Self::internal(e)
    }
}

impl From<MediaError> for ApiError {
    fn from(e: MediaError) -> Self {
        match &e {
            MediaError::BadOffer(why) => Self::new(Code::BadOffer, why.clone()),
            MediaError::UnknownPeer => Self::not_found("session"),
            MediaError::Busy => Self::retry(Code::Busy, Duration::from_secs(5), e.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(e: StoreError) -> Self {
        let code = match &e {
            StoreError::NotFound => return Self::not_found("thing"),
            StoreError::Conflict(Conflict::LoginTaken) => {
                return Self { field: Some("login".into()), ..Self::new(Code::Exists, e.to_string()) };
            }
            StoreError::Conflict(Conflict::PlaceInUse) => Code::InUse,
            StoreError::Conflict(Conflict::PlaceDoesNotFit) => return Self::field("level", e.to_string()),
            StoreError::Conflict(Conflict::UnknownPlace) => return Self::field("place", e.to_string()),
            StoreError::Conflict(_) | StoreError::Full { .. } => Code::Conflict,
            StoreError::TooLarge { .. } => Code::TooLarge,
            StoreError::DiskFull => Code::DiskFull,
            StoreError::Closed => return Self::retry(Code::Busy, Duration::from_secs(5), e.to_string()),
            _ => return Self::internal(e),
        };
        Self::new(code, e.to_string())
    }
}

impl From<GrantError> for ApiError {
    fn from(e: GrantError) -> Self {
        metrics::counter!("lectern_http_grants_refused_total", "reason" => e.reason()).increment(1);
        let code = match e {
            GrantError::Expired => Code::GrantExpired,
            GrantError::WrongPurpose | GrantError::WrongRoom => Code::GrantForeign,
            _ => Code::GrantInvalid,
        };
        Self::new(code, e.to_string())
    }
}

/// A refusal as it stands in the extensions of its response, for whoever writes it down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub code: Code,
    pub refusal: Refusal,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.code.status();
        metrics::counter!("lectern_http_refusals_total", "reason" => self.code.as_str()).increment(1);
        let problem = Problem {
            kind: "about:blank".into(),
            title: self.code.title().into(),
            status: status.as_u16(),
            code: self.code.as_str().into(),
            detail: self.detail,
            request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
            field: self.field,
        };
        let mut response = (status, Json(problem)).into_response();
        response
            .extensions_mut()
            .insert(Refused { code: self.code, refusal: self.refusal.map(|r| *r).unwrap_or_default() });
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2: a 401 names a way to authenticate. Cookies have no scheme; media grants are bearer tokens.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lectern\""));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_snake_case_and_errors() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} stands twice");
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{text}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{text}");
        }
    }

    #[test]
    fn every_refusal_is_a_problem_document() {
        let response = ApiError::retry(Code::Busy, Duration::from_millis(200), "later").into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1", "less than a second is rounded up");
    }
}
