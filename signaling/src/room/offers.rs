//! The offers of a client, one connection and one offer at a time.
//!
//! The media plane answers when it can, and meanwhile the person may have left, been sent off stage, or offered again. So
//! an offer carries a [`Ticket`], an answer is taken only for the ticket that is awaited, and a further offer waits until
//! the one before it is answered: what it replaces is known then. A peer whose answer nobody awaits is closed.

use super::{Asked, ConnId, MediaCommand, Negotiation, Output, Ticket, core::Room, member::Member};
use lectern_media::{ParticipantId, PeerId};
use lectern_protocol::ws::{PublishLine, RefusalCode, Req, ServerMessage};

/// Which of a client's two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Publish,
    Subscribe,
}

/// One connection of a client: its peer, and the offers that are under way.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub peer: Option<PeerId>,
    asked: Option<Asked>,
    /// The newest offer that came meanwhile.
    next: Option<Offer>,
}

/// An offer as it came, checked.
#[derive(Debug)]
pub(super) struct Offer {
    pub conn: ConnId,
    pub req: Req,
    pub sdp: String,
    /// What the lines carry, when publishing.
    pub lines: Option<Vec<PublishLine>>,
}

impl Link {
    /// The socket is gone: what it offered last and what nobody has seen yet is not worth a handshake.
    pub fn drop_waiting(&mut self) {
        self.next = None;
    }

    /// Awaits no answer any more; the peer, and the requests that get none now.
    pub fn end(&mut self) -> (Option<PeerId>, Vec<(ConnId, Req)>) {
        let asked = self.asked.take().map(|a| (a.conn, a.req));
        let next = self.next.take().map(|o| (o.conn, o.req));
        (self.peer.take(), asked.into_iter().chain(next).collect())
    }
}

impl Member {
    pub fn link(&mut self, direction: Direction) -> &mut Link {
        match direction {
            Direction::Publish => &mut self.publish,
            Direction::Subscribe => &mut self.subscribe,
        }
    }
}

impl Room {
    /// Takes an offer: at once, or when the one before it is answered.
    pub(super) fn offer(&mut self, id: ParticipantId, direction: Direction, offer: Offer, out: &mut Vec<Output>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let link = member.link(direction);
        if link.asked.is_none() {
            self.negotiate(id, direction, offer, out);
        } else if let Some(older) = link.next.replace(offer) {
            self.refuse(older.conn, older.req, RefusalCode::Busy, "a newer offer came before its turn", out);
        }
    }

    fn negotiate(&mut self, id: ParticipantId, direction: Direction, offer: Offer, out: &mut Vec<Output>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        self.tickets += 1;
        let asked = Asked { ticket: Ticket(self.tickets), conn: offer.conn, participant: id, req: offer.req };
        let link = member.link(direction);
        link.asked = Some(asked);
        out.push(Output::Negotiate(Negotiation { asked, sdp: offer.sdp, replaces: link.peer, publish: offer.lines }));
    }

    /// Takes an answer that is awaited; `None`, and the peer closed, if it is not any more.
    pub(super) fn take_answer(
        &mut self,
        asked: Asked,
        direction: Direction,
        peer: Option<PeerId>,
        out: &mut Vec<Output>,
    ) -> Option<&mut Member> {
        let link = self.members.get_mut(&asked.participant).map(|m| m.link(direction));
        let Some(link) = link.filter(|l| l.asked.is_some_and(|a| a.ticket == asked.ticket)) else {
            out.extend(peer.map(|peer| Output::Media(MediaCommand::ClosePeer(peer))));
            return None;
        };
        link.asked = None;
        if let Some(peer) = peer {
            // The media plane closes the peer that an offer replaces. It is told all the same: it may not have known it,
            // and who is closed here is forgotten by the hub, too.
            let old = link.peer.replace(peer).filter(|old| *old != peer);
            out.extend(old.map(|old| Output::Media(MediaCommand::ClosePeer(old))));
        }
        self.members.get_mut(&asked.participant)
    }

    /// Hands on the offer that waited for this answer.
    pub(super) fn next_offer(&mut self, id: ParticipantId, direction: Direction, out: &mut Vec<Output>) {
        let next = self.members.get_mut(&id).and_then(|m| m.link(direction).next.take());
        if let Some(offer) = next {
            self.negotiate(id, direction, offer, out);
        }
    }

    /// Tells a socket that is still there that its request came to nothing.
    pub(super) fn refuse(&self, conn: ConnId, req: Req, code: RefusalCode, detail: &str, out: &mut Vec<Output>) {
        if self.members.values().any(|m| m.conn == Some(conn)) {
            let detail = detail.to_owned();
            self.tell(vec![conn], ServerMessage::Refused { req: Some(req), code, detail }, out);
        }
    }
}
