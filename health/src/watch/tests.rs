//! Every fault and its neighbours.

use super::*;
use crate::{
    figures::SoundFigures,
    measure::Meter,
    synthetic::{Look, Scene},
};
use lectern_media::Bitrate;
use std::time::Duration;

const CAMERA: CameraId = CameraId(ulid::Ulid(7));

/// A camera, watched: one keyframe every two seconds.
struct Site {
    core: HealthCore,
    meter: Meter,
    n: u32,
    log: Vec<(u32, Verdict)>,
}

impl Site {
    fn new() -> Self {
        Self { core: HealthCore::new(), meter: Meter::default(), n: 0, log: Vec::new() }
    }

    /// Shows so many keyframes.
    fn show(&mut self, scene: &Scene, count: u32) -> &mut Self {
        for _ in 0..count {
            let m = self.meter.measure(&scene.picture(self.n).planes()).expect("a picture");
            let now = UnixMillis(1_800_000_000_000 + i64::from(self.n) * 2_000);
            let verdicts = self.core.observe(now, CAMERA, Observation::Picture(&m));
            self.log.extend(verdicts.into_iter().map(|v| (self.n, v)));
            self.n += 1;
        }
        self
    }

    fn said(&self) -> Vec<(u32, Fault, State)> {
        self.log.iter().map(|(n, v)| (*n, v.fault, v.state)).collect()
    }
}

#[test]
fn each_fault_is_raised_within_two_keyframes_and_cleared_within_two() {
    use State::{Cleared, Raised};
    for seed in 1..=4 {
        let room = Scene::room(seed);
        for (fault, scene) in [
            (Fault::Black, room.looks(Look::Black)),
            (Fault::White, room.looks(Look::White)),
            (Fault::Covered, room.looks(Look::Covered(0.9))),
            (Fault::Covered, room.looks(Look::Covered(1.0))),
            (Fault::Blurred, room.looks(Look::Blurred(12))),
            (Fault::Blurred, room.looks(Look::Blurred(5))),
            (Fault::Moved, room.looks(Look::Moved(96, 0))),
            (Fault::Moved, room.looks(Look::Moved(-80, 20))),
            (Fault::Moved, room.looks(Look::Moved(0, -70))),
        ] {
            let mut site = Site::new();
            site.show(&room, 20).show(&scene, 10).show(&room, 10);
            assert_eq!(site.said(), [(21, fault, Raised), (31, fault, Cleared)], "seed {seed}: {:?}", scene.look);
            let since = site.log[0].1.since;
            assert_eq!(since.0, 1_800_000_000_000 + 40_000, "since its first sign");
        }
        let stopped = Scene { stopped: Some(19), ..room };
        for flutter in [0, 2] {
            let mut site = Site::new();
            site.show(&room, 20).show(&Scene { flutter, ..stopped }, 10).show(&room, 10);
            // The first frozen keyframe is the one that was shown before.
            assert_eq!(site.said(), [(20, Fault::Frozen, Raised), (31, Fault::Frozen, Cleared)], "seed {seed}");
        }
    }
}

#[test]
fn nothing_is_said_of_pictures_that_are_only_unusual() {
    for seed in 1..=4 {
        let room = Scene::room(seed);
        let empty = Scene { people: false, ..room };
        let still = Scene { clock: false, ..empty };
        let dim = |gain: f32| room.looks(Look::Light(gain));
        let neighbours: [(&str, Vec<Scene>); 10] = [
            ("a room that empties", vec![room, empty]),
            ("the same without a clock", vec![Scene { clock: false, ..room }, still]),
            ("a static room whose sensor is noisy", vec![still]),
            ("a static room with little noise and a clock", vec![Scene { noise: 1, clock: true, ..still }]),
            ("little light", vec![dim(0.3)]),
            ("light that goes", (0..12).map(|i| dim(1.0 - 0.06 * i as f32)).collect()),
            ("light that comes", (0..14).map(|i| dim(0.25 + 0.07 * i as f32)).collect()),
            ("light switched", vec![dim(1.0), dim(0.4), dim(1.0), dim(0.5)]),
            ("a white wall", vec![Scene { wall: true, ..room }]),
            ("a camera that trembles", vec![room, room.looks(Look::Moved(6, 3)), room, room.looks(Look::Moved(-8, 0))]),
        ];
        for (what, scenes) in neighbours {
            let mut site = Site::new();
            for scene in scenes {
                site.show(&scene, 12);
            }
            assert_eq!(site.said(), [], "seed {seed}: {what}");
        }
    }
}

