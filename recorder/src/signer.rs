//! The recorder's key, and how it vouches for the head of a chain (invariant 14).
//!
//! Suite `sha256-ed25519`: Ed25519 (RFC 8032) over the bytes of [`HeadSignature::message`]. Another suite would have another
//! [`Signer`] and the same lines.

use crate::chain::{Hash, parse_hash};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use lectern_media::{RecordingId, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The file can't be read or written.
    #[error("cannot read or write the signing key {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a key.
    #[error("{path} is not a signing key (64 hexadecimal digits)")]
    NotAKey {
        /// Which file.
        path: PathBuf,
    },
    /// Others than its owner may read the file.
    #[error("{path} may be read by others than its owner: set its mode to 0600")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
}

/// The key that signs heads. Never printed.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: [u8; 32],
    key: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads the key at `path`, or makes one there (mode 0600, synced) if there is none.
    ///
    /// # Errors
    /// [`SignerError`]. A file that is there is never overwritten.
    pub fn load_or_create(path: &Path) -> Result<Self, SignerError> {
        let io = |source| SignerError::Io { path: path.into(), source };
        match fs::read_to_string(path) {
            Ok(text) => {
                if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
                    return Err(SignerError::Exposed { path: path.into() });
                }
                let seed = parse_hash(text.trim()).ok_or_else(|| SignerError::NotAKey { path: path.into() })?;
                Self::from_seed(&seed).ok_or_else(|| SignerError::NotAKey { path: path.into() })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let failed = |_| io(io::Error::other("no random numbers"));
                let seed =
                    aws_lc_rs::rand::generate::<[u8; 32]>(&aws_lc_rs::rand::SystemRandom::new()).map_err(failed)?;
                let seed = seed.expose();
                let tmp = path.with_extension("tmp");
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&tmp)
                    .map_err(io)?;
                file.write_all(hex::encode(seed).as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
                // Another process may have made one meanwhile: its key is not overwritten.
                fs::hard_link(&tmp, path).and_then(|()| fs::remove_file(&tmp)).map_err(io)?;
                if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
                    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io)?;
                }
                Self::from_seed(&seed).ok_or_else(|| SignerError::NotAKey { path: path.into() })
            }
            Err(e) => Err(io(e)),
        }
    }

    /// The key made of these 32 bytes; `None` if the library refuses them.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, key: key_id(&public), public })
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.public
    }

    /// The key's id: see [`key_id`].
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key
    }

    /// Signs `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }
}

/// The id of a public key: the first eight bytes of its SHA-256, hexadecimal.
#[must_use]
pub fn key_id(public: &[u8; 32]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}

/// Whether `signature` is that of `message` by the owner of `public`.
#[must_use]
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

/// A line of the chain file: the recorder vouches for the chain up to here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSignature {
    /// Records before it in the chain.
    pub signs: u64,
    /// The link of the last of them, hexadecimal.
    pub head: String,
    /// When, by the recorder's clock.
    pub at: UnixMillis,
    /// SHA-256 of the signature before it ([`HeadSignature::digest`]), hexadecimal; zeros for a recording's first.
    pub previous: String,
    /// The key's id.
    pub key: String,
    /// The signature, hexadecimal.
    pub signature: String,
}

/// What every signed message begins with, so that a signature can't be taken for one of something else.
const HEAD_DOMAIN: &[u8] = b"lectern head v1\n";

impl HeadSignature {
    /// Signs the head of `recording`'s chain after `records` records.
    pub(crate) fn new(
        signer: &Signer,
        recording: RecordingId,
        records: u64,
        head: &Hash,
        at: UnixMillis,
        previous: &Hash,
    ) -> Self {
        let signature = signer.sign(&message(recording, records, head, at, previous));
        Self {
            signs: records,
            head: hex::encode(head),
            at,
            previous: hex::encode(previous),
            key: signer.key_id().to_owned(),
            signature: hex::encode(signature),
        }
    }

    /// The bytes that are signed: `"lectern head v1\n"`, the recording's id (16 bytes), the number of records (8), the head (32), the time in
    /// milliseconds since 1970 (8), the digest of the signature before (32); numbers big-endian. `None` if a field is no number of
    /// the right length.
    #[must_use]
    pub fn message(&self, recording: RecordingId) -> Option<Vec<u8>> {
        Some(message(recording, self.signs, &parse_hash(&self.head)?, self.at, &parse_hash(&self.previous)?))
    }

    /// What the next signature names as the one before it: SHA-256 of the message and the signature (64 bytes).
    #[must_use]
    pub fn digest(&self, recording: RecordingId) -> Option<[u8; 32]> {
        let mut h = Sha256::new();
        h.update(self.message(recording)?);
        h.update(self.signature_bytes()?);
        Some(h.finalize().into())
    }

    /// Whether it was made for `recording` by the owner of `public`.
    #[must_use]
    pub fn verify(&self, recording: RecordingId, public: &[u8; 32]) -> bool {
        match (self.message(recording), self.signature_bytes()) {
            (Some(message), Some(signature)) => self.key == key_id(public) && verify(public, &message, &signature),
            _ => false,
        }
    }

    fn signature_bytes(&self) -> Option<[u8; 64]> {
        let mut out = [0; 64];
        hex::decode_to_slice(&self.signature, &mut out).ok().map(|()| out)
    }
}

fn message(recording: RecordingId, records: u64, head: &Hash, at: UnixMillis, previous: &Hash) -> Vec<u8> {
    let mut m = Vec::with_capacity(HEAD_DOMAIN.len() + 96);
    m.extend_from_slice(HEAD_DOMAIN);
    m.extend_from_slice(&recording.0.0.to_be_bytes());
    m.extend_from_slice(&records.to_be_bytes());
    m.extend_from_slice(head);
    m.extend_from_slice(&at.0.to_be_bytes());
    m.extend_from_slice(previous);
    m
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_kept_to_its_owner_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let made = Signer::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Signer::load_or_create(&path).unwrap().public_key(), made.public_key());
        let seed = fs::read_to_string(&path).unwrap();
        assert!(!format!("{made:?}").contains(seed.trim()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Signer::load_or_create(&path), Err(SignerError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(matches!(Signer::load_or_create(&path), Err(SignerError::NotAKey { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "short", "what is there stays");
    }

    #[test]
    fn a_signature_fits_one_recording_count_head_time_and_predecessor() {
        let signer = Signer::from_seed(&[7; 32]).unwrap();
        let (id, public) = (RecordingId::generate(), signer.public_key());
        let s = HeadSignature::new(&signer, id, 3, &[1; 32], UnixMillis(4), &[2; 32]);
        assert!(s.verify(id, &public));
        let changed = |f: fn(&mut HeadSignature)| {
            let mut s = s.clone();
            f(&mut s);
            s.verify(id, &public)
        };
        assert!(!s.verify(RecordingId::generate(), &public));
        assert!(!changed(|s| s.signs += 1));
        assert!(!changed(|s| s.head = hex::encode([9; 32])));
        assert!(!changed(|s| s.at.0 += 1));
        assert!(!changed(|s| s.previous = hex::encode([9; 32])));
        assert!(!changed(|s| s.key = "0".repeat(16)));
        assert!(!changed(|s| s.signature.replace_range(0..2, "zz")));
        assert!(!s.verify(id, &Signer::from_seed(&[8; 32]).unwrap().public_key()));
    }
}
