//! The published test vectors: RFC 3711 appendix B, RFC 7714 §16 and §17, and whole packets under derived keys.

use super::{MasterKey, Opener, Profile, Sealer, context};
use lectern_media::ExtSeq;

/// Bytes from hexadecimal digits; white space is skipped.
pub(super) fn hex(s: &str) -> Vec<u8> {
    let digits: Vec<u8> = s.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

const GCM_KEY: &str = "000102030405060708090a0b0c0d0e0f";
const GCM_SALT: &str = "517569642070726f2071756f";

#[test]
fn rfc_7714_16_1_1_rtp_aead_aes_128_gcm() {
    let clear = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                     69736120 696e2070 61727465 73207472 6573");
    let want = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
                    0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce");
    let sealer = Sealer::with_gcm_session_keys(&hex(GCM_KEY), &hex(GCM_SALT), 0);
    let mut buf = clear.clone();
    buf.resize(clear.len() + 16, 0);
    let len = sealer.seal_rtp(&mut buf, 12, clear.len(), ExtSeq(0xf17b)).unwrap();
    assert_eq!(buf[..len], want);
}

#[test]
fn rfc_7714_17_1_rtcp_aead_aes_128_gcm() {
    let clear = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
                     deadbeef deadbeef deadbeef deadbeef deadbeef");
    let want = hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
                    c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4");
    let mut sealer = Sealer::with_gcm_session_keys(&hex(GCM_KEY), &hex(GCM_SALT), 0x5d3);
    let mut buf = clear.clone();
    buf.resize(clear.len() + 20, 0);
    let len = sealer.seal_rtcp(&mut buf, clear.len()).unwrap();
    assert_eq!(buf[..len], want);
}

#[test]
fn rfc_3711_b2_counter_mode_key_stream() {
    let stream = context::counter_mode_stream(
        &hex("2B7E151628AED2A6ABF7158809CF4F3C"),
        &hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
        48,
    );
    assert_eq!(
        stream,
        hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0")
    );
}

/// The reference packets that every SRTP library checks itself with (master key and salt of RFC 3711 §B.3).
#[test]
fn whole_packets_of_aes_128_cm_hmac_sha1_80() {
    let master = MasterKey::new(
        Profile::Aes128CmHmacSha1_80,
        &hex("e1f97a0d3e018be0d64fa32c06de4139"),
        &hex("0ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    let mut sealer = Sealer::new(Profile::Aes128CmHmacSha1_80, &master);
    let mut opener = Opener::new(Profile::Aes128CmHmacSha1_80, &master);

    let clear = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let want = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let mut buf = clear.clone();
    buf.resize(clear.len() + 10, 0);
    let len = sealer.seal_rtp(&mut buf, 12, clear.len(), ExtSeq(0x1234)).unwrap();
    assert_eq!(buf[..len], want);
    let opened = opener.open_rtp(&mut buf).unwrap();
    assert_eq!(buf[..opened.len], clear);

    let clear = hex("81c8000bcafebabe abababababababababababababababab");
    let want = hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut buf = clear.clone();
    buf.resize(clear.len() + 14, 0);
    let len = sealer.seal_rtcp(&mut buf, clear.len()).unwrap();
    assert_eq!(buf[..len], want);
    let len = opener.open_rtcp(&mut buf).unwrap();
    assert_eq!(buf[..len], clear);
}
