//! Recording that fails, and is tried again while the lesson lasts.

use super::{life::live, *};
use lectern_protocol::ws::RecordingState;

#[test]
fn a_full_disk_shows_and_the_class_goes_on() {
    let (mut w, _, _) = live();
    w.act(|r, _, out| r.recording_is(RecordingState::On, out));
    w.act(|r, _, out| r.recording_is(RecordingState::Failed, out));
    w.act(|r, _, out| r.recording_is(RecordingState::On, out));
    let told: Vec<_> = w.timeline.iter().filter(|e| matches!(e, ClassEvent::Recording { .. })).collect();
    assert_eq!(told, [&ClassEvent::Recording { on: false }, &ClassEvent::Recording { on: true }]);
    assert!(is_live(&w));
}

#[test]
fn a_recording_that_could_not_start_is_tried_again_until_it_does() {
    let (mut w, _, t) = live();
    let secs = Duration::from_secs;
    w.act(|r, now, out| r.recording_failed(now, out));
    w.wait(secs(9));
    assert_eq!(w.record, 0, "the disk is given a moment");
    w.wait(secs(1));
    assert_eq!(w.record, 1);
    w.wait(secs(60));
    assert_eq!(w.record, 1, "one at a time: the first has not been answered");
    w.act(|r, now, out| r.recording_failed(now, out));
    w.wait(secs(10));
    assert_eq!(w.record, 2);
    w.act(|r, _, out| r.recording_started(out));
    w.wait(secs(60));
    assert_eq!((w.record, w.room.recording), (2, RecordingState::On));
    let told: Vec<_> = w.timeline.iter().filter(|e| matches!(e, ClassEvent::Recording { .. })).collect();
    assert_eq!(told, [&ClassEvent::Recording { on: false }, &ClassEvent::Recording { on: true }]);
    w.act(|r, now, out| r.recording_failed(now, out));
    w.say(t, ClientMessage::End {});
    w.wait(secs(60));
    assert_eq!(w.record, 2, "a lesson that is over is not recorded any more");
}

#[test]
fn a_class_that_is_not_recorded_asks_for_no_recording() {
    let mut w = World::new(false);
    w.room.policy.record = false;
    let t = w.enter(&someone(RoomRole::Teacher, "王老师"));
    w.say(t, ClientMessage::Open {});
    w.act(|r, now, out| r.recording_failed(now, out));
    w.wait(Duration::from_secs(60));
    assert_eq!(w.record, 0);
}
