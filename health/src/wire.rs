//! The pipe between the server and the worker: requests with a length before each, reports as lines of JSON.
//!
//! ```text
//! request:  length of what follows (u32) │ camera (u128) │ at, Unix time in ms (i64) │ keyframe, Annex B
//! ```
//! All numbers are big-endian. A report answers each request, in the same order.

use crate::measure::Measures;
use lectern_media::{CameraId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use ulid::Ulid;

/// The largest keyframe, in bytes.
pub const KEYFRAME_LEN_MAX: usize = 2 << 20;
/// Camera and time.
const HEAD: usize = 24;
/// The longest line of a report, in bytes. A report has 2,500.
pub const REPORT_LEN_MAX: usize = 16 << 10;

/// One keyframe to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Whose it is.
    pub camera: CameraId,
    /// When it arrived.
    pub at: UnixMillis,
    /// Parameter sets and slices, each behind a start code (ITU-T H.264 Annex B).
    pub keyframe: &'a [u8],
}

/// What the worker made of a keyframe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whose it is.
    pub camera: CameraId,
    /// When it arrived.
    pub at: UnixMillis,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a keyframe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It was measured.
    Measured(Measures),
    /// It could not be decoded.
    Undecodable(Undecodable),
}

/// Why a keyframe could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undecodable {
    /// The decoder refused it.
    Refused,
    /// It holds no whole picture.
    Incomplete,
    /// Its size is not measured.
    Size,
    /// The worker died of it, or never answered.
    Fatal,
    /// One of this camera's was fatal a moment ago; this one was not tried.
    Skipped,
}

impl Undecodable {
    /// The value of the `reason` label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Incomplete => "incomplete",
            Self::Size => "size",
            Self::Fatal => "fatal",
            Self::Skipped => "skipped",
        }
    }
}

/// Why the other side of the pipe was not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A request of an impossible length.
    #[error("a request of {0} bytes is not possible")]
    Length(usize),
    /// A report that is none.
    #[error("a line of the worker is no report")]
    Report(#[from] serde_json::Error),
    /// The pipe is broken.
    #[error("the pipe is broken")]
    Pipe(#[from] io::Error),
}

impl<'a> Request<'a> {
    /// What goes before the keyframe.
    #[must_use]
    pub fn head(&self) -> [u8; 4 + HEAD] {
        let mut head = [0; 4 + HEAD];
        head[..4].copy_from_slice(&((HEAD + self.keyframe.len()) as u32).to_be_bytes());
        head[4..20].copy_from_slice(&self.camera.0.0.to_be_bytes());
        head[20..].copy_from_slice(&self.at.0.to_be_bytes());
        head
    }

    /// Reads what follows a length.
    ///
    /// # Errors
    /// [`WireError::Length`].
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let wrong = || WireError::Length(body.len());
        let (camera, rest) = body.split_first_chunk::<16>().ok_or_else(wrong)?;
        let (at, keyframe) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        if keyframe.is_empty() || keyframe.len() > KEYFRAME_LEN_MAX {
            return Err(wrong());
        }
        let camera = CameraId(Ulid(u128::from_be_bytes(*camera)));
        Ok(Self { camera, at: UnixMillis(i64::from_be_bytes(*at)), keyframe })
    }
}

/// Reads the body of the next request into `body`; `false` at the end of the pipe.
///
/// # Errors
/// [`WireError`]: what follows can't be told apart any more.
pub fn read_request(from: &mut impl Read, body: &mut Vec<u8>) -> Result<bool, WireError> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    let len = u32::from_be_bytes(len) as usize;
    if !(HEAD + 1..=HEAD + KEYFRAME_LEN_MAX).contains(&len) {
        return Err(WireError::Length(len));
    }
    body.resize(len, 0);
    from.read_exact(body)?;
    Ok(true)
}

/// Writes a report as a line.
///
/// # Errors
/// [`WireError::Pipe`].
pub fn write_report(to: &mut impl Write, report: &Report) -> Result<(), WireError> {
    serde_json::to_writer(&mut *to, report)?;
    to.write_all(b"\n")?;
    Ok(to.flush()?)
}

/// Reads a line as a report.
///
/// # Errors
/// [`WireError::Report`].
pub fn parse_report(line: &[u8]) -> Result<Report, WireError> {
    Ok(serde_json::from_slice(line)?)
}

/// The keyframes of an Annex B stream, each from its sequence parameter set to its last IDR slice: for tests and tools; what
/// comes from a camera is cut by ingest.
#[must_use]
pub fn keyframes(stream: &[u8]) -> Vec<&[u8]> {
    // ITU-T H.264 §7.4.1: the type of a unit is in the low five bits behind the start code; 5 is IDR, 7 is SPS.
    let units: Vec<(usize, u8)> =
        (stream.windows(4).enumerate()).filter(|(_, w)| w[..3] == [0, 0, 1]).map(|(at, w)| (at, w[3] & 0x1f)).collect();
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(sps) = (from..units.len()).find(|n| units[*n].1 == 7) {
        let idr = (sps..units.len()).find(|n| units[*n].1 == 5).unwrap_or(units.len());
        let end = (idr..units.len()).find(|n| units[*n].1 != 5).unwrap_or(units.len());
        if idr < end {
            found.push(&stream[units[sps].0..units.get(end).map_or(stream.len(), |u| u.0)]);
        }
        from = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_reports_travel_as_they_are() {
        let camera = CameraId::generate();
        let request = Request { camera, at: UnixMillis(1_700_000_000_123), keyframe: &[0, 0, 0, 1, 0x67] };
        let bytes = [&request.head()[..], request.keyframe].concat();
        let (mut pipe, mut body) = (&bytes[..], Vec::new());
        assert!(read_request(&mut pipe, &mut body).unwrap());
        assert_eq!(Request::parse(&body).unwrap(), request);
        assert!(!read_request(&mut pipe, &mut body).unwrap(), "the end");

        let report = Report { camera, at: request.at, outcome: Outcome::Undecodable(Undecodable::Incomplete) };
        let mut line = Vec::new();
        write_report(&mut line, &report).unwrap();
        assert_eq!(parse_report(&line).unwrap(), report);
    }

    #[test]
    fn lengths_that_are_not_possible_end_the_pipe() {
        for len in [0u32, 24, (HEAD + KEYFRAME_LEN_MAX + 1) as u32, u32::MAX] {
            let bytes = len.to_be_bytes();
            let read = read_request(&mut &bytes[..], &mut Vec::new());
            assert!(matches!(read, Err(WireError::Length(n)) if n == len as usize), "{len}");
        }
        let cut = [0u8, 0, 0, 40, 1, 2];
        assert!(matches!(read_request(&mut &cut[..], &mut Vec::new()), Err(WireError::Pipe(_))));
        assert!(parse_report(b"{}").is_err());
    }
}
