//! One direction's session keys, and sealing or opening with them.

use super::{
    KEY_LEN, Profile, SrtpError,
    kdf::{Label, MasterKey},
    sources::Sources,
};
use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey},
    hmac,
    iv::FixedLength,
};
use lectern_media::{ExtSeq, RtpView, Ssrc};

/// RFC 3711 §9.2: 2^48 RTP and 2^31 RTCP packets with one key.
const RTP_INDEX_MAX: u64 = (1 << 48) - 1;
const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;
/// The part of an RTCP packet that stays clear: first header word and SSRC.
const RTCP_CLEAR_LEN: usize = 8;
const RTCP_INDEX_LEN: usize = 4;
const E_FLAG: u32 = 1 << 31;

/// Session keys of either RTP or RTCP in one direction.
enum Keys {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    // Boxed: the expanded key is several times the size of the other variant, and the fallback is rare.
    Cm(Box<CmKeys>),
}

struct CmKeys {
    cipher: EncryptingKey,
    salt: [u8; 14],
    auth: hmac::Key,
}

impl Keys {
    fn derive(profile: Profile, master: &MasterKey, rtcp: bool) -> Self {
        let labels = if rtcp {
            [Label::RtcpCipher, Label::RtcpAuth, Label::RtcpSalt]
        } else {
            [Label::RtpCipher, Label::RtpAuth, Label::RtpSalt]
        };
        let mut key = [0; KEY_LEN];
        master.derive(labels[0], &mut key);
        match profile {
            Profile::AeadAes128Gcm => {
                let mut salt = [0; 12];
                master.derive(labels[2], &mut salt);
                let key = UnboundKey::new(&AES_128_GCM, &key).expect("the key has AES-128's length");
                Self::Gcm { key: LessSafeKey::new(key), salt }
            }
            Profile::Aes128CmHmacSha1_80 => {
                let (mut auth, mut salt) = ([0; 20], [0; 14]);
                master.derive(labels[1], &mut auth);
                master.derive(labels[2], &mut salt);
                let cipher = UnboundCipherKey::new(&AES_128, &key).expect("the key has AES-128's length");
                Self::Cm(Box::new(CmKeys {
                    cipher: EncryptingKey::ctr(cipher).expect("counter mode takes any AES key"),
                    salt,
                    auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
                }))
            }
        }
    }
}

impl CmKeys {
    /// RFC 3711 §4.1.1: IV = salt · 2^16 XOR SSRC · 2^64 XOR index · 2^16.
    fn crypt(&self, ssrc: u32, index: u64, data: &mut [u8]) -> Result<(), SrtpError> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &ssrc.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.cipher.less_safe_encrypt(data, context).map(drop).map_err(|_| SrtpError::Authentication)
    }

    /// HMAC-SHA1 over `parts`, cut to 80 bits (RFC 3711 §4.2.1).
    fn tag(&self, parts: [&[u8]; 2]) -> [u8; 10] {
        let mut mac = hmac::Context::with_key(&self.auth);
        parts.iter().for_each(|p| mac.update(p));
        *mac.sign().as_ref().first_chunk().expect("SHA-1 gives 20 bytes")
    }
}

