//! The ssh adapter: sessions, files, forwarded sockets.
