//! The next picture of a stream: the clip's next slices behind a strip, a clock and a stamp of the present.

use super::{
    bits,
    clips::{Clip, Codec, GOP_SECS, Order, Shape},
    h264::SliceHead,
    osd::{self, Letters},
    paint::{self, Block},
    scene::Look,
    script::{Show, StreamKind},
};
use crate::{
    stamp::Stamp,
    strip::{FRAME_MODULUS, Mark, Plate},
};
use std::{ops::Range, rc::Rc};

/// What a picture tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says {
    /// Whose picture it is.
    pub camera: u16,
    /// Of which stream.
    pub stream: StreamKind,
    /// Its number.
    pub frame: u64,
    /// Unix microseconds.
    pub utc_us: u64,
    /// What the camera's own clock says, Unix milliseconds.
    pub clock_ms: i64,
}

impl Says {
    fn mark(self) -> Mark {
        Mark { frame: (self.frame % u64::from(FRAME_MODULUS)) as u32, millis: (self.utc_us / 1000) as u32 }
    }

    fn plate(self) -> Plate {
        Plate {
            camera: self.camera,
            stream: u8::from(self.stream == StreamKind::Sub),
            millis_high: ((self.utc_us / 1000) >> 32) as u16,
            frame_low: self.frame as u16,
        }
    }

    /// A user-data SEI message that [`Stamp::find`] reads; camera and stream follow the stamp as four and one
    /// hexadecimal digits.
    fn sei(self, codec: Codec, height: u16) -> Vec<u8> {
        let stamp = Stamp { frame: self.frame as u32, sent_us: self.utc_us, height };
        let mut payload = stamp.trailer();
        payload.extend(format!("{:04x} {}\n\n", self.camera, u8::from(self.stream == StreamKind::Sub)).bytes());
        // H.264 §7.3.2.3, H.265 §7.3.2.4: user_data_unregistered, its length; NAL type 6, or 39 before the picture.
        let header: &[u8] = if codec == Codec::H264 { &[6] } else { &[39 << 1, 1] };
        let mut rbsp = vec![5, payload.len() as u8];
        rbsp.extend(payload);
        rbsp.push(0x80);
        bits::nal(header, &rbsp)
    }
}

enum Part {
    Parameters(usize),
    Clip(Range<usize>),
    Fresh(Vec<u8>),
}

/// A coded picture.
pub struct Picture {
    clip: Rc<Clip>,
    parts: Vec<Part>,
    /// Whether decoding can begin with it.
    pub key: bool,
}

impl Picture {
    /// Its NAL units.
    #[must_use]
    pub fn nals(&self) -> Vec<&[u8]> {
        let bytes = |part| match part {
            &Part::Parameters(n) => self.clip.parameters[n].as_slice(),
            Part::Clip(range) => self.clip.nal(range),
            Part::Fresh(nal) => nal,
        };
        self.parts.iter().map(bytes).collect()
    }
}

/// Makes the pictures of a stream.
pub struct Pictures {
    clip: Rc<Clip>,
    show: Show,
    /// The next picture of the clip.
    at: usize,
    begin_again: bool,
    /// Behind the highest number that a picture had.
    behind: u64,
    /// `idr_pic_id` of the last picture, if it was a keyframe.
    after_key: Option<u32>,
    letters: Rc<Letters>,
    /// What the last picture said, and the text it showed.
    last: Option<Says>,
    text: String,
    line: Vec<Vec<Block>>,
    /// In the last picture that others refer to.
    line_before: Option<Vec<Vec<Block>>>,
}

/// The order of a clip.
#[must_use]
pub fn order(scene: u32, shape: Shape, show: Show) -> Order {
    let Show { look, other_size, long_gop } = show;
    Order { scene, look, shape, other_size, long_gop }
}

impl Pictures {
    /// Begins with the first picture of `clip`, which shows `show`.
    #[must_use]
    pub fn new(clip: Rc<Clip>, show: Show, letters: Rc<Letters>) -> Self {
        Self {
            clip,
            show,
            at: 0,
            begin_again: false,
            behind: 0,
            after_key: None,
            letters,
            last: None,
            text: String::new(),
            line: Vec::new(),
            line_before: None,
        }
    }

