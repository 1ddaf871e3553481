//! WebM (Matroska, RFC 9559) made on read, for VP8 that browsers refuse in MP4: header, cues and cluster heads are bytes, the
//! frames stay where they are in the file. One picture, and a sound if there is one.
//!
//! Does not belong here: reading files; a plan says which bytes come from where.

use crate::{
    config::{OpusConfig, TrackConfig, Vp8Config},
    movie::Texts,
};

/// One frame to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Of which track, by its place in the list given.
    pub track: usize,
    /// When, in milliseconds.
    pub at_ms: u64,
    /// Whether it is a keyframe.
    pub keyframe: bool,
    /// How many bytes it has.
    pub size: u64,
}

/// A piece of the file: bytes made here, or a frame by its place in the list given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Made here.
    Bytes(Vec<u8>),
    /// The frame's own bytes.
    Frame(usize),
}

/// Plans a WebM file of these tracks, the picture first; `None` if one of them is neither VP8 nor Opus, or there are more than
/// 126. Frames must be in order of time and of these tracks; the first of the picture should be a keyframe.
#[must_use]
pub fn plan(tracks: &[TrackConfig], texts: &Texts, duration_ms: u64, frames: &[Frame]) -> Option<Vec<Piece>> {
    // A track's number takes one byte in a block.
    if tracks.len() > 126 {
        return None;
    }
    let info = element(
        INFO,
        &[
            element(TIMESTAMP_SCALE, &[&1_000_000u32.to_be_bytes()]),
            element(DURATION, &[&(duration_ms as f64).to_be_bytes()]),
            element(TITLE, &[texts.title.as_bytes()]),
            element(MUXING_APP, &[b"lectern"]),
            element(WRITING_APP, &[b"lectern"]),
        ],
    );
    let entries = tracks.iter().zip(1..).map(|(config, number)| entry(config, number)).collect::<Option<Vec<_>>>()?;
    let head = [info, element(TRACKS, &entries), tags(texts)].concat();
    let clusters = clusters(frames);
    // Cues have one size whatever they point to (eight-byte positions), so positions can be told before they are written.
    let cues_len = cues(&clusters, 0).len() as u64;
    let head_len = head.len() as u64 + cues_len;
    let body_len: u64 = clusters.iter().map(|c| c.len).sum();
    let mut out = element(
        EBML,
        &[
            element(EBML_VERSION, &[&[1u8][..]]),
            element(EBML_READ_VERSION, &[&[1u8][..]]),
            element(EBML_MAX_ID_LENGTH, &[&[4u8][..]]),
            element(EBML_MAX_SIZE_LENGTH, &[&[8u8][..]]),
            element(DOC_TYPE, &[&b"webm"[..]]),
            element(DOC_TYPE_VERSION, &[&[4u8][..]]),
            element(DOC_TYPE_READ_VERSION, &[&[2u8][..]]),
        ],
    );
    out.extend_from_slice(SEGMENT);
    out.extend_from_slice(&size8(head_len + body_len));
    out.extend(head);
    out.extend(cues(&clusters, head_len));
    let mut pieces = Vec::with_capacity(frames.len() * 2 + 1);
    for cluster in &clusters {
        let first = frames[cluster.frames.start].at_ms;
        out.extend_from_slice(CLUSTER);
        out.extend_from_slice(&size8(cluster.len - CLUSTER_HEAD_LEN));
        out.extend(cluster_time(first));
        for i in cluster.frames.clone() {
            let f = frames[i];
            out.extend_from_slice(SIMPLE_BLOCK);
            out.extend_from_slice(&size8(f.size + 4));
            let relative = (f.at_ms - first) as i16;
            out.push(0x81 + f.track as u8);
            out.extend_from_slice(&relative.to_be_bytes());
            out.push(if f.keyframe { 0x80 } else { 0 });
            pieces.push(Piece::Bytes(std::mem::take(&mut out)));
            pieces.push(Piece::Frame(i));
        }
    }
    if !out.is_empty() {
        pieces.push(Piece::Bytes(out));
    }
    Some(pieces)
}

