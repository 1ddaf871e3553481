"""GStreamer's webrtcbin as a WHIP publisher or WHEP viewer: libnice, its own DTLS and jitter buffer, no code shared with browsers."""

import os
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import GLib, Gst, GstApp, GstSdp, GstWebRTC  # noqa: E402,F401

import numpy as np  # noqa: E402

import strip  # noqa: E402
from endpoint import Endpoint, Refused, arguments, say, stdin_closed  # noqa: E402

ENCODERS = {
    "VP8": ("vp8enc deadline=1 cpu-used=8 target-bitrate=900000 keyframe-max-dist=100 error-resilient=partitions ! rtpvp8pay pt=96 picture-id-mode=2 mtu=1200",
            "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000"),
    "H264": ("x264enc tune=zerolatency speed-preset=ultrafast bitrate=900 key-int-max=100 bframes=0 ! video/x-h264,profile=constrained-baseline "
             "! h264parse config-interval=-1 ! rtph264pay pt=96 aggregate-mode=zero-latency config-interval=-1 mtu=1200",
             "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000"),
}
# What a viewer says of the H.264 that it takes: constrained baseline in fragments (RFC 6184 §8.1).
WATCHED_H264 = ",packetization-mode=(string)1,profile-level-id=(string)42e01f"
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2"


class Peer:
    def __init__(self, options):
        self.options, self.seen = options, strip.Watched()
        self.endpoint = Endpoint(options.url, options.token)
        self.loop = GLib.MainLoop()
        self.code = 0
        self.ended = False

    def build(self):
        if self.options.verb == "publish":
            encoder, caps = ENCODERS[self.options.codec]
            width, height = self.options.width, self.options.height
            self.pipeline = Gst.parse_launch(
                "webrtcbin name=w bundle-policy=max-bundle latency=50 "
                f"appsrc name=v is-live=true format=time do-timestamp=true caps=video/x-raw,format=I420,width={width},height={height},framerate={strip.FPS}/1 "
                f"! queue max-size-buffers=2 ! {encoder} ! {caps} ! w. "
                "appsrc name=a is-live=true format=time do-timestamp=true caps=audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved "
                f"! queue ! audioconvert ! opusenc ! rtpopuspay pt=97 ! {OPUS} ! w.")
        else:
            self.pipeline = Gst.Pipeline.new("watch")
            self.pipeline.add(Gst.parse_launch("webrtcbin name=w bundle-policy=max-bundle latency=50"))
        self.webrtc = self.pipeline.get_by_name("w")
        self.webrtc.connect("on-negotiation-needed", self.negotiate)
        self.webrtc.connect("notify::connection-state", self.state)
        if self.options.verb == "watch":
            video = ENCODERS[self.options.codec][1] + (WATCHED_H264 if self.options.codec == "H264" else "")
            for caps in (video, OPUS):
                self.webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))
            self.webrtc.connect("pad-added", self.incoming)
        else:
            for index in range(2):
                self.webrtc.emit("get-transceiver", index).set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)

    # --- negotiation ---

    def negotiate(self, _):
        promise = Gst.Promise.new_with_change_func(self.offered, None)
        self.webrtc.emit("create-offer", None, promise)

    def offered(self, promise, _):
        reply = promise.get_reply()  # keeps the offer alive while it is used
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())
        try:
            answer = self.endpoint.post(offer.sdp.as_text())
        except Refused as refusal:
            say("refused", text=str(refusal))
            self.code = 1
            GLib.idle_add(self.loop.quit)
            return
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        self.webrtc.emit("set-remote-description",
                         GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message), Gst.Promise.new())

    def state(self, webrtc, _):
        say("state", state=webrtc.get_property("connection-state").value_nick)

    def failed(self, _, message):
        error, detail = message.parse_error()
        say("note", text=f"{error.message} {detail}")
        self.code = 1
        self.loop.quit()

    # --- publishing ---

    def feed(self):
        picture = strip.Picture(self.options.width, self.options.height)
        video, audio = self.pipeline.get_by_name("v"), self.pipeline.get_by_name("a")
        started, number, samples = time.time(), 0, 48000 // strip.FPS
        while not self.ended:
            time.sleep(max(0.0, started + number / strip.FPS - time.time()))
            video.emit("push-buffer", Gst.Buffer.new_wrapped(picture.draw(self.options.first_frame + number).tobytes()))
            audio.emit("push-buffer", Gst.Buffer.new_wrapped(strip.sound(number * samples, samples).tobytes()))
            number += 1

    # --- watching ---

    def incoming(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        video = pad.get_current_caps().get_structure(0).get_string("media") == "video"
        tail = ("queue name=q ! decodebin ! videoconvert ! video/x-raw,format=I420 ! appsink name=s emit-signals=true sync=false max-buffers=8" if video
                else "queue name=q ! decodebin ! audioconvert ! appsink name=s emit-signals=true sync=false max-buffers=50")
        branch = Gst.parse_bin_from_description(tail, False)
        # By hand: behind decodebin another pad is still open, and the parser might choose that one.
        branch.add_pad(Gst.GhostPad.new("sink", branch.get_by_name("q").get_static_pad("sink")))
        branch.get_by_name("s").connect("new-sample", self.picture if video else self.sound)
        self.pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def picture(self, sink):
        sample = sink.emit("pull-sample")
        caps, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
        width, height = caps.get_value("width"), caps.get_value("height")
        stride = (width + 3) & ~3
        luma = np.frombuffer(buffer.extract_dup(0, stride * height), np.uint8).reshape(height, stride)[:, :width]
        self.seen.picture(luma)
        if self.seen.readable >= self.options.frames:
            GLib.idle_add(self.loop.quit)
        return Gst.FlowReturn.OK

    def sound(self, sink):
        sink.emit("pull-sample")
        self.seen.sound += 1
        return Gst.FlowReturn.OK

    # --- life ---

    def run(self) -> int:
        self.build()
        self.pipeline.set_state(Gst.State.PLAYING)
        if self.options.verb == "publish":
            threading.Thread(target=self.feed, daemon=True).start()
        threading.Thread(target=lambda: (stdin_closed(), GLib.idle_add(self.loop.quit)), daemon=True).start()
        GLib.timeout_add(int(self.options.seconds * 1000), self.loop.quit)
        self.loop.run()
        self.ended = True
        self.endpoint.delete()
        say("end", **(self.seen.figures() if self.options.verb == "watch" else {}))
        return self.code


if __name__ == "__main__":
    Gst.init(None)
    code = Peer(arguments()).run()
    sys.stdout.flush()
    os._exit(code)  # webrtcbin's threads need no further farewell
