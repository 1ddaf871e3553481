//! Going away and coming back: what others see of it, and what the attendance says.

use super::{life::live, life::p, *};

const SEC: Duration = Duration::from_secs(1);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ends(w: &World, who: &Entrant) -> Vec<Option<UnixMillis>> {
    w.presences.iter().filter(|((id, _), _)| *id == who.participant).map(|(_, to)| *to).collect()
}

#[test]
fn a_place_is_kept_for_a_minute() {
    let (mut w, _, t) = live();
    let a = someone(RoomRole::Student, "甲");
    let ac = w.enter(&a);
    w.say(t, p::stage(&a, true));
    w.say(ac, ClientMessage::MuteSelf { source: TrackSource::Microphone, muted: true });
    w.drop_socket(ac);
    assert!(!w.of(t).people[&a.participant].online);
    w.wait(Duration::from_secs(59));
    let back = w.enter(&a);
    let me = &w.of(back).people[&a.participant];
    assert!(me.on_stage && me.online && me.muted == [TrackSource::Microphone]);
    assert_eq!(w.presences.len(), 2, "one presence each, through the gap");
    w.drop_socket(back);
    w.wait(Duration::from_secs(60));
    assert!(!w.of(t).people.contains_key(&a.participant));
    assert_eq!(w.presences.values().filter(|to| to.is_some()).count(), 1);
}

#[test]
fn a_presence_ends_when_it_ended_and_not_when_that_was_noticed() {
    let (mut w, teacher, t) = live();
    let (a, b) = (someone(RoomRole::Student, "甲"), someone(RoomRole::Student, "乙"));
    let (ac, bc) = (w.enter(&a), w.enter(&b));
    w.wait(secs(100));
    w.drop_socket(ac);
    w.wait(secs(60));
    assert_eq!(ends(&w, &a), [Some(UnixMillis(100_000))], "the tab was closed after 100 s");
    w.drop_socket(bc);
    w.wait(secs(10));
    w.say(t, ClientMessage::End {});
    assert_eq!(ends(&w, &b), [Some(UnixMillis(160_000))]);
    assert_eq!(ends(&w, &teacher), [Some(UnixMillis(170_000))]);
}

#[test]
fn a_crash_makes_nobody_present_while_the_server_was_down() {
    let (mut w, teacher, _) = live();
    let a = someone(RoomRole::Student, "甲");
    w.enter(&a);
    let mut kept = None;
    for _ in 0..100 {
        w.now = Now { wall: w.now.wall.plus(SEC), mono: w.now.mono + SEC };
        let (now, mut out) = (w.now, vec![]);
        w.room.tick(now, &mut out);
        if out.contains(&Output::Keep) {
            kept = Some((now.wall, serde_json::to_string(&w.room.keep(now)).unwrap()));
        }
    }
    let (at, kept) = kept.expect("a quiet class is written down, too");
    assert!(at >= UnixMillis(70_000), "at least every half minute: {at:?}");
    let later = Now { wall: UnixMillis(600_000), mono: SEC };
    let room = Room::restore(later, w.room.policy.clone(), serde_json::from_str(&kept).unwrap());
    let mut w = World { room, now: later, ..World::new(false) };
    w.enter(&teacher);
    w.wait(secs(60));
    assert_eq!(ends(&w, &a), [Some(at)], "they did not come back after the restart");
    assert_eq!(ends(&w, &teacher), [], "the teacher's presence goes on");
}

#[test]
fn a_device_is_present_from_when_it_came() {
    let (mut w, _, _) = live();
    let device = Entrant { account: None, ..someone(RoomRole::Teacher, "录播主机") };
    w.wait(secs(30));
    w.act(|room, now, out| room.device_published(now, device.clone(), PeerId::generate(), out).unwrap());
    assert_eq!(w.presences.get(&(device.participant, 30_000)), Some(&None));
}

#[test]
fn the_stage_waits_a_moment_for_who_is_gone_and_the_seat_longer() {
    let (mut w, _, t) = live();
    let (a, b) = (someone(RoomRole::Student, "甲"), someone(RoomRole::Student, "乙"));
    let (ac, bc) = (w.enter(&a), w.enter(&b));
    w.say(t, p::stage(&a, true));
    w.drop_socket(ac);
    let seen = |w: &World, conn| w.of(conn).people.get(&a.participant).map(|p| (p.on_stage, p.online));
    assert_eq!(seen(&w, bc), Some((true, false)), "away at once");
    w.wait(secs(19));
    assert_eq!(seen(&w, bc), Some((true, false)), "a change of network makes no tile jump");
    w.wait(SEC);
    assert_eq!((seen(&w, bc), seen(&w, t)), (None, Some((false, false))), "nobody looks at an empty tile");
    w.wait(secs(30));
    let back = w.enter(&a);
    assert_eq!((seen(&w, bc), seen(&w, back)), (Some((true, true)), Some((true, true))), "the seat was kept");
    let stage = |e: &&ClassEvent| matches!(e, ClassEvent::Stage { .. });
    assert_eq!(w.timeline.iter().filter(stage).count(), 3, "called, gone, back");
    w.drop_socket(back);
    w.wait(secs(20));
    for name in ["丙", "丁"] {
        let other = someone(RoomRole::Student, name);
        w.enter(&other);
        w.say(t, p::stage(&other, true));
    }
    assert!(w.of(t).refusals.is_empty(), "whoever is here goes before a seat that is only kept");
    let back = w.enter(&a);
    assert_eq!(seen(&w, back), Some((false, true)));
}

#[test]
fn who_still_sends_is_still_seen() {
    let (mut w, _, t) = live();
    let (a, b) = (someone(RoomRole::Student, "甲"), someone(RoomRole::Student, "乙"));
    let (ac, bc) = (w.enter(&a), w.enter(&b));
    w.say(t, p::stage(&a, true));
    w.say(ac, camera_and_voice(1));
    let peer = *w.peers.keys().next().unwrap();
    w.drop_socket(ac);
    w.wait(secs(25));
    assert_eq!(
        (w.of(bc).tracks.len(), w.of(bc).people.contains_key(&a.participant)),
        (2, true),
        "only the socket died"
    );
    w.act(|r, now, out| r.media_event(now, MediaEvent::PeerLost { peer }, out));
    w.wait(SEC);
    assert!(w.of(bc).tracks.is_empty() && !w.of(bc).people.contains_key(&a.participant));
    w.drop_socket(t);
    w.wait(secs(30));
    assert_eq!(w.of(bc).people.len(), 2, "the class waits for its teacher, and says so");
}
