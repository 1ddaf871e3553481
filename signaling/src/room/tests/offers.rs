//! Offers and answers that cross: nobody may be left in the media plane whom the room does not know.

use super::{life::live, life::p, *};

fn subscribe(req: Req) -> ClientMessage {
    ClientMessage::Subscribe { req, sdp: "v=0".into() }
}

fn closed(w: &World) -> Vec<PeerId> {
    let peer = |c: &MediaCommand| match c {
        MediaCommand::ClosePeer(peer) => Some(*peer),
        _ => None,
    };
    w.media.iter().filter_map(peer).collect()
}

#[test]
fn two_offers_at_once_leave_one_peer() {
    let (mut w, _, t) = live();
    (w.delay, w.renews) = (true, false);
    for message in [subscribe(1), subscribe(2), subscribe(3), camera_and_voice(4), camera_and_voice(5)] {
        w.say(t, message);
    }
    assert_eq!(w.of(t).refusals, [RefusalCode::Busy], "the newest of those that wait is worth a handshake");
    assert_eq!(w.offers.len(), 2, "one at a time in each direction");
    while !w.offers.is_empty() {
        w.media_works();
        w.hear_answer();
    }
    assert_eq!((w.of(t).answers.clone(), w.peers.len()), (vec![1, 4, 3, 5], 2), "one peer in each direction");
    assert_eq!(w.orphans(), []);
    assert_eq!(closed(&w).len(), 2, "the hub forgets those that were replaced");
}

#[test]
fn who_is_removed_before_the_answer_receives_nothing() {
    let (mut w, _, t) = live();
    let a = someone(RoomRole::Student, "甲");
    let ac = w.enter(&a);
    w.delay = true;
    w.say(ac, subscribe(1));
    w.media_works();
    w.say(t, ClientMessage::Remove { participant: a.participant });
    assert_eq!(w.peers.len(), 1, "the answer is on its way");
    w.hear_answer();
    assert!(w.peers.is_empty());
}

#[test]
fn who_left_the_stage_before_the_answer_sends_nothing() {
    let (mut w, _, t) = live();
    let a = someone(RoomRole::Student, "甲");
    let ac = w.enter(&a);
    w.say(t, p::stage(&a, true));
    w.delay = true;
    w.say(ac, camera_and_voice(1));
    w.media_works();
    w.say(t, p::stage(&a, false));
    assert_eq!(w.of(ac).refusals, [RefusalCode::NotOnStage]);
    w.say(t, p::stage(&a, true));
    w.hear_answer();
    assert!(w.peers.is_empty(), "being called again is a new beginning: the client offers anew");
    w.say(ac, camera_and_voice(2));
    w.media_works();
    w.hear_answer();
    assert_eq!((w.of(ac).answers.clone(), w.peers.len()), (vec![2], 1));
}

#[test]
fn an_answer_after_the_end_opens_nothing() {
    let (mut w, _, t) = live();
    w.delay = true;
    w.say(t, subscribe(1));
    w.say(t, camera_and_voice(2));
    w.media_works();
    w.say(t, ClientMessage::End {});
    assert!(w.peers.is_empty());
    w.media_works();
    w.hear_answer();
    w.hear_answer();
    assert!(w.peers.is_empty(), "the second peer was made after the room was closed");
}

#[test]
fn a_refused_offer_is_answered_with_its_number() {
    let (mut w, _, t) = live();
    w.delay = true;
    w.say(t, subscribe(5));
    w.say(t, subscribe(6));
    let asked = w.offers.pop_front().unwrap().asked;
    assert_eq!(asked.req, 5);
    w.answers.push_back((asked, Answer::Subscribed(Err(MediaError::BadOffer("no".into())))));
    w.hear_answer();
    assert_eq!(w.of(t).refusals, [RefusalCode::BadOffer]);
    w.media_works();
    w.hear_answer();
    assert_eq!(w.of(t).answers, [6], "the next one has its turn");
}
