//! What every handler can reach: the ports, the services and a few settings. Cheap to clone.

use crate::ports::{Identity, MediaPlane, RecordingFiles, Recordings};
use lectern_auth::Keyring;
use std::{ops::Deref, sync::Arc};

/// Settings that signaling needs; the composition fills them from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether clients reach us over TLS: decides cookie flags and HSTS.
    pub tls: bool,
    /// The origins from which pages may open a WebSocket (`https://class.example`), besides the request's own host.
    pub origins: Vec<String>,
}

/// Everything a handler can reach.
pub struct AppState {
    /// Settings.
    pub settings: Settings,
    /// Signs and checks grants for media.
    pub keys: Keyring,
    /// Finds the person behind a session.
    pub identity: Arc<dyn Identity>,
    /// The SFU.
    pub media: Arc<dyn MediaPlane>,
    /// Makes recordings.
    pub recordings: Arc<dyn Recordings>,
    /// Reads recordings.
    pub files: Arc<dyn RecordingFiles>,
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
