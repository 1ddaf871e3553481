//! What H.264 and H.265 have in common: packets carry NAL units whole, several at once, or in fragments; parameter sets
//! go into the decoder's configuration.
//!
//! Two ways of collecting: a lesson's samples hold what a decoder needs and nothing else, and a unit that is not whole is an
//! error. An archive's samples hold every NAL unit as it was received, in order, and what is not whole is counted and left out.

use super::video::{BuildError, Built, Format, Keep, Payloads};
use crate::config::TrackConfig;
use bytes::{Bytes, BytesMut};
use std::{collections::BTreeMap, fmt};

/// What a packet carries.
pub(super) enum Piece {
    /// One NAL unit.
    Whole(Bytes),
    /// Several.
    Several(Vec<Bytes>),
    /// A part of one.
    Fragment {
        /// The first part.
        start: bool,
        /// The last part.
        end: bool,
        /// The NAL unit's header; only the first [`NalCodec::HEADER`] bytes count.
        header: [u8; 2],
        /// The part.
        body: Bytes,
    },
}

/// What a NAL unit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A parameter set: of which kind (a place in the list of kinds), and its id if it can be parsed.
    Set(usize, Option<u8>),
    /// Structures a byte stream only.
    Structure,
    /// A slice; whether of a picture at which decoding can start.
    Slice(bool),
    /// Anything else.
    Other,
}

/// A kind of parameter set: the sets by id.
pub(super) type Sets = BTreeMap<u8, Bytes>;

/// Bytes of the length in front of a NAL unit.
const LENGTH: usize = 4;

/// How many parameter sets of a kind are held.
pub(super) const SETS_MAX: usize = crate::config::avc::PARAMETER_SETS_MAX;

/// The codec's part.
pub(super) trait NalCodec: Default + fmt::Debug {
    /// Bytes of a NAL unit's header.
    const HEADER: usize;
    /// How many kinds of parameter sets there are.
    const KINDS: usize;
    /// Of which kind the one is that begins a new sequence.
    const SEQUENCE: usize;
    /// Takes a payload apart; `None` if it is not in the format. No NAL unit it gives is shorter than its header.
    fn piece(payload: &Bytes) -> Option<Piece>;
    /// What a NAL unit is for.
    fn class(nal_unit: &[u8]) -> Class;
    /// Whether an access unit can begin with a payload of this content (a NAL unit, or its beginning).
    fn starts_unit(nal_unit: &[u8]) -> bool;
    /// Whether an access unit can begin with this payload.
    fn payload_starts_unit(payload: &[u8]) -> bool;
    /// The configuration of these sets, by kind.
    fn config(sets: &[Sets], in_band: bool) -> Option<TrackConfig>;
}

/// The NAL units of an aggregate: each behind its length in two bytes (RFC 6184 §5.7.1, RFC 7798 §4.4.2). `None` if one is cut
/// short or has no content.
pub(super) fn aggregate(mut rest: Bytes, header: usize) -> Option<Vec<Bytes>> {
    let mut out = Vec::new();
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        if len < header || rest.len() < 2 + len {
            return None;
        }
        out.push(rest.slice(2..2 + len));
        rest = rest.slice(2 + len..);
    }
    Some(out)
}

#[derive(Debug)]
pub(super) struct Nals<C> {
    codec: std::marker::PhantomData<C>,
    sets: Vec<Sets>,
    /// The sender repeats its parameter sets with each keyframe, as browsers do: then a keyframe without them has lost them.
    repeats_sets: bool,
}

impl<C: NalCodec> Default for Nals<C> {
    fn default() -> Self {
        Self { codec: std::marker::PhantomData, sets: vec![Sets::new(); C::KINDS], repeats_sets: false }
    }
}

/// A unit's NAL units, and which kinds of parameter sets came with it.
#[derive(Default)]
struct Collected {
    data: BytesMut,
    key: bool,
    slices: bool,
    /// A bit for each kind.
    kinds: u8,
    /// Payloads that could not be used.
    unused: u64,
}

impl<C: NalCodec> Format for Nals<C> {
    fn starts_unit(payload: &[u8]) -> bool {
        C::payload_starts_unit(payload)
    }

