//! Every bound of a room, with its reason.

use std::time::Duration;

/// A place is kept this long after the socket dropped: a reload, a change of network or a restart of the server fit.
pub const KEEP_PLACE: Duration = Duration::from_secs(60);
/// Someone on stage whose socket dropped and of whom nothing comes any more is taken out of the others' sight after this
/// long, and keeps the seat as long as the place. A reload takes less than 5 s and a change of network less than 15 s, and
/// neither shall make a tile jump; longer, a class looks at a tile that says 'connection lost' and waits for nobody.
pub const KEEP_ON_VIEW: Duration = Duration::from_secs(20);
/// While a lesson is live its state is written at least this often, so that a crash leaves everybody's presence right to
/// the half minute.
pub const SEEN_EVERY: Duration = Duration::from_secs(30);
/// A recording that could not be started, or broke down, is tried again after this long.
pub const RETRY_RECORDING: Duration = Duration::from_secs(10);
/// Lines of chat that newcomers are shown; older ones are in the recording.
pub const CHAT_KEPT_MAX: usize = 200;
/// Questions of a lesson. At the limit the oldest answered one goes; if none is answered, new ones are refused.
pub const QUESTIONS_MAX: usize = 200;
/// Votes remembered in a lesson: fifty for each of two hundred questions, some 300 kB of the kept state. Beyond, further
/// ones do not count.
pub const VOTES_MAX: usize = 10_000;
/// Bytes of chat, as JSON, that newcomers are shown: some two hundred ordinary lines. With the questions it makes 64 KiB,
/// a quarter of a second on a village's 2 Mbit/s. Older lines are in the recording.
pub const CHAT_SHOWN_BYTES_MAX: usize = 40 * 1024;
/// Bytes of questions, as JSON, that newcomers are shown; open ones first, the newest first.
pub const QUESTIONS_SHOWN_BYTES_MAX: usize = 24 * 1024;
/// Characters of a line of chat.
pub const CHAT_CHARS_MAX: usize = 2_000;
/// Characters of a question or an answer.
pub const QUESTION_CHARS_MAX: usize = 1_000;
/// Removed people remembered, so that they don't come back with the same grant. The oldest is forgotten.
pub const REMOVED_MAX: usize = 200;
/// Lines of one sending connection: camera, microphone, screen and its sound.
pub const PUBLISH_LINES_MAX: usize = 4;
/// Lines that one `Assign` may name: the thirty of a receiving connection, with room.
pub const ASSIGN_LINES_MAX: usize = 64;
/// Characters of an SDP media id; RFC 8843 leaves it open, browsers use one or two.
pub const MID_CHARS_MAX: usize = 32;
/// WHEP players per room.
pub const WATCHERS_MAX: usize = 500;
/// The number of people is told at most this often.
pub const COUNT_EVERY: Duration = Duration::from_secs(1);
