//! Why a packet went no further. Every refusal on the path has a name here, and the shell counts each by its
//! [`DropReason::label`]. Errors of parsers live with the parsers.

/// Why a packet was not forwarded (to one subscriber, or at all).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The line carries nothing at the moment: no source, or the viewer hides it.
    NotSubscribed,
    /// The line is paused because the subscriber's line cannot carry even the lowest layer.
    Paused,
    /// The packet belongs to a layer this line does not carry now.
    OtherLayer,
    /// The line has no picture yet and this packet starts none.
    AwaitingKeyframe,
    /// The packet was here before.
    Duplicate,
    /// The packet is older than what can still be put in order.
    TooOld,
    /// The packet carries padding only; its sequence number is closed over.
    PaddingOnly,
    /// The payload is not what its codec prescribes.
    Malformed,
    /// The payload is larger than the buffer the caller offered, or than any packet we send.
    TooLarge,
    /// The line has no payload type for this codec.
    CodecNotNegotiated,
    /// A retransmission was asked for a packet that is no longer (or never was) in the history.
    NotInHistory,
    /// A retransmission was asked again within a round trip of the last one.
    RecentlyRetransmitted,
    /// The retransmission budget of the subscriber is used up.
    RetransmitBudget,
    /// The subscriber's pacer is full: its line is slower than what is sent.
    PacerFull,
    /// RTX was not negotiated on this line.
    NoRtx,
    /// A keyframe that shows an earlier moment than the line has shown already: the picture would step back.
    BehindShown,
    /// The line carries keyframes only, and this packet belongs to another picture.
    KeyframesOnly,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`]: for registering counters once.
    pub const ALL: [Self; 17] = [
        Self::NotSubscribed,
        Self::Paused,
        Self::OtherLayer,
        Self::AwaitingKeyframe,
        Self::Duplicate,
        Self::TooOld,
        Self::PaddingOnly,
        Self::Malformed,
        Self::TooLarge,
        Self::CodecNotNegotiated,
        Self::NotInHistory,
        Self::RecentlyRetransmitted,
        Self::RetransmitBudget,
        Self::PacerFull,
        Self::NoRtx,
        Self::BehindShown,
        Self::KeyframesOnly,
    ];

    /// The reason's place in [`DropReason::ALL`], so that a shell can count in a plain array.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The value of the `reason` label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotSubscribed => "not_subscribed",
            Self::Paused => "paused",
            Self::OtherLayer => "other_layer",
            Self::AwaitingKeyframe => "awaiting_keyframe",
            Self::Duplicate => "duplicate",
            Self::TooOld => "too_old",
            Self::PaddingOnly => "padding_only",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::CodecNotNegotiated => "codec_not_negotiated",
            Self::NotInHistory => "not_in_history",
            Self::RecentlyRetransmitted => "recently_retransmitted",
            Self::RetransmitBudget => "retransmit_budget",
            Self::PacerFull => "pacer_full",
            Self::NoRtx => "no_rtx",
            Self::BehindShown => "behind_shown",
            Self::KeyframesOnly => "keyframes_only",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_label() {
        for (i, r) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(r.index(), i);
            assert!(DropReason::ALL.iter().all(|o| *o == r || o.label() != r.label()), "label of {r:?} is taken");
        }
    }
}