/// A track's entry; `None` if WebM has no such codec, or we no use for it there.
fn entry(config: &TrackConfig, number: u8) -> Option<Vec<u8>> {
    let (kind, codec, own) = match config {
        TrackConfig::Vp8(Vp8Config { width, height, .. }) => {
            let size = [element(PIXEL_WIDTH, &[width.to_be_bytes()]), element(PIXEL_HEIGHT, &[height.to_be_bytes()])];
            (1u8, &b"V_VP8"[..], vec![element(VIDEO, &size)])
        }
        TrackConfig::Opus(OpusConfig { channels }) => {
            let sound = [element(SAMPLING_FREQUENCY, &[48_000f64.to_be_bytes()]), element(CHANNELS, &[[*channels]])];
            let own = vec![
                element(CODEC_PRIVATE, &[opus_head(*channels)]),
                // A decoder that begins in the middle needs 80 ms to be in tune (RFC 7845 §4.6), in nanoseconds.
                element(SEEK_PRE_ROLL, &[80_000_000u32.to_be_bytes()]),
                element(AUDIO, &sound),
            ];
            (2, &b"A_OPUS"[..], own)
        }
        _ => return None,
    };
    let mut parts = vec![
        element(TRACK_NUMBER, &[[number]]),
        element(TRACK_UID, &[[number]]),
        element(TRACK_TYPE, &[[kind]]),
        element(FLAG_LACING, &[[0u8]]),
        element(CODEC_ID, &[codec]),
    ];
    parts.extend(own);
    Some(element(TRACK_ENTRY, &parts))
}

/// The identification header (RFC 7845 §5.1), without pre-skip: a tap joins in mid-stream.
fn opus_head(channels: u8) -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend([1, channels, 0, 0]);
    head.extend(48_000u32.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

/// What the file holds, for players that show it (RFC 9559 §5.1.8).
fn tags(texts: &Texts) -> Vec<u8> {
    let named = [("ARTIST", &texts.artist), ("DATE_RECORDED", &texts.date), ("COMMENT", &texts.comment)];
    let simple = named.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| {
        let parts = [element(TAG_NAME, &[name.as_bytes()]), element(TAG_STRING, &[text.as_bytes()])];
        element(SIMPLE_TAG, &parts)
    });
    let mut tag = vec![element(TARGETS, &[[0u8; 0]])];
    tag.extend(simple);
    element(TAGS, &[element(TAG, &tag)])
}

const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];
const EBML_VERSION: &[u8] = &[0x42, 0x86];
const EBML_READ_VERSION: &[u8] = &[0x42, 0xf7];
const EBML_MAX_ID_LENGTH: &[u8] = &[0x42, 0xf2];
const EBML_MAX_SIZE_LENGTH: &[u8] = &[0x42, 0xf3];
const DOC_TYPE: &[u8] = &[0x42, 0x82];
const DOC_TYPE_VERSION: &[u8] = &[0x42, 0x87];
const DOC_TYPE_READ_VERSION: &[u8] = &[0x42, 0x85];
const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
const INFO: &[u8] = &[0x15, 0x49, 0xa9, 0x66];
const TIMESTAMP_SCALE: &[u8] = &[0x2a, 0xd7, 0xb1];
const DURATION: &[u8] = &[0x44, 0x89];
const TITLE: &[u8] = &[0x7b, 0xa9];
const MUXING_APP: &[u8] = &[0x4d, 0x80];
const WRITING_APP: &[u8] = &[0x57, 0x41];
const TRACKS: &[u8] = &[0x16, 0x54, 0xae, 0x6b];
const TRACK_ENTRY: &[u8] = &[0xae];
const TRACK_NUMBER: &[u8] = &[0xd7];
const TRACK_UID: &[u8] = &[0x73, 0xc5];
const TRACK_TYPE: &[u8] = &[0x83];
const FLAG_LACING: &[u8] = &[0x9c];
const CODEC_ID: &[u8] = &[0x86];
const VIDEO: &[u8] = &[0xe0];
const PIXEL_WIDTH: &[u8] = &[0xb0];
const PIXEL_HEIGHT: &[u8] = &[0xba];
const CODEC_PRIVATE: &[u8] = &[0x63, 0xa2];
const SEEK_PRE_ROLL: &[u8] = &[0x56, 0xbb];
const AUDIO: &[u8] = &[0xe1];
const SAMPLING_FREQUENCY: &[u8] = &[0xb5];
const CHANNELS: &[u8] = &[0x9f];
const TAGS: &[u8] = &[0x12, 0x54, 0xc3, 0x67];
const TAG: &[u8] = &[0x73, 0x73];
const TARGETS: &[u8] = &[0x63, 0xc0];
const SIMPLE_TAG: &[u8] = &[0x67, 0xc8];
const TAG_NAME: &[u8] = &[0x45, 0xa3];
const TAG_STRING: &[u8] = &[0x44, 0x87];
const CUES: &[u8] = &[0x1c, 0x53, 0xbb, 0x6b];
const CUE_POINT: &[u8] = &[0xbb];
const CUE_TIME: &[u8] = &[0xb3];
const CUE_TRACK_POSITIONS: &[u8] = &[0xb7];
const CUE_TRACK: &[u8] = &[0xf7];
const CUE_CLUSTER_POSITION: &[u8] = &[0xf1];
const CLUSTER: &[u8] = &[0x1f, 0x43, 0xb6, 0x75];
const TIMESTAMP: &[u8] = &[0xe7];
const SIMPLE_BLOCK: &[u8] = &[0xa3];

