//! Entries for fuzzing: what the worker reads from its pipe, what the server reads from the worker's, and pictures of any
//! size and content.

use crate::{
    HealthCore, Meter, Observation, Planes,
    wire::{Outcome, Report, Request, Undecodable, parse_report, read_request, write_report},
};
use lectern_media::{CameraId, UnixMillis};
use ulid::Ulid;

/// Requests as a broken server might write them.
pub fn requests(data: &[u8]) {
    let (mut pipe, mut body) = (data, Vec::new());
    while let Ok(true) = read_request(&mut pipe, &mut body) {
        if let Ok(request) = Request::parse(&body) {
            assert_eq!(&request.head()[4..], &body[..24], "what was read is what was written");
        }
    }
}

/// Reports as a worker that was taken over might write them; what is well formed is judged, too.
pub fn reports(data: &[u8]) {
    let mut core = HealthCore::new();
    for (n, line) in data.split(|b| *b == b'\n').take(64).enumerate() {
        let Ok(report) = parse_report(line) else { continue };
        let seen = match &report.outcome {
            Outcome::Measured(m) => Observation::Picture(m),
            Outcome::Undecodable(_) => Observation::Undecodable,
        };
        core.observe(UnixMillis(n as i64 * 2_000), report.camera, seen);
    }
}

/// Pictures: two bytes of width, two of height, and luma that repeats.
pub fn pictures(data: &[u8]) {
    let Some((head, luma)) = data.split_first_chunk::<4>() else { return };
    if luma.is_empty() {
        return;
    }
    let (width, height) = (
        usize::from(u16::from_be_bytes([head[0], head[1]])) % 700,
        usize::from(u16::from_be_bytes([head[2], head[3]])) % 400,
    );
    let y: Vec<u8> = luma.iter().copied().cycle().take(width * height).collect();
    let (mut core, mut meter) = (HealthCore::new(), Meter::default());
    for n in 0..3 {
        let p = Planes { width, height, y: (&y, width), u: (&y, width / 2), v: (&y, width / 2) };
        if let Ok(m) = meter.measure(&p) {
            core.observe(UnixMillis(n * 2_000), CameraId(Ulid(1)), Observation::Picture(&m));
        }
    }
}

/// Two requests behind each other.
#[must_use]
pub fn request_seeds() -> Vec<Vec<u8>> {
    let one = |n: u8| {
        let keyframe = [0, 0, 0, 1, 0x67, 66, 0xc0, 31, n];
        let request =
            Request { camera: CameraId(Ulid(n.into())), at: UnixMillis(1_800_000_000_000), keyframe: &keyframe };
        [&request.head()[..], &keyframe].concat()
    };
    vec![one(1), [one(1), one(2)].concat()]
}

/// A keyframe that was measured, and one that was not.
#[must_use]
pub fn report_seeds() -> Vec<Vec<u8>> {
    let y: Vec<u8> = (0..320 * 180u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let planes = Planes { width: 320, height: 180, y: (&y, 320), u: (&y, 160), v: (&y, 160) };
    let mut meter = Meter::default();
    let mut outcomes: Vec<Outcome> =
        (0..2).filter_map(|_| meter.measure(&planes).ok()).map(Outcome::Measured).collect();
    outcomes.push(Outcome::Undecodable(Undecodable::Refused));
    let line = |outcome| {
        let mut line = Vec::new();
        // Writing to memory does not fail.
        let _ = write_report(&mut line, &Report { camera: CameraId(Ulid(7)), at: UnixMillis(1), outcome });
        line
    };
    let lines: Vec<Vec<u8>> = outcomes.into_iter().map(line).collect();
    let all = lines.concat();
    lines.into_iter().chain([all]).collect()
}

/// Small pictures.
#[must_use]
pub fn picture_seeds() -> Vec<Vec<u8>> {
    [(160u16, 90u16), (320, 180), (641, 361)]
        .map(|(w, h)| [&w.to_be_bytes()[..], &h.to_be_bytes(), &[16, 235, 90, 120, 121]].concat())
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_taken() {
        request_seeds().iter().for_each(|s| requests(s));
        picture_seeds().iter().for_each(|s| pictures(s));
        for seed in report_seeds() {
            reports(&seed);
            let lines = seed.split(|b| *b == b'\n').filter(|l| !l.is_empty());
            assert!(lines.map(parse_report).all(|r| r.is_ok()));
        }
    }
}
