//! The end of a hold: the catalogue says it, the recorder does it; where that fails, the hold is in force in both, and says why.
//!
//! Does not belong here: who may ask and agree (`routes::timeline`), what retention keeps (the recorder).

use super::Patrol;
use lectern_library::{Hold, ReleaseFailure, StoreError};
use lectern_media::UnixMillis;
use ulid::Ulid;

impl Patrol {
    /// Has the recorder let go of what two people released in the catalogue. `Some`: it did not, and the hold is in force again, with why.
    ///
    /// # Errors
    /// If the catalogue can't take that back: then it says released what the recorder holds until the server starts next, and tries again.
    pub async fn end_hold(&self, id: Ulid) -> Result<Option<Hold>, StoreError> {
        let Err(error) = self.0.footage.release(id).await else { return Ok(None) };
        metrics::counter!("lectern_patrol_hold_releases_failed_total", "reason" => "recorder").increment(1);
        tracing::error!(hold = %id, %error, "the recorder did not release a hold: it stays in force");
        let failure = ReleaseFailure { at: UnixMillis::now(), why: error.cause };
        match self.library().store().fail_release(id, failure).await {
            Ok(hold) => Ok(Some(hold)),
            Err(error) => {
                metrics::counter!("lectern_patrol_hold_releases_failed_total", "reason" => "catalogue").increment(1);
                tracing::error!(hold = %id, %error, "the catalogue says released what the recorder holds");
                Err(error)
            }
        }
    }
}
