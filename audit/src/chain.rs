//! Hashes and signatures of the log: `h = SHA-256(h_prev ‖ line without h)`, heads signed with Ed25519 (RFC 8032).

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use lectern_media::UnixMillis;
use sha2::{Digest as _, Sha256};

/// A hash of the chain; before the first line it is all zeros.
pub type Hash = [u8; 32];

/// Signs heads. The server gives the key with which the recorder signs, too.
pub trait HeadSigner: Send + Sync {
    /// Ed25519 public key.
    fn public_key(&self) -> [u8; 32];
    /// Ed25519 signature.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// The end of the log: its last durable line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Its number; 0 for an empty log.
    pub n: u64,
    /// Its hash.
    pub hash: Hash,
    /// When it was written.
    pub at: UnixMillis,
}

/// The hash of a line.
#[must_use]
pub fn link(previous: &Hash, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(body);
    hash.finalize().into()
}

/// What is signed for the head at line `n`.
#[must_use]
pub fn head_message(n: u64, hash: &Hash) -> Vec<u8> {
    format!("lectern audit head 1 {n} {}", hex::encode(hash)).into_bytes()
}

/// What is signed for an export: the hash of its bytes and the head it was made at.
#[must_use]
pub fn export_message(content: &Hash, head: &Head) -> Vec<u8> {
    format!("lectern audit export 1 {} {} {}", hex::encode(content), head.n, hex::encode(head.hash)).into_bytes()
}

/// Whether `signature` is that of `message` by the owner of `key`.
#[must_use]
pub fn signature_fits(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// 32 bytes from 64 hexadecimal digits. Small letters only: a hash has one spelling, or an edit of it would go unseen.
pub(crate) fn hash_of(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    /// A key of tests.
    pub(crate) struct TestKey(Ed25519KeyPair);

    impl TestKey {
        pub(crate) fn new(seed: u8) -> Self {
            Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
        }
    }

    impl HeadSigner for TestKey {
        fn public_key(&self) -> [u8; 32] {
            self.0.public_key().as_ref().try_into().unwrap()
        }

        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).as_ref().try_into().unwrap()
        }
    }

    #[test]
    fn signatures_belong_to_key_and_message() {
        let (ours, other) = (TestKey::new(1), TestKey::new(2));
        let message = head_message(7, &[3; 32]);
        let signature = ours.sign(&message);
        assert!(signature_fits(&ours.public_key(), &message, &signature));
        assert!(!signature_fits(&other.public_key(), &message, &signature));
        assert!(!signature_fits(&ours.public_key(), &head_message(8, &[3; 32]), &signature));
        assert!(!signature_fits(&[], &message, &signature) && !signature_fits(&ours.public_key(), &message, &[]));
    }
}
