//! What stands under a key in Redis: a value with its header, or the lease of who is loading it.

use bytes::Bytes;

/// Which of the cache's lives an entry is of. Those of an earlier one count as not there.
pub(super) type Generation = [u8; 8];

const VALUE: u8 = b'V';
const LEASE: u8 = b'L';
const GENERATION_END: usize = 9;
const HEADER_BYTES: usize = 17;

/// What was found under a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing of use; these first bytes stand there and may be replaced.
    Nothing(Bytes),
    /// Somebody is loading it.
    Leased,
    /// A value.
    Value {
        /// The first bytes, to be replaced by if the value is of no use to the reader.
        header: Bytes,
        /// The entity's version; 0 when the kind has none.
        version: u64,
        /// The value in JSON.
        json: Bytes,
    },
}

/// A value as it is stored.
pub(super) fn value(generation: Generation, version: u64, json: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + json.len());
    bytes.push(VALUE);
    bytes.extend(generation);
    bytes.extend(version.to_be_bytes());
    bytes.extend(json);
    bytes.into()
}

/// A lease as it is stored; nobody else's is the same.
pub(super) fn lease(generation: Generation) -> Bytes {
    let mut bytes = vec![LEASE];
    bytes.extend(generation);
    bytes.extend(rand::random::<[u8; 16]>());
    bytes.into()
}

/// Reads what stands under a key.
pub(super) fn read(found: Option<&Bytes>, generation: Generation) -> Held {
    let Some(bytes) = found else { return Held::Nothing(Bytes::new()) };
    let header = bytes.slice(..bytes.len().min(HEADER_BYTES));
    if bytes.len() < HEADER_BYTES || bytes[1..GENERATION_END] != generation {
        return Held::Nothing(header);
    }
    match bytes[0] {
        LEASE => Held::Leased,
        VALUE => {
            let mut version = [0; 8];
            version.copy_from_slice(&bytes[GENERATION_END..HEADER_BYTES]);
            let json = bytes.slice(HEADER_BYTES..);
            Held::Value { header, version: u64::from_be_bytes(version), json }
        }
        _ => Held::Nothing(header),
    }
}

/// A new generation.
pub(super) fn generation() -> Generation {
    rand::random()
}

/// The record of the generation in Redis: the run of the server that it began in, and itself. A
/// server that was restarted, or one that took over, may hold what was dropped long ago.
pub(super) fn record(run: &str, generation: Generation) -> String {
    format!("{run}:{:016x}", u64::from_be_bytes(generation))
}

/// Reads the record: the run and the generation.
pub(super) fn read_record(record: &[u8]) -> Option<(&str, Generation)> {
    let (run, generation) = std::str::from_utf8(record).ok()?.rsplit_once(':')?;
    Some((run, u64::from_str_radix(generation, 16).ok()?.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_in_its_own_generation_only() {
        let (ours, other) = ([1; 8], [2; 8]);
        let stored = value(ours, 7, b"{}");
        let Held::Value { header, version, json } = read(Some(&stored), ours) else { panic!() };
        assert_eq!((&header[..], version, &json[..]), (&stored[..HEADER_BYTES], 7, &b"{}"[..]));
        assert_eq!(read(Some(&stored), other), Held::Nothing(header));
        assert_eq!(read(Some(&lease(ours)), ours), Held::Leased);
        assert_ne!(lease(ours), lease(ours));
        assert_eq!(read(Some(&"?".into()), ours), Held::Nothing("?".into()));
        assert_eq!(read(None, ours), Held::Nothing(Bytes::new()));
    }

    #[test]
    fn a_record_is_read_back() {
        let generation = [0, 0, 0, 0, 0, 0, 1, 255];
        let record = record("a:b", generation);
        assert_eq!(read_record(record.as_bytes()), Some(("a:b", generation)));
        assert_eq!(read_record(b"junk"), None);
    }
}
