//! What the core's logic costs: one picture of 8 packets a frame to 200 subscribers, written into a buffer and thrown away.
//! `cargo run --release -p lectern-sfu-core --example forward_cost`. No crypto, no sockets, no feedback.

use lectern_media::{Bitrate, Codec, Layer, PayloadType, RtpView, Ssrc, TrackKind};
use lectern_sfu_core::{
    SourceId,
    allocate::{LayerOffer, Offers, Priority},
    downtrack::{ExtensionIds, LineConfig, PayloadTypes},
    ingest::{StreamConfig, StreamIngest},
    packet_ring::PacketRing,
    subscriber::{Forwarded, LineId, PACKET_LEN_MAX, Subscriber, SubscriberConfig, Wish},
};
use std::time::{Duration, Instant};

const SUBSCRIBERS: u64 = 200;
const FRAMES: u64 = 300;
const PACKETS: u64 = 8;
const SOURCE: SourceId = SourceId(1);
const LINE: LineId = LineId(0);

fn subscriber(now: Instant, seed: u64) -> Subscriber {
    // A wide line is assumed, so that nothing waits in the pacer: its cost is not what is measured.
    let config = SubscriberConfig { bitrate_start: Bitrate::kbps(500_000), ..SubscriberConfig::default() };
    let config = SubscriberConfig { bitrate_max: Bitrate::kbps(1_000_000), ..config };
    let mut sub = Subscriber::new(now, config);
    sub.add_line(&LineConfig {
        kind: TrackKind::Video,
        ssrc: Ssrc(1),
        rtx_ssrc: Some(Ssrc(2)),
        payload_types: vec![PayloadTypes { codec: Codec::Vp8, media: PayloadType(96), rtx: Some(PayloadType(97)) }],
        extensions: ExtensionIds { mid: Some(1), twcc: Some(2), abs_send_time: Some(3), audio_level: None },
        mid: Some("0".into()),
        seed,
    });
    sub.set_source(now, LINE, Some(SOURCE));
    sub.set_wish(LINE, Wish { tile_height: 720, priority: Priority::Speaker, thumbnail: false });
    let mut offers = Offers::default();
    offers[0] = LayerOffer::new(Bitrate::kbps(1_500), Some(720));
    sub.tick(now, |_| offers, |_| {});
    sub
}

fn main() {
    let t0 = Instant::now();
    let mut subs: Vec<_> = (0..SUBSCRIBERS).map(|n| subscriber(t0, n)).collect();
    let config = StreamConfig { ssrc: Ssrc(9), codec: Codec::Vp8, layer: Layer(0), nack: true, audio_level_id: None };
    let mut ingest = StreamIngest::new(config);
    let mut ring = PacketRing::new(1_024, 1 << 20);
    let mut out = [0; PACKET_LEN_MAX];
    let (mut forwarded, mut bytes) = (0u64, 0u64);
    let begun = Instant::now();
    for frame in 0..FRAMES {
        let now = t0 + Duration::from_millis(33 * frame);
        for n in 0..PACKETS {
            let mut packet = vec![0x80, if n + 1 == PACKETS { 0xe0 } else { 0x60 }];
            packet.extend_from_slice(&((frame * PACKETS + n) as u16).to_be_bytes());
            packet.extend_from_slice(&((frame * 2_970) as u32).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 9, if n == 0 { 0x90 } else { 0x80 }, 0xe0]);
            packet.extend_from_slice(&((frame as u16) | 0x8000).to_be_bytes());
            packet.extend_from_slice(&[frame as u8, 0, u8::from(frame > 0)]);
            packet.resize(1_172, 7);
            let view = RtpView::parse(&packet).expect("is RTP");
            let packet = ingest.receive(now, &view).expect("is fresh");
            ring.push(&packet);
            for sub in &mut subs {
                if let Ok(Forwarded::Written(len)) = sub.forward(now, LINE, &packet, 0, &mut out) {
                    forwarded += 1;
                    bytes += len as u64;
                }
            }
        }
    }
    let ns = begun.elapsed().as_nanos() as u64 / forwarded.max(1);
    println!("{forwarded} packets, {bytes} bytes: {ns} ns a packet; {} bytes a subscriber", subs[0].memory_bytes());
}
