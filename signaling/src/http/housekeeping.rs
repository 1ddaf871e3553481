//! What is done now and then without being asked: deletions that were not taken back become real, expired sessions and
//! links go.

use crate::app::App;
use lectern_media::UnixMillis;
use std::{future::Future, time::Duration};

/// How long a deletion can be taken back.
pub const UNDO_FOR: Duration = Duration::from_secs(10);
/// How often deletions are looked at: a deletion is final 10 to 12 seconds after it.
const PURGE_EVERY: Duration = Duration::from_secs(2);
/// How often expired sessions and links are removed (they are refused from the moment they expire).
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Keeps house until `stop` is ready.
pub async fn keep_house(app: App, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut purge = tokio::time::interval(PURGE_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    for interval in [&mut purge, &mut sweep] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = purge.tick() => purge_deleted(&app, UnixMillis::now()).await,
            _ = sweep.tick() => match app.library.store().sweep(UnixMillis::now()).await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "removed expired sessions and links"),
                Err(error) => tracing::warn!(%error, "could not remove expired sessions"),
            },
        }
    }
}

/// Makes deletions final that were not taken back in time: first the catalogue forgets, then the files go. If the
/// machine stops in between, the files are found again by a rebuild rather than lost by a slip.
pub async fn purge_deleted(app: &App, now: UnixMillis) {
    let before = UnixMillis(now.0 - UNDO_FOR.as_millis() as i64);
    for id in app.library.deleted_before(before) {
        match app.library.purge_recording(id).await {
            Ok(true) => match app.files.remove(id).await {
                Ok(()) => tracing::info!(recording = %id, "removed a deleted recording"),
                Err(error) => tracing::warn!(recording = %id, %error, "could not remove a recording's files"),
            },
            Ok(false) => {}
            Err(error) => tracing::warn!(recording = %id, %error, "could not purge a recording"),
        }
    }
}
