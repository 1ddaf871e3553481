//! Walls: the pure [`core`] of one, its socket, and the list of those that are open.
//!
//! Does not belong here: what a right allows (`access`), packets (the [`WallPlane`](super::ports::WallPlane) port).

pub mod core;
mod socket;

pub use core::Playable;
pub(crate) use socket::upgrade;

use super::{Patrol, ports::PatrolEvent};
use lectern_media::{AccountId, CameraId, PeerId};
use lectern_protocol::wall::WallMessage;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// Walls of one account: screens of one desk.
pub(crate) const PER_ACCOUNT_MAX: usize = 8;
/// Walls of one server.
const WALLS_MAX: usize = 1_000;
/// News waiting for one wall.
pub(crate) const NEWS_MAX: usize = 512;
/// How long walls have to write down what they showed when the server ends.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// What is brought to a wall from outside.
#[derive(Debug)]
pub(crate) enum News {
    /// A message, for those whom it concerns.
    Tell(Arc<WallMessage>, About),
    /// The media plane tells of its peer.
    Media(PatrolEvent),
    /// The server ends; tell when all is written.
    Close(oneshot::Sender<()>),
}

/// Whom a message concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// All of those that are told.
    All,
    /// Who sees the camera where it hangs now.
    Camera(CameraId),
    /// Who sees the camera where it hung while that happened which the message tells of: an alarm.
    Recorded,
}

/// The open walls.
#[derive(Debug, Default)]
pub(crate) struct Open {
    next: u64,
    walls: HashMap<u64, Handle>,
    peers: HashMap<PeerId, u64>,
    closing: bool,
}

#[derive(Debug)]
struct Handle {
    account: AccountId,
    news: mpsc::Sender<News>,
}

/// Why a wall is not opened; the code with which its socket ends.
pub(crate) fn enter(patrol: &Patrol, account: AccountId, news: mpsc::Sender<News>) -> Result<u64, &'static str> {
    let mut open = patrol.0.walls.lock();
    if open.closing || open.walls.len() >= WALLS_MAX {
        return Err("server_restart");
    }
    if open.walls.values().filter(|w| w.account == account).count() >= PER_ACCOUNT_MAX {
        return Err("not_authorised");
    }
    open.next += 1;
    let id = open.next;
    open.walls.insert(id, Handle { account, news });
    metrics::gauge!("lectern_patrol_walls_open").set(open.walls.len() as f64);
    Ok(id)
}

/// The wall's socket has ended.
pub(crate) fn leave(patrol: &Patrol, id: u64) {
    let mut open = patrol.0.walls.lock();
    open.walls.remove(&id);
    open.peers.retain(|_, wall| *wall != id);
    metrics::gauge!("lectern_patrol_walls_open").set(open.walls.len() as f64);
}

/// The wall has this peer from now on, and no other.
pub(crate) fn has_peer(patrol: &Patrol, id: u64, peer: Option<PeerId>) {
    let mut open = patrol.0.walls.lock();
    open.peers.retain(|_, wall| *wall != id);
    if let Some(peer) = peer {
        open.peers.insert(peer, id);
    }
}

fn bring(handle: &Handle, news: News) {
    if let Err(mpsc::error::TrySendError::Full(_)) = handle.news.try_send(news) {
        metrics::counter!("lectern_patrol_wall_news_dropped_total", "reason" => "full").increment(1);
    }
}

/// Tells every wall that it concerns.
pub(crate) fn tell(patrol: &Patrol, message: &WallMessage, about: About) {
    let open = patrol.0.walls.lock();
    let message = Arc::new(message.clone());
    open.walls.values().for_each(|wall| bring(wall, News::Tell(Arc::clone(&message), about)));
}

/// Tells the walls of one account.
pub(crate) fn tell_account(patrol: &Patrol, account: AccountId, message: &WallMessage) {
    let open = patrol.0.walls.lock();
    let message = Arc::new(message.clone());
    let own = open.walls.values().filter(|wall| wall.account == account);
    own.for_each(|wall| bring(wall, News::Tell(Arc::clone(&message), About::All)));
}

/// Brings what the media plane tells to the wall whose peer it is.
pub(crate) fn media_event(patrol: &Patrol, peer: PeerId, event: PatrolEvent) {
    let open = patrol.0.walls.lock();
    if let Some(wall) = open.peers.get(&peer).and_then(|id| open.walls.get(id)) {
        bring(wall, News::Media(event));
    }
}

/// Ends all walls and waits until what they showed is in the audit log's queue.
pub(crate) async fn close_all(patrol: &Patrol) {
    let mut waiting = Vec::new();
    let walls: Vec<mpsc::Sender<News>> = {
        let mut open = patrol.0.walls.lock();
        open.closing = true;
        open.walls.values().map(|w| w.news.clone()).collect()
    };
    let deadline = tokio::time::Instant::now() + CLOSE_WITHIN;
    for wall in walls {
        let (tx, rx) = oneshot::channel();
        if let Ok(Ok(())) = tokio::time::timeout_at(deadline, wall.send(News::Close(tx))).await {
            waiting.push(rx);
        }
    }
    for done in waiting {
        if tokio::time::timeout_at(deadline, done).await.is_err() {
            tracing::warn!("a wall did not end in time");
        }
    }
}
