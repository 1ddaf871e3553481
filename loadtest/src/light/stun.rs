//! STUN binding requests as an ICE controlling agent sends them (RFC 8489, RFC 8445 §7.1), and little more.

use aws_lc_rs::hmac;

/// RFC 8489 §5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLING: u16 = 0x802a;
const HEADER_LEN: usize = 20;
/// Type preference host, local preference full, component 1 (RFC 8445 §5.1.2.1).
const PRIORITY_HOST: u32 = 126 << 24 | 0xffff << 8 | 255;

/// A binding request that nominates the pair at once: the other side is ICE-lite and has no opinion.
#[must_use]
pub fn binding_request(username: &str, password: &str, transaction: [u8; 12], tie_breaker: u64) -> Vec<u8> {
    let mut m = Vec::with_capacity(128);
    m.extend_from_slice(&BINDING_REQUEST.to_be_bytes());
    m.extend_from_slice(&[0, 0]);
    m.extend_from_slice(&MAGIC_COOKIE);
    m.extend_from_slice(&transaction);
    attribute(&mut m, USERNAME, username.as_bytes());
    attribute(&mut m, PRIORITY, &PRIORITY_HOST.to_be_bytes());
    attribute(&mut m, ICE_CONTROLLING, &tie_breaker.to_be_bytes());
    attribute(&mut m, USE_CANDIDATE, &[]);
    // The length counts the attribute that is being made (RFC 8489 §14.5, §14.7).
    set_len(&mut m, 24);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let tag = hmac::sign(&key, &m);
    attribute(&mut m, MESSAGE_INTEGRITY, tag.as_ref());
    set_len(&mut m, 8);
    let crc = crc32(&m) ^ 0x5354_554e;
    attribute(&mut m, FINGERPRINT, &crc.to_be_bytes());
    m
}

/// The transaction of a success response whose integrity is right.
#[must_use]
pub fn success_response(message: &[u8], password: &str) -> Option<[u8; 12]> {
    let kind = u16::from_be_bytes([*message.first()?, *message.get(1)?]);
    if kind != BINDING_SUCCESS || message.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    let mut at = HEADER_LEN;
    loop {
        let head = message.get(at..at + 4)?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = message.get(at + 4..at + 4 + len)?;
        if u16::from_be_bytes([head[0], head[1]]) == MESSAGE_INTEGRITY {
            let mut signed = message[..at].to_vec();
            set_len(&mut signed, 24);
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
            hmac::verify(&key, &signed, value).ok()?;
            return message[8..HEADER_LEN].try_into().ok();
        }
        at += 4 + len.next_multiple_of(4);
    }
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&(value.len() as u16).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
    set_len(message, 0);
}

/// Sets the length to what is there and `more` bytes that will follow.
fn set_len(message: &mut [u8], more: usize) {
    let len = (message.len() - HEADER_LEN + more) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

/// CRC-32 of ITU-T V.42, as RFC 8489 §14.7 wants it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn requests_are_well_formed() {
        let m = binding_request("remote:local", "password", [7; 12], 42);
        assert_eq!(usize::from(u16::from_be_bytes([m[2], m[3]])), m.len() - HEADER_LEN);
        assert_eq!(m.len() % 4, 0);
        let crc = u32::from_be_bytes(m[m.len() - 4..].try_into().expect("four bytes"));
        assert_eq!(crc ^ 0x5354_554e, {
            let mut body = m[..m.len() - 8].to_vec();
            set_len(&mut body, 8);
            crc32(&body)
        });
    }

    #[test]
    fn responses_are_believed_only_with_integrity() {
        // The RFC 5769 §2.2 response.
        let response: Vec<u8> = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
            002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
            .split_whitespace()
            .collect::<String>()
            .as_bytes()
            .chunks(2)
            .map(|h| u8::from_str_radix(std::str::from_utf8(h).expect("ASCII"), 16).expect("hex"))
            .collect();
        let want = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
        assert_eq!(success_response(&response, "VOkJxbRl1RmTxUk/WvJxBt"), Some(want));
        assert_eq!(success_response(&response, "another"), None);
        assert_eq!(success_response(&response[..40], "VOkJxbRl1RmTxUk/WvJxBt"), None);
        assert_eq!(success_response(&[], ""), None);
    }
}
