//! One media thread: the peers, tracks and rooms it owns, and its loop.
//!
//! The loop waits for one of three things (packets, commands, time), handles all that is there, and goes back to waiting.
//! `ingress` takes packets in, `fanout` sends them on, `timers` does what is periodic, `commands` what was asked for.

mod commands;
mod counters;
mod fanout;
mod inbox;
mod ingress;
mod lifecycle;
mod local;
mod outbox;
mod publisher;
mod rooms;
mod slots;
mod tap;
mod timers;
mod tracks;
mod transport;
mod viewer;

pub(crate) use inbox::{Command, Inbox};
pub(crate) use slots::Key;

/// Some key, for tests beside this module.
#[cfg(test)]
pub(crate) fn key_for_tests() -> Key {
    Slots::new().insert_with(|_| ())
}

use crate::{
    api::SfuEvent,
    config::SfuConfig,
    dtls::DtlsIdentity,
    udp::{Path, RecvBatch, UdpPort},
};
use counters::{Counters, Refusal};
use lectern_media::{Layer, ParticipantId, PeerId, RoomId, TrackId, tap::TapSender};
use local::Local;
use outbox::Outbox;
use publisher::Publisher;
use rooms::Room;
use slots::Slots;
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tracks::Tracks;
use transport::Transport;
use viewer::Viewer;

/// The longest wait: periodic work is looked at this often.
const WAIT_MAX: Duration = Duration::from_millis(20);
/// Events kept while their reader is behind, besides those in the channel. A join storm of 4,000 makes 4,000.
const BACKLOG_MAX: usize = 16_384;

/// The most addresses of one peer. A laptop with Wi-Fi, a cable and a VPN, IPv4 and IPv6 each, has six.
const PATHS_MAX: usize = 16;
/// Addresses of other shards' peers that are remembered; beyond, all are forgotten and learnt again.
const FOREIGN_MAX: usize = 20_000;

/// What all shards and the handle share.
pub(crate) struct Shared {
    pub identity: DtlsIdentity,
    pub candidates: Vec<SocketAddr>,
    pub inboxes: Vec<Arc<Inbox>>,
    pub events: mpsc::Sender<SfuEvent>,
    pub config: SfuConfig,
    pub draining: AtomicBool,
}

impl Shared {
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The shard that owns a room and all its peers.
    pub(crate) fn shard_of_room(&self, room: RoomId) -> u8 {
        // The low bits of a ULID are random; ids made in tests need not be.
        let mixed = (room.0.0 as u64 ^ (room.0.0 >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 32) % self.inboxes.len() as u64) as u8
    }

    /// The shard that made a peer's or track's id: its lowest byte.
    pub(crate) fn shard_of_id(id: ulid::Ulid) -> u8 {
        id.0 as u8
    }
}

/// What a peer is for.
enum Role {
    Publisher(Box<Publisher>),
    Viewer(Box<Viewer>),
}

/// One peer.
struct Peer {
    id: PeerId,
    room: Key,
    participant: ParticipantId,
    transport: Transport,
    connected: bool,
    told: Option<crate::api::Health>,
    told_at: Instant,
    /// The addresses it was seen at, oldest first: entries of `by_path`.
    paths: Vec<(u8, SocketAddr)>,
    role: Role,
}

/// One media thread.
pub(crate) struct Shard {
    id: u8,
    shared: Arc<Shared>,
    ports: Vec<UdpPort>,
    peers: Slots<Peer>,
    by_id: HashMap<PeerId, Key>,
    by_path: HashMap<(u8, SocketAddr), Owner>,
    /// Publishers in this process.
    locals: Slots<Local>,
    rooms: Slots<Room>,
    rooms_by_id: HashMap<RoomId, Key>,
    tracks: Tracks,
    tracks_by_id: HashMap<TrackId, Key>,
    /// Layers with packets that wait to be fanned out.
    pending: Vec<(Key, Layer)>,
    /// Viewers whose pacer holds something.
    pacing: Vec<Key>,
    /// The peers that send.
    publishers: Vec<Key>,
    /// Scratch for walking a table while its entries change.
    sweep: Vec<Key>,
    /// Taps that had no room for the end of a track.
    tap_ends: Vec<TapSender>,
    out: Outbox,
    stun_answer: Vec<u8>,
    /// The shards that were handed packets of the present batch.
    handed: Vec<bool>,
    counters: Counters,
    backlog: VecDeque<SfuEvent>,
    next_sweep: Instant,
    next_track_tick: Instant,
}

/// Who is behind an address. Each owner has proved by an ICE check that it is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Peer(Key),
    /// A peer of another shard, whose packets the kernel gives to us, and when that shard last said so.
    Shard(u8, Instant),
}

/// An address stays with its owner for this long after a sign of life, whoever else claims it: a participant who forges
/// someone's address, with checks that are valid for itself, must not get that one's packets. Checks come every 5 s.
const CLAIM: Duration = Duration::from_secs(12);

