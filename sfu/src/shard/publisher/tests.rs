use super::*;
use crate::sdp::{Offer, tests::CHROMIUM_PUBLISH};
use crate::shard::slots::Slots;
use lectern_media::TrackKind;

/// The lines of Chromium's offer (mids 0 and 1, three rids), with tracks.
fn publisher(now: Instant) -> (Publisher, [Key; 2]) {
    let offer = Offer::parse(CHROMIUM_PUBLISH).unwrap();
    let mut slots = Slots::new();
    let keys = [slots.insert_with(|_| ()), slots.insert_with(|_| ())];
    let lines = offer.lines.iter().filter(|l| l.kind.is_some()).zip(keys).map(|(l, key)| PublishedLine {
        mid: l.mid.clone(),
        source: if l.kind == Some(TrackKind::Audio) { TrackSource::Microphone } else { TrackSource::Camera },
        codec: l.codecs[0].clone(),
        extensions: l.extensions,
        rids: l.rids.clone(),
        ssrcs: l.ssrcs.clone(),
        track: Some(key),
        wanted: true,
    });
    (Publisher::new(now, Ssrc(9), lines.collect()), keys)
}

/// A packet with header extensions (id, value). H.264 single NAL unit, or any bytes for Opus.
fn packet(ssrc: u32, pt: u8, seq: u16, extensions: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut ext = Vec::new();
    for (id, value) in extensions {
        ext.push(id << 4 | (value.len() as u8 - 1));
        ext.extend(*value);
    }
    ext.resize(ext.len().next_multiple_of(4), 0);
    let mut p = vec![0x90, pt];
    p.extend(seq.to_be_bytes());
    p.extend([0, 0, 0, 1]);
    p.extend(ssrc.to_be_bytes());
    p.extend([0xbe, 0xde, 0, (ext.len() / 4) as u8]);
    p.extend(ext);
    p.extend(payload);
    p
}

const SLICE: &[u8] = &[0x41, 1, 2, 3];
const MID: u8 = 4;
const RID: u8 = 10;
const REPAIRED: u8 = 11;

fn receive(p: &mut Publisher, now: Instant, bytes: &[u8]) -> Result<(Key, Layer, bool), &'static str> {
    match p.receive(now, &RtpView::parse(bytes).unwrap()) {
        Ok(a) => Ok((a.track, a.packet.meta.layer, a.restarted)),
        Err(Unaccepted::UnknownSource) => Err("unknown source"),
        Err(Unaccepted::Retired) => Err("retired"),
        Err(Unaccepted::TooSoon) => Err("too soon"),
        Err(Unaccepted::Dropped(reason)) => Err(reason.label()),
    }
}

#[test]
fn layers_are_learnt_from_mid_and_rid_and_kept_by_ssrc() {
    let now = Instant::now();
    let (mut p, [_, video]) = publisher(now);
    for (ssrc, rid, layer) in [(11, "f", 2), (12, "q", 0), (13, "h", 1)] {
        let first = packet(ssrc, 107, 5, &[(MID, b"1"), (RID, rid.as_bytes())], SLICE);
        assert_eq!(receive(&mut p, now, &first), Ok((video, Layer(layer), false)), "rid {rid}");
        let later = packet(ssrc, 107, 6, &[], SLICE);
        assert_eq!(receive(&mut p, now, &later), Ok((video, Layer(layer), false)), "without extensions");
    }
}

#[test]
fn retransmissions_are_undone_onto_the_stream_of_their_rid() {
    let now = Instant::now();
    let (mut p, [_, video]) = publisher(now);
    for seq in [5, 7] {
        receive(&mut p, now, &packet(11, 107, seq, &[(MID, b"1"), (RID, b"h")], SLICE)).unwrap();
    }
    let original = [&6u16.to_be_bytes(), SLICE].concat();
    let rtx = packet(21, 108, 900, &[(MID, b"1"), (REPAIRED, b"h")], &original);
    let accepted = p.receive(now, &RtpView::parse(&rtx).unwrap()).ok().expect("repaired");
    assert_eq!((accepted.track, accepted.packet.meta.seq.wire(), accepted.packet.payload), (video, 6, SLICE));
    assert_eq!(receive(&mut p, now, &rtx), Err("duplicate"), "the same repair again");
}

