//! The way into a shard from other threads: bounded queues and a wake-up.

use super::{local::LOCALS_MAX, slots::Key};
use crate::{
    api::{Assignment, CommandError, OfferError, PublishAnswer, PublishRequest, SubscribeAnswer, SubscribeRequest},
    local::{LocalPublish, LocalPublisher},
    sdp::Offer,
    udp::{DATAGRAM_LEN_MAX, Path, UdpPort, Waker, wait},
};
use crossbeam_queue::ArrayQueue;
use lectern_media::{PeerId, RoomId, TrackId, tap::TapHandle};
use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering, fence},
    time::Duration,
};
use tokio::sync::oneshot;

/// Commands that may wait. A school's worth of joins in one turn of the loop.
const COMMANDS_MAX: usize = 4_096;
/// Datagrams on their way from another shard.
const HANDOVERS_MAX: usize = 512;
/// Addresses that other shards told of. One that finds no place is told again with the client's next check.
const CLAIMS_MAX: usize = 1_024;

/// What the handle asks of a shard.
pub(crate) enum Command {
    Publish {
        request: Box<PublishRequest>,
        offer: Box<Offer>,
        reply: oneshot::Sender<Result<PublishAnswer, OfferError>>,
    },
    Subscribe {
        request: Box<SubscribeRequest>,
        offer: Box<Offer>,
        reply: oneshot::Sender<Result<SubscribeAnswer, OfferError>>,
    },
    PublishLocal {
        publish: Box<LocalPublish>,
        reply: oneshot::Sender<Result<LocalPublisher, CommandError>>,
    },
    Assign {
        peer: PeerId,
        lines: Vec<Assignment>,
    },
    AudioOnly {
        peer: PeerId,
        on: bool,
    },
    RestartIce {
        peer: PeerId,
        remote_ufrag: String,
        reply: oneshot::Sender<Result<(String, String), CommandError>>,
    },
    Mute {
        track: TrackId,
        muted: bool,
    },
    AskKeyframe {
        track: TrackId,
    },
    Unpublish {
        track: TrackId,
    },
    ClosePeer {
        peer: PeerId,
    },
    CloseRoom {
        room: RoomId,
    },
    Tap {
        room: RoomId,
        tap: TapHandle,
    },
}

/// A datagram that the kernel gave to the wrong shard.
pub(super) struct Handover {
    pub path: Path,
    /// The shard that received it.
    pub from: u8,
    len: usize,
    data: Buffer,
}

/// Room for one datagram. It goes to and fro between two shards, so that handing over neither allocates nor moves it.
type Buffer = Box<[u8; DATAGRAM_LEN_MAX]>;

impl Handover {
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[..self.len]
    }
}

