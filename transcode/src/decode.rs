//! AAC-LC → samples of one channel. Runs in the worker only.

use crate::format::AacFormat;
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia_codec_aac::AacDecoder;
use symphonia_core::{
    audio::{Audio as _, Channels, GenericAudioBufferRef, Position},
    codecs::audio::{AudioCodecParameters, AudioDecoder as _, AudioDecoderOptions, well_known::CODEC_ID_AAC},
    packet::PacketRef,
    units::{Duration, Timestamp},
};

/// One sound's decoder.
pub(crate) struct Decoder {
    format: AacFormat,
    inner: AacDecoder,
}

impl Decoder {
    /// `None`: the library does not take the format.
    pub(crate) fn new(format: AacFormat) -> Option<Self> {
        make(format).map(|inner| Self { format, inner })
    }

    /// Appends the samples of an access unit, channels averaged; `false` if it can't be decoded: nothing was appended, and
    /// the next unit begins anew.
    pub(crate) fn unit(&mut self, unit: &[u8], out: &mut Vec<f32>) -> bool {
        // A unit without a channel (ISO/IEC 14496-3 table 4.85: 7 is the end) would repeat what was decoded before.
        if unit.first().is_none_or(|first| first >> 5 == 7) {
            return false;
        }
        let before = out.len();
        let frame = AacFormat::FRAME as usize;
        let packet = PacketRef::new(0, Timestamp::new(0), Duration::new(u64::from(AacFormat::FRAME)), unit);
        // What panics on the input of one camera must not end the sound of all.
        let decoded = catch_unwind(AssertUnwindSafe(|| match self.inner.decode_ref(&packet) {
            Ok(GenericAudioBufferRef::F32(samples)) if samples.frames() == frame => {
                let planes: Vec<&[f32]> = (0..samples.num_planes()).filter_map(|n| samples.plane(n)).collect();
                let share = 1.0 / planes.len().max(1) as f32;
                out.extend((0..frame).map(|n| planes.iter().map(|p| p[n]).sum::<f32>() * share));
                true
            }
            _ => false,
        }));
        match decoded {
            Ok(true) => {}
            Ok(false) => self.inner.reset(),
            Err(_) => {
                out.truncate(before);
                if let Some(inner) = make(self.format) {
                    self.inner = inner;
                }
            }
        }
        // A decoder that was made for floats may still say that they are none.
        out[before..].iter_mut().filter(|s| !s.is_finite()).for_each(|s| *s = 0.0);
        out.len() > before
    }

    /// What follows does not continue what was.
    pub(crate) fn restart(&mut self) {
        self.inner.reset();
    }
}

fn make(format: AacFormat) -> Option<AacDecoder> {
    let positions = match format.channels() {
        1 => Position::FRONT_CENTER,
        _ => Position::FRONT_LEFT | Position::FRONT_RIGHT,
    };
    let mut parameters = AudioCodecParameters::new();
    // Without a configuration the library takes the stream for AAC-LC of 1,024 samples, which it is.
    parameters
        .for_codec(CODEC_ID_AAC)
        .with_sample_rate(format.rate_hz())
        .with_channels(Channels::Positioned(positions));
    AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).ok()
}
