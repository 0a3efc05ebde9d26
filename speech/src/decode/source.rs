//! A file that counts how far it has been read, to guess lengths that live
//! recordings don't state.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// How much of a file has been read.
#[derive(Debug)]
pub(super) struct Consumed {
    position: AtomicU64,
    bytes: u64,
}

impl Consumed {
    pub(super) fn new(bytes: u64) -> Self {
        Self { position: AtomicU64::new(0), bytes }
    }

    /// Read again from the start.
    pub(super) fn restart(&self) {
        self.position.store(0, Ordering::Relaxed);
    }

    /// 0 to 1.
    pub(super) fn fraction(&self) -> f64 {
        self.position.load(Ordering::Relaxed) as f64 / self.bytes as f64
    }
}

/// What a demuxer is told about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It has a length and can be read in any order.
    Random,
    /// It goes on until it ends.
    Stream,
}

/// The file itself.
#[derive(Debug)]
pub(super) struct Counted {
    access: Access,
    file: File,
    consumed: Arc<Consumed>,
}

impl Counted {
    pub(super) fn new(file: File, consumed: Arc<Consumed>, access: Access) -> Self {
        Self { access, file, consumed }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.consumed.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.file.seek(to)?;
        self.consumed.position.store(position, Ordering::Relaxed);
        Ok(position)
    }
}

impl MediaSource for Counted {
    fn is_seekable(&self) -> bool {
        self.access == Access::Random && self.file.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        (self.access == Access::Random).then_some(self.consumed.bytes)
    }
}
