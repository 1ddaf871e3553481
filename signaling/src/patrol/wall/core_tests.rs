//! Tables and random runs of the wall's state machine.

use super::*;
use lectern_protocol::api::CameraState;
use proptest::prelude::*;
use std::{cell::RefCell, collections::HashSet};
use ulid::Ulid;

const T0: UnixMillis = UnixMillis(1_700_000_000_000);

fn at(ms: i64) -> UnixMillis {
    UnixMillis(T0.0 + ms)
}

fn camera(n: u8) -> CameraId {
    CameraId(Ulid(u128::from(n) << 8))
}

fn peer(n: u8) -> PeerId {
    PeerId(Ulid(u128::from(n)))
}

#[derive(Default)]
struct Eyes {
    denied: RefCell<HashSet<CameraId>>,
    deaf: RefCell<HashSet<CameraId>>,
    mute: RefCell<HashSet<CameraId>>,
    h265: HashSet<CameraId>,
    unplayable: HashSet<CameraId>,
    full: bool,
}

impl Sight for Eyes {
    fn live(&self, camera: CameraId) -> Result<(), TileRefusal> {
        if self.denied.borrow().contains(&camera) { Err(TileRefusal::NotAllowed) } else { Ok(()) }
    }
    fn listen(&self, camera: CameraId) -> Result<(), TileRefusal> {
        match () {
            () if self.deaf.borrow().contains(&camera) => Err(TileRefusal::NotNow),
            () if self.mute.borrow().contains(&camera) => Err(TileRefusal::SoundNotPlayable),
            () => self.live(camera),
        }
    }
    fn playable(&self, camera: CameraId) -> Playable {
        match () {
            () if self.unplayable.contains(&camera) => Playable::Nothing,
            () if self.h265.contains(&camera) => Playable::SubOnly,
            () => Playable::All,
        }
    }
    fn status(&self, _: CameraId) -> Option<CameraStatus> {
        Some(CameraStatus {
            state: CameraState::Live,
            since: T0,
            streams: vec![],
            clock_offset_ms: None,
            recording: true,
            durable: None,
        })
    }
    fn can_note(&self) -> bool {
        !self.full
    }
}

const OFFER: &str = "v=0\r\nm=video 9 x 1\r\na=mid:0\r\nm=video 9 x 1\r\na=mid:1\r\nm=audio 9 x 1\r\na=mid:s\r\n";

fn tile(mid: &str, camera: CameraId, height_px: u16) -> Tile {
    Tile { mid: mid.into(), camera, height_px, thumbnail: false }
}

fn show(tiles: Vec<Tile>) -> WallRequest {
    WallRequest::Show { req: 7, tiles }
}

fn up(wall: &mut Wall, eyes: &Eyes) {
    let mut out = vec![];
    wall.request(T0, WallRequest::Offer { req: 1, sdp: OFFER.into() }, eyes, &mut out);
    let Some(Output::Negotiate { ticket, replaces: None, .. }) = out.pop() else { panic!("{out:?}") };
    wall.answered(T0, ticket, Ok((peer(1), "answer".into())), &mut out);
    assert!(matches!(&out[0], Output::Send(WallMessage::Answer { req: 1, .. })), "{out:?}");
}

fn notes(out: &[Output]) -> Vec<(CameraId, Look)> {
    let note = |o: &Output| if let Output::Note { camera, look } = o { Some((*camera, *look)) } else { None };
    out.iter().filter_map(note).collect()
}

fn lines(out: &[Output]) -> Option<Vec<(String, CameraId)>> {
    out.iter().rev().find_map(|o| match o {
        Output::Assign { lines, .. } => Some(lines.iter().map(|l| (l.mid.clone(), l.camera)).collect()),
        _ => None,
    })
}

fn refusals(out: &[Output]) -> Vec<TileRefusal> {
    out.iter()
        .filter_map(|o| match o {
            Output::Send(WallMessage::Shown { refused, .. }) => Some(refused.iter().map(|r| r.reason)),
            _ => None,
        })
        .flatten()
        .collect()
}

