//! Entries for fuzzing: what the worker reads from its pipe, what the server reads from the worker's, and pictures of any
//! size and content.

use crate::{
    HealthCore, Meter, Observation, Planes,
    wire::{Request, parse_report, read_request},
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
            crate::wire::Outcome::Measured(m) => Observation::Picture(m),
            crate::wire::Outcome::Undecodable(_) => Observation::Undecodable,
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
