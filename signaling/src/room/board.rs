//! What is written in class: chat and questions. Bounded, numbered from 1, in order.

use super::limits::{CHAT_KEPT_MAX, CHAT_SHOWN_BYTES_MAX, QUESTIONS_MAX, QUESTIONS_SHOWN_BYTES_MAX, VOTES_MAX};
use lectern_media::{ParticipantId, UnixMillis};
use lectern_protocol::ws::{ChatLine, Question};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Board {
    pub chat: VecDeque<ChatLine>,
    chat_count: u32,
    questions: BTreeMap<u32, Entry>,
    question_count: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    at: UnixMillis,
    from: ParticipantId,
    name: String,
    text: String,
    voters: BTreeSet<ParticipantId>,
    answered: Option<UnixMillis>,
    answer: Option<String>,
}

impl Board {
    pub fn say(&mut self, at: UnixMillis, from: ParticipantId, name: &str, text: String) -> ChatLine {
        self.chat_count += 1;
        let line = ChatLine { id: self.chat_count, at, from, name: name.to_owned(), text };
        if self.chat.len() == CHAT_KEPT_MAX {
            self.chat.pop_front();
        }
        self.chat.push_back(line.clone());
        line
    }

    /// The new question's number; `None` if as many open ones stand as may.
    pub fn ask(&mut self, at: UnixMillis, from: ParticipantId, name: &str, text: String) -> Option<u32> {
        if self.questions.len() == QUESTIONS_MAX {
            let oldest_answered = self.questions.iter().find(|(_, q)| q.answered.is_some()).map(|(id, _)| *id)?;
            self.questions.remove(&oldest_answered);
        }
        self.question_count += 1;
        let (name, voters) = (name.to_owned(), BTreeSet::new());
        self.questions
            .insert(self.question_count, Entry { at, from, name, text, voters, answered: None, answer: None });
        Some(self.question_count)
    }

    /// Whether there is such a question. One does not vote for one's own.
    pub fn vote(&mut self, question: u32, by: ParticipantId, up: bool) -> bool {
        let votes: usize = self.questions.values().map(|q| q.voters.len()).sum();
        let Some(entry) = self.questions.get_mut(&question) else { return false };
        if !up {
            entry.voters.remove(&by);
        } else if by != entry.from && votes < VOTES_MAX {
            entry.voters.insert(by);
        }
        true
    }

    /// The votes it had, if there is such a question.
    pub fn answer(&mut self, at: UnixMillis, question: u32, text: Option<String>) -> Option<u32> {
        let entry = self.questions.get_mut(&question)?;
        entry.answered = Some(at);
        entry.answer = text;
        Some(entry.voters.len() as u32)
    }

    /// A question as `viewer` sees it.
    pub fn question(&self, id: u32, viewer: ParticipantId) -> Option<Question> {
        self.questions.get(&id).map(|entry| entry.shown(id, viewer))
    }

    /// The newest lines that a newcomer is shown, in order.
    pub fn shown_chat(&self) -> Vec<ChatLine> {
        let mut bytes = 0;
        let mut lines: Vec<_> = self
            .chat
            .iter()
            .rev()
            .take_while(|line| {
                bytes += json_len(line);
                bytes <= CHAT_SHOWN_BYTES_MAX
            })
            .cloned()
            .collect();
        lines.reverse();
        lines
    }

    /// The questions that a newcomer is shown, in order: open ones before answered ones, new ones before old ones.
    pub fn shown_questions(&self, viewer: ParticipantId) -> Vec<Question> {
        let mut wanted: Vec<_> = self.questions.iter().collect();
        wanted.sort_by_key(|(id, entry)| (entry.answered.is_some(), Reverse(**id)));
        let mut bytes = 0;
        let shown = wanted.into_iter().map(|(id, entry)| entry.shown(*id, viewer)).take_while(|question| {
            bytes += json_len(question);
            bytes <= QUESTIONS_SHOWN_BYTES_MAX
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by_key(|q| q.id);
        shown
    }

    /// Forgets the older half of the chat, or else half of the questions with their votes, answered and old ones first;
    /// `false` when there is neither.
    pub fn shed(&mut self) -> bool {
        if !self.chat.is_empty() {
            self.chat.drain(..self.chat.len().div_ceil(2));
            return true;
        }
        let mut ids: Vec<_> = self.questions.iter().map(|(id, q)| (q.answered.is_none(), *id)).collect();
        ids.sort_unstable();
        for (_, id) in ids.iter().take(ids.len().div_ceil(2)) {
            self.questions.remove(id);
        }
        !ids.is_empty()
    }

    #[cfg(test)]
    pub fn question_ids(&self) -> Vec<u32> {
        self.questions.keys().copied().collect()
    }
}

impl Entry {
    fn shown(&self, id: u32, viewer: ParticipantId) -> Question {
        Question {
            id,
            at: self.at,
            from: self.from,
            name: self.name.clone(),
            text: self.text.clone(),
            votes: self.voters.len() as u32,
            voted: self.voters.contains(&viewer),
            answered: self.answered,
            answer: self.answer.clone(),
        }
    }
}

/// How long it is on the wire.
fn json_len(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Plain data always serialises; what did not would not be shown.
    if serde_json::to_writer(&mut count, value).is_ok() { count.0 } else { usize::MAX / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_questions_make_room_and_open_ones_do_not() {
        let (mut board, me) = (Board::default(), ParticipantId::generate());
        let ask = |board: &mut Board| board.ask(UnixMillis(0), me, "我", "为什么？".into());
        for n in 1..=QUESTIONS_MAX as u32 {
            assert_eq!(ask(&mut board), Some(n));
        }
        assert_eq!(ask(&mut board), None, "all are open");
        assert_eq!(board.answer(UnixMillis(1), 7, None), Some(0));
        assert_eq!(ask(&mut board), Some(201));
        assert_eq!(board.question(7, me), None, "the answered one made room");
    }

    #[test]
    fn a_vote_counts_once_and_not_for_oneself() {
        let (mut board, me, other) = (Board::default(), ParticipantId::generate(), ParticipantId::generate());
        let id = board.ask(UnixMillis(0), me, "我", "?".into()).unwrap();
        assert!(board.vote(id, other, true) && board.vote(id, other, true) && board.vote(id, me, true));
        assert_eq!(board.question(id, other).map(|q| (q.votes, q.voted)), Some((1, true)));
        assert_eq!(board.question(id, me).map(|q| (q.votes, q.voted)), Some((1, false)));
        assert!(board.vote(id, other, false) && !board.vote(99, other, true));
        assert_eq!(board.question(id, other).map(|q| q.votes), Some(0));
    }

    #[test]
    fn chat_keeps_the_last_lines() {
        let (mut board, me) = (Board::default(), ParticipantId::generate());
        for n in 0..250 {
            board.say(UnixMillis(n), me, "我", "好".into());
        }
        assert_eq!((board.chat.len(), board.chat.front().unwrap().id, board.chat.back().unwrap().id), (200, 51, 250));
    }
}
