//! What every handler can reach: the ports, the services and a few settings. Cheap to clone.

use crate::{
    http::SignInGuard,
    hub::Rooms,
    limit::Limits,
    ports::{MediaPlane, RecordingFiles, Recordings},
    whip::Sessions,
};
use lectern_auth::Keyring;
use lectern_library::Library;
use std::{ops::Deref, sync::Arc};

/// Settings that signaling needs; the composition fills them from the configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whether clients reach us over TLS: decides cookie flags and HSTS.
    pub tls: bool,
    /// The origins from which pages may open a WebSocket (`https://class.example`), besides the request's own host.
    pub origins: Vec<String>,
    /// Whether people without an account may join by link.
    pub guests: bool,
    /// ICE servers for WHIP and WHEP clients (`stun:…`, `turn:…`), told in `Link` headers.
    pub ice_servers: Vec<String>,
    /// The local CA's certificate (PEM), if one is in use, for `/ca`.
    pub local_ca: Option<String>,
}

/// Everything a handler can reach.
pub struct AppState {
    /// Settings.
    pub settings: Settings,
    /// Signs and checks grants for media.
    pub keys: Keyring,
    /// The catalogue: places, people, timetable, recordings, search.
    pub library: Arc<Library>,
    /// The SFU.
    pub media: Arc<dyn MediaPlane>,
    /// Makes recordings.
    pub recordings: Arc<dyn Recordings>,
    /// Reads recordings.
    pub files: Arc<dyn RecordingFiles>,
    /// The open rooms.
    pub rooms: Rooms,
    /// How often one address may ask.
    pub limits: Limits,
    /// Slows down guessing of passwords and codes.
    pub sign_in: SignInGuard,
    /// WHIP and WHEP sessions.
    pub sessions: Sessions,
    /// Renders the metrics in Prometheus' text form.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// The state as axum carries it.
#[derive(Clone)]
pub struct App(Arc<AppState>);

impl App {
    /// Shares the state.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        Self(Arc::new(state))
    }
}

impl Deref for App {
    type Target = AppState;
    fn deref(&self) -> &AppState {
        &self.0
    }
}
