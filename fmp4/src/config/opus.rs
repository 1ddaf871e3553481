//! Opus packets (RFC 6716 §3) and the `dOps` record ("Encapsulation of Opus in ISO base media" §4.3.2).

/// The configuration of an Opus track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusConfig {
    /// Channels of the decoder's output. RTP always announces two (RFC 7587 §7), a mono packet is played on both.
    pub channels: u8,
}

impl Default for OpusConfig {
    fn default() -> Self {
        Self { channels: 2 }
    }
}

/// Ticks per second of every Opus track.
pub const RATE: u32 = 48_000;

/// 20 ms of silence in stereo: CELT, full band, one frame of the smallest valid content.
pub const SILENCE: &[u8] = &[0xfc, 0xff, 0xfe];

/// The length of [`SILENCE`] in ticks of 48 kHz.
pub const SILENCE_TICKS: u32 = 960;

/// The length of a packet in ticks of 48 kHz (RFC 6716 §3.1, §3.2); `None` if the packet is empty, its frame count is
/// missing or zero, or it is longer than 120 ms.
#[must_use]
pub fn duration_ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        c @ 0..=11 => [480, 960, 1920, 2880][usize::from(c & 3)],
        c @ 12..=15 => [480, 960][usize::from(c & 1)],
        c => [120, 240, 480, 960][usize::from(c & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let ticks = frame * frames;
    (ticks > 0 && ticks <= 5760).then_some(ticks)
}

impl OpusConfig {
    /// The content of the `dOps` box.
    #[must_use]
    pub fn record(&self) -> [u8; 11] {
        let rate = RATE.to_be_bytes();
        // Version 0, channels, pre-skip 0 (a tap joins in mid-stream: no encoder delay to cut), input rate, gain 0, mapping family 0.
        [0, self.channels, 0, 0, rate[0], rate[1], rate[2], rate[3], 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_lengths_follow_the_table_of_rfc_6716() {
        // (packet, ticks)
        let cases: &[(&[u8], Option<u32>)] = &[
            (&[0x78], Some(960)),
            (SILENCE, Some(SILENCE_TICKS)),
            (&[0x00], Some(480)),
            (&[0x18], Some(2880)),
            (&[0x60], Some(480)),
            (&[0x80], Some(120)),
            (&[0xf9, 0], Some(1920)),
            (&[0xfb, 3], Some(2880)),
            (&[0xfb, 0], None),
            (&[0xfb], None),
            (&[0x1b, 3], None),
            (&[], None),
        ];
        for (packet, ticks) in cases {
            assert_eq!(duration_ticks(packet), *ticks, "{packet:x?}");
        }
    }
}
