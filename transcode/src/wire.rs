//! The pipe between the server and the worker: frames with a length before each, all numbers big-endian.
//!
//! ```text
//! request:  length (u32) │ stream (u64) │ rate in Hz (u32) │ channels (u8) │ time (u32) │ access unit
//! answer:   length (u32) │ stream (u64) │ verdict (u8) │ fresh (u8) │ time (u32) │ A-law
//! ```
//! Times are in ticks of 8 kHz. An answer follows each request, in the same order.

use crate::{encode::ALAW_PACKET, format::AacFormat};
use std::io::{self, Read};

/// The longest access unit, in bytes: what 13 bits of size tell (RFC 3640 §3.3.6).
pub const UNIT_LEN_MAX: usize = 8_191;
/// The most bytes of sound in an answer: a unit at 8 kHz, and a packet that was begun before.
pub const PAYLOAD_LEN_MAX: usize = (AacFormat::FRAME as usize / ALAW_PACKET + 1) * ALAW_PACKET;
/// What stands before the unit, without the length.
const REQUEST_HEAD: usize = 17;
/// … and before the sound.
const ANSWER_HEAD: usize = 14;
/// Lengths that are possible.
pub const REQUEST_LENS: std::ops::RangeInclusive<usize> = REQUEST_HEAD + 1..=REQUEST_HEAD + UNIT_LEN_MAX;
/// Lengths that are possible.
pub const ANSWER_LENS: std::ops::RangeInclusive<usize> = ANSWER_HEAD..=ANSWER_HEAD + PAYLOAD_LEN_MAX;

/// One access unit to be made into sound for browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which sound it continues.
    pub stream: u64,
    /// How it is encoded.
    pub format: AacFormat,
    /// Its time.
    pub timestamp: u32,
    /// The unit (ISO/IEC 14496-3 `raw_data_block`).
    pub unit: &'a [u8],
}

/// Whether a unit could be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It was.
    Decoded,
    /// It was not; silence stands in its place.
    Damaged,
    /// The decoder does not take the format: there is no sound.
    Refused,
}

impl Verdict {
    /// The value of the `result` label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Damaged => "damaged",
            Self::Refused => "refused",
        }
    }
}

/// What the worker made of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Which sound.
    pub stream: u64,
    /// Whether it could be decoded.
    pub verdict: Verdict,
    /// It does not continue what came before.
    pub fresh: bool,
    /// The time of the first sample.
    pub timestamp: u32,
    /// Whole packets of [`ALAW_PACKET`] bytes; may be none.
    pub payload: &'a [u8],
}

/// Why the other side of the pipe was not understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A frame of an impossible length.
    #[error("a frame of {0} bytes is not possible")]
    Length(usize),
    /// A format that was never asked for, a verdict that does not exist, or half a packet.
    #[error("a frame makes no sense")]
    Nonsense,
    /// The pipe is broken.
    #[error("the pipe is broken")]
    Pipe(#[from] io::Error),
}

impl<'a> Request<'a> {
    /// What goes over the pipe.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + REQUEST_HEAD + self.unit.len());
        out.extend(((REQUEST_HEAD + self.unit.len()) as u32).to_be_bytes());
        out.extend(self.stream.to_be_bytes());
        out.extend(self.format.rate_hz().to_be_bytes());
        out.push(self.format.channels());
        out.extend(self.timestamp.to_be_bytes());
        out.extend_from_slice(self.unit);
        out
    }

    /// Reads what follows a length.
    ///
    /// # Errors
    /// [`WireError::Length`], [`WireError::Nonsense`].
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        if !REQUEST_LENS.contains(&body.len()) {
            return Err(WireError::Length(body.len()));
        }
        let wrong = || WireError::Length(body.len());
        let (stream, rest) = body.split_first_chunk().ok_or_else(wrong)?;
        let (rate, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let ([channels], rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let (timestamp, unit) = rest.split_first_chunk().ok_or_else(wrong)?;
        let format = AacFormat::new(u32::from_be_bytes(*rate), *channels).ok_or(WireError::Nonsense)?;
        Ok(Self { stream: u64::from_be_bytes(*stream), format, timestamp: u32::from_be_bytes(*timestamp), unit })
    }
}

