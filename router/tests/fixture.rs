//! The fixtures are those of the schemas.

use crate::shop;

#[test]
fn the_sdl_is_that_of_the_schemas() {
    for name in shop::NAMES {
        let path = format!("{}/tests/fixtures/shop/{name}.graphql", env!("CARGO_MANIFEST_DIR"));
        let sdl = shop::sdl(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &sdl).unwrap();
        }
        let fixture = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(fixture, sdl, "{path} is stale: see fixtures/README.md");
    }
}