    fn build(&mut self, payloads: &Payloads, resuming: bool, keep: Keep) -> Result<Built, BuildError> {
        // Nothing gets longer but by the length in front of each NAL unit.
        let room = payloads.list.iter().map(|p| LENGTH + p.len()).sum();
        let mut unit = Collected { data: BytesMut::with_capacity(room), ..Collected::default() };
        // The fragments so far: how many, the header, where the NAL unit's length goes in the unit.
        let mut begun: Option<(u64, [u8; 2], usize)> = None;
        for (i, payload) in payloads.list.iter().enumerate() {
            if payloads.cuts.contains(&i) {
                Self::give_up(&mut begun, keep, &mut unit)?;
            }
            let Some(piece) = C::piece(payload) else {
                Self::unusable(1, keep, &mut unit)?;
                continue;
            };
            if !matches!(piece, Piece::Fragment { start: false, .. }) {
                Self::give_up(&mut begun, keep, &mut unit)?;
            }
            match piece {
                Piece::Whole(nal_unit) => self.collect(nal_unit, keep, &mut unit),
                Piece::Several(nal_units) => nal_units.into_iter().for_each(|n| self.collect(n, keep, &mut unit)),
                Piece::Fragment { start, end, header, body } => {
                    if start {
                        begun = Some((0, header, unit.data.len()));
                        unit.data.extend_from_slice(&[0; LENGTH]);
                        unit.data.extend_from_slice(&header[..C::HEADER]);
                    }
                    match &mut begun {
                        Some((fragments, of, _)) if *of == header => {
                            *fragments += 1;
                            unit.data.extend_from_slice(&body);
                        }
                        _ => {
                            Self::give_up(&mut begun, keep, &mut unit)?;
                            Self::unusable(1, keep, &mut unit)?;
                        }
                    }
                    if end && let Some((_, _, at)) = begun.take() {
                        self.collect_at(at, keep, &mut unit);
                    }
                }
            }
        }
        Self::give_up(&mut begun, keep, &mut unit)?;
        let mut config = None;
        if unit.key {
            let repeated = unit.kinds & 1 << C::SEQUENCE != 0;
            if !(resuming && self.repeats_sets && !repeated) {
                self.repeats_sets |= repeated;
                config = C::config(&self.sets, keep == Keep::Everything);
            }
            if config.is_none() && keep == Keep::Decodable {
                return Err(BuildError::NoConfig);
            }
        }
        Ok(Built { keyframe: unit.key, shown: unit.slices, config, data: unit.data.freeze(), unused: unit.unused })
    }

    fn set_parameters(&mut self, config: &[u8]) {
        self.sets.iter_mut().for_each(Sets::clear);
        let mut rest = config;
        while let Some((len, tail)) = rest.split_first_chunk::<2>() {
            let Some((set, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len))) else { return };
            rest = tail;
            if set.len() > C::HEADER
                && let Class::Set(kind, Some(id)) = C::class(set)
            {
                self.insert(kind, id, Bytes::copy_from_slice(set));
            }
        }
    }
}

impl<C: NalCodec> Nals<C> {
    fn insert(&mut self, kind: usize, id: u8, set: Bytes) {
        if self.sets[kind].len() < SETS_MAX || self.sets[kind].contains_key(&id) {
            self.sets[kind].insert(id, set);
        }
    }

    /// `payloads` can't be used.
    fn unusable(payloads: u64, keep: Keep, unit: &mut Collected) -> Result<(), BuildError> {
        unit.unused += payloads;
        if keep == Keep::Everything || payloads == 0 { Ok(()) } else { Err(BuildError::Malformed) }
    }

    /// A NAL unit in fragments does not go on.
    fn give_up(begun: &mut Option<(u64, [u8; 2], usize)>, keep: Keep, unit: &mut Collected) -> Result<(), BuildError> {
        let Some((fragments, _, at)) = begun.take() else { return Ok(()) };
        unit.data.truncate(at);
        Self::unusable(fragments, keep, unit)
    }

    /// Of a lesson, parameter sets go aside (samples carry none), what only structures a byte stream is left out, the rest is
    /// kept. Of an archive everything is kept.
    fn collect(&mut self, nal_unit: Bytes, keep: Keep, unit: &mut Collected) {
        let class = C::class(&nal_unit);
        if Self::keeps(class, keep) {
            unit.data.extend_from_slice(&(nal_unit.len() as u32).to_be_bytes());
            unit.data.extend_from_slice(&nal_unit);
        }
        self.note(class, unit, || nal_unit);
    }

    /// The same with the NAL unit that stands at the end of the unit already, behind room for its length at `at`.
    fn collect_at(&mut self, at: usize, keep: Keep, unit: &mut Collected) {
        let Some(nal_unit) = unit.data.get(at + LENGTH..) else { return };
        let (class, len) = (C::class(nal_unit), nal_unit.len() as u32);
        // A set outlives the unit.
        let set = if matches!(class, Class::Set(..)) { Bytes::copy_from_slice(nal_unit) } else { Bytes::new() };
        if Self::keeps(class, keep) {
            unit.data[at..at + LENGTH].copy_from_slice(&len.to_be_bytes());
        } else {
            unit.data.truncate(at);
        }
        self.note(class, unit, || set);
    }

    /// Whether samples hold such a NAL unit.
    fn keeps(class: Class, keep: Keep) -> bool {
        keep == Keep::Everything || matches!(class, Class::Slice(_) | Class::Other)
    }

    /// What a NAL unit means for its unit.
    fn note(&mut self, class: Class, unit: &mut Collected, nal_unit: impl FnOnce() -> Bytes) {
        match class {
            Class::Set(kind, Some(id)) => {
                // A keyframe brings all its sets: those of an encoder that is gone must not linger in the configuration.
                if unit.kinds & 1 << kind == 0 {
                    self.sets[kind].clear();
                }
                unit.kinds |= 1 << kind;
                self.insert(kind, id, nal_unit());
            }
            Class::Slice(key) => {
                unit.slices = true;
                unit.key |= key;
            }
            Class::Set(_, None) | Class::Structure | Class::Other => {}
        }
    }
}