/// RFC 7714 §8.1: 16 zero bits, SSRC, roll-over counter and sequence number, XOR salt.
fn gcm_nonce_rtp(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut iv = *salt;
    xor(&mut iv[2..6], &ssrc.to_be_bytes());
    xor(&mut iv[6..12], &index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(iv)
}

/// RFC 7714 §9.1: 16 zero bits, SSRC, 16 zero bits, a zero bit and the 31-bit index, XOR salt.
fn gcm_nonce_rtcp(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    let mut iv = *salt;
    xor(&mut iv[2..6], &ssrc.to_be_bytes());
    xor(&mut iv[8..12], &index.to_be_bytes());
    Nonce::assume_unique_for_key(iv)
}

fn xor(into: &mut [u8], with: &[u8]) {
    into.iter_mut().zip(with).for_each(|(a, b)| *a ^= b);
}

fn word(buf: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([buf[at], buf[at + 1], buf[at + 2], buf[at + 3]])
}

/// Seals what we send to one peer.
pub(crate) struct Sealer {
    profile: Profile,
    rtp: Keys,
    rtcp: Keys,
    rtcp_index: u32,
}

impl Sealer {
    pub(crate) fn new(profile: Profile, master: &MasterKey) -> Self {
        let keys = |rtcp| Keys::derive(profile, master, rtcp);
        Self { profile, rtp: keys(false), rtcp: keys(true), rtcp_index: 0 }
    }

    /// Seals the clear RTP packet in `buf[..len]` in place and returns its sealed length.
    ///
    /// `seq` is the packet's extended sequence number, which holds the roll-over counter; its low 16 bits are those in
    /// the packet. One `seq` of one SSRC must never be sealed twice with different contents (RFC 7714 §10.1).
    ///
    /// # Errors
    /// [`SrtpError::NoRoom`], [`SrtpError::KeyExhausted`].
    pub(crate) fn seal_rtp(
        &self,
        buf: &mut [u8],
        header_len: usize,
        len: usize,
        seq: ExtSeq,
    ) -> Result<usize, SrtpError> {
        debug_assert_eq!(u16::from_be_bytes([buf[2], buf[3]]), seq.wire(), "the index belongs to the packet");
        let sealed = len + self.profile.tag_len();
        if sealed > buf.len() {
            return Err(SrtpError::NoRoom);
        }
        if seq.0 > RTP_INDEX_MAX {
            return Err(SrtpError::KeyExhausted);
        }
        let ssrc = word(buf, 8);
        match &self.rtp {
            Keys::Gcm { key, salt } => {
                let (header, rest) = buf[..sealed].split_at_mut(header_len);
                let (payload, tag) = rest.split_at_mut(len - header_len);
                let done = key
                    .seal_in_place_separate_tag(gcm_nonce_rtp(salt, ssrc, seq.0), Aad::from(header), payload)
                    .map_err(|_| SrtpError::Authentication)?;
                tag.copy_from_slice(done.as_ref());
            }
            Keys::Cm(keys) => {
                keys.crypt(ssrc, seq.0, &mut buf[header_len..len])?;
                let roc = ((seq.0 >> 16) as u32).to_be_bytes();
                let tag = keys.tag([&buf[..len], &roc]);
                buf[len..sealed].copy_from_slice(&tag);
            }
        }
        Ok(sealed)
    }

    /// Seals the clear compound RTCP packet in `buf[..len]` in place and returns its sealed length.
    ///
    /// # Errors
    /// [`SrtpError::NoRoom`], [`SrtpError::KeyExhausted`], [`SrtpError::Truncated`].
    pub(crate) fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        if len < RTCP_CLEAR_LEN {
            return Err(SrtpError::Truncated);
        }
        let sealed = len + self.profile.tag_len() + RTCP_INDEX_LEN;
        if sealed > buf.len() {
            return Err(SrtpError::NoRoom);
        }
        if self.rtcp_index == RTCP_INDEX_MAX {
            return Err(SrtpError::KeyExhausted);
        }
        self.rtcp_index += 1;
        let (ssrc, index) = (word(buf, 4), self.rtcp_index);
        let trailer = (E_FLAG | index).to_be_bytes();
        match &self.rtcp {
            Keys::Gcm { key, salt } => {
                let mut aad = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
                aad[..RTCP_CLEAR_LEN].copy_from_slice(&buf[..RTCP_CLEAR_LEN]);
                aad[RTCP_CLEAR_LEN..].copy_from_slice(&trailer);
                let (clear, tag) = buf[RTCP_CLEAR_LEN..].split_at_mut(len - RTCP_CLEAR_LEN);
                let done = key
                    .seal_in_place_separate_tag(gcm_nonce_rtcp(salt, ssrc, index), Aad::from(aad), clear)
                    .map_err(|_| SrtpError::Authentication)?;
                tag[..16].copy_from_slice(done.as_ref());
                tag[16..20].copy_from_slice(&trailer);
            }
            Keys::Cm(keys) => {
                keys.crypt(ssrc, u64::from(index), &mut buf[RTCP_CLEAR_LEN..len])?;
                buf[len..len + 4].copy_from_slice(&trailer);
                let tag = keys.tag([&buf[..len + 4], &[]]);
                buf[len + 4..sealed].copy_from_slice(&tag);
            }
        }
        Ok(sealed)
    }
}

