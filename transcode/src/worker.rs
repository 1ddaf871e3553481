//! The worker process: reads access units from a pipe, makes sound for browsers of them. It has little memory, opens no file and
//! starts no process. It is no sandbox: it runs as the server's user.

use crate::{
    encode::Alaw,
    heard::{Done, Heard},
    wire::{Answer, Request, Verdict, WireError, read_request},
};
use std::{
    collections::HashMap,
    io::{Read, Write},
};

/// Sounds of which something is kept; 150 KiB each. Of more, the longest unheard is forgotten.
const STREAMS_MAX: usize = 256;
/// The most memory the process may have, in bytes: code, and what is kept of the sounds, several times.
const MEMORY_MAX: u64 = 512 << 20;

/// Reads requests until the pipe ends. Call it first thing in a process of its own: it bounds memory, files and processes of
/// it.
///
/// # Errors
/// [`WireError`] if the pipe breaks, or says what is no request.
pub fn run(from: impl Read, to: impl Write) -> Result<(), WireError> {
    confine();
    serve(from, to)
}

/// The same without giving anything up: for tests.
///
/// # Errors
/// [`WireError`].
pub fn serve(mut from: impl Read, mut to: impl Write) -> Result<(), WireError> {
    let mut streams = Streams::default();
    let mut body = Vec::new();
    while read_request(&mut from, &mut body)? {
        let request = Request::parse(&body)?;
        let done = streams.unit(&request);
        let Done { verdict, fresh, timestamp, payload } = done;
        let answer = Answer { stream: request.stream, verdict, fresh, timestamp, payload: &payload };
        to.write_all(&answer.frame())?;
        to.flush()?;
    }
    Ok(())
}

/// Bounds this process. What the system refuses stays as it was: a worker without limits is better than none.
fn confine() {
    let limit = |max| libc::rlimit { rlim_cur: max, rlim_max: max };
    let (memory, none) = (limit(MEMORY_MAX), limit(0));
    // SAFETY: the pointers are to values that live through the calls, of the type that they ask for.
    unsafe {
        libc::setrlimit(libc::RLIMIT_AS, &raw const memory);
        // A dump of the memory would hold what was said in a room; files it has no need to write.
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const none);
        // What is open stays open: nothing that it reads makes it open more, or start anything.
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none);
        libc::setrlimit(libc::RLIMIT_NPROC, &raw const none);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// What is kept of each sound.
#[derive(Default)]
pub(crate) struct Streams {
    heard: HashMap<u64, (u64, Heard)>,
    turn: u64,
}

impl Streams {
    pub(crate) fn unit(&mut self, request: &Request<'_>) -> Done {
        self.turn += 1;
        let Request { stream, format, timestamp, unit } = *request;
        if self.heard.get(&stream).is_none_or(|(_, heard)| heard.format() != format) {
            if self.heard.len() >= STREAMS_MAX {
                let oldest = self.heard.iter().min_by_key(|(_, (turn, _))| *turn).map(|(s, _)| *s);
                oldest.into_iter().for_each(|s| drop(self.heard.remove(&s)));
            }
            let Some(heard) = Heard::new(format, Box::new(Alaw)) else {
                return Done { verdict: Verdict::Refused, fresh: true, timestamp, payload: Vec::new() };
            };
            self.heard.insert(stream, (self.turn, heard));
        }
        let Some((turn, heard)) = self.heard.get_mut(&stream) else {
            return Done { verdict: Verdict::Refused, fresh: true, timestamp, payload: Vec::new() };
        };
        *turn = self.turn;
        heard.unit(timestamp, unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AacFormat;

    #[test]
    fn each_request_is_answered_in_order_and_a_pipe_of_nonsense_ends() {
        let format = AacFormat::new(16_000, 1).unwrap();
        let request = |stream, unit| Request { stream, format, timestamp: 0, unit }.frame();
        let (mut to, from) = (Vec::new(), [request(1, &[0x40; 40][..]), request(2, &[0; 9][..])].concat());
        serve(&from[..], &mut to).unwrap();
        let first = Answer::parse(&to[4..4 + u32::from_be_bytes(*to.first_chunk().unwrap()) as usize]).unwrap();
        assert_eq!((first.stream, first.verdict, first.fresh), (1, Verdict::Damaged, true));
        assert!(first.payload.iter().all(|b| *b == 0xd5), "silence, {} bytes", first.payload.len());
        assert!(matches!(serve(&[0xff; 64][..], &mut Vec::new()), Err(WireError::Length(_))));
    }

    #[test]
    fn of_many_sounds_the_longest_unheard_is_forgotten() {
        let format = AacFormat::new(8_000, 1).unwrap();
        let mut streams = Streams::default();
        for stream in 0..STREAMS_MAX as u64 + 10 {
            streams.unit(&Request { stream, format, timestamp: 0, unit: &[0] });
        }
        assert_eq!(streams.heard.len(), STREAMS_MAX);
        assert!(!streams.heard.contains_key(&9) && streams.heard.contains_key(&10));
    }
}
