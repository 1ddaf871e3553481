//! What is done now and then without being asked: deletions that were not taken back become real, expired sessions and
//! links go.

use crate::app::App;
use lectern_library::StoreError;
use lectern_media::{RecordingId, UnixMillis};
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

/// Makes deletions final that were not taken back in time: first the catalogue refuses to take them back, then the files
/// go, then the catalogue forgets. Whatever fails, or however the machine stops in between, the entry that is left is dealt
/// with at the next turn: nothing that was deleted comes back.
pub async fn purge_deleted(app: &App, now: UnixMillis) {
    let before = UnixMillis(now.0 - UNDO_FOR.as_millis() as i64);
    for id in app.library.deleted_before(before) {
        match purge(app, id).await {
            Ok(true) => tracing::info!(recording = %id, "removed a deleted recording"),
            Ok(false) => {}
            Err((what, error)) => {
                metrics::counter!("lectern_http_purges_failed_total", "reason" => what).increment(1);
                tracing::warn!(recording = %id, what, %error, "could not remove a deleted recording yet");
            }
        }
    }
}

async fn purge(app: &App, id: RecordingId) -> Result<bool, (&'static str, String)> {
    let catalogue = |e: StoreError| ("catalogue", e.to_string());
    if !app.library.begin_purge(id).await.map_err(catalogue)? {
        return Ok(false);
    }
    app.files.remove(id).await.map_err(|e| ("files", e.to_string()))?;
    app.library.purge_recording(id).await.map_err(catalogue)
}