/// An opened RTP packet: the clear bytes are in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The clear packet's length.
    pub len: usize,
    /// Its sequence number, extended with the roll-over counter.
    pub seq: ExtSeq,
}

/// Opens what one peer sends.
pub(crate) struct Opener {
    profile: Profile,
    rtp: Keys,
    rtcp: Keys,
    sources: Sources,
    rtcp_sources: Sources,
}

impl Opener {
    pub(crate) fn new(profile: Profile, master: &MasterKey) -> Self {
        let keys = |rtcp| Keys::derive(profile, master, rtcp);
        Self { profile, rtp: keys(false), rtcp: keys(true), sources: Sources::new(8), rtcp_sources: Sources::new(4) }
    }

    /// A source's track ended: its place is free for another. What it sent before stays refused.
    pub(crate) fn retire(&mut self, ssrc: Ssrc) {
        self.sources.retire(ssrc.0);
    }

    /// Opens the SRTP packet `buf` in place.
    ///
    /// # Errors
    /// [`SrtpError`]; after [`SrtpError::Authentication`] the buffer's contents are undefined.
    pub(crate) fn open_rtp(&mut self, buf: &mut [u8]) -> Result<Opened, SrtpError> {
        let view = RtpView::parse_header(buf).map_err(|_| SrtpError::Truncated)?;
        let (header_len, wire, ssrc) = (view.header_len_bytes(), view.seq(), view.ssrc().0);
        let len = buf.len().checked_sub(self.profile.tag_len()).filter(|n| *n >= header_len);
        let len = len.ok_or(SrtpError::Truncated)?;

        let (place, highest) = self.sources.find(ssrc);
        let index = match highest {
            Some(highest) => ExtSeq(highest).extend(wire),
            // RFC 3711 §3.3.1: a receiver that joins starts at roll-over counter zero.
            None => ExtSeq(u64::from(wire)),
        };
        if !self.sources.is_fresh(place, index.0) {
            return Err(SrtpError::Replayed);
        }

        match &self.rtp {
            Keys::Gcm { key, salt } => {
                let (header, sealed) = buf.split_at_mut(header_len);
                key.open_in_place(gcm_nonce_rtp(salt, ssrc, index.0), Aad::from(header), sealed)
                    .map_err(|_| SrtpError::Authentication)?;
            }
            Keys::Cm(keys) => {
                let roc = ((index.0 >> 16) as u32).to_be_bytes();
                check_tag(&keys.tag([&buf[..len], &roc]), &buf[len..])?;
                keys.crypt(ssrc, index.0, &mut buf[header_len..len])?;
            }
        }
        self.sources.accept(ssrc, place, index.0);
        Ok(Opened { len, seq: index })
    }

