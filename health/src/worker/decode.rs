//! One keyframe in, one picture out, by OpenH264. Every keyframe has a decoder of its own: one that has seen others would
//! fill holes with another camera's picture.

use crate::{measure::Planes, wire::Undecodable};
use openh264::{
    OpenH264API,
    decoder::{Decoder, DecoderConfig, Flush},
    formats::YUVSource,
};

/// Decodes a keyframe and shows the picture to `look`.
pub(super) fn keyframe<T>(annex_b: &[u8], look: impl FnOnce(&Planes<'_>) -> T) -> Result<T, Undecodable> {
    let config = DecoderConfig::new().flush_after_decode(Flush::Flush);
    let decoder = Decoder::with_api_config(OpenH264API::from_source(), config);
    let mut decoder = decoder.map_err(|_| Undecodable::Refused)?;
    let picture = decoder.decode(annex_b).map_err(|_| Undecodable::Refused)?.ok_or(Undecodable::Incomplete)?;
    let (width, height) = picture.dimensions();
    let (y, u, v) = picture.strides();
    Ok(look(&Planes { width, height, y: (picture.y(), y), u: (picture.u(), u), v: (picture.v(), v) }))
}
