//! The container once more, written from its description alone, so that an edit can be put into a file that is otherwise
//! without fault.

pub type Members = Vec<(String, Vec<u8>)>;

fn u32_at(b: &[u8], at: usize) -> usize {
    u32::from_le_bytes(b[at..at + 4].try_into().unwrap()) as usize
}

/// The members, and where their bytes begin.
pub fn members(file: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let (mut out, mut at) = (Vec::new(), 0);
    while file[at..].starts_with(b"PK\x03\x04") {
        let (size, name) = (u32_at(file, at + 22), u32_at(file, at + 26) & 0xffff);
        let start = at + 30 + name;
        out.push((String::from_utf8(file[at + 30..start].to_vec()).unwrap(), start..start + size));
        at = start + size;
    }
    out
}

pub fn read(file: &[u8]) -> Members {
    members(file).into_iter().map(|(name, r)| (name, file[r].to_vec())).collect()
}

pub fn write(members: &Members) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let mut common = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32fast::hash(bytes).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        directory.extend([b"PK\x01\x02".as_slice(), &[45, 0], &common, &[0; 10]].concat());
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend([b"PK\x03\x04".as_slice(), &common, name.as_bytes(), bytes].concat());
    }
    let (start, size, n) = (out.len() as u32, directory.len() as u32, members.len() as u16);
    out.extend(directory);
    out.extend([b"PK\x05\x06".as_slice(), &[0; 4], &n.to_le_bytes(), &n.to_le_bytes()].concat());
    out.extend([&size.to_le_bytes()[..], &start.to_le_bytes(), &[0, 0]].concat());
    out
}
