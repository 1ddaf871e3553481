//! The control plane of one peer put together: ICE, DTLS, SRTP keys, and the way to it.

use super::{counters::Counters, outbox::Outbox};
use crate::{
    dtls::{DtlsError, DtlsEvent, DtlsIdentity, DtlsPeer, Srtp},
    ice::{Checked, Credentials, IceAgent, IceError},
    sdp::Fingerprint,
    udp::{Path, UdpPort},
};
use std::time::{Duration, Instant};

/// What a packet or a timer changed for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// The peer is reached another way from now on.
    Moved,
    /// The keys are there.
    Connected,
    /// The peer is gone.
    Gone,
}

/// One peer's transport.
pub(super) struct Transport {
    pub ice: IceAgent,
    dtls: DtlsPeer,
    pub srtp: Option<Box<Srtp>>,
    /// Where packets go: the nominated path.
    pub path: Option<Path>,
    /// Where the last valid check came from: DTLS is answered there until a path is nominated.
    checked: Option<Path>,
}

impl Transport {
    pub(super) fn new(
        now: Instant,
        identity: &DtlsIdentity,
        local: Credentials,
        remote_ufrag: String,
        fingerprint: Fingerprint,
    ) -> Self {
        Self {
            ice: IceAgent::new(now, local, remote_ufrag),
            dtls: DtlsPeer::new(identity, fingerprint),
            srtp: None,
            path: None,
            checked: None,
        }
    }

    /// Whether an offer with this fingerprint comes from the same peer connection.
    pub(super) fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.dtls.is_of(fingerprint)
    }

    /// Takes a STUN packet; the answer is written to `answer`.
    pub(super) fn on_stun(
        &mut self,
        now: Instant,
        path: &Path,
        packet: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<Change, IceError> {
        let checked = self.ice.handle(now, path.remote, packet, answer)?;
        if !answer.is_empty() {
            self.checked = Some(*path);
        }
        match checked {
            Checked::Alive => Ok(Change::None),
            Checked::Kept => {
                // Our own address may change under the same remote one: another of the client's candidate pairs.
                self.path = Some(*path);
                Ok(Change::None)
            }
            Checked::Moved(_) => {
                self.path = Some(*path);
                Ok(Change::Moved)
            }
        }
    }

    /// Takes a DTLS datagram.
    pub(super) fn on_dtls(&mut self, now: Instant, datagram: &[u8]) -> Result<Change, DtlsError> {
        match self.dtls.read(now, datagram)? {
            Some(DtlsEvent::Connected(srtp)) => {
                self.srtp = Some(srtp);
                Ok(Change::Connected)
            }
            Some(DtlsEvent::Closed) => Ok(Change::Gone),
            None => Ok(Change::None),
        }
    }

    /// Whether packets from `path` are the peer's as far as anyone can tell: it is reached there and was heard of within
    /// the last `time`.
    pub(super) fn holds(&self, now: Instant, path: &Path, time: Duration) -> bool {
        self.path.is_some_and(|p| p.remote == path.remote && p.port == path.port) && self.ice.heard_within(now, time)
    }

    /// Whether a DTLS datagram from here belongs to the peer: ICE has verified the address.
    pub(super) fn knows(&self, path: &Path) -> bool {
        [self.path, self.checked].into_iter().flatten().any(|p| p.remote == path.remote && p.port == path.port)
    }

    /// Runs DTLS timers.
    pub(super) fn on_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        self.dtls.handle_timeout(now)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.dtls.next_timeout()
    }

    /// Sends what DTLS has to say.
    pub(super) fn flush_dtls(&mut self, out: &mut Outbox, ports: &mut [UdpPort], counters: &mut Counters) {
        let Some(path) = self.path.or(self.checked) else { return };
        while let Some(datagram) = self.dtls.poll_transmit() {
            let len = datagram.len();
            let Some(space) = out.space().get_mut(..len) else { continue };
            space.copy_from_slice(&datagram);
            out.commit(len, &path, ports, counters);
            // Flights are a few records of different sizes; they are sent one by one.
            out.flush(&path, ports, counters);
        }
    }

    /// Queues a good-bye.
    pub(super) fn close(&mut self, now: Instant) {
        self.dtls.close(now);
    }

    /// Seals the clear compound RTCP packet of `len` bytes in the outbox' space and sends it.
    pub(super) fn send_rtcp(&mut self, len: usize, out: &mut Outbox, ports: &mut [UdpPort], counters: &mut Counters) {
        let (Some(path), Some(srtp)) = (self.path, &mut self.srtp) else { return };
        match srtp.sealer.seal_rtcp(out.space(), len) {
            Ok(len) => {
                out.commit(len, &path, ports, counters);
                out.flush(&path, ports, counters);
            }
            Err(e) => counters.srtp(e),
        }
    }
}