/// A cluster's id and eight-byte size.
const CLUSTER_HEAD_LEN: u64 = 12;
/// A block's id, eight-byte size, track number, relative time and flags.
const BLOCK_HEAD_LEN: u64 = 13;
/// A block's time is 16 bits signed after its cluster's: 32.767 s at most; a new cluster begins well before.
const CLUSTER_MS_MAX: u64 = 30_000;

struct Cluster {
    frames: std::ops::Range<usize>,
    at_ms: u64,
    len: u64,
    keyframe: bool,
}

/// A cluster begins at each keyframe of the picture, so that every cue leads to one.
fn clusters(frames: &[Frame]) -> Vec<Cluster> {
    let mut out: Vec<Cluster> = Vec::new();
    for (i, f) in frames.iter().enumerate() {
        let len = BLOCK_HEAD_LEN + f.size;
        match out.last_mut() {
            Some(c) if !(f.keyframe && f.track == 0) && f.at_ms - c.at_ms < CLUSTER_MS_MAX => {
                c.frames.end = i + 1;
                c.len += len;
            }
            _ => {
                let head = CLUSTER_HEAD_LEN + cluster_time(f.at_ms).len() as u64;
                let keyframe = f.keyframe && f.track == 0;
                out.push(Cluster { frames: i..i + 1, at_ms: f.at_ms, len: head + len, keyframe });
            }
        }
    }
    out
}

fn cluster_time(at_ms: u64) -> Vec<u8> {
    element(TIMESTAMP, &[at_ms.to_be_bytes()])
}

fn cues(clusters: &[Cluster], head_len: u64) -> Vec<u8> {
    let mut at = head_len;
    let points: Vec<Vec<u8>> = clusters
        .iter()
        .filter_map(|c| {
            let here = at;
            at += c.len;
            c.keyframe.then(|| {
                element(
                    CUE_POINT,
                    &[
                        element(CUE_TIME, &[c.at_ms.to_be_bytes()]),
                        element(
                            CUE_TRACK_POSITIONS,
                            &[
                                element(CUE_TRACK, &[&[1u8][..]]),
                                element(CUE_CLUSTER_POSITION, &[&here.to_be_bytes()[..]]),
                            ],
                        ),
                    ],
                )
            })
        })
        .collect();
    element(CUES, &points)
}

fn element(id: &[u8], children: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let len: usize = children.iter().map(|c| c.as_ref().len()).sum();
    let mut out = Vec::with_capacity(len + 12);
    out.extend_from_slice(id);
    out.extend_from_slice(&size8(len as u64));
    children.iter().for_each(|c| out.extend_from_slice(c.as_ref()));
    out
}

/// A data size in its eight-byte form (RFC 8794 §6).
fn size8(len: u64) -> [u8; 8] {
    (len | 1 << 56).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_point_at_clusters_that_begin_with_a_keyframe() {
        let frames: Vec<Frame> =
            (0..200).map(|i| Frame { track: 0, at_ms: i / 2 * 1000, keyframe: i % 80 == 0, size: 5 + i }).collect();
        // Every other one is sound, of which each packet can be decoded by itself.
        let frames: Vec<Frame> = frames
            .into_iter()
            .enumerate()
            .map(|(i, f)| if i % 2 == 1 { Frame { track: 1, keyframe: true, ..f } } else { f })
            .collect();
        let tracks = [TrackConfig::Vp8(Vp8Config { width: 64, height: 48 }), TrackConfig::Opus(OpusConfig::default())];
        let mut bytes = Vec::new();
        for p in plan(&tracks, &Texts::default(), 100_000, &frames).unwrap() {
            match p {
                Piece::Bytes(b) => bytes.extend(b),
                Piece::Frame(i) => bytes.resize(bytes.len() + frames[i].size as usize, 0x11),
            }
        }
        let find = |id: &[u8]| bytes.windows(id.len()).position(|w| w == id).unwrap();
        let segment = find(SEGMENT) + 12;
        let declared = u64::from_be_bytes(bytes[segment - 8..segment].try_into().unwrap()) & !(1 << 56);
        assert_eq!(declared as usize, bytes.len() - segment, "the segment ends where it says");
        let cues = find(CUES);
        let positions: Vec<usize> = bytes[cues..find(CLUSTER)]
            .windows(17)
            .filter(|w| w[0] == CUE_CLUSTER_POSITION[0] && w[1..9] == size8(8))
            .map(|w| u64::from_be_bytes(w[9..].try_into().unwrap()) as usize)
            .collect();
        assert_eq!(positions.len(), 3);
        for p in positions {
            assert_eq!(&bytes[segment + p..][..4], CLUSTER);
        }
    }
}
