//! The table of routes: each stands once, with the right that it needs and the bodies it takes and gives.
//!
//! The router and the OpenAPI description are built from the table, so neither can know a route that the other does not,
//! and a test walks it to see that everything is denied by default.

use crate::app::App;
use axum::routing::MethodRouter;
use lectern_auth::{Action, Purpose};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

/// What a request must show before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Nothing: the handler gives only what everybody may have.
    Public,
    /// A session. The handler gives only what is the caller's own, or filters by rights.
    SignedIn,
    /// A session, and this action on the object in question; the handler asks [`crate::extract::Caller::require`].
    May(Action),
    /// A bearer grant for this purpose and the room in the path.
    Grant(Purpose),
    /// Nothing yet: browsers can't give a WebSocket headers. The grant is in its first message, and the socket ends without
    /// one; the handler looks at the origin itself.
    Hello,
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
}

impl Verb {
    /// Whether it changes nothing (RFC 9110 §9.2.1), and so needs no CSRF token.
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Options)
    }
}

/// The schema of a body, for the OpenAPI description: its reference, and everything it refers to.
pub type SchemaOf = fn(&mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema>;

fn schema_of<T: ToSchema + PartialSchema>(all: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

fn schema_of_list<T: ToSchema + PartialSchema>(all: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    let item = schema_of::<T>(all);
    RefOr::T(Schema::Array(utoipa::openapi::ArrayBuilder::new().items(item).build()))
}

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// Method.
    pub verb: Verb,
    /// Path, with `{parameters}` (`{*rest}` takes slashes).
    pub path: &'static str,
    /// What a request must show.
    pub right: Right,
    /// One sentence for the description.
    pub summary: &'static str,
    /// What handles it.
    pub handler: fn() -> MethodRouter<App>,
    /// The JSON body it takes.
    pub takes: Option<SchemaOf>,
    /// The JSON body it gives.
    pub gives: Option<SchemaOf>,
    /// The longest body it takes, in bytes.
    pub body_len_max: usize,
}

/// The longest JSON body, in bytes, unless a route says otherwise.
pub const BODY_LEN_BYTES_MAX: usize = 64 * 1024;

impl Route {
    /// A route. `handler` is `|| axum::routing::get(function)` with the method of `verb`.
    #[must_use]
    pub const fn new(
        verb: Verb,
        path: &'static str,
        right: Right,
        summary: &'static str,
        handler: fn() -> MethodRouter<App>,
    ) -> Self {
        Self { verb, path, right, summary, handler, takes: None, gives: None, body_len_max: BODY_LEN_BYTES_MAX }
    }

    /// The JSON body it takes.
    #[must_use]
    pub const fn takes<T: ToSchema>(mut self) -> Self {
        self.takes = Some(schema_of::<T>);
        self
    }

    /// The JSON body it gives.
    #[must_use]
    pub const fn gives<T: ToSchema>(mut self) -> Self {
        self.gives = Some(schema_of::<T>);
        self
    }

    /// It gives a JSON list of these.
    #[must_use]
    pub const fn gives_list<T: ToSchema>(mut self) -> Self {
        self.gives = Some(schema_of_list::<T>);
        self
    }

    /// It takes bodies of up to `len` bytes.
    #[must_use]
    pub const fn body_len_max(mut self, len: usize) -> Self {
        self.body_len_max = len;
        self
    }
}
