//! The handle: reads offers, finds the shard, carries commands there and answers back.

use crate::{
    api::{
        Assignment, CommandError, OfferError, PublishAnswer, PublishRequest, SfuEvent, SubscribeAnswer,
        SubscribeRequest,
    },
    config::{SfuConfig, StartError},
    dtls::DtlsIdentity,
    local::{LocalPublish, LocalPublisher},
    sdp::Offer,
    shard::{Command, Inbox, Shard, Shared},
    udp::{UdpPort, local_addresses},
};
use lectern_media::{PeerId, RoomId, TrackId, tap::TapHandle};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    thread::JoinHandle,
};
use tokio::sync::{mpsc, oneshot};

/// Events that may wait for their reader.
const EVENTS_MAX: usize = 4_096;

/// The running media plane. Clones are handles to the same one; it ends with [`shutdown`](Self::shutdown).
#[derive(Clone)]
pub struct Sfu {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    inboxes: Vec<Arc<Inbox>>,
    local: Vec<SocketAddr>,
    events: Mutex<Option<mpsc::Receiver<SfuEvent>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Sfu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sfu").field("local", &self.inner.local).field("shards", &self.inner.inboxes.len()).finish()
    }
}

impl Sfu {
    /// Opens the sockets, makes the certificate and starts the media threads.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(config: SfuConfig) -> Result<Self, StartError> {
        let shards = config.shards.get();
        if shards > usize::from(u8::MAX) {
            return Err(StartError::TooManyShards(shards));
        }
        let ports = bind_all(&config)?;
        let local: Vec<SocketAddr> = ports[0].iter().map(UdpPort::local).collect();
        let candidates = candidates(&config.advertise, &local)?;
        let (events, events_rx) = mpsc::channel(EVENTS_MAX);
        let inboxes: Vec<Arc<Inbox>> =
            (0..shards).map(|_| Inbox::new().map(Arc::new)).collect::<Result<_, _>>().map_err(StartError::Thread)?;
        let shared = Arc::new(Shared {
            identity: DtlsIdentity::generate()?,
            candidates,
            inboxes: inboxes.clone(),
            events,
            config,
            draining: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for (id, ports) in ports.into_iter().enumerate() {
            let shard = Shard::new(id as u8, ports, Arc::clone(&shared));
            let name = format!("lectern-media-{id}");
            threads.push(std::thread::Builder::new().name(name).spawn(|| shard.run()).map_err(StartError::Thread)?);
        }
        let (events, threads) = (Mutex::new(Some(events_rx)), Mutex::new(threads));
        Ok(Self { inner: Arc::new(Inner { shared, inboxes, local, events, threads }) })
    }

    /// The addresses listened on.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.inner.local
    }

