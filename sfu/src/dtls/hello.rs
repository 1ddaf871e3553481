//! Collects a ClientHello, which current browsers split over two datagrams, to see which SRTP profiles it offers.
//!
//! Nothing is checked here beyond what finding `use_srtp` takes; the library reads the same datagrams afterwards.

/// The most bytes of datagrams kept. A ClientHello with a post-quantum share is about 1,800.
const KEPT_MAX: usize = 8 * 1024;
/// The longest ClientHello put together.
const HELLO_LEN_MAX: usize = 6 * 1024;
const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// RFC 5764 §4.1.1.
const USE_SRTP: u16 = 14;
/// `SRTP_AEAD_AES_128_GCM` (RFC 7714 §14.2).
const AEAD_AES_128_GCM: u16 = 7;

/// A ClientHello on its way.
#[derive(Debug, Default)]
pub(super) struct ClientHello {
    datagrams: Vec<Vec<u8>>,
    body: Vec<u8>,
    have: Vec<bool>,
}

impl ClientHello {
    /// Takes a datagram. Once the message is complete (or cannot be read, which the library will say better): whether it
    /// offers AES-128-GCM.
    pub(super) fn push(&mut self, datagram: &[u8]) -> Option<bool> {
        let kept: usize = self.datagrams.iter().map(Vec::len).sum();
        if kept + datagram.len() > KEPT_MAX {
            return Some(false);
        }
        self.datagrams.push(datagram.to_vec());
        if self.collect(datagram).is_none() {
            return Some(false);
        }
        let complete = !self.have.is_empty() && self.have.iter().all(|h| *h);
        complete.then(|| offers_gcm(&self.body).unwrap_or(false))
    }

    /// What was pushed, for the library.
    pub(super) fn into_datagrams(self) -> Vec<Vec<u8>> {
        self.datagrams
    }

    /// Adds the fragments in a datagram (RFC 6347 §4.2.2); `None` if it is something else.
    fn collect(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let len = usize::from(be16(rest, 11)?);
            let record = rest.get(RECORD_HEADER..RECORD_HEADER + len)?;
            if rest[0] != HANDSHAKE {
                return None;
            }
            rest = &rest[RECORD_HEADER + len..];
            let mut fragments = record;
            while !fragments.is_empty() {
                let (total, offset) = (be24(fragments, 1)?, be24(fragments, 6)?);
                let data = fragments.get(HANDSHAKE_HEADER..HANDSHAKE_HEADER + be24(fragments, 9)?)?;
                if fragments[0] != CLIENT_HELLO || total > HELLO_LEN_MAX || offset + data.len() > total {
                    return None;
                }
                if self.body.len() != total {
                    self.body = vec![0; total];
                    self.have = vec![false; total];
                }
                self.body[offset..offset + data.len()].copy_from_slice(data);
                self.have[offset..offset + data.len()].fill(true);
                fragments = &fragments[HANDSHAKE_HEADER + data.len()..];
            }
        }
        Some(())
    }
}

/// Walks a ClientHello (RFC 5246 §7.4.1.2 with the cookie of RFC 6347 §4.2.1) to `use_srtp`.
fn offers_gcm(hello: &[u8]) -> Option<bool> {
    let mut at = 2 + 32;
    at += 1 + usize::from(*hello.get(at)?);
    at += 1 + usize::from(*hello.get(at)?);
    at += 2 + usize::from(be16(hello, at)?);
    at += 1 + usize::from(*hello.get(at)?);
    let mut extensions = hello.get(at + 2..)?;
    while extensions.len() >= 4 {
        let (kind, len) = (be16(extensions, 0)?, usize::from(be16(extensions, 2)?));
        let data = extensions.get(4..4 + len)?;
        if kind == USE_SRTP {
            let profiles = data.get(2..2 + usize::from(be16(data, 0)?))?;
            return Some(profiles.chunks_exact(2).any(|p| be16(p, 0) == Some(AEAD_AES_128_GCM)));
        }
        extensions = &extensions[4 + len..];
    }
    Some(false)
}

fn be16(b: &[u8], at: usize) -> Option<u16> {
    b.get(at..at + 2).map(|v| u16::from_be_bytes([v[0], v[1]]))
}

fn be24(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..at + 3).map(|v| usize::from(v[0]) << 16 | usize::from(v[1]) << 8 | usize::from(v[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with these profiles, cut into `cut` fragments, each in a datagram of its own.
    fn hello(profiles: &[u16], cut: usize) -> Vec<Vec<u8>> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 3, 1, 2, 3, 0, 2, 0xc0, 0x2b, 1, 0]);
        let mut ext = vec![0, 23, 0, 0, 0, 14];
        ext.extend(((3 + 2 * profiles.len()) as u16).to_be_bytes());
        ext.extend(((2 * profiles.len()) as u16).to_be_bytes());
        ext.extend(profiles.iter().flat_map(|p| p.to_be_bytes()));
        ext.push(0);
        body.extend((ext.len() as u16).to_be_bytes());
        body.extend(ext);
        let size = body.len().div_ceil(cut);
        let be24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
        body.chunks(size)
            .enumerate()
            .map(|(i, data)| {
                let message =
                    [vec![1], be24(body.len()), vec![0, 0], be24(i * size), be24(data.len()), data.to_vec()].concat();
                let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, i as u8];
                record.extend((message.len() as u16).to_be_bytes());
                [record, message].concat()
            })
            .collect()
    }

    #[test]
    fn finds_the_profile_in_whole_and_split_hellos_in_any_order() {
        for (profiles, want) in [(&[1, 7][..], true), (&[1, 8], false), (&[7], true)] {
            for cut in [1, 2, 3] {
                for backwards in [false, true] {
                    let mut parts = hello(profiles, cut);
                    if backwards {
                        parts.reverse();
                    }
                    let mut h = ClientHello::default();
                    let results: Vec<_> = parts.iter().map(|p| h.push(p)).collect();
                    assert_eq!(results.last(), Some(&Some(want)), "{profiles:?} in {cut} parts");
                    assert!(results[..cut - 1].iter().all(Option::is_none), "undecided until complete");
                    assert_eq!(h.into_datagrams(), parts);
                }
            }
        }
    }

    #[test]
    fn what_is_no_hello_is_left_to_the_library() {
        let whole = &hello(&[1, 7], 1)[0];
        for len in 0..whole.len() {
            // Cut short it is undecided or unreadable, and never a panic.
            assert_ne!(ClientHello::default().push(&whole[..len]), Some(true));
        }
        assert_eq!(ClientHello::default().push(&[21, 0, 0]), Some(false));
        assert_eq!(ClientHello::default().push(&vec![22; KEPT_MAX + 1]), Some(false));
    }
}