#[test]
fn who_says_hello() {
    let hello_with = |version, csrf: &str| WallRequest::Hello { version, csrf: csrf.into() };
    for (request, want) in [
        (hello_with(PROTOCOL_VERSION, "good"), Ok(())),
        (hello_with(PROTOCOL_VERSION, "bad"), Err("not_authorised")),
        (hello_with(PROTOCOL_VERSION + 1, "good"), Err("version_mismatch")),
        (WallRequest::Ping { req: 1 }, Err("protocol_error")),
    ] {
        assert_eq!(hello(&request, |csrf| csrf == "good"), want, "{request:?}");
    }
}

#[test]
fn a_look_is_written_down_before_the_picture_flows_and_ends_when_it_does() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let mut out = vec![];
    wall.request(at(0), show(vec![tile("0", camera(1), 180), tile("1", camera(2), 180)]), &eyes, &mut out);
    let opened = out.iter().position(|o| matches!(o, Output::Note { look: Look::Opened, .. })).unwrap();
    let assigned = out.iter().position(|o| matches!(o, Output::Assign { .. })).unwrap();
    assert!(opened < assigned, "{out:?}");
    assert_eq!(lines(&out).unwrap(), [("0".to_owned(), camera(1)), ("1".to_owned(), camera(2))]);

    // It moves to another line: the same look. The other one is hidden.
    out.clear();
    wall.request(at(5_000), show(vec![tile("1", camera(1), 180), tile("0", camera(2), 0)]), &eyes, &mut out);
    assert_eq!(notes(&out), []);
    out.clear();
    wall.tick(at(6_000), &eyes, &mut out);
    assert_eq!(notes(&out), [], "it may come back");
    wall.tick(at(7_000), &eyes, &mut out);
    assert_eq!(notes(&out), [(camera(2), Look::Closed { since: at(0), until: at(5_000) })]);
    out.clear();
    wall.end(at(9_000), &mut out);
    assert_eq!(notes(&out), [(camera(1), Look::Closed { since: at(0), until: at(9_000) })]);
    assert!(out.contains(&Output::ClosePeer(peer(1))));
}

#[test]
fn a_wall_that_runs_all_day_is_written_down_all_day() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let mut out = vec![];
    wall.request(at(0), show(vec![tile("0", camera(1), 180)]), &eyes, &mut out);
    let mut seconds = 0;
    for s in 1..=7_200 {
        out.clear();
        wall.tick(at(s * 1_000), &eyes, &mut out);
        for (_, look) in notes(&out) {
            if let Look::Closed { since, until } = look {
                seconds += until.since(since).as_secs();
            }
        }
    }
    assert_eq!(seconds, 7_200);
}

#[test]
fn what_is_refused_and_why() {
    let eyes = Eyes {
        denied: RefCell::new([camera(9)].into()),
        unplayable: [camera(8)].into(),
        h265: [camera(7)].into(),
        ..Eyes::default()
    };
    let mut wall = Wall::default();
    up(&mut wall, &eyes);
    for (tile, want) in [
        (tile("0", camera(9), 180), vec![TileRefusal::NotAllowed]),
        (tile("x", camera(9), 180), vec![TileRefusal::NotAllowed]),
        (tile("x", camera(1), 180), vec![TileRefusal::NoLine]),
        (tile("0", camera(8), 180), vec![TileRefusal::NotPlayable]),
        (tile("0", camera(7), 720), vec![]),
    ] {
        let mut out = vec![];
        wall.request(at(0), show(vec![tile.clone()]), &eyes, &mut out);
        assert_eq!(refusals(&out), want, "{tile:?}");
        assert_eq!(lines(&out).unwrap().len(), usize::from(want.is_empty()), "{tile:?}");
    }
    let mut out = vec![];
    let event = PatrolEvent::LineChanged {
        peer: peer(1),
        mid: "0".into(),
        camera: Some(camera(7)),
        stream: Some(CameraStream::Sub),
        thumbnail: false,
        limited: false,
    };
    wall.media(at(0), &event, &eyes, &mut out);
    assert!(matches!(&out[0], Output::Send(WallMessage::Carries { main_not_playable: true, .. })), "{out:?}");
    let full = Eyes { full: true, ..Eyes::default() };
    out.clear();
    wall.request(at(0), show(vec![tile("0", camera(1), 180)]), &full, &mut out);
    assert_eq!(refusals(&out), [TileRefusal::Busy], "nothing is shown that can't be written down");
}