/// The queues of one shard.
pub(crate) struct Inbox {
    commands: ArrayQueue<Command>,
    handovers: ArrayQueue<Handover>,
    /// Buffers that wait for a datagram: there are [`HANDOVERS_MAX`] in all.
    free: ArrayQueue<Buffer>,
    claims: ArrayQueue<((u8, SocketAddr), u8)>,
    /// Local publishers whose queues hold something: each at most once, so that there is always room.
    locals: ArrayQueue<Key>,
    waker: Waker,
    /// Whether the shard waits, or is about to: only then must it be woken, which costs a system call.
    sleeping: AtomicBool,
    stopping: AtomicBool,
    /// The shard has ended.
    closed: AtomicBool,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let free = ArrayQueue::new(HANDOVERS_MAX);
        // It has room for all of them.
        while free.push(Box::new([0; DATAGRAM_LEN_MAX])).is_ok() {}
        Ok(Self {
            free,
            commands: ArrayQueue::new(COMMANDS_MAX),
            handovers: ArrayQueue::new(HANDOVERS_MAX),
            claims: ArrayQueue::new(CLAIMS_MAX),
            locals: ArrayQueue::new(2 * LOCALS_MAX),
            waker: Waker::new()?,
            sleeping: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn command(&self, command: Command) -> Result<(), CommandError> {
        if self.is_stopping() {
            return Err(CommandError::Ended);
        }
        self.commands.push(command).map_err(|_| CommandError::Busy)?;
        self.wake();
        // The shard may have looked for the last time before the push; then nobody answers. (`wake` has a fence.)
        if self.is_closed() {
            self.discard();
            return Err(CommandError::Ended);
        }
        Ok(())
    }

    /// The shard takes no more commands: those that wait are dropped, and whoever waits for their answers is told that.
    pub(super) fn close(&self) {
        self.stop();
        self.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.discard();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn discard(&self) {
        while self.commands.pop().is_some() {}
    }

    /// Ends the shard after its present turn.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Wakes the shard if it waits.
    pub(crate) fn wake(&self) {
        // Ordered after the push, as the shard's look at the queues is ordered after its flag: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.sleeping.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// Waits for packets, for something in the queues, or until `timeout` is over.
    pub(super) fn wait(&self, ports: &[UdpPort], timeout: Duration) {
        self.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let queued = !self.commands.is_empty() || !self.handovers.is_empty() || !self.locals.is_empty();
        let work = queued || self.is_stopping();
        wait(&self.waker, ports, if work { Duration::ZERO } else { timeout });
        self.sleeping.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Notes that a local publisher's queue holds something, or that it is gone.
    pub(crate) fn list_local(&self, key: Key) {
        // Those that were listed and are gone find room beside those that live.
        let _ = self.locals.push(key);
    }

    /// How many local publishers' queues are listed.
    pub(crate) fn listed_locals(&self) -> usize {
        self.locals.len()
    }

    /// The next of them.
    pub(crate) fn next_local(&self) -> Option<Key> {
        self.locals.pop()
    }

    pub(super) fn next_command(&self) -> Option<Command> {
        self.commands.pop()
    }

    /// Hands a datagram over; `false` if too many wait. [`Self::wake`] after the last of a batch.
    pub(super) fn hand_over(&self, path: Path, from: u8, bytes: &[u8]) -> bool {
        let Some(mut data) = self.free.pop() else { return false };
        let Some(room) = data.get_mut(..bytes.len()) else { return self.free.push(data).is_err() };
        room.copy_from_slice(bytes);
        self.handovers.push(Handover { path, from, len: bytes.len(), data }).is_ok()
    }

    /// Gives the buffer of a datagram back that was dealt with.
    pub(super) fn done(&self, handover: Handover) {
        // There is room for as many as there are.
        let _ = self.free.push(handover.data);
    }

    /// Tells that packets from `at` (port and address) belong to a peer of `shard`, which has verified it; `false` if the
    /// queue is full. Wakes nobody: it is read before the next packet.
    pub(super) fn claim(&self, at: (u8, SocketAddr), shard: u8) -> bool {
        self.claims.push((at, shard)).is_ok()
    }

    pub(super) fn next_claim(&self) -> Option<((u8, SocketAddr), u8)> {
        self.claims.pop()
    }

    pub(super) fn next_handover(&self) -> Option<Handover> {
        self.handovers.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<(String, String), CommandError>>;

    fn restart() -> (Command, Answer) {
        let (reply, answer) = oneshot::channel();
        (Command::RestartIce { peer: PeerId::generate(), remote_ufrag: String::new(), reply }, answer)
    }

    #[test]
    fn nobody_waits_for_a_shard_that_has_ended() {
        let inbox = Inbox::new().unwrap();
        let (command, mut answer) = restart();
        inbox.command(command).unwrap();
        inbox.close();
        assert_eq!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed), "its command is dropped");
        // A command that was on its way when the shard looked for the last time.
        inbox.stopping.store(false, Ordering::SeqCst);
        let (command, mut answer) = restart();
        assert_eq!(inbox.command(command), Err(CommandError::Ended));
        assert_eq!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn datagrams_are_handed_over_as_they_were_and_no_more_than_there_is_room_for() {
        let inbox = Inbox::new().unwrap();
        let path = Path { port: 0, remote: "127.0.0.1:9".parse().unwrap(), local: None };
        for round in 0..3u8 {
            let taken =
                (0..2 * HANDOVERS_MAX).filter(|n| inbox.hand_over(path, 3, &vec![round; 1 + n % 1_200])).count();
            assert_eq!(taken, HANDOVERS_MAX);
            for n in 0..HANDOVERS_MAX {
                let mut handover = inbox.next_handover().unwrap();
                assert_eq!((handover.from, handover.bytes_mut().len()), (3, 1 + n % 1_200));
                assert!(handover.bytes_mut().iter().all(|b| *b == round));
                inbox.done(handover);
            }
            assert!(inbox.next_handover().is_none());
        }
        assert!(!inbox.hand_over(path, 3, &[0; DATAGRAM_LEN_MAX + 1]), "longer than any that is received");
        assert_eq!(inbox.free.len(), HANDOVERS_MAX);
    }
}