#[test]
fn a_camera_that_was_covered_from_the_beginning_is_found_and_not_learnt() {
    for look in [Look::Covered(0.9), Look::Blurred(12), Look::Black] {
        let room = Scene::room(3);
        let mut site = Site::new();
        site.show(&room.looks(look), 5);
        assert_eq!(site.said().len(), 1, "{look:?}: {:?}", site.said());
        assert!(!site.core.has_learnt(CAMERA));
        site.show(&room, 6);
        assert_eq!(site.core.active(CAMERA).count(), 0, "{look:?}");
        assert!(site.core.has_learnt(CAMERA));
    }
}

#[test]
fn what_was_moved_stays_moved_until_it_is_learnt_anew() {
    let room = Scene::room(2);
    let moved = room.looks(Look::Moved(110, 0));
    let mut site = Site::new();
    site.show(&room, 20).show(&moved, 400);
    assert_eq!(site.core.active(CAMERA).map(|v| v.fault).collect::<Vec<_>>(), [Fault::Moved]);
    site.core.relearn(CAMERA);
    site.show(&moved, 4);
    assert_eq!(site.core.active(CAMERA).count(), 0);
}

#[test]
fn another_room_altogether_is_a_camera_that_was_moved() {
    let mut site = Site::new();
    site.show(&Scene::room(1), 20).show(&Scene::room(77), 10);
    assert_eq!(site.core.active(CAMERA).map(|v| v.fault).collect::<Vec<_>>(), [Fault::Moved]);
}

fn figures() -> Figures {
    Figures {
        silent_for: Duration::from_millis(60),
        clock_offset_ms: Some(120),
        sound: Some(SoundFigures { silent_for: Duration::from_millis(20), level_dbov: Some(-52.0) }),
        bit_rate: Some(Bitrate::kbps(512)),
        frame_rate: Some(15.0),
    }
}

/// A second each of the usual, so many of what is wrong, and the usual again.
fn second_by_second(wrong: &Figures, seconds: i64) -> Vec<(i64, Fault, State)> {
    let mut core = HealthCore::new();
    let mut said = Vec::new();
    for s in 0..30 + seconds + 30 {
        let f = if (30..30 + seconds).contains(&s) { *wrong } else { figures() };
        let verdicts = core.observe(UnixMillis(s * 1_000), CAMERA, Observation::Figures(&f));
        said.extend(verdicts.iter().map(|v| (s, v.fault, v.state)));
    }
    assert_eq!(core.active(CAMERA).count(), 0, "{said:?}");
    said
}