    /// Opens the SRTCP packet `buf` in place and returns the clear compound packet's length.
    ///
    /// # Errors
    /// [`SrtpError`]; after [`SrtpError::Authentication`] the buffer's contents are undefined.
    pub(crate) fn open_rtcp(&mut self, buf: &mut [u8]) -> Result<usize, SrtpError> {
        let tag_len = self.profile.tag_len();
        let len = buf.len().checked_sub(tag_len + RTCP_INDEX_LEN).filter(|n| *n >= RTCP_CLEAR_LEN);
        let len = len.ok_or(SrtpError::Truncated)?;
        // GCM: packet, tag, index (RFC 7714 §9.2); CM: packet, index, tag (RFC 3711 §3.4).
        let index_at = match self.profile {
            Profile::AeadAes128Gcm => len + tag_len,
            Profile::Aes128CmHmacSha1_80 => len,
        };
        let (ssrc, trailer) = (word(buf, 4), word(buf, index_at));
        if trailer & E_FLAG == 0 {
            return Err(SrtpError::NotEncrypted);
        }
        let index = trailer & !E_FLAG;
        let (place, _) = self.rtcp_sources.find(ssrc);
        if !self.rtcp_sources.is_fresh(place, u64::from(index)) {
            return Err(SrtpError::Replayed);
        }
        match &self.rtcp {
            Keys::Gcm { key, salt } => {
                let mut aad = [0; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
                aad[..RTCP_CLEAR_LEN].copy_from_slice(&buf[..RTCP_CLEAR_LEN]);
                aad[RTCP_CLEAR_LEN..].copy_from_slice(&trailer.to_be_bytes());
                let sealed = &mut buf[RTCP_CLEAR_LEN..index_at];
                key.open_in_place(gcm_nonce_rtcp(salt, ssrc, index), Aad::from(aad), sealed)
                    .map_err(|_| SrtpError::Authentication)?;
            }
            Keys::Cm(keys) => {
                let end = len + RTCP_INDEX_LEN;
                check_tag(&keys.tag([&buf[..end], &[]]), &buf[end..])?;
                keys.crypt(ssrc, u64::from(index), &mut buf[RTCP_CLEAR_LEN..len])?;
            }
        }
        self.rtcp_sources.accept(ssrc, place, u64::from(index));
        Ok(len)
    }
}

fn check_tag(want: &[u8; 10], got: &[u8]) -> Result<(), SrtpError> {
    aws_lc_rs::constant_time::verify_slices_are_equal(want, got).map_err(|_| SrtpError::Authentication)
}

#[cfg(test)]
impl Sealer {
    /// With session keys given outright, as RFC 7714's vectors do.
    pub(super) fn with_gcm_session_keys(key: &[u8], salt: &[u8], rtcp_index: u32) -> Self {
        let keys = || {
            let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap());
            Keys::Gcm { key, salt: salt.try_into().unwrap() }
        };
        Self { profile: Profile::AeadAes128Gcm, rtp: keys(), rtcp: keys(), rtcp_index }
    }
}