#[test]
fn sound_is_found_by_the_offer_s_ssrc_and_by_its_payload_type() {
    let now = Instant::now();
    let (mut p, [audio, _]) = publisher(now);
    assert_eq!(receive(&mut p, now, &packet(1001, 111, 1, &[], b"opus")), Ok((audio, Layer(0), false)));
    let (mut p, [audio, _]) = publisher(now);
    assert_eq!(receive(&mut p, now, &packet(77, 111, 1, &[], b"opus")), Ok((audio, Layer(0), false)));
}

#[test]
fn what_belongs_to_no_line_is_refused() {
    let now = Instant::now();
    let (mut p, _) = publisher(now);
    for (what, bytes) in [
        ("unknown rid", packet(11, 107, 5, &[(MID, b"1"), (RID, b"x")], SLICE)),
        ("no rid", packet(11, 107, 5, &[(MID, b"1")], SLICE)),
        ("unknown mid", packet(11, 107, 5, &[(MID, b"7"), (RID, b"q")], SLICE)),
        ("unknown payload type", packet(11, 99, 5, &[(MID, b"1"), (RID, b"q")], SLICE)),
    ] {
        assert_eq!(receive(&mut p, now, &bytes), Err("unknown source"), "{what}");
    }
    assert!(p.streams.is_empty() && p.roles.is_empty(), "nothing is remembered of them");
}

#[test]
fn a_second_ssrc_of_a_layer_is_a_restarted_encoder() {
    let now = Instant::now();
    let (mut p, [_, video]) = publisher(now);
    let of = |ssrc, seq| packet(ssrc, 107, seq, &[(MID, b"1"), (RID, b"q")], SLICE);
    let later = now + RESTART_INTERVAL;
    assert_eq!(receive(&mut p, now, &of(11, 5)), Ok((video, Layer(0), false)));
    assert_eq!(receive(&mut p, now, &of(31, 5)), Err("too soon"), "one that has only begun");
    assert_eq!(receive(&mut p, later, &of(31, 5)), Ok((video, Layer(0), true)));
    assert_eq!(p.streams.len(), 1, "the old stream is forgotten");
    for (i, at) in [later, later + RESTART_INTERVAL, later + 60 * RESTART_INTERVAL].into_iter().enumerate() {
        assert_eq!(receive(&mut p, at, &of(11, 6 + i as u16)), Err("retired"), "a late packet restarts nothing");
    }
    assert_eq!(receive(&mut p, later, &of(31, 6)), Ok((video, Layer(0), false)));
}

