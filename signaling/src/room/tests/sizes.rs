//! The largest class, as newcomers are shown it and as it is kept.

use super::{
    super::member::{Member, Place},
    life::live,
    *,
};
use lectern_library::store::ROOM_STATE_BYTES_MAX;
use limits::*;

/// The longest text of so many characters, on the wire.
fn long(chars: usize) -> String {
    "𠮷".repeat(chars)
}

/// Everybody writes as much as may be written.
fn filled() -> (World, ConnId) {
    let (mut w, teacher, t) = live();
    let (board, me) = (&mut w.room.board, teacher.participant);
    for _ in 0..CHAT_KEPT_MAX {
        board.say(UnixMillis(0), me, &long(60), long(CHAT_CHARS_MAX));
    }
    let voters: Vec<_> = (0..VOTES_MAX / QUESTIONS_MAX).map(|_| ParticipantId::generate()).collect();
    for n in 0..QUESTIONS_MAX {
        let id = board.ask(UnixMillis(0), me, &long(60), long(QUESTION_CHARS_MAX)).unwrap();
        for voter in &voters {
            assert!(board.vote(id, *voter, true));
        }
        if n % 2 == 0 {
            board.answer(UnixMillis(1), id, Some(long(QUESTION_CHARS_MAX)));
        }
    }
    (w, t)
}

#[test]
fn a_newcomer_is_shown_what_a_thin_line_carries() {
    let (mut w, _) = filled();
    let conn = w.enter(&someone(RoomRole::Student, "甲"));
    let (chat, questions) = (&w.of(conn).chat, &w.of(conn).questions);
    let len = serde_json::to_string(chat).unwrap().len() + serde_json::to_string(questions).unwrap().len();
    assert!((48 * 1024..=66 * 1024).contains(&len), "{len} bytes for 2 Mbit/s");
    assert_eq!(chat.last().map(|l| l.id), Some(CHAT_KEPT_MAX as u32), "the newest");
    assert!(chat.is_sorted_by_key(|l| l.id));
    assert!(questions.values().all(|q| q.answered.is_none()), "open questions come first");
    assert!(questions.contains_key(&(QUESTIONS_MAX as u32)));
}

#[test]
fn the_largest_room_fits_into_the_store() {
    let (mut w, _) = filled();
    for _ in 0..2_000 {
        let who = Entrant { account: Some(AccountId::generate()), ..someone(RoomRole::Student, &long(60)) };
        w.room.members.insert(who.participant, Member::new(w.now, who, Place::InClass(w.now.wall)));
    }
    for _ in 0..REMOVED_MAX {
        w.room.removed.push_back((ParticipantId::generate(), Some(AccountId::generate())));
    }
    let all = serde_json::to_string(&w.room.keep(w.now)).unwrap();
    assert!(all.len() > ROOM_STATE_BYTES_MAX, "{} bytes need bounding", all.len());
    let kept = w.room.keep(w.now).to_json(ROOM_STATE_BYTES_MAX).unwrap();
    assert!(kept.len() <= ROOM_STATE_BYTES_MAX, "{} bytes", kept.len());
    let kept: KeptRoom = serde_json::from_str(&kept).unwrap();
    let room = Room::restore(w.now, w.room.policy.clone(), kept);
    assert_eq!(room.members.len(), w.room.members.len(), "nobody is forgotten");
}
