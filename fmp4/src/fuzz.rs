//! Entry points for fuzzing, one for each parser of foreign bytes: each takes anything and must neither panic nor loop.

use crate::{
    config::{AacConfig, AvcConfig, HevcConfig, Vp8Config, avc, hevc, opus},
    depay::{Depacketizer, Packet, Unit, nals},
    scan,
};
use bytes::Bytes;
use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};

/// A sequence of packets: each takes five bytes (sequence step, time step, marker, delay, length), then its payload.
fn packets(codec: Codec, data: &[u8]) {
    let run = |d: Option<Depacketizer>, all| d.map(|mut d| sequence(&mut d, codec, all, data));
    run(Depacketizer::new(codec, Depacketizer::WAIT), false);
    run(Depacketizer::keeping_all(codec, Depacketizer::WAIT), true);
}

fn sequence(d: &mut Depacketizer, codec: Codec, all: bool, mut data: &[u8]) {
    let has_nals = matches!(codec, Codec::H264 | Codec::H265);
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
            0xfa => d.set_parameters(&packet.payload),
            _ => d.push(packet, &mut out),
        }
        for unit in out.drain(..) {
            let Unit::Access(unit) = unit else { continue };
            assert!(all || unit.broken.is_none(), "what comes out decodes");
            assert!(unit.broken.is_none() || unit.config.is_none(), "a broken unit begins nothing");
            if has_nals {
                let whole: usize = nals(unit.data.clone()).map(|n| n.len() + 4).sum();
                assert_eq!(whole, unit.data.len(), "a sample is whole NAL units");
            }
        }
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

/// H.265 payloads.
pub fn h265(data: &[u8]) {
    packets(Codec::H265, data);
}

/// AAC payloads, and configurations.
pub fn aac(data: &[u8]) {
    packets(Codec::Aac, data);
    let _ = AacConfig::new(data);
    if let Some(config) = AacConfig::parse_record(data) {
        assert_eq!(config.record(), data, "a record reads back");
    }
}

/// G.711 payloads.
pub fn g711(data: &[u8]) {
    packets(Codec::Pcma, data);
}

/// Opus payloads.
pub fn opus(data: &[u8]) {
    packets(Codec::Opus, data);
    let _ = opus::duration_ticks(data);
}

/// Parameter sets, and the `avcC` and `hvcC` records.
pub fn parameter_sets(data: &[u8]) {
    let _ = avc::Sps::parse(data);
    let _ = (avc::pps_id(data), avc::is_b_slice(data));
    let _ = hevc::Sps::parse(data);
    let _ = (hevc::vps_id(data), hevc::pps_id(data));
    if let Some(config) = HevcConfig::parse_record(data, false) {
        assert_eq!(HevcConfig::parse_record(&config.record(), false).as_ref(), Some(&config), "a record reads back");
        assert!(config.rfc6381().starts_with("hvc1."));
    }
    if let Some(config) = AvcConfig::parse_record(data) {
        assert_eq!(AvcConfig::parse_record(&config.record()).as_ref(), Some(&config), "a record reads back");
    }
}

/// Format parameters of a session description.
pub fn fmtp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for codec in [Codec::H264, Codec::H265, Codec::Aac] {
        if let (Ok(config), Some(mut d)) =
            (crate::fmtp::config(codec, text), Depacketizer::new(codec, Depacketizer::WAIT))
        {
            d.set_parameters(&config);
        }
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

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
    }

    fn hevc_sets() -> [Vec<u8>; 3] {
        [
            hex("40010c01ffff016000000300900000030000030078928090"),
            hex("420101016000000300900000030000030078a003c08010e5964a924caf016808000003000800000300c840"),
            hex("4401c172b46240"),
        ]
    }

    fn hevc_config() -> HevcConfig {
        let [vps, sps, pps] = hevc_sets().map(|s| vec![s.into()]);
        HevcConfig::new(vps, sps, pps).unwrap()
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
        let [vps, sps, pps] = hevc_sets();
        let key: &[&[u8]] = &[&vps, &sps, &pps, &[0x62, 1, 0x93, 0xaf, 1], &[0x62, 1, 0x53, 3], &[2, 1, 0xd0, 1]];
        smoke(h265, &[framed(key), framed(&[&[0x60, 1, 0, 3, 2, 1, 0xd0, 0, 3, 2, 1, 0x50]])]);
        let mut told = vec![1, 0, 0xfa, 0, 2, 0x14, 8];
        told.extend(framed(&[&[0, 32, 0, 16, 0, 8, 1, 2, 3], &[0, 16, 0, 32, 1, 2], &[0, 16, 0, 32, 3, 4]]));
        smoke(aac, &[told, AacConfig::new(&[0x14, 8]).unwrap().record()]);
        smoke(g711, &[framed(&[&[0xd5; 80]])]);
        smoke(vp8, &[framed(&[&[0x90, 0x80, 1, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0], &[0x10, 0x11, 1]])]);
        smoke(opus, &[framed(&[&[0xfc, 0xff, 0xfe], &[0xfb, 3, 1]])]);
    }

    #[test]
    fn records_and_files() {
        let [vps, hevc_sps, pps] = hevc_sets();
        let sets = [sps(), avc_config().record(), vps, hevc_sps, pps, hevc_config().record()];
        smoke(parameter_sets, &sets);
        let sample = |keyframe| Sample { duration: 3000, keyframe, composition: 0, data: Bytes::from_static(b"data") };
        let init = init_segment(&TrackConfig::Avc(avc_config()));
        let hevc = init_segment(&TrackConfig::Hevc(hevc_config()));
        let aac = init_segment(&TrackConfig::Aac(AacConfig::new(&[0x14, 8]).unwrap()));
        smoke(
            files,
            &[init, hevc, aac, fragment(1, 5, &[sample(true), sample(false)]), fragment(2, 5, &[sample(true)])],
        );
    }
}
