//! TLS against rustls's own server side: handshakes cut anywhere, certificates that are not to be trusted, ends, alerts, new
//! keys, and stores that change.

mod authority;
mod distrust;
mod environment;
mod folder;
mod layering;
mod pair;
mod reloading;
mod rules;
mod terminator;
mod weak;
mod whole;
