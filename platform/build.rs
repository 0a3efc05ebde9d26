//! Files that are built in: a new one among them is noticed.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/platform");
    println!("cargo::rerun-if-changed=../nats");
}
