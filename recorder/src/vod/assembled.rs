//! A file made on read: some bytes made here, the rest ranges of the recording's files. Any range of it can be read without
//! making the whole.

use super::VodError;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

/// A piece of the file.
#[derive(Debug, Clone)]
enum Piece {
    Bytes(Vec<u8>),
    Range { file: usize, offset: u64, len: u64 },
}

/// A file made on read.
#[derive(Debug, Clone, Default)]
pub struct Assembled {
    files: Vec<PathBuf>,
    pieces: Vec<Piece>,
    /// Where each piece begins, and the whole length at the end.
    starts: Vec<u64>,
    len: u64,
    /// What to call it when it is saved.
    pub file_name: String,
    /// Its media type.
    pub content_type: &'static str,
}

impl Assembled {
    pub(super) fn new(file_name: String, content_type: &'static str) -> Self {
        Self { file_name, content_type, ..Self::default() }
    }

    /// The whole length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn file(&mut self, path: PathBuf) -> usize {
        match self.files.iter().position(|p| *p == path) {
            Some(i) => i,
            None => {
                self.files.push(path);
                self.files.len() - 1
            }
        }
    }

    pub(super) fn bytes(&mut self, bytes: Vec<u8>) {
        self.push(bytes.len() as u64, Piece::Bytes(bytes));
    }

    pub(super) fn range(&mut self, file: usize, offset: u64, len: u64) {
        self.push(len, Piece::Range { file, offset, len });
    }

    fn push(&mut self, len: u64, piece: Piece) {
        self.starts.push(self.len);
        self.pieces.push(piece);
        self.len += len;
    }

    /// Reads at most `len` bytes from `offset`; fewer only at the end. Blocks on the disk.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, VodError> {
        let end = self.len.min(offset.saturating_add(len as u64));
        let mut out = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut open: Option<(usize, File)> = None;
        let mut i = self.starts.partition_point(|s| *s <= offset).saturating_sub(1);
        let mut at = offset;
        while at < end && i < self.pieces.len() {
            let within = at - self.starts[i];
            match &self.pieces[i] {
                Piece::Bytes(bytes) => {
                    let take = (bytes.len() as u64 - within).min(end - at);
                    out.extend_from_slice(&bytes[within as usize..(within + take) as usize]);
                    at += take;
                }
                Piece::Range { file, offset, len } => {
                    let path = &self.files[*file];
                    let take = (len - within).min(end - at);
                    if open.as_ref().is_none_or(|(f, _)| f != file) {
                        open = Some((*file, File::open(path).map_err(VodError::io(path))?));
                    }
                    if let Some((_, f)) = &mut open {
                        f.seek(SeekFrom::Start(offset + within)).map_err(VodError::io(path))?;
                        let had = out.len();
                        f.take(take).read_to_end(&mut out).map_err(VodError::io(path))?;
                        if (out.len() - had) as u64 != take {
                            return Err(VodError::Damaged { path: path.clone(), offset: offset + within });
                        }
                    }
                    at += take;
                }
            }
            i += 1;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_reads_as_the_whole_would() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut a = Assembled::new("x".into(), "text/plain");
        let f = a.file(path);
        a.bytes(b"ab".to_vec());
        a.range(f, 3, 4);
        a.bytes(b"c".to_vec());
        a.range(f, 0, 2);
        let whole = b"ab3456c01";
        assert_eq!(a.len(), 9);
        for from in 0..10 {
            for len in 0..11 {
                let want = &whole[from.min(9)..(from + len).min(9)];
                assert_eq!(a.read(from as u64, len).unwrap(), want, "{from}+{len}");
            }
        }
    }
}
