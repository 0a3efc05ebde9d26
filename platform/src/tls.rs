//! Who encrypts: `ring`, for every client of this process.

/// Chooses the implementation of cryptography that HTTP clients take when nobody names one. Call it
/// before the first of them is made; again does nothing.
pub fn choose() {
    // Fails when the process has one already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
