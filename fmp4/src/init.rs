//! CMAF init segments (ISO/IEC 23000-19 §7.3.2): `ftyp` and `moov` of one track.

use crate::{TrackConfig, boxes::BoxWriter, config::opus};
use lectern_media::ClockRate;

/// The track id in every file of ours: one track a file.
pub const TRACK_ID: u32 = 1;

const UNITY_MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The init segment of a track. Equal configurations give equal bytes.
#[must_use]
pub fn init_segment(config: &TrackConfig) -> Vec<u8> {
    let mut w = BoxWriter::with_capacity(1024);
    w.put(b"ftyp", |w| {
        // iso6: tfdt and default-base-is-moof; cmfc: CMAF track.
        w.bytes(b"iso6").u32(0).bytes(b"iso6cmfcmp41");
    });
    w.put(b"moov", |w| {
        mvhd(w, 0, TRACK_ID + 1);
        w.put(b"trak", |w| {
            tkhd(w, TRACK_ID, config, 0);
            w.put(b"mdia", |w| {
                mdhd(w, config.timescale().hz(), 0);
                hdlr(w, config);
                w.put(b"minf", |w| {
                    media_header(w, config);
                    dinf(w);
                    w.put(b"stbl", |w| {
                        stsd(w, config);
                        for kind in [b"stts", b"stsc", b"stco"] {
                            w.full(kind, 0, 0, |w| _ = w.u32(0));
                        }
                        w.full(b"stsz", 0, 0, |w| _ = w.u32(0).u32(0));
                    });
                });
            });
        });
        w.put(b"mvex", |w| {
            w.full(b"trex", 0, 0, |w| _ = w.u32(TRACK_ID).u32(1).u32(0).u32(0).u32(0));
        });
    });
    w.finish()
}

/// Movie header with a timescale of 1000.
pub(crate) fn mvhd(w: &mut BoxWriter, duration_ms: u64, next_track: u32) {
    w.full(b"mvhd", 1, 0, |w| {
        w.u64(0).u64(0).u32(1000).u64(duration_ms).u32(0x1_0000).u16(0x100).zeros(10);
        UNITY_MATRIX.iter().for_each(|m| _ = w.u32(*m));
        w.zeros(24).u32(next_track);
    });
}

/// Track header: enabled, in movie; duration in milliseconds.
pub(crate) fn tkhd(w: &mut BoxWriter, id: u32, config: &TrackConfig, duration_ms: u64) {
    let (width, height) = config.size();
    w.full(b"tkhd", 1, 3, |w| {
        w.u64(0).u64(0).u32(id).u32(0).u64(duration_ms).zeros(8).u16(0).u16(0);
        w.u16(if width == 0 { 0x100 } else { 0 }).u16(0);
        UNITY_MATRIX.iter().for_each(|m| _ = w.u32(*m));
        w.u32(u32::from(width) << 16).u32(u32::from(height) << 16);
    });
}

pub(crate) fn mdhd(w: &mut BoxWriter, timescale: u32, duration: u64) {
    // "und" as three letters of five bits each.
    w.full(b"mdhd", 1, 0, |w| _ = w.u64(0).u64(0).u32(timescale).u64(duration).u16(0x55c4).u16(0));
}

pub(crate) fn hdlr(w: &mut BoxWriter, config: &TrackConfig) {
    let (kind, name): (&[u8; 4], &[u8]) =
        if config.is_sound() { (b"soun", b"sound\0") } else { (b"vide", b"picture\0") };
    w.full(b"hdlr", 0, 0, |w| _ = w.u32(0).bytes(kind).zeros(12).bytes(name));
}

pub(crate) fn media_header(w: &mut BoxWriter, config: &TrackConfig) {
    if config.is_sound() {
        w.full(b"smhd", 0, 0, |w| _ = w.u32(0));
    } else {
        w.full(b"vmhd", 0, 1, |w| _ = w.u64(0));
    }
}

pub(crate) fn dinf(w: &mut BoxWriter) {
    w.put(b"dinf", |w| {
        w.full(b"dref", 0, 0, |w| {
            w.u32(1);
            w.full(b"url ", 0, 1, |_| {});
        });
    });
}

/// The sample description.
pub(crate) fn stsd(w: &mut BoxWriter, config: &TrackConfig) {
    w.full(b"stsd", 0, 0, |w| {
        w.u32(1);
        sample_entry(w, config);
    });
}

fn sample_entry(w: &mut BoxWriter, config: &TrackConfig) {
    match config {
        TrackConfig::Avc(c) => w.put(if c.in_band { b"avc3" } else { b"avc1" }, |w| {
            visual(w, c.width, c.height);
            w.put(b"avcC", |w| _ = w.bytes(&c.record()));
        }),
        TrackConfig::Hevc(c) => w.put(if c.in_band { b"hev1" } else { b"hvc1" }, |w| {
            visual(w, c.width, c.height);
            w.put(b"hvcC", |w| _ = w.bytes(&c.record()));
        }),
        TrackConfig::Vp8(c) => w.put(b"vp08", |w| {
            visual(w, c.width, c.height);
            w.full(b"vpcC", 1, 0, |w| _ = w.bytes(&c.record()));
        }),
        TrackConfig::Opus(c) => w.put(b"Opus", |w| {
            sound(w, c.channels, opus::RATE);
            w.put(b"dOps", |w| _ = w.bytes(&c.record()));
        }),
        TrackConfig::Aac(c) => w.put(b"mp4a", |w| {
            sound(w, c.channels, c.rate);
            w.full(b"esds", 0, 0, |w| _ = w.bytes(&c.record()));
        }),
        TrackConfig::Pcma => w.put(b"alaw", |w| sound(w, 1, G711_RATE)),
        TrackConfig::Pcmu => w.put(b"ulaw", |w| sound(w, 1, G711_RATE)),
    }
}

const G711_RATE: u32 = ClockRate::G711.hz();

/// The common part of an audio sample entry: 16 bit, the rate as 16.16, which ends below 65,536 (players read the codec's own).
fn sound(w: &mut BoxWriter, channels: u8, rate: u32) {
    let rate = u16::try_from(rate).map_or(0, |r| u32::from(r) << 16);
    w.zeros(6).u16(1).zeros(8).u16(u16::from(channels)).u16(16).zeros(4).u32(rate);
}

/// The common part of a visual sample entry: 72 dpi, one frame per sample, 24 bit, no colour table.
fn visual(w: &mut BoxWriter, width: u16, height: u16) {
    w.zeros(6).u16(1).zeros(16).u16(width).u16(height).u32(0x48_0000).u32(0x48_0000).u32(0).u16(1).zeros(32);
    w.u16(24).u16(0xffff);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{AacConfig, OpusConfig, Vp8Config},
        scan,
    };

    #[test]
    fn what_is_written_reads_back() {
        for config in [
            TrackConfig::Opus(OpusConfig::default()),
            TrackConfig::Vp8(Vp8Config { width: 640, height: 360 }),
            TrackConfig::Aac(AacConfig::new(&[0x14, 0x08]).unwrap()),
            TrackConfig::Pcma,
            TrackConfig::Pcmu,
        ] {
            let init = init_segment(&config);
            assert_eq!(scan::parse_init(&init), Ok((config, init.len())));
        }
    }
}
