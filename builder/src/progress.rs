//! What long work tells whoever waits for it.

/// Told about long work as it goes on. Called from several threads.
pub trait Progress: Sync {
    /// A step of the work begins.
    fn step(&self, name: &str);

    /// `files` files of `bytes` bytes together are about to be downloaded.
    fn downloads(&self, files: usize, bytes: u64);

    /// `bytes` more bytes have arrived.
    fn received(&self, bytes: u64);

    /// Something the person should know, which stops nothing.
    fn warning(&self, message: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _name: &str) {}
    fn downloads(&self, _files: usize, _bytes: u64) {}
    fn received(&self, _bytes: u64) {}
    fn warning(&self, _message: &str) {}
}
