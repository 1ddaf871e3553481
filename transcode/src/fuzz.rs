//! Entries for fuzzing: what the worker reads from its pipe, and what the server reads from the worker's. The decoder's own
//! input is the third: what it makes of it must have the right length, whatever it is.

use crate::{
    AacFormat, Heard,
    encode::{ALAW_PACKET, Alaw},
    wire::{Answer, PAYLOAD_LEN_MAX, Request, Verdict, read_request},
};

/// Requests as a broken server might write them.
pub fn requests(data: &[u8]) {
    let (mut pipe, mut body) = (data, Vec::new());
    while let Ok(true) = read_request(&mut pipe, &mut body) {
        if let Ok(request) = Request::parse(&body) {
            assert_eq!(&request.frame()[4..], &body, "what was read is what was written");
        }
    }
}

/// Answers as a worker that was taken over might write them.
pub fn answers(data: &[u8]) {
    if let Ok(answer) = Answer::parse(data) {
        assert_eq!(&answer.frame()[4..], data, "what was read is what was written");
        assert!(answer.payload.len() <= PAYLOAD_LEN_MAX && answer.payload.len() % ALAW_PACKET == 0);
    }
}

/// Access units behind their length of one byte; the first byte chooses the format.
pub fn units(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let rate = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000][usize::from(first & 7) % 6];
    let format = AacFormat::new(rate, 1 + (first >> 7));
    let Some(mut heard) = format.and_then(|f| Heard::new(f, Box::new(Alaw))) else { return };
    let (mut at, mut next) = (0, 0);
    while let Some((len, tail)) = rest.split_first() {
        let len = usize::from(*len).min(tail.len());
        let done = heard.unit(at, &tail[..len]);
        assert_eq!(done.timestamp, next, "times follow each other");
        assert!(done.payload.len() <= PAYLOAD_LEN_MAX && done.payload.len() % ALAW_PACKET == 0);
        next += done.payload.len() as u32;
        at += AacFormat::FRAME * 8_000 / rate;
        rest = &tail[len..];
    }
}

/// Two requests behind each other.
#[must_use]
pub fn request_seeds() -> Vec<Vec<u8>> {
    let formats = [AacFormat::new(16_000, 1), AacFormat::new(48_000, 2)].into_iter().flatten();
    let frames: Vec<Vec<u8>> =
        formats.map(|format| Request { stream: 1, format, timestamp: 512, unit: &[1, 2, 3] }.frame()).collect();
    vec![frames.concat()].into_iter().chain(frames).collect()
}

/// An answer with sound, and one without.
#[must_use]
pub fn answer_seeds() -> Vec<Vec<u8>> {
    let answer = |verdict, payload| Answer { stream: 1, verdict, fresh: true, timestamp: 160, payload }.frame();
    let sound = [0xd5; 2 * ALAW_PACKET];
    [answer(Verdict::Decoded, &sound), answer(Verdict::Refused, &[])].map(|frame| frame[4..].to_vec()).into()
}

/// Units of silence as ffmpeg's encoder writes them for one channel and for two, and one that ends early.
#[must_use]
pub fn unit_seeds() -> Vec<Vec<u8>> {
    let (one, two) = ([0x01, 0x18, 0x20, 0x07], [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c]);
    let of = |first: u8, unit: &[u8]| [&[first, unit.len() as u8][..], unit, &[unit.len() as u8], unit].concat();
    vec![of(1, &one), of(0x84, &two), of(1, &one[..2])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_taken() {
        request_seeds().iter().for_each(|s| requests(s));
        unit_seeds().iter().for_each(|s| units(s));
        for seed in answer_seeds() {
            answers(&seed);
            assert!(Answer::parse(&seed).is_ok());
        }
        let mut heard = Heard::new(AacFormat::new(16_000, 1).unwrap(), Box::new(Alaw)).unwrap();
        assert_eq!(heard.unit(0, &unit_seeds()[0][2..6]).verdict, Verdict::Decoded);
    }
}