    /// What is shown now.
    #[must_use]
    pub fn show(&self) -> Show {
        self.show
    }

    /// How it is encoded.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.clip.shape
    }

    /// The next picture will be a keyframe: pictures were left out, or somebody new looks.
    pub fn begin_again(&mut self) {
        self.begin_again = true;
    }

    /// Shows another clip from now on, beginning with a keyframe.
    pub fn change(&mut self, clip: Rc<Clip>, show: Show, letters: Rc<Letters>) {
        (self.clip, self.show, self.letters, self.begin_again) = (clip, show, letters, true);
        self.text.clear();
    }

    /// How many places later than it is sent the next picture is shown; negative: earlier.
    #[must_use]
    pub fn order(&self) -> i64 {
        if self.begin_again { 0 } else { self.clip.pictures[self.at].shown as i64 - self.at as i64 }
    }

    /// Whether all that is shown before the picture with this number was sent.
    #[must_use]
    pub fn is_whole(&self, frame: u64) -> bool {
        frame >= self.behind
    }

    /// Whether a keyframe with this number would be shown before what was sent already.
    #[must_use]
    pub fn has_to_wait(&self, frame: u64) -> bool {
        self.begin_again && !self.is_whole(frame)
    }

    /// A keyframe to begin again with: two that follow each other have different numbers (H.264 §7.4.3, `idr_pic_id`).
    fn beginning(&self) -> usize {
        let id = |n: usize| self.clip.pictures[n].head.map(SliceHead::idr_pic_id);
        let keys = (0..self.clip.pictures.len()).filter(|n| self.clip.pictures[*n].key);
        keys.into_iter().find(|n| self.after_key.is_none_or(|last| id(*n) != Some(last))).unwrap_or(0)
    }

    /// Makes the next picture.
    pub fn next(&mut self, says: Says) -> Picture {
        if std::mem::take(&mut self.begin_again) {
            self.at = self.beginning();
        }
        let clip = Rc::clone(&self.clip);
        let coded = &clip.pictures[self.at];
        // A picture that stands still is the same in each keyframe: the same group of pictures goes round.
        let still = self.show.look == Look::Frozen;
        let round = if still { (GOP_SECS * clip.shape.fps()) as usize } else { clip.pictures.len() };
        self.at = self.at / round * round + (self.at + 1) % round;
        self.after_key = coded.head.filter(|_| coded.key).map(SliceHead::idr_pic_id);
        // A frozen picture says again what the last one said; the stamp is not part of the picture.
        let shown = match (self.show.look, self.last) {
            (Look::Frozen, Some(last)) => last,
            _ => says,
        };
        self.last = Some(shown);
        self.behind = self.behind.max(says.frame + 1);
        let mut parts = Vec::with_capacity(16);
        if coded.key {
            parts.extend((0..clip.parameters.len()).map(Part::Parameters));
        }
        parts.push(Part::Fresh(says.sei(clip.shape.codec, clip.size.height as u16)));
        if let (Some(params), Some(head)) = (&clip.h264, coded.head) {
            let rows = clip.rows;
            parts.push(Part::Fresh(paint::cells(params, head, 0, rows.strip, shown.mark().cells())));
            parts.push(Part::Fresh(paint::cells(params, head, rows.strip, rows.strip, shown.plate().cells())));
            let text = osd::text(shown.camera, shown.clock_ms);
            if text != self.text {
                self.line = self.letters.line(&text);
                self.text = text;
            }
            for (n, line) in self.line.iter().enumerate() {
                let before = self.line_before.as_ref().and_then(|rows| rows.get(n)).map(Vec::as_slice);
                let row = 2 * rows.strip + n as u32;
                parts.push(Part::Fresh(paint::text(params, head, row, line, before, osd::BACKGROUND)));
            }
            if head.is_reference() && self.line_before.as_ref() != Some(&self.line) {
                self.line_before = Some(self.line.clone());
            }
        }
        parts.extend(coded.nals.iter().cloned().map(Part::Clip));
        Picture { key: coded.key, parts, clip }
    }
}