#[test]
fn what_a_line_carries_is_said_once_and_again_when_its_tile_changed() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let carries = |wall: &mut Wall, of: u8| {
        let (stream, thumbnail, limited) = (Some(CameraStream::Sub), false, false);
        let camera = Some(camera(of));
        let event = PatrolEvent::LineChanged { peer: peer(1), mid: "0".into(), camera, stream, thumbnail, limited };
        let mut out = vec![];
        wall.media(at(0), &event, &eyes, &mut out);
        out.iter().filter(|o| matches!(o, Output::Send(WallMessage::Carries { .. }))).count()
    };
    let mut out = vec![];
    wall.request(at(0), show(vec![tile("0", camera(1), 180)]), &eyes, &mut out);
    assert_eq!([carries(&mut wall, 1), carries(&mut wall, 1)], [1, 0], "looked at again, it is as it was");
    wall.request(at(0), show(vec![tile("0", camera(2), 180)]), &eyes, &mut out);
    assert_eq!(carries(&mut wall, 1), 0, "not of a camera that is gone");
    wall.request(at(0), show(vec![tile("0", camera(1), 180)]), &eyes, &mut out);
    assert_eq!(carries(&mut wall, 1), 1, "the page may have forgotten it");
}

#[test]
fn too_much_at_once_is_refused_whole() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let twice = vec![tile("0", camera(1), 1), tile("0", camera(2), 1)];
    let many = (0..=TILES_MAX).map(|n| tile(&n.to_string(), camera(1), 1)).collect();
    for tiles in [twice, many] {
        let mut out = vec![];
        wall.request(at(0), show(tiles), &eyes, &mut out);
        assert!(matches!(&out[..], [Output::Send(WallMessage::Refused { .. })]), "{out:?}");
    }
    for sdp in ["v=0\r\n".to_owned(), "m=video 9 x 1\r\n".repeat(LINES_MAX + 1)] {
        let mut out = vec![];
        wall.request(at(0), WallRequest::Offer { req: 2, sdp }, &eyes, &mut out);
        assert!(matches!(&out[..], [Output::Send(WallMessage::Refused { .. })]), "{out:?}");
    }
}

#[test]
fn a_right_that_ends_stops_the_tile_and_its_sound() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let mut out = vec![];
    wall.request(at(0), show(vec![tile("0", camera(1), 180), tile("1", camera(2), 180)]), &eyes, &mut out);
    wall.request(at(0), WallRequest::Listen { req: 8, mid: "s".into(), camera: Some(camera(1)) }, &eyes, &mut out);
    assert!(notes(&out).contains(&(camera(1), Look::Listening)));
    out.clear();
    wall.recheck(at(3_000), &eyes, &mut out);
    assert!(out.is_empty(), "all is as it was");
    eyes.denied.borrow_mut().insert(camera(1));
    wall.recheck(at(4_000), &eyes, &mut out);
    assert_eq!(lines(&out).unwrap(), [("1".to_owned(), camera(2))]);
    let withdrawn = out.iter().filter(|o| matches!(o, Output::Send(WallMessage::Withdrawn { .. }))).count();
    assert_eq!(withdrawn, 2, "{out:?}");
    let n = notes(&out);
    assert!(n.contains(&(camera(1), Look::Closed { since: at(0), until: at(4_000) })), "{n:?}");
    assert!(n.contains(&(camera(1), Look::Listened { since: at(0), until: at(4_000) })), "{n:?}");
    assert!(n.contains(&(camera(1), Look::Refused(TileRefusal::NotAllowed))), "{n:?}");
}

