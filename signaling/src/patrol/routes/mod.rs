//! The HTTP API of exam patrol. Each module has a `pub const ROUTES: &[Route]`, as those of `crate::http`.

pub mod alarms;
pub mod audit;
pub mod cameras;
pub mod clock;
pub mod evidence;
pub mod factor;
pub mod import;
pub mod layouts;
pub mod media;
pub mod policy;
pub mod rules;
pub mod separation;
pub mod timeline;
pub mod webhooks;

use super::{
    Patrol,
    access::Viewer,
    trail::{Act, What, Who},
};
use crate::{
    error::{ApiError, ApiResult, Code},
    extract::{Caller, ClientAddr},
};
use lectern_library::By;
use lectern_media::UnixMillis;
use lectern_protocol::api::{AuditAction, Span};
use std::{future::Future, time::Duration};
use tracing::Instrument as _;

/// The longest stretch of a recording that one request may be about.
const RANGE_MAX: Duration = Duration::from_secs(48 * 3_600);

/// A caller as the audit log names them.
pub(crate) fn who(caller: &Caller, addr: ClientAddr) -> Who {
    // Of several roles the highest place says best who looks from above.
    let depth = |place: lectern_media::PlaceId| caller.tree.get(place).map(|p| (p.level.depth(), p.name.clone()));
    let highest = caller.rights.roles().iter().filter_map(|r| depth(r.place)).min();
    Who {
        account: Some(caller.account),
        name: caller.name.clone(),
        login: caller.login.clone(),
        of_place: highest.map(|(_, name)| name).unwrap_or_default(),
        address: addr.0.to_string(),
    }
}

fn by(caller: &Caller) -> By {
    By { account: caller.account, name: lectern_auth::Redacted(caller.name.clone()), at: UnixMillis::now() }
}

/// Writes down what a caller did. What can't be written down is not done: call it first where that matters.
async fn note(
    patrol: &Patrol,
    caller: &Caller,
    addr: ClientAddr,
    action: AuditAction,
    what: What,
    detail: impl Into<String>,
) -> ApiResult<()> {
    write(patrol, Act::new(UnixMillis::now(), who(caller, addr), action, what, detail)).await
}

async fn write(patrol: &Patrol, act: Act) -> ApiResult<()> {
    if patrol.trail().note(act).await {
        Ok(())
    } else {
        Err(ApiError::retry(Code::Busy, Duration::from_secs(5), "the audit log takes nothing any more"))
    }
}

fn viewer(patrol: &Patrol, caller: &Caller) -> Viewer {
    Viewer::new(patrol, caller)
}

/// A place as the audit log names it.
fn at_place(place: &lectern_auth::PlaceNode) -> What {
    What { place: Some(place.id), place_name: place.name.clone(), ..What::default() }
}

/// Carries something out to its end, also when whoever asked for it goes away in the middle: what stands in the audit log, in the
/// catalogue and beside it must not fall apart.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = ApiResult<T>> + Send + 'static) -> ApiResult<T> {
    tokio::spawn(work.in_current_span()).await.map_err(ApiError::internal)?
}

/// A stretch of time that a request names.
fn range(from: UnixMillis, to: UnixMillis) -> ApiResult<Span> {
    if from.0 < 0 || to <= from {
        return Err(ApiError::field("to", "must be after from"));
    }
    if to.since(from) > RANGE_MAX {
        return Err(ApiError::field("to", "at most 48 hours after from"));
    }
    Ok(Span { from, to })
}
