//! Key derivation (RFC 3711 §4.3; RFC 7714 §11 uses the same function with a 96-bit salt).

use super::{KEY_LEN, Profile};
use aws_lc_rs::{
    cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
};
use zeroize::Zeroize;

/// A master key with its salt, one per direction. Wiped when dropped.
#[derive(Clone)]
pub(crate) struct MasterKey {
    key: [u8; KEY_LEN],
    /// Left-justified in 112 bits: an AEAD profile's 96-bit salt is followed by zeros (RFC 7714 §11).
    salt: [u8; 14],
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

/// What a session key is for: the label of RFC 3711 §4.3.1 and §4.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Label {
    RtpCipher = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

impl MasterKey {
    /// Takes the first [`KEY_LEN`] bytes of `key` and the profile's salt length of `salt`; `None` if they are shorter.
    pub(crate) fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let key = *key.first_chunk::<KEY_LEN>()?;
        let mut padded = [0; 14];
        padded[..profile.salt_len()].copy_from_slice(salt.get(..profile.salt_len())?);
        Some(Self { key, salt: padded })
    }

    /// Fills `out` with the session key of `label`. The key derivation rate is zero (RFC 5764 §4.1.2 leaves it so).
    pub(super) fn derive(&self, label: Label, out: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        // key_id = label || index DIV rate, 56 bits, XORed into the low end of the 112-bit salt.
        iv[7] ^= label as u8;
        out.fill(0);
        counter_mode(&self.key, iv, out);
    }
}

/// XORs AES-128 counter mode's key stream into `data`. For set-up only: it expands the key each time.
fn counter_mode(key: &[u8; KEY_LEN], iv: [u8; 16], data: &mut [u8]) {
    EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).expect("the key has AES-128's length"))
        .and_then(|k| k.less_safe_encrypt(data, EncryptionContext::Iv128(FixedLength::from(iv))))
        .expect("counter mode takes data of any length");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_the_keys_of_rfc_3711_appendix_b3() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let master = MasterKey::new(Profile::Aes128CmHmacSha1_80, &key, &salt).unwrap();
        let derive = |label, len| {
            let mut out = vec![0; len];
            master.derive(label, &mut out);
            out
        };
        assert_eq!(derive(Label::RtpCipher, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derive(Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(derive(Label::RtpAuth, 20), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    fn hex(s: &str) -> Vec<u8> {
        super::super::vectors::hex(s)
    }
}