impl Shard {
    pub(crate) fn new(id: u8, ports: Vec<UdpPort>, shared: Arc<Shared>) -> Self {
        Self {
            handed: vec![false; shared.inboxes.len()],
            id,
            shared,
            ports,
            peers: Slots::new(),
            by_id: HashMap::new(),
            by_path: HashMap::new(),
            locals: Slots::new(),
            rooms: Slots::new(),
            rooms_by_id: HashMap::new(),
            tracks: Tracks(Slots::new()),
            tracks_by_id: HashMap::new(),
            pending: Vec::with_capacity(64),
            pacing: Vec::with_capacity(64),
            publishers: Vec::with_capacity(64),
            sweep: Vec::with_capacity(64),
            tap_ends: Vec::new(),
            out: Outbox::new(),
            stun_answer: Vec::with_capacity(256),
            counters: Counters::new(id),
            backlog: VecDeque::new(),
            next_sweep: Instant::now(),
            next_track_tick: Instant::now(),
        }
    }

    /// Runs until told to stop. A panic (a fault of ours) ends the shard and is seen by [`Inbox::is_stopping`].
    pub(crate) fn run(self) {
        let inbox = Arc::clone(&self.shared.inboxes[usize::from(self.id)]);
        if catch_unwind(AssertUnwindSafe(|| self.run_until_stopped(&inbox))).is_err() {
            tracing::error!("a media thread has failed; its rooms are gone until the server is restarted");
        }
        inbox.close();
    }

    fn run_until_stopped(mut self, inbox: &Inbox) {
        let mut batch = RecvBatch::new();
        while !inbox.is_stopping() {
            let now = Instant::now();
            let timeout = self.next_timeout(now).saturating_duration_since(now).min(WAIT_MAX);
            inbox.wait(&self.ports, timeout);
            self.turn(Instant::now(), inbox, &mut batch);
        }
        self.end(Instant::now());
    }

    /// One turn of the loop.
    fn turn(&mut self, now: Instant, inbox: &Inbox, batch: &mut RecvBatch) {
        while let Some(command) = inbox.next_command() {
            self.apply(now, command);
        }
        self.receive(now, inbox, batch);
        self.receive_local(now, inbox);
        self.fan_out(now);
        self.timers(now);
        self.flush_events();
    }

    /// Tells the world, in order. What can be dropped is dropped when the reader is too slow; whether it was kept.
    fn tell(&mut self, event: SfuEvent) -> bool {
        let dispensable = matches!(event, SfuEvent::Quality { .. } | SfuEvent::LineChanged { .. });
        if self.backlog.is_empty() {
            match self.shared.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return true,
                Err(mpsc::error::TrySendError::Full(event)) if !dispensable => self.backlog.push_back(event),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.counters.refuse(Refusal::EventsFull);
                    return false;
                }
            }
        } else if dispensable || self.backlog.len() >= BACKLOG_MAX {
            self.counters.refuse(Refusal::EventsFull);
            return false;
        } else {
            self.backlog.push_back(event);
        }
        true
    }

    fn flush_events(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.shared.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => self.backlog.clear(),
            }
        }
    }

    /// Notes that ICE has verified `path` for a peer: packets from there are the peer's. The oldest of too many is
    /// forgotten, so that a client cannot fill the table.
    fn learn_path(&mut self, now: Instant, key: Key, path: &Path) {
        let at = (path.port, path.remote);
        let taken = match self.by_path.get(&at) {
            Some(Owner::Peer(owner)) if *owner == key => return,
            Some(Owner::Peer(owner)) => self.peers.get(*owner).is_some_and(|p| p.transport.holds(now, path, CLAIM)),
            Some(Owner::Shard(_, since)) => now < *since + CLAIM,
            None => false,
        };
        if taken {
            return self.counters.refuse(Refusal::PathTaken);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.paths.len() >= PATHS_MAX {
            let used = peer.transport.path.map(|p| (p.port, p.remote));
            if let Some(oldest) = peer.paths.iter().position(|p| Some(*p) != used) {
                let gone = peer.paths.remove(oldest);
                if matches!(self.by_path.get(&gone), Some(Owner::Peer(k)) if *k == key) {
                    self.by_path.remove(&gone);
                }
            }
        }
        if !peer.paths.contains(&at) {
            peer.paths.push(at);
        }
        self.by_path.insert(at, Owner::Peer(key));
    }

    /// Notes what other shards have told: addresses of their peers, verified there, whose packets the kernel gives to us.
    fn learn_foreign(&mut self, now: Instant) {
        let inbox = Arc::clone(&self.shared.inboxes[usize::from(self.id)]);
        while let Some((at, shard)) = inbox.next_claim() {
            let taken = match self.by_path.get(&at) {
                Some(Owner::Peer(_)) => true,
                Some(Owner::Shard(owner, since)) => *owner != shard && now < *since + CLAIM,
                None => false,
            };
            if taken {
                self.counters.refuse(Refusal::PathTaken);
                continue;
            }
            if self.by_path.len() > FOREIGN_MAX {
                self.by_path.retain(|_, o| matches!(o, Owner::Peer(_)));
            }
            self.by_path.insert(at, Owner::Shard(shard, now));
        }
    }

    fn end(&mut self, now: Instant) {
        let keys: Vec<Key> = self.peers.keys().collect();
        for key in keys {
            self.close_peer(now, key);
        }
        self.close_locals(now, None);
        self.flush_events();
        self.counters.flush();
    }
}
