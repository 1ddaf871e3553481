//! Entry points for fuzzing, one for each parser of foreign bytes: each takes anything and must neither panic nor loop.

use crate::{
    config::{AvcConfig, Vp8Config, avc, opus},
    depay::{Depacketizer, Packet},
    scan,
};
use bytes::Bytes;
use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};

/// A sequence of packets: each takes five bytes (sequence step, time step, marker, delay, length), then its payload.
fn packets(codec: Codec, mut data: &[u8]) {
    let Some(mut d) = Depacketizer::new(codec, Depacketizer::WAIT) else { return };
    let (mut seq, mut timestamp, mut now, mut out) = (0u64, 0u64, 0i64, Vec::new());
    while let Some((head, rest)) = data.split_first_chunk::<5>() {
        seq = seq.saturating_add_signed(i64::from(head[0] as i8));
        timestamp += u64::from(head[1]);
        now += i64::from(head[3]);
        let (payload, rest) = rest.split_at(usize::from(head[4]).min(rest.len()));
        data = rest;
        let packet = Packet {
            seq: ExtSeq(seq),
            timestamp: ExtTimestamp(timestamp),
            arrival: UnixMillis(now),
            marker: head[2] & 1 == 1,
            payload: Bytes::copy_from_slice(payload),
        };
        match head[2] & 0xfe {
            0xfe => d.flush(&mut out),
            0xfc => d.hole(u64::from(head[4]), &mut out),
            _ => d.push(packet, &mut out),
        }
        out.clear();
    }
    d.flush(&mut out);
}

/// H.264 payloads.
pub fn h264(data: &[u8]) {
    packets(Codec::H264, data);
}

/// VP8 payloads.
pub fn vp8(data: &[u8]) {
    packets(Codec::Vp8, data);
    let _ = Vp8Config::parse(data);
}

/// Opus payloads.
pub fn opus(data: &[u8]) {
    packets(Codec::Opus, data);
    let _ = opus::duration_ticks(data);
}

/// Parameter sets and the `avcC` record.
pub fn parameter_sets(data: &[u8]) {
    let _ = avc::Sps::parse(data);
    let _ = avc::pps_id(data);
    if let Some(config) = AvcConfig::parse_record(data) {
        assert_eq!(AvcConfig::parse_record(&config.record()).as_ref(), Some(&config), "a record reads back");
    }
}

/// Files: init segments and fragments.
pub fn files(data: &[u8]) {
    let _ = scan::parse_init(data);
    if let Ok(info) = scan::parse_fragment(data) {
        assert!(info.len <= data.len() && info.data_offset <= info.len);
        let _ = scan::extend_last_sample(data, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sample, TrackConfig, fragment::fragment, init::init_segment};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Random bytes, and valid ones with a few bytes changed, from a fixed seed; the seed is in the assertion's message.
    fn smoke(target: fn(&[u8]), seeds: &[Vec<u8>]) {
        for seed in 0..400u64 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut data: Vec<u8> = if seeds.is_empty() || seed % 4 == 0 {
                (0..rng.random_range(0..600)).map(|_| rng.random()).collect()
            } else {
                seeds[rng.random_range(0..seeds.len())].clone()
            };
            for _ in 0..rng.random_range(0..6) {
                if !data.is_empty() {
                    let at = rng.random_range(0..data.len());
                    data[at] = [0, 0xff, 0x80, 1, rng.random()][rng.random_range(0..5)];
                }
            }
            data.truncate(rng.random_range(0..=data.len()));
            assert!(std::panic::catch_unwind(|| target(&data)).is_ok(), "seed {seed}: {data:x?}");
        }
    }

    fn sps() -> Vec<u8> {
        vec![
            0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec, 4, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c,
            0xa8,
        ]
    }

    fn avc_config() -> AvcConfig {
        AvcConfig::new(vec![sps().into()], vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])]).unwrap()
    }

    fn framed(payloads: &[&[u8]]) -> Vec<u8> {
        payloads.iter().flat_map(|p| [&[1, 90, 1, 20, p.len() as u8][..], p].concat()).collect()
    }

    #[test]
    fn payload_formats() {
        let mut key = vec![0x78, 0, 23];
        key.extend(sps());
        key.extend([0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 3, 0x65, 0xb8, 1]);
        smoke(h264, &[framed(&[&key, &[0x7c, 0x81, 0x9a, 1], &[0x7c, 0x41, 2], &[0x41, 0x9a]])]);
        smoke(vp8, &[framed(&[&[0x90, 0x80, 1, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0], &[0x10, 0x11, 1]])]);
        smoke(opus, &[framed(&[&[0xfc, 0xff, 0xfe], &[0xfb, 3, 1]])]);
    }

    #[test]
    fn records_and_files() {
        smoke(parameter_sets, &[sps(), avc_config().record()]);
        let sample = |keyframe| Sample { duration: 3000, keyframe, data: Bytes::from_static(b"data") };
        let init = init_segment(&TrackConfig::Avc(avc_config()));
        smoke(files, &[init, fragment(1, 5, &[sample(true), sample(false)]), fragment(2, 5, &[sample(true)])]);
    }
}
