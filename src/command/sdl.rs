//! `moim sdl NAME`: a subgraph's SDL, for composition.

use crate::service::Name;

/// Prints the SDL of the named subgraph on standard output; needs no server.
pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let sdl = name.parse::<Name>()?.sdl();
    std::io::stdout().write_all(sdl.as_bytes())?;
    Ok(())
}
