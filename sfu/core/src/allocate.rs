//! Which line of a subscriber gets which layer, all lines together.

use lectern_media::{Bitrate, Layer};

/// How much a viewer cares about a line, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A shared screen.
    Screen,
    /// Pinned by the viewer.
    Pinned,
    /// The speaker.
    Speaker,
    /// Everyone else.
    Rest,
}

/// One layer a line could carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerOffer {
    /// Its measured rate; zero means the publisher does not send it now.
    pub bitrate: Bitrate,
    /// Its height in pixels, if known.
    pub height: Option<u16>,
}

/// What the sources of a line offer, lowest layer first; absent layers have a rate of zero.
pub type Offers = [LayerOffer; Layer::COUNT_MAX];
