//! The worker process: reads keyframes from a pipe, decodes and measures them, writes reports. It has little memory, low
//! priority, and nothing to lose.

#[cfg(feature = "decode")]
mod decode;

use crate::{
    measure::Meter,
    wire::{Outcome, Report, Request, Undecodable, WireError, read_request, write_report},
};
use lectern_media::CameraId;
use std::{
    collections::HashMap,
    io::{Read, Write},
};

/// Cameras of which the last keyframe is kept, in part; 30 kB each. Of more, the longest unseen is forgotten.
const CAMERAS_MAX: usize = 4_096;
/// The most memory the process may have, in bytes: a decoder for 4K, and what is kept of the cameras.
const MEMORY_MAX: u64 = 1 << 30;
/// The niceness of the process: media goes first.
const NICENESS: i32 = 10;

/// Reads requests until the pipe ends. Call it first thing in a process of its own: it takes away what the process does not
/// need ([`confine`]).
///
/// # Errors
/// [`WireError`] if the pipe breaks in the middle of a request.
pub fn run(mut from: impl Read, mut to: impl Write) -> Result<(), WireError> {
    confine();
    let mut seen = Seen::default();
    let mut body = Vec::new();
    while read_request(&mut from, &mut body)? {
        let request = Request::parse(&body)?;
        let outcome = measure(&mut seen, &request);
        write_report(&mut to, &Report { camera: request.camera, at: request.at, outcome })?;
    }
    Ok(())
}

/// Lowers the priority of this process and bounds its memory. What the system refuses stays as it was: a worker without
/// limits is better than none.
pub fn confine() {
    let memory = libc::rlimit { rlim_cur: MEMORY_MAX, rlim_max: MEMORY_MAX };
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointers are to values that live through the calls, of the type that they ask for.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS);
        libc::setrlimit(libc::RLIMIT_AS, &raw const memory);
        // A dump of the memory would hold pictures.
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

/// What is kept of each camera.
#[derive(Default)]
struct Seen {
    meters: HashMap<CameraId, (u64, Meter)>,
    turn: u64,
}

impl Seen {
    fn meter(&mut self, camera: CameraId) -> &mut Meter {
        self.turn += 1;
        if self.meters.len() >= CAMERAS_MAX && !self.meters.contains_key(&camera) {
            let oldest = self.meters.iter().min_by_key(|(_, (turn, _))| *turn).map(|(c, _)| *c);
            oldest.into_iter().for_each(|c| drop(self.meters.remove(&c)));
        }
        let entry = self.meters.entry(camera).or_default();
        entry.0 = self.turn;
        &mut entry.1
    }
}

#[cfg(feature = "decode")]
fn measure(seen: &mut Seen, request: &Request<'_>) -> Outcome {
    let meter = seen.meter(request.camera);
    match decode::keyframe(request.keyframe, |planes| meter.measure(planes)) {
        Ok(Ok(measures)) => Outcome::Measured(measures),
        Ok(Err(_)) => Outcome::Undecodable(Undecodable::Size),
        Err(why) => Outcome::Undecodable(why),
    }
}

/// Built without a decoder: nothing can be said.
#[cfg(not(feature = "decode"))]
fn measure(seen: &mut Seen, request: &Request<'_>) -> Outcome {
    let _ = seen.meter(request.camera);
    Outcome::Undecodable(Undecodable::Refused)
}

/// Decodes and measures one keyframe in this process: for tests, benches and tools. What is hostile belongs to [`run`].
#[cfg(feature = "decode")]
#[must_use]
pub fn measure_here(meter: &mut Meter, keyframe: &[u8]) -> Outcome {
    match decode::keyframe(keyframe, |planes| meter.measure(planes)) {
        Ok(Ok(measures)) => Outcome::Measured(measures),
        Ok(Err(_)) => Outcome::Undecodable(Undecodable::Size),
        Err(why) => Outcome::Undecodable(why),
    }
}
