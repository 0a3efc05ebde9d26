//! The push plane on a real JetStream: alone, and behind a router on real sockets.

mod access;
mod health;
mod house;
mod reload;
mod resume;
mod several;
mod shared;
mod sse;
mod stand;
mod websocket;
mod wire;