    /// The addresses told to clients.
    #[must_use]
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.inner.shared.candidates
    }

    /// Whether all media threads run: for readiness checks. `false` after [`shutdown`](Self::shutdown), or a fault.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.inner.inboxes.iter().all(|i| !i.is_stopping())
    }

    /// What happens from now on. There is one stream of events: the first call gets it, later ones get `None`.
    #[must_use]
    pub fn events(&self) -> Option<mpsc::Receiver<SfuEvent>> {
        self.inner.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Answers a client that wants to send.
    ///
    /// # Errors
    /// [`OfferError`]; nothing has changed then.
    pub async fn publish(&self, request: PublishRequest) -> Result<PublishAnswer, OfferError> {
        let offer = Box::new(Offer::parse(&request.offer)?);
        let (reply, answer) = oneshot::channel();
        let room = request.room;
        self.to_room(room, Command::Publish { request: Box::new(request), offer, reply })?;
        answer.await.map_err(|_| CommandError::Ended)?
    }

    /// Answers a client that wants to receive.
    ///
    /// # Errors
    /// [`OfferError`]; nothing has changed then.
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<SubscribeAnswer, OfferError> {
        let offer = Box::new(Offer::parse(&request.offer)?);
        let (reply, answer) = oneshot::channel();
        let room = request.room;
        self.to_room(room, Command::Subscribe { request: Box::new(request), offer, reply })?;
        answer.await.map_err(|_| CommandError::Ended)?
    }

    /// Publishes from this process: a camera. Its tracks live until the handle is dropped, or the room closed. Adding and
    /// removing one disturbs nobody else.
    ///
    /// # Errors
    /// [`CommandError::BadTracks`], [`CommandError::Full`] and the others; nothing has changed then.
    pub async fn publish_local(&self, publish: LocalPublish) -> Result<LocalPublisher, CommandError> {
        let (reply, answer) = oneshot::channel();
        let room = publish.room;
        self.to_room(room, Command::PublishLocal { publish: Box::new(publish), reply })?;
        answer.await.map_err(|_| CommandError::Ended)?
    }

    /// Replaces what a subscriber's lines carry: a line not named carries nothing.
    ///
    /// # Errors
    /// [`CommandError`]. A peer, line or track that is gone is no error.
    pub fn assign(&self, peer: PeerId, lines: Vec<Assignment>) -> Result<(), CommandError> {
        self.to_peer(peer, Command::Assign { peer, lines })
    }

    /// Sends a subscriber no pictures at all, or pictures again.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn audio_only(&self, peer: PeerId, on: bool) -> Result<(), CommandError> {
        self.to_peer(peer, Command::AudioOnly { peer, on })
    }

    /// Restarts ICE with the client's new name (and password, which a server that sends no checks does not need). Returns
    /// ours.
    ///
    /// # Errors
    /// [`CommandError`], [`CommandError::NoSuchPeer`] among them.
    pub async fn restart_ice(
        &self,
        peer: PeerId,
        ufrag: String,
        pwd: String,
    ) -> Result<(String, String), CommandError> {
        drop(pwd);
        let (reply, answer) = oneshot::channel();
        self.to_peer(peer, Command::RestartIce { peer, remote_ufrag: ufrag, reply })?;
        answer.await.map_err(|_| CommandError::Ended)?
    }

    /// Notes that a publisher muted a track, or unmuted it: the tap is told, and while it is muted silence is no failure.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn mute(&self, track: TrackId, muted: bool) -> Result<(), CommandError> {
        self.to_track(track, Command::Mute { track, muted })
    }

    /// Asks the publisher of a track for a keyframe of the layer that the tap is handed: its reader can't go on without
    /// one. At most one request per second and layer reaches the publisher; a track that is gone, muted or not tapped is
    /// no error.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn request_keyframe(&self, track: TrackId) -> Result<(), CommandError> {
        self.to_track(track, Command::AskKeyframe { track })
    }

    /// Ends a track; its line may be offered anew.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn unpublish(&self, track: TrackId) -> Result<(), CommandError> {
        self.to_track(track, Command::Unpublish { track })
    }

    /// Closes a peer and ends its tracks.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn close_peer(&self, peer: PeerId) -> Result<(), CommandError> {
        self.to_peer(peer, Command::ClosePeer { peer })
    }

    /// Closes all peers of a room.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn close_room(&self, room: RoomId) -> Result<(), CommandError> {
        self.to_room(room, Command::CloseRoom { room })
    }

    /// Taps a room: the top live layer of every track, present and future, is handed over until nobody reads any more.
    /// Packets come in sequence order; a missing one is waited for as long as a retransmission takes, at most 300 ms.
    /// A room has one tap; a new one replaces the old.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn tap(&self, room: RoomId, tap: TapHandle) -> Result<(), CommandError> {
        self.to_room(room, Command::Tap { room, tap })
    }

    /// Refuses new peers from now on; those that are here go on.
    pub fn drain(&self) {
        self.inner.shared.begin_drain();
    }

    /// Says good-bye to all peers, ends all tracks and taps, and waits for the media threads.
    pub async fn shutdown(&self) {
        self.drain();
        for inbox in &self.inner.inboxes {
            inbox.stop();
        }
        let threads = std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(|| {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a media thread had panicked");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("could not wait for the media threads");
        }
    }

    fn to_room(&self, room: RoomId, command: Command) -> Result<(), CommandError> {
        self.send(self.inner.shared.shard_of_room(room), command)
    }

    fn to_peer(&self, peer: PeerId, command: Command) -> Result<(), CommandError> {
        self.send(Shared::shard_of_id(peer.0), command)
    }

    fn to_track(&self, track: TrackId, command: Command) -> Result<(), CommandError> {
        self.send(Shared::shard_of_id(track.0), command)
    }

    fn send(&self, shard: u8, command: Command) -> Result<(), CommandError> {
        // An id that was not made here may name any shard.
        let inbox = self.inner.inboxes.get(usize::from(shard)).ok_or(CommandError::NoSuchPeer)?;
        inbox.command(command)
    }
}

/// One socket per shard and address. With port 0, the first socket's port is taken for all.
fn bind_all(config: &SfuConfig) -> Result<Vec<Vec<UdpPort>>, StartError> {
    if config.listen.is_empty() || config.listen.len() > crate::udp::PORTS_MAX {
        return Err(StartError::NoAddress);
    }
    let mut chosen = 0;
    let mut shards = Vec::new();
    for _ in 0..config.shards.get() {
        let mut ports = Vec::new();
        for addr in &config.listen {
            let mut addr = *addr;
            if addr.port() == 0 {
                addr.set_port(chosen);
            }
            match UdpPort::bind(addr, config.socket_buffer_bytes) {
                Ok(port) => {
                    chosen = port.local().port();
                    ports.push(port);
                }
                Err(e) if addr.is_ipv6() && addr.ip().is_unspecified() && is_no_ipv6(&e) => {
                    tracing::warn!(%addr, "this machine has no IPv6: media is served over IPv4 only");
                }
                Err(source) => return Err(StartError::Listen { addr, source }),
            }
        }
        if ports.is_empty() {
            return Err(StartError::NoAddress);
        }
        shards.push(ports);
    }
    Ok(shards)
}

/// Whether a socket could not be made because IPv6 is switched off.
fn is_no_ipv6(e: &std::io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// The addresses for clients: as configured, or those listened on.
fn candidates(advertise: &[SocketAddr], local: &[SocketAddr]) -> Result<Vec<SocketAddr>, StartError> {
    let port_of = |v6: bool| local.iter().find(|a| a.is_ipv6() == v6).or(local.first()).map_or(0, SocketAddr::port);
    if !advertise.is_empty() {
        return Ok(advertise
            .iter()
            .map(|a| SocketAddr::new(a.ip(), if a.port() == 0 { port_of(a.is_ipv6()) } else { a.port() }))
            .collect());
    }
    let mut found: Vec<SocketAddr> = Vec::new();
    for addr in local {
        let expand = |ip: &IpAddr| ip.is_ipv6() == addr.is_ipv6();
        let ips = match addr.ip() {
            ip if ip.is_unspecified() => {
                local_addresses().map_err(StartError::Interfaces)?.into_iter().filter(expand).collect()
            }
            ip => vec![ip],
        };
        found.extend(ips.into_iter().map(|ip| SocketAddr::new(ip, addr.port())));
    }
    found.sort_by_key(|a| (a.ip().is_loopback(), a.is_ipv6()));
    found.dedup();
    Ok(found)
}
