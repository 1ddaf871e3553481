//! The container: a ZIP file (APPNOTE 6.3.3) of which every byte follows from its members: stored, not compressed, one fixed
//! date, one way to write every header. So a reader can say of each byte whether it is as it was written.
//!
//! Does not belong here: what the members are.

use super::format::{MEMBERS_MAX, NAME_BYTES_MAX};
use aws_lc_rs::digest::{self, SHA256};
use std::{
    io::{self, Seek, SeekFrom, Write},
    ops::Range,
};

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR64: &[u8; 4] = b"PK\x06\x07";
const END: &[u8; 4] = b"PK\x05\x06";
const BIG: u64 = 0xffff_ffff;
/// Bytes of a local header before the name.
const LOCAL_LEN: usize = 30;

/// A member as the container's headers tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) crc: u32,
    /// Where its local header begins.
    pub(super) offset: u64,
}

impl Member {
    fn local(&self) -> Vec<u8> {
        let big = self.size >= BIG;
        let mut h = LOCAL.to_vec();
        h.extend(common(big, self.crc, self.size));
        h.extend((self.name.len() as u16).to_le_bytes());
        h.extend(if big { 20u16 } else { 0 }.to_le_bytes());
        h.extend(self.name.as_bytes());
        if big {
            h.extend(extra(&[self.size, self.size]));
        }
        h
    }

    /// Where its bytes are.
    pub(super) fn data(&self) -> Range<u64> {
        let start = self.offset.saturating_add(self.local().len() as u64);
        start..start.saturating_add(self.size)
    }

    fn central(&self) -> Vec<u8> {
        let (big, far) = (self.size >= BIG, self.offset >= BIG);
        let mut fields = Vec::new();
        if big {
            fields.extend([self.size, self.size]);
        }
        if far {
            fields.push(self.offset);
        }
        let extra = if fields.is_empty() { Vec::new() } else { extra(&fields) };
        let mut h = CENTRAL.to_vec();
        h.extend(45u16.to_le_bytes());
        h.extend(common(big, self.crc, self.size));
        h.extend((self.name.len() as u16).to_le_bytes());
        h.extend((extra.len() as u16).to_le_bytes());
        // No comment, first disk, no attributes.
        h.extend([0; 10]);
        h.extend((self.offset.min(BIG) as u32).to_le_bytes());
        h.extend(self.name.as_bytes());
        h.extend(extra);
        h
    }
}

/// From the version needed to the two sizes: UTF-8 names, stored, 1980-01-01.
fn common(big: bool, crc: u32, size: u64) -> Vec<u8> {
    let mut h = Vec::with_capacity(22);
    h.extend(if big { 45u16 } else { 20 }.to_le_bytes());
    h.extend([0, 8, 0, 0, 0, 0, 0x21, 0]);
    h.extend(crc.to_le_bytes());
    h.extend((size.min(BIG) as u32).to_le_bytes());
    h.extend((size.min(BIG) as u32).to_le_bytes());
    h
}

fn extra(fields: &[u64]) -> Vec<u8> {
    let mut e = vec![1, 0];
    e.extend((fields.len() as u16 * 8).to_le_bytes());
    fields.iter().for_each(|f| e.extend(f.to_le_bytes()));
    e
}

/// What follows the last member.
pub(super) fn directory(members: &[Member]) -> Vec<u8> {
    let start = members.last().map_or(0, |m| m.data().end);
    let mut out: Vec<u8> = members.iter().flat_map(Member::central).collect();
    let (size, count) = (out.len() as u64, members.len() as u64);
    if start >= BIG || size >= BIG || count >= 0xffff {
        out.extend(END64);
        out.extend(44u64.to_le_bytes());
        out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [count, count, size, start].iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(LOCATOR64);
        out.extend([0; 4]);
        out.extend((start.saturating_add(size)).to_le_bytes());
        out.extend(1u32.to_le_bytes());
    }
    out.extend(END);
    out.extend([0; 4]);
    out.extend((count.min(0xffff) as u16).to_le_bytes());
    out.extend((count.min(0xffff) as u16).to_le_bytes());
    out.extend((size.min(BIG) as u32).to_le_bytes());
    out.extend((start.min(BIG) as u32).to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A member that was written, with its hash.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) member: Member,
    pub(super) sha256: [u8; 32],
}