#[test]
fn figures_that_are_off_are_raised_when_they_stay_so() {
    use State::{Cleared, Raised};
    let sound =
        |silent_ms, level| Some(SoundFigures { silent_for: Duration::from_millis(silent_ms), level_dbov: level });
    let usual = figures();
    for (what, wrong, fault, raised) in [
        ("nothing arrives", Figures { silent_for: Duration::from_secs(3), ..usual }, Fault::NoStream, 30),
        ("a clock five minutes slow", Figures { clock_offset_ms: Some(-300_000), ..usual }, Fault::WrongClock, 33),
        ("no sound arrives", Figures { sound: sound(6_000, None), ..usual }, Fault::NoSound, 30),
        ("digital silence", Figures { sound: sound(20, Some(-127.0)), ..usual }, Fault::NoSound, 35),
        ("hardly any bits", Figures { bit_rate: Some(Bitrate::kbps(40)), ..usual }, Fault::BitRate, 33),
        ("ten times the bits", Figures { bit_rate: Some(Bitrate::kbps(5_000)), ..usual }, Fault::BitRate, 33),
        ("half the pictures", Figures { frame_rate: Some(7.5), ..usual }, Fault::FrameRate, 33),
    ] {
        let said = second_by_second(&wrong, 20);
        assert_eq!(said.first(), Some(&(raised, fault, Raised)), "{what}: {said:?}");
        assert_eq!(said.last(), Some(&(53, fault, Cleared)), "{what}: {said:?}");
        assert_eq!(said.len(), 2, "{what}: {said:?}");
    }
    for (what, wrong) in [
        ("a second and a half of nothing", Figures { silent_for: Duration::from_millis(1_500), ..usual }),
        ("a clock one second fast", Figures { clock_offset_ms: Some(1_000), ..usual }),
        ("a camera that tells no clock", Figures { clock_offset_ms: None, ..usual }),
        ("a quiet room", Figures { sound: sound(20, Some(-70.0)), ..usual }),
        ("twice the bits", Figures { bit_rate: Some(Bitrate::kbps(1_000)), ..usual }),
        ("a picture or two fewer", Figures { frame_rate: Some(12.5), ..usual }),
    ] {
        assert_eq!(second_by_second(&wrong, 20), [], "{what}");
    }
}

#[test]
fn the_sound_of_a_camera_that_was_away_may_be_back_a_moment_after_its_picture() {
    let sound = |silent_s| Some(SoundFigures { silent_for: Duration::from_secs(silent_s), level_dbov: None });
    for (sound_back, raised) in [(42, None), (60, Some(45))] {
        let mut core = HealthCore::new();
        let mut said = Vec::new();
        for s in 0..90u64 {
            // Both are gone at 30; the picture is back at 40.
            let silent_for = Duration::from_secs(if (30..40).contains(&s) { s - 30 + 3 } else { 0 });
            let f = Figures {
                silent_for,
                sound: sound(if (30..sound_back).contains(&s) { s - 29 } else { 0 }),
                ..figures()
            };
            said.extend(
                core.observe(UnixMillis(s as i64 * 1_000), CAMERA, Observation::Figures(&f))
                    .iter()
                    .map(|v| (s, v.fault, v.state)),
            );
        }
        let no_sound = said.iter().find(|(_, fault, _)| *fault == Fault::NoSound).map(|(s, ..)| *s);
        assert_eq!(no_sound, raised, "{said:?}");
    }
}

#[test]
fn a_black_picture_takes_fewer_bits_and_that_is_no_fault_of_its_own() {
    let room = Scene::room(5);
    let mut site = Site::new();
    let mut said = Vec::new();
    for s in 0..90u32 {
        let black = (40..70).contains(&s);
        if s % 2 == 0 {
            site.show(&if black { room.looks(Look::Black) } else { room }, 1);
        }
        let f = Figures { bit_rate: Some(Bitrate::kbps(if black { 20 } else { 512 })), ..figures() };
        said.extend(site.core.observe(UnixMillis(i64::from(s) * 1_000), CAMERA, Observation::Figures(&f)));
    }
    assert_eq!(said, [], "the picture says it");
    assert_eq!(site.said().len(), 2);
}

#[test]
fn keyframes_that_cannot_be_decoded_are_a_fault_after_two() {
    let mut core = HealthCore::new();
    let mut said = Vec::new();
    for n in 0..4 {
        said.extend(core.observe(UnixMillis(n * 2_000), CAMERA, Observation::Undecodable));
    }
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].fault, said[0].state, said[0].since), (Fault::Undecodable, State::Raised, UnixMillis(0)));
    let ended = core.observe(UnixMillis(9_000), CAMERA, Observation::Off);
    assert_eq!(ended.iter().map(|v| (v.fault, v.state)).collect::<Vec<_>>(), [(Fault::Undecodable, State::Cleared)]);
}