/// The key stream of SSRC 0, index 0.
#[cfg(test)]
pub(super) fn counter_mode_stream(key: &[u8], salt: &[u8], len: usize) -> Vec<u8> {
    let cipher = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).unwrap()).unwrap();
    let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[]);
    let mut out = vec![0; len];
    CmKeys { cipher, salt: salt.try_into().unwrap(), auth }.crypt(0, 0, &mut out).unwrap();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];

    fn pair(profile: Profile) -> (Sealer, Opener) {
        let master = MasterKey::new(profile, &[7; 16], &[9; 14]).unwrap();
        (Sealer::new(profile, &master), Opener::new(profile, &master))
    }

    fn packet(seq: u16, ssrc: u32) -> Vec<u8> {
        let mut p = vec![0x80, 96];
        p.extend(seq.to_be_bytes());
        p.extend([0, 0, 0, 9]);
        p.extend(ssrc.to_be_bytes());
        p.extend(b"the payload of a packet");
        p
    }

    fn seal(sealer: &Sealer, seq: ExtSeq, ssrc: u32) -> Vec<u8> {
        let mut p = packet(seq.wire(), ssrc);
        let len = p.len();
        p.resize(len + 16, 0);
        let sealed = sealer.seal_rtp(&mut p, 12, len, seq).unwrap();
        p.truncate(sealed);
        p
    }

    #[test]
    fn round_trips_across_the_roll_over_of_sequence_numbers() {
        for profile in PROFILES {
            let (sealer, mut opener) = pair(profile);
            for seq in (65_530..65_545).chain([65_528]) {
                let seq = ExtSeq(seq);
                let mut sealed = seal(&sealer, seq, 5);
                assert_ne!(sealed[12..35], packet(seq.wire(), 5)[12..], "{profile:?} hides the payload");
                let opened = opener.open_rtp(&mut sealed).unwrap();
                assert_eq!((opened.seq, &sealed[..opened.len]), (seq, &packet(seq.wire(), 5)[..]), "{profile:?}");
            }
        }
    }

    #[test]
    fn refuses_replays_forgeries_and_fragments() {
        for profile in PROFILES {
            let (sealer, mut opener) = pair(profile);
            let sealed = seal(&sealer, ExtSeq(1), 5);
            assert!(opener.open_rtp(&mut sealed.clone()).is_ok());
            assert_eq!(opener.open_rtp(&mut sealed.clone()), Err(SrtpError::Replayed));
            for at in 0..sealed.len() {
                let mut forged = seal(&sealer, ExtSeq(2), 5);
                forged[at] ^= 0x10;
                assert!(opener.open_rtp(&mut forged).is_err(), "{profile:?}: byte {at} is authenticated");
            }
            for len in 0..sealed.len() {
                assert!(opener.open_rtp(&mut seal(&sealer, ExtSeq(2), 5)[..len]).is_err(), "{profile:?}: cut to {len}");
            }
            assert!(opener.open_rtp(&mut seal(&sealer, ExtSeq(2), 5)).is_ok(), "forgeries leave no trace");
        }
    }

    #[test]
    fn sources_come_and_go_and_come_back_with_their_roll_over_counter() {
        for profile in PROFILES {
            let (sealer, mut opener) = pair(profile);
            for ssrc in 0..200 {
                for seq in [40_000, 65_535, 80_000] {
                    opener.open_rtp(&mut seal(&sealer, ExtSeq(seq), ssrc)).unwrap();
                }
                opener.retire(Ssrc(ssrc));
            }
            assert_eq!(opener.open_rtp(&mut seal(&sealer, ExtSeq(80_000), 3)), Err(SrtpError::Replayed));
            let back = opener.open_rtp(&mut seal(&sealer, ExtSeq(80_001), 3));
            assert_eq!(back.map(|o| o.seq), Ok(ExtSeq(80_001)));
        }
    }

    #[test]
    fn rtcp_round_trips_and_refuses_replays_and_forgeries() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = pair(profile);
            let clear = [&[0x80, 201, 0, 1, 0, 0, 0, 5][..], &[0x81, 206, 0, 2, 0, 0, 0, 5, 0, 0, 0, 9]].concat();
            let mut seal = || {
                let mut buf = [&clear[..], &[0; super::super::RTCP_OVERHEAD_MAX]].concat();
                let len = sealer.seal_rtcp(&mut buf, clear.len()).unwrap();
                buf.truncate(len);
                buf
            };
            let first = seal();
            let mut buf = first.clone();
            let len = opener.open_rtcp(&mut buf).unwrap();
            assert_eq!(buf[..len], clear, "{profile:?}");
            assert_eq!(opener.open_rtcp(&mut first.clone()), Err(SrtpError::Replayed));
            for at in 0..first.len() {
                let mut forged = seal();
                forged[at] ^= 1;
                assert!(opener.open_rtcp(&mut forged).is_err(), "{profile:?}: byte {at} is authenticated");
            }
            for len in 0..first.len() {
                assert!(opener.open_rtcp(&mut seal()[..len]).is_err(), "{profile:?}: cut to {len}");
            }
        }
    }
}