impl<'a> Answer<'a> {
    /// What goes over the pipe.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + ANSWER_HEAD + self.payload.len());
        out.extend(((ANSWER_HEAD + self.payload.len()) as u32).to_be_bytes());
        out.extend(self.stream.to_be_bytes());
        out.extend([self.verdict as u8, self.fresh.into()]);
        out.extend(self.timestamp.to_be_bytes());
        out.extend_from_slice(self.payload);
        out
    }

    /// Reads what follows a length.
    ///
    /// # Errors
    /// [`WireError::Length`], [`WireError::Nonsense`].
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        if !ANSWER_LENS.contains(&body.len()) {
            return Err(WireError::Length(body.len()));
        }
        let wrong = || WireError::Length(body.len());
        let (stream, rest) = body.split_first_chunk().ok_or_else(wrong)?;
        let ([verdict, fresh], rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let (timestamp, payload) = rest.split_first_chunk().ok_or_else(wrong)?;
        let verdicts = [Verdict::Decoded, Verdict::Damaged, Verdict::Refused];
        let verdict = verdicts.into_iter().find(|v| *v as u8 == *verdict).ok_or(WireError::Nonsense)?;
        if *fresh > 1 || payload.len() % ALAW_PACKET != 0 {
            return Err(WireError::Nonsense);
        }
        let (stream, timestamp) = (u64::from_be_bytes(*stream), u32::from_be_bytes(*timestamp));
        Ok(Self { stream, verdict, fresh: *fresh == 1, timestamp, payload })
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
    if !REQUEST_LENS.contains(&len) {
        return Err(WireError::Length(len));
    }
    body.resize(len, 0);
    from.read_exact(body)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_travel_as_they_are() {
        let format = AacFormat::new(16_000, 1).unwrap();
        let request = Request { stream: 7, format, timestamp: u32::MAX - 3, unit: &[1, 2, 3] };
        let (frame, mut body) = (request.frame(), Vec::new());
        let mut pipe = &frame[..];
        assert!(read_request(&mut pipe, &mut body).unwrap());
        assert_eq!(Request::parse(&body).unwrap(), request);
        assert!(!read_request(&mut pipe, &mut body).unwrap(), "the end");

        let sound = [0xd5; 2 * ALAW_PACKET];
        for verdict in [Verdict::Decoded, Verdict::Damaged, Verdict::Refused] {
            let answer = Answer { stream: 7, verdict, fresh: true, timestamp: 160, payload: &sound };
            assert_eq!(Answer::parse(&answer.frame()[4..]).unwrap(), answer);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for len in [0u32, 17, *REQUEST_LENS.end() as u32 + 1, u32::MAX] {
            let bytes = len.to_be_bytes();
            let read = read_request(&mut &bytes[..], &mut Vec::new());
            assert!(matches!(read, Err(WireError::Length(n)) if n == len as usize), "{len}");
        }
        let format = AacFormat::new(16_000, 1).unwrap();
        let good = Request { stream: 7, format, timestamp: 0, unit: &[1] }.frame();
        let mut six_channels = good.clone();
        six_channels[16] = 6;
        assert!(matches!(Request::parse(&six_channels[4..]), Err(WireError::Nonsense)));
        let answer = Answer { stream: 7, verdict: Verdict::Decoded, fresh: false, timestamp: 0, payload: &[] }.frame();
        // (place, value)
        for (at, value) in [(12, 3), (13, 2)] {
            let mut bad = answer.clone();
            bad[at] = value;
            assert!(matches!(Answer::parse(&bad[4..]), Err(WireError::Nonsense)), "{at}");
        }
        let half = [&answer[4..], &[0; 80][..]].concat();
        assert!(matches!(Answer::parse(&half), Err(WireError::Nonsense)), "half a packet");
        assert!(matches!(Answer::parse(&[0; 3]), Err(WireError::Length(3))));
    }
}