/// Writes members one after the other.
pub(super) struct Writer<W> {
    out: W,
    at: u64,
    pub(super) written: Vec<Written>,
    current: Option<(Member, crc32fast::Hasher, digest::Context, u64)>,
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, at: 0, written: Vec::new(), current: None }
    }

    /// Begins a member of `size` bytes.
    pub(super) fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        debug_assert!(self.current.is_none() && name.len() <= NAME_BYTES_MAX);
        let member = Member { name: name.into(), size, crc: 0, offset: self.at };
        self.out.write_all(&member.local())?;
        self.at = member.data().start;
        self.current = Some((member, crc32fast::Hasher::new(), digest::Context::new(&SHA256), 0));
        Ok(())
    }

    /// Bytes of the member that was begun.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((_, crc, sha, len)) = &mut self.current else { return Err(io::Error::other("no member was begun")) };
        crc.update(bytes);
        sha.update(bytes);
        *len += bytes.len() as u64;
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Ends it: goes back and writes its checksum.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let Some((mut member, crc, sha, len)) = self.current.take() else {
            return Err(io::Error::other("no member was begun"));
        };
        if len != member.size {
            return Err(io::Error::other("a member has another size than was announced"));
        }
        member.crc = crc.finalize();
        self.out.seek(SeekFrom::Start(member.offset))?;
        self.out.write_all(&member.local())?;
        self.out.seek(SeekFrom::Start(self.at))?;
        let sha256 = sha.finish().as_ref().try_into().map_err(|_| io::Error::other("no SHA-256"))?;
        self.written.push(Written { member, sha256 });
        Ok(())
    }

    /// A whole member.
    pub(super) fn whole(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(name, bytes.len() as u64)?;
        self.bytes(bytes)?;
        self.end()
    }

    /// Writes the directory.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let members: Vec<Member> = self.written.into_iter().map(|w| w.member).collect();
        self.out.write_all(&directory(&members))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Bytes that can be read anywhere, by several threads.
pub trait Source: Sync {
    /// How many there are.
    ///
    /// # Errors
    /// Of the file.
    fn len(&self) -> io::Result<u64>;
    /// Reads exactly `buf.len()` bytes from `offset`.
    ///
    /// # Errors
    /// Of the file; [`io::ErrorKind::UnexpectedEof`] past the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// Whether there are none.
    ///
    /// # Errors
    /// Of the file.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl Source for std::fs::File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buf, offset)
    }
}

impl Source for [u8] {
    fn len(&self) -> io::Result<u64> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|at| self.get(at..)?.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A member as it was found: its header, and where its bytes really are.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) member: Member,
    pub(super) data: Range<u64>,
}

/// What a container holds.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) found: Vec<Found>,
    /// Every byte outside the members' own is as we write it.
    pub(super) sound: bool,
    pub(super) len: u64,
}

/// The header at `at`, if one can be read there; whether it is written as we write it.
fn header(source: &(impl Source + ?Sized), at: u64, len: u64) -> io::Result<Option<(Member, bool)>> {
    let room = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(LOCAL_LEN + NAME_BYTES_MAX + 20);
    let mut bytes = vec![0; room];
    source.read_at(&mut bytes, at)?;
    if bytes.len() < LOCAL_LEN || !bytes.starts_with(LOCAL) {
        return Ok(None);
    }
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let name_end = LOCAL_LEN + usize::from(u16_at(26));
    let Some(name) = bytes.get(LOCAL_LEN..name_end).and_then(|n| std::str::from_utf8(n).ok()) else { return Ok(None) };
    let mut size = u64::from(u32_at(22));
    if size == BIG
        && let Some(big) = bytes.get(name_end + 4..name_end + 12).and_then(|b| b.first_chunk())
    {
        size = u64::from_le_bytes(*big);
    }
    let member = Member { name: name.into(), size, crc: u32_at(14), offset: at };
    let canonical = bytes.starts_with(&member.local());
    Ok(Some((member, canonical)))
}

impl Container {
    /// Reads the headers: one after the other if they are as we write them; else wherever something like a header is.
    pub(super) fn read(source: &(impl Source + ?Sized)) -> io::Result<Self> {
        let len = source.len()?;
        let mut members: Vec<Member> = Vec::new();
        let mut at = 0;
        while let Some((member, true)) = header(source, at, len)? {
            at = member.data().end;
            if at > len || members.len() == MEMBERS_MAX {
                break;
            }
            members.push(member);
        }
        let tail = directory(&members);
        let mut there = vec![0; tail.len()];
        if !members.is_empty() && at.checked_add(tail.len() as u64) == Some(len) {
            source.read_at(&mut there, at)?;
            if there == tail {
                let found = members.into_iter().map(|m| Found { data: m.data(), member: m }).collect();
                return Ok(Self { found, sound: true, len });
            }
        }
        Ok(Self { found: Self::search(source, len)?, sound: false, len })
    }

