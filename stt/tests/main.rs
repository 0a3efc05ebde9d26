//! The engine in front of servers that say what the test wants, and of one that hears.

mod kit;
mod recognising;
mod refusing;