#[test]
fn a_sound_that_turns_out_unplayable_ends_without_a_refusal_in_the_log() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let mut out = vec![];
    let listen = || WallRequest::Listen { req: 8, mid: "s".into(), camera: Some(camera(1)) };
    wall.request(at(0), show(vec![tile("0", camera(1), 180)]), &eyes, &mut out);
    wall.request(at(0), listen(), &eyes, &mut out);
    eyes.mute.borrow_mut().insert(camera(1));
    out.clear();
    wall.recheck(at(2_000), &eyes, &mut out);
    assert_eq!(notes(&out), [(camera(1), Look::Listened { since: at(0), until: at(2_000) })]);
    let told = RefusedTile { mid: "s".into(), camera: camera(1), reason: TileRefusal::SoundNotPlayable };
    assert_eq!(out.last(), Some(&Output::Send(WallMessage::Withdrawn { tile: told })));
    assert_eq!(wall.cameras().count(), 1, "its picture stays");
    out.clear();
    wall.request(at(3_000), listen(), &eyes, &mut out);
    assert_eq!((refusals(&out), notes(&out)), (vec![TileRefusal::SoundNotPlayable], vec![]));
}

#[test]
fn one_offer_at_a_time() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    let offer = |req| WallRequest::Offer { req, sdp: OFFER.into() };
    let mut out = vec![];
    for req in 1..=3 {
        wall.request(T0, offer(req), &eyes, &mut out);
    }
    assert!(matches!(&out[1], Output::Send(WallMessage::Refused { req: 2, .. })), "{out:?}");
    let Output::Negotiate { ticket, .. } = out[0] else { panic!("{out:?}") };
    out.clear();
    wall.answered(T0, ticket, Ok((peer(1), "a".into())), &mut out);
    let Some(Output::Negotiate { ticket: second, replaces, .. }) = out.last().cloned() else { panic!("{out:?}") };
    assert_eq!(replaces, Some(peer(1)));
    out.clear();
    wall.answered(T0, ticket, Ok((peer(9), "late".into())), &mut out);
    assert_eq!(out, [Output::ClosePeer(peer(9))], "nobody awaits it");
    out.clear();
    wall.answered(T0, second, Err(("busy", "no".into())), &mut out);
    assert_eq!(wall.peer(), Some(peer(1)), "the old one stays");
}

#[test]
fn a_lost_peer_ends_the_looks_until_there_is_a_new_one() {
    let (mut wall, eyes) = (Wall::default(), Eyes::default());
    up(&mut wall, &eyes);
    let mut out = vec![];
    wall.request(at(0), show(vec![tile("0", camera(1), 180)]), &eyes, &mut out);
    out.clear();
    wall.media(at(1_000), &PatrolEvent::PeerLost { peer: peer(2) }, &eyes, &mut out);
    assert!(out.is_empty(), "somebody else's");
    wall.media(at(1_000), &PatrolEvent::PeerLost { peer: peer(1) }, &eyes, &mut out);
    assert!(out.contains(&Output::Send(WallMessage::PeerLost {})));
    out.clear();
    wall.tick(at(9_000), &eyes, &mut out);
    assert_eq!(notes(&out), [(camera(1), Look::Closed { since: at(0), until: at(1_000) })]);
    out.clear();
    wall.request(at(9_000), WallRequest::Offer { req: 3, sdp: OFFER.into() }, &eyes, &mut out);
    let Output::Negotiate { ticket, .. } = out[0] else { panic!("{out:?}") };
    wall.answered(at(9_500), ticket, Ok((peer(3), "b".into())), &mut out);
    assert!(notes(&out).contains(&(camera(1), Look::Opened)));
    assert_eq!(lines(&out).unwrap(), [("0".to_owned(), camera(1))]);
}