    /// Looks for headers everywhere; a member's bytes end where the next header or the directory begins.
    fn search(source: &(impl Source + ?Sized), len: u64) -> io::Result<Vec<Found>> {
        const BLOCK: usize = 1 << 20;
        let mut found: Vec<Found> = Vec::new();
        let mut buf = vec![0; BLOCK];
        let (mut at, mut end) = (0u64, len);
        'file: while at < len {
            let n = usize::try_from(len - at).unwrap_or(BLOCK).min(BLOCK);
            source.read_at(&mut buf[..n], at)?;
            for i in (0..n.saturating_sub(3)).filter(|i| buf[*i] == b'P') {
                let here = at + i as u64;
                // What looks like a header within a member's bytes is none: names of ours are known by their shape.
                if buf[i..].starts_with(LOCAL) {
                    if let Some((member, _)) = header(source, here, len)?
                        && super::format::is_ours(&member.name)
                    {
                        if let Some(last) = found.last_mut() {
                            last.data.end = last.data.end.min(here);
                        }
                        let start = member.data().start.min(len);
                        found.push(Found { data: start..len, member });
                        if found.len() == MEMBERS_MAX {
                            break 'file;
                        }
                    }
                } else if buf[i..].starts_with(CENTRAL) || buf[i..].starts_with(END) {
                    // The directory, if it is one: it begins right behind the last member, or names one of ours.
                    let expected = found.last().is_some_and(|f| f.member.data().end == here);
                    let mut name = [0; 64];
                    let readable = here + 46 + 64 <= len && source.read_at(&mut name, here + 46).is_ok();
                    if expected || readable && name.starts_with(super::format::MANIFEST.as_bytes()) {
                        end = here;
                        break 'file;
                    }
                }
            }
            if n < BLOCK {
                break;
            }
            at += (n - 3) as u64;
        }
        if let Some(last) = found.last_mut() {
            last.data.end = last.data.end.min(end).max(last.data.start);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn container() -> Vec<u8> {
        let mut w = Writer::new(Cursor::new(Vec::new()));
        w.whole("manifest.json", b"{}").unwrap();
        w.whole("viewers.json", b"PK\x03\x04 is no header here").unwrap();
        w.whole("说明.html", b"").unwrap();
        w.finish().unwrap().into_inner()
    }

    #[test]
    fn other_programs_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.zip");
        std::fs::write(&path, container()).unwrap();
        let script = "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);print(z.testzip(),[(i.filename,z.read(i)) for i in z.infolist()])";
        let out = std::process::Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
        let want = "None [('manifest.json', b'{}'), ('viewers.json', b'PK\\x03\\x04 is no header here'), ('说明.html', b'')]\n";
        assert_eq!(String::from_utf8_lossy(&out.stdout), want, "{}", String::from_utf8_lossy(&out.stderr));
    }

    #[test]
    fn every_byte_outside_the_members_is_known() {
        let bytes = container();
        let whole = Container::read(&bytes[..]).unwrap();
        assert!(whole.sound);
        let names: Vec<&str> = whole.found.iter().map(|f| f.member.name.as_str()).collect();
        assert_eq!(names, ["manifest.json", "viewers.json", "说明.html"]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let inside = whole.found.iter().any(|f| f.data.contains(&(at as u64)));
            let got = Container::read(&changed[..]).unwrap();
            // A checksum is not compared here: its member's bytes say whether it is right.
            let crc = whole.found.iter().any(|f| (f.member.offset + 14..f.member.offset + 18).contains(&(at as u64)));
            assert!(!got.sound || inside && !crc, "byte {at}");
        }
        for n in 0..bytes.len() {
            assert!(!Container::read(&bytes[..n]).unwrap().sound, "cut to {n}");
        }
    }

    #[test]
    fn members_are_found_behind_what_was_removed() {
        let bytes = container();
        let first = Container::read(&bytes[..]).unwrap().found[0].data.clone();
        let cut = [&bytes[..first.start as usize], &bytes[first.start as usize + 1..]].concat();
        let got = Container::read(&cut[..]).unwrap();
        let of = |f: &Found| cut[f.data.start as usize..f.data.end as usize].to_vec();
        assert_eq!(
            got.found.iter().map(of).collect::<Vec<_>>(),
            [b"}".to_vec(), b"PK\x03\x04 is no header here".to_vec(), vec![]]
        );
    }

    #[test]
    fn large_members_and_far_ones_have_64_bit_fields() {
        let member = |name: &str, size, offset| Member { name: name.into(), size, crc: 7, offset };
        let (a, b) = (member("manifest.json", BIG + 9, 0), member("viewers.json", 3, BIG + 100));
        assert_eq!(a.local().len(), LOCAL_LEN + 13 + 20);
        assert_eq!(a.data(), 63..63 + BIG + 9);
        let dir = directory(&[a, b]);
        assert!(dir.windows(4).any(|w| w == END64) && dir.windows(4).any(|w| w == LOCATOR64));
    }
}
