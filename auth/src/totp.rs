//! Codes of six digits from an app: TOTP (RFC 6238) with SHA-1, 30 s and a secret of 20 bytes, which is what apps know.
//!
//! Pure. Does not belong here: that a code is used once and how often somebody may guess ([`crate::second_factor`]).

use hmac::{Hmac, Mac as _};
use lectern_media::UnixMillis;
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Bytes of a secret (RFC 4226 §4 R6 asks for 20).
pub const SECRET_LEN: usize = 20;
/// Seconds that a code lasts.
pub const STEP_S: i64 = 30;
/// Steps before and after now whose codes are taken, for clocks that are off and people who type.
pub const WINDOW: i64 = 1;

/// The number of the step that `now` is in; none before 1970.
#[must_use]
pub fn step(now: UnixMillis) -> Option<u64> {
    u64::try_from(now.0.div_euclid(1_000 * STEP_S)).ok()
}

/// The code of a step (RFC 4226 §5.3 with the step as counter).
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn code(secret: &[u8], step: u64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let hash: [u8; 20] = mac.finalize().into_bytes().into();
    let at = usize::from(hash[19] & 0xf);
    let word = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
    (word & 0x7fff_ffff) % 1_000_000
}

/// The step whose code `typed` is, among those around `now` that come after `last_used`: each code is good once
/// (RFC 6238 §5.2).
#[must_use]
pub fn matching_step(secret: &[u8], typed: &str, last_used: Option<u64>, now: UnixMillis) -> Option<u64> {
    let now = step(now)?;
    let window = (-WINDOW..=WINDOW).filter_map(|offset| now.checked_add_signed(offset));
    let mut found = None;
    // All of them are compared, so that the time taken says nothing.
    for step in window {
        let same: bool = format!("{:06}", code(secret, step)).as_bytes().ct_eq(typed.as_bytes()).into();
        if same && last_used.is_none_or(|last| step > last) {
            found = Some(step);
        }
    }
    found
}

/// Base 32 (RFC 4648 §6) without padding: how apps take secrets.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |chunk: &[u8], nth: usize| {
        let bits = chunk.iter().enumerate().fold(0_u64, |bits, (i, b)| bits | u64::from(*b) << (32 - 8 * i));
        char::from(DIGITS[(bits >> (35 - 5 * nth) & 31) as usize])
    };
    bytes.chunks(5).flat_map(|chunk| (0..(chunk.len() * 8).div_ceil(5)).map(move |n| digit(chunk, n))).collect()
}

/// The text of the QR code that apps read (Key Uri Format).
#[must_use]
pub fn uri(secret: &[u8], issuer: &str, login: &str) -> String {
    let (issuer, login) = (escape(issuer), escape(login));
    let secret = base32(secret);
    format!("otpauth://totp/{issuer}:{login}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP_S}")
}

/// Percent-encoding of everything that is not unreserved (RFC 3986 §2.3).
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_codes_of_rfc_4226_and_rfc_6238() {
        // RFC 4226 appendix D, counters 0 to 9.
        let hotp = [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489];
        for (counter, want) in hotp.into_iter().enumerate() {
            assert_eq!(code(SECRET, counter as u64), want, "counter {counter}");
        }
        // RFC 6238 appendix B, the SHA-1 rows, their last six digits.
        for (second, want) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code(SECRET, step(UnixMillis(second * 1_000)).unwrap()), want, "at {second} s");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_once() {
        let now = UnixMillis(1_234_567_890_000);
        let this = step(now).unwrap();
        let typed = |step| format!("{:06}", code(SECRET, step));
        for (at, good) in [(this - 2, false), (this - 1, true), (this, true), (this + 1, true), (this + 2, false)] {
            assert_eq!(matching_step(SECRET, &typed(at), None, now), good.then_some(at), "step {at}");
        }
        assert_eq!(matching_step(SECRET, &typed(this), Some(this), now), None, "used");
        assert_eq!(matching_step(SECRET, &typed(this - 1), Some(this), now), None, "older than one that was used");
        assert_eq!(matching_step(SECRET, &typed(this + 1), Some(this), now), Some(this + 1));
        for bad in ["", "5924", "0059240", "abcdef", "00592４"] {
            assert_eq!(matching_step(SECRET, bad, None, now), None, "{bad}");
        }
        assert_eq!(matching_step(SECRET, "000000", None, UnixMillis(-1)), None);
    }

    #[test]
    fn base32_as_in_rfc_4648() {
        for (plain, want) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), want);
        }
    }

    #[test]
    fn names_of_people_do_not_break_the_uri() {
        assert_eq!(
            uri(b"foobar", "网 上", "a&b"),
            "otpauth://totp/%E7%BD%91%20%E4%B8%8A:a%26b?secret=MZXW6YTBOI&issuer=%E7%BD%91%20%E4%B8%8A&algorithm=SHA1&digits=6&period=30"
        );
    }
}