#[derive(Debug, Clone)]
enum Step {
    Show(Vec<(u8, u8, u16)>),
    Listen(Option<u8>),
    Deny(u8, bool),
    Recheck,
    Lose,
    Offer,
    Answer(bool),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec((0_u8..4, 1_u8..6, 0_u16..3), 0..5).prop_map(Step::Show),
        prop::option::of(1_u8..6).prop_map(Step::Listen),
        (1_u8..6, any::<bool>()).prop_map(|(c, d)| Step::Deny(c, d)),
        Just(Step::Recheck),
        Just(Step::Lose),
        Just(Step::Offer),
        any::<bool>().prop_map(Step::Answer),
        (0_u16..5_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens: no line carries a camera whose look is not written down; after a recheck none that may not be
    /// seen; every look that was opened is closed once.
    #[test]
    fn nothing_is_seen_that_is_not_written_down(steps in prop::collection::vec(step(), 1..60)) {
        let (mut wall, eyes) = (Wall::default(), Eyes::default());
        let mut now = T0;
        let (mut open, mut ticket, mut carried, mut made) = (HashSet::new(), None, vec![], 10_u8);
        for step in steps.into_iter().chain([Step::Recheck]) {
            let mut out = vec![];
            let rechecked = matches!(step, Step::Recheck);
            match step {
                Step::Show(tiles) => {
                    let tiles = tiles.into_iter().map(|(m, c, h)| tile(&m.to_string(), camera(c), h * 180)).collect();
                    wall.request(now, show(tiles), &eyes, &mut out);
                }
                Step::Listen(c) => {
                    let request = WallRequest::Listen { req: 1, mid: "s".into(), camera: c.map(camera) };
                    wall.request(now, request, &eyes, &mut out);
                }
                Step::Deny(c, denied) => {
                    let mut set = eyes.denied.borrow_mut();
                    if denied { set.insert(camera(c)); } else { set.remove(&camera(c)); }
                }
                Step::Recheck => wall.recheck(now, &eyes, &mut out),
                Step::Lose => {
                    carried.clear();
                    wall.media(now, &PatrolEvent::PeerLost { peer: wall.peer().unwrap_or(peer(0)) }, &eyes, &mut out);
                }
                Step::Offer => {
                    wall.request(now, WallRequest::Offer { req: 1, sdp: OFFER.into() }, &eyes, &mut out);
                }
                Step::Answer(good) => if let Some(ticket) = ticket.take() {
                    made += 1;
                    let answer = if good { Ok((peer(made), "a".into())) } else { Err(("busy", String::new())) };
                    wall.answered(now, ticket, answer, &mut out);
                },
                Step::Wait(ms) => {
                    now = UnixMillis(now.0 + i64::from(ms));
                    wall.tick(now, &eyes, &mut out);
                }
            }
            for o in out {
                match o {
                    Output::Note { camera, look: Look::Opened } => prop_assert!(open.insert(camera), "opened twice"),
                    Output::Note { camera, look: Look::Closed { since, until } } => {
                        prop_assert!(open.remove(&camera), "closed once");
                        prop_assert!(since <= until);
                    }
                    Output::Assign { lines, .. } => carried = lines,
                    Output::Negotiate { ticket: t, .. } => ticket = Some(t),
                    _ => {}
                }
            }
            for line in carried.iter().filter(|l| !l.sound && l.height_px > 0) {
                prop_assert!(open.contains(&line.camera), "{line:?} is seen and not written down");
                if rechecked {
                    prop_assert!(eyes.live(line.camera).is_ok(), "{line:?} may not be seen");
                }
            }
        }
        let mut out = vec![];
        wall.end(now, &mut out);
        for (camera, look) in notes(&out) {
            if matches!(look, Look::Closed { .. }) {
                prop_assert!(open.remove(&camera));
            }
        }
        prop_assert!(open.is_empty(), "every look ends");
    }
}
