//! What every handler can reach: the ports, the services and a few settings. Cheap to clone.

use crate::{
    http::SignInGuard,
    hub::Rooms,
    limit::Limits,
    patrol::Patrol,
    ports::{MediaPlane, RecordingFiles, Recordings},
    whip::Sessions,
};
use lectern_auth::Keyring;
use lectern_base::Network;
use lectern_library::Library;
use std::{ops::Deref, sync::Arc};

/// Settings that signaling needs; the composition fills them from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether clients reach us over TLS: decides cookie flags.
    pub tls: bool,
    /// Whether browsers shall insist on TLS from now on. Not with a local authority: a device that does not trust it (any
    /// more) would lock its user out without a way to `/ca`.
    pub hsts: bool,
    /// The origins from which pages may open a WebSocket (`https://class.example`), besides the request's own host.
    pub origins: Vec<String>,
    /// Whether people without an account may join by link.
    pub guests: bool,
    /// ICE servers for WHIP and WHEP clients (`stun:…`, `turn:…`), told in `Link` headers.
    pub ice_servers: Vec<String>,
    /// The local CA's certificate (PEM), if one is in use, for `/ca`.
    pub local_ca: Option<String>,
    /// The reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Who may read the metrics.
    pub metrics_from: Vec<Network>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tls: false,
            hsts: false,
            origins: vec![],
            guests: false,
            ice_servers: vec![],
            local_ca: None,
            trusted_proxies: Network::list(&Network::LOOPBACK),
            metrics_from: Network::list(&Network::PRIVATE),
        }
    }
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
    /// Exam patrol.
    pub patrol: Patrol,
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
