//! Structured logs: text for people, JSON for collectors. Ids of request and room come from spans.

use crate::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// The filter that `level` describes.
///
/// # Errors
/// What is wrong with it.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    // The DTLS crate warns of each browser's extensions that it does not know, several times a connection; what is written
    // after it in `level` wins.
    EnvFilter::try_new(format!("rtc_dtls=error,{level}"))
        .map_err(|e| format!("is not a level (error, warn, info, debug, trace) or a list of target=level: {e}"))
}

/// Starts logging to standard error. A second call changes nothing.
pub fn init(config: &Log) {
    // The configuration was checked; a fault here can only be a caller that did not.
    let filter = filter(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr).with_target(false)).try_init(),
        LogFormat::Json => {
            registry.with(fmt::layer().with_writer(std::io::stderr).json().flatten_event(true)).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
