//! The commands with real clients, `publish`, `watch`, `class` and `demo`, and `strip`, which looks at what they left.
//!
//! Belongs here: who joins when, for how long, and what is asked of the result. Does not belong here: how a client works
//! ([`crate::client`]) or what is measured ([`crate::measure`]).

mod class;
mod demo;
mod publish;
mod strip;
mod verdict;
mod watch;

pub use class::ClassArgs;
pub use demo::DemoArgs;
pub use publish::PublishArgs;
pub use strip::StripArgs;
pub use watch::WatchArgs;

use crate::{
    clip::{Order, Size},
    source::{Source, SourceOrder, VideoCodec},
};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Which server.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The server's address.
    #[arg(long, default_value = "http://127.0.0.1:7780")]
    pub url: String,
    /// Take any certificate: for a server with a CA of its own.
    #[arg(long)]
    pub insecure: bool,
}

/// Someone's log-in. A first administrator's is printed by the server on its first start.
#[derive(Debug, Clone, clap::Args)]
pub struct LogIn {
    /// Log-in name.
    #[arg(long, default_value = "admin")]
    pub login: String,
    /// Password.
    #[arg(long, env = "LECTERN_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// File with the password.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

impl LogIn {
    /// The password.
    ///
    /// # Errors
    /// If none was given.
    pub fn password(&self) -> Result<String> {
        match (&self.password, &self.password_file) {
            (Some(password), _) => Ok(password.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                Ok(text.trim().to_owned())
            }
            (None, None) => anyhow::bail!("give --password, --password-file or LECTERN_PASSWORD"),
        }
    }
}

/// What is published.
#[derive(Debug, Clone, clap::Args)]
pub struct SourceArgs {
    /// Codec of the picture.
    #[arg(long, value_enum, default_value = "h264")]
    pub codec: VideoCodec,
    /// Three layers (quarter, half, full) instead of one.
    #[arg(long)]
    pub simulcast: bool,
    /// Rate of the (highest) picture in kilobits per second.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    pub kbps: u32,
    /// Picture size.
    #[arg(long, default_value = "1280x720")]
    pub size: Size,
    /// Frames per second.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(5..=60))]
    pub fps: u32,
    /// Length of the clip, which is played round and round, in seconds.
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(2..=600))]
    pub clip_secs: u32,
    /// Where encoded clips are kept.
    #[arg(long, default_value = "target/loadtest")]
    pub cache: PathBuf,
}

impl SourceArgs {
    /// Makes the source or takes it from the cache.
    ///
    /// # Errors
    /// As [`Source::prepare`].
    pub fn prepare(&self) -> Result<Source> {
        let clip = Order { size: self.size, fps: self.fps, secs: self.clip_secs };
        let order = SourceOrder { clip, codec: self.codec, kbps: self.kbps, simulcast: self.simulcast };
        Source::prepare(order, &self.cache)
    }
}

/// How many, how fast, for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Load {
    /// How many viewers or students.
    #[arg(long, short = 'n', default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub viewers: u32,
    /// How many of them join in a second.
    #[arg(long, default_value_t = 5.0)]
    pub per_sec: f64,
    /// How long each stays, in seconds.
    #[arg(long, default_value_t = 30)]
    pub secs: u64,
}

/// An executor for the commands.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the executor")
}

/// The part of an address that names the server.
#[must_use]
pub fn origin(url: &str) -> String {
    let path = url.find("://").map_or(0, |at| at + 3);
    let end = url[path..].find('/').map_or(url.len(), |at| path + at);
    url[..end].to_owned()
}

/// Waits for SIGINT or SIGTERM.
///
/// # Errors
/// If the system can't tell.
pub async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("waiting for a signal")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("waiting for an interrupt"),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (url, want) in [
            ("http://localhost:7780/whip/01J", "http://localhost:7780"),
            ("https://class.example.cn", "https://class.example.cn"),
            ("/whip/x", ""),
        ] {
            assert_eq!(origin(url), want);
        }
    }
}
