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

/// A tone with noise as ffmpeg's encoder writes it, 16 kHz, one channel: two units behind each other.
const TONE: [&[u8]; 2] = [
    b"\x00\xfa\x95\x36\xca\x75\x65\x3a\x92\x50\x6d\x12\xe9\xff\xf9\x7f\xf3\xff\x1d\x6b\x57\x7a\xff\xfb\x5f\xfa\x7f\xce\
      \x67\xd7\x8a\xbe\x39\xff\x8f\xf4\x93\x64\xdf\x9f\xf8\xfd\x7e\x3b\xd4\x9b\xa1\xdb\xd7\x48\xfb\x87\x06\x15\x91\xad\
      \x45\x49\x15\x06\x2a\x0c\x12\x0c\x12\x0c\x12\x54\x18\x18\x24\x24\x18\x1b\xda\xe0\x90\x4d\x33\x77\x8f\xc0\x3e\x92\
      \x31\x3e\xfd\x7f\x87\x3f\x4b\x9c\x98\x49\x6d\x18\xdc\xe3\xaa\xd9\x81\x96\xca\xd3\x97\x2b\xdb\x8f\x1d\x82\x15\x3c\
      \x30\xb5\x20\xd6\x80\xa5\x01\xc9\x0c\x92\xaf\x27\x8f\x17\x04\x80\x78\x78",
    b"\x01\x5c\xef\x0b\x42\x43\xcd\xbd\xff\xb5\xff\xd7\xe3\x35\x31\x8a\xb6\xe7\x18\x73\x9c\x50\x3f\xc7\xc0\x4f\xb9\x1f\
      \x30\x0e\x84\xdc\x0c\x3d\xfd\xf3\xe8\x84\x7c\x7c\x00\x06\x7d\x01\xff\x83\x00\x32\x7c\x66\x00\x67\xf7\x20\x00\xcf\
      \xa0\x01\x98\x0c\xfe\xfe\xf0\x80\x13\xef\xa0\x0c\x9f\x1f\x01\xe6\xfe\x1e\x20\x32\xff\x0c\x00\x65\xfe\x1c",
];

/// That tone, units of silence as ffmpeg's encoder writes them for one channel and for two, and one that ends early.
#[must_use]
pub fn unit_seeds() -> Vec<Vec<u8>> {
    let (one, two) = ([0x01, 0x18, 0x20, 0x07], [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c]);
    let of = |first: u8, unit: &[u8]| [&[first, unit.len() as u8][..], unit, &[unit.len() as u8], unit].concat();
    let tone = TONE.iter().flat_map(|unit| [&[unit.len() as u8][..], unit].concat());
    vec![[1].into_iter().chain(tone).collect(), of(1, &one), of(0x84, &two), of(1, &one[..2])]
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
        for (n, unit) in TONE.iter().chain([&&unit_seeds()[1][2..6]]).enumerate() {
            assert_eq!(heard.unit(512 * n as u32, unit).verdict, Verdict::Decoded);
        }
    }
}