/// A screen is shared and stopped forty times beside a camera, each time with new sources; late packets of the last time
/// come in between.
#[test]
fn forty_shares_on_one_peer_leave_the_camera_alone() {
    let now = Instant::now();
    let (mut p, [screen, video]) = publisher(now);
    let of = |ssrc, seq| packet(ssrc, 111, seq, &[(MID, b"0")], b"opus");
    let original = |seq: u16| [&seq.to_be_bytes()[..], SLICE].concat();
    receive(&mut p, now, &packet(11, 107, 5, &[(MID, b"1"), (RID, b"q")], SLICE)).unwrap();
    receive(&mut p, now, &packet(11, 107, 205, &[], SLICE)).unwrap();
    let rtx = |seq, osn| packet(21, 108, seq, &[], &original(osn));
    let first = packet(21, 108, 1, &[(MID, b"1"), (REPAIRED, b"q")], &original(6));
    receive(&mut p, now, &first).unwrap();
    let mut over = 0;
    for n in 0..40u32 {
        let ssrc = 1_000_000 + n;
        assert_eq!(receive(&mut p, now, &of(ssrc, 1)), Ok((screen, Layer(0), false)), "share {n}");
        p.retire_line(0);
        p.lines[0].track = None;
        assert_eq!(receive(&mut p, now, &of(ssrc, 2)), Err("retired"), "share {n}: what still comes of it");
        over += p.take_over().filter(|s| *s == Ssrc(ssrc)).count();
        p.retire_line(0);
        p.lines[0].track = Some(screen);
        assert_eq!(receive(&mut p, now, &of(ssrc, 3)), Err("retired"), "share {n}: late, into the next");
        let (seq, osn) = (n as u16 + 2, n as u16 + 7);
        assert_eq!(
            receive(&mut p, now, &rtx(seq, osn)),
            Ok((video, Layer(0), false)),
            "share {n}: the camera's repairs"
        );
    }
    assert_eq!((over, p.streams.len()), (40, 1), "each is told to the SRTP context");
    p.reuse_line(0);
    assert_eq!(
        receive(&mut p, now, &of(1_000_039, 9)),
        Ok((screen, Layer(0), false)),
        "offered anew, it may come back"
    );
}

#[test]
fn feedback_begins_with_a_report_and_asks_for_what_is_missing() {
    let now = Instant::now();
    let (mut p, _) = publisher(now);
    for seq in [5, 6, 9] {
        receive(&mut p, now, &packet(11, 107, seq, &[(MID, b"1"), (RID, b"q"), (3, &seq.to_be_bytes())], SLICE))
            .unwrap();
    }
    let later = now + Duration::from_millis(600);
    let mut buf = [0; 1180];
    let mut builder = Builder::new(&mut buf);
    let feedback = p.feedback(later, &mut builder, |_, _| {}).unwrap();
    assert!(feedback.worth_sending);
    let packets: Vec<_> = Compound::new(builder.bytes()).map(Result::unwrap).collect();
    assert!(matches!(packets[0], Packet::ReceiverReport(Ssrc(9), _)));
    assert!(packets.iter().any(|p| matches!(p, Packet::TransportCc(_))));
    let lost = packets.iter().find_map(|p| match p {
        Packet::Nack(n) => Some(n.lost().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!((lost, feedback.asked), (Some(vec![7, 8]), 2));
}

#[test]
fn a_line_used_anew_forgets_its_streams_and_leaves_the_others() {
    let now = Instant::now();
    let (mut p, [audio, video]) = publisher(now);
    receive(&mut p, now, &packet(11, 107, 5, &[(MID, b"1"), (RID, b"q")], SLICE)).unwrap();
    receive(&mut p, now, &packet(1001, 111, 1, &[(MID, b"0")], b"opus")).unwrap();
    p.reuse_line(1);
    assert_eq!(p.streams.len(), 1);
    assert_eq!(receive(&mut p, now, &packet(1001, 111, 2, &[], b"opus")), Ok((audio, Layer(0), false)));
    let again = packet(12, 107, 5, &[(MID, b"1"), (RID, b"q")], SLICE);
    assert_eq!(receive(&mut p, now, &again), Ok((video, Layer(0), false)), "it is learnt anew");
}

#[test]
fn the_table_of_sources_is_bounded() {
    let now = Instant::now();
    let (mut p, _) = publisher(now);
    receive(&mut p, now, &packet(11, 107, 5, &[(MID, b"1"), (RID, b"q")], SLICE)).unwrap();
    for ssrc in 100..300 {
        let _ = receive(&mut p, now, &packet(ssrc, 108, 1, &[(MID, b"1"), (REPAIRED, b"q")], &[0, 1, 0x41]));
    }
    assert!(p.roles.len() <= STREAMS_MAX);
    assert!(receive(&mut p, now, &packet(11, 107, 6, &[], SLICE)).is_ok(), "media is not forgotten for it");
}
