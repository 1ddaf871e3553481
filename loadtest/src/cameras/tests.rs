//! The whole of it against a client of another make: `ffmpeg`.
