//! Reads a CTranslate2 model file (binary version 6) into named tensors.
//!
//! Layout, little-endian: version u32; spec name; revision u32; count u32;
//! then per tensor: name, rank u8, dimensions u32 each, type u8, bytes u32,
//! data; then aliases. A string is a length u16 (with its closing zero) and
//! the bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::convert::ConvertError;

/// The binary version that this reader knows.
const VERSION: u32 = 6;
/// CTranslate2's number of the 16-bit float type.
const FLOAT16: u8 = 4;
/// Bytes of one 16-bit float.
const FLOAT16_BYTES: usize = 2;

/// A 16-bit float tensor, row-major.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tensor<'a> {
    /// Outermost dimension first.
    pub(super) rows: usize,
    /// Values of one row (all inner dimensions).
    pub(super) width: usize,
    /// The values, two bytes each.
    pub(super) data: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// The rows in a range, e.g. the query's part of a fused projection.
    pub(super) fn slice(self, rows: Range<usize>) -> Tensor<'a> {
        let row_bytes = self.width * FLOAT16_BYTES;
        Tensor {
            rows: rows.len(),
            width: self.width,
            data: &self.data[rows.start * row_bytes..rows.end * row_bytes],
        }
    }
}

/// All 16-bit tensors of a model by name.
#[derive(Debug)]
pub(super) struct Model<'a>(BTreeMap<&'a str, Tensor<'a>>);

impl<'a> Model<'a> {
    /// Reads a whole file; flags of other types are skipped.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, ConvertError> {
        let mut cursor = Cursor(file);
        let version = cursor.u32()?;
        if version != VERSION {
            return Err(ConvertError::Version(version));
        }
        cursor.text()?;
        cursor.u32()?;
        let mut tensors = BTreeMap::new();
        for _ in 0..cursor.u32()? {
            let name = cursor.text()?;
            let rank = cursor.take(1)?[0];
            let dimensions = (0..rank)
                .map(|_| cursor.u32().map(|n| n as usize))
                .collect::<Result<Vec<_>, _>>()?;
            let kind = cursor.take(1)?[0];
            let bytes = cursor.u32()? as usize;
            let data = cursor.take(bytes)?;
            if kind != FLOAT16 {
                continue;
            }
            let rows = dimensions.first().copied().unwrap_or(1);
            let width = dimensions.iter().skip(1).product();
            if rows * width * FLOAT16_BYTES != bytes {
                return Err(ConvertError::Shape(name.to_owned()));
            }
            tensors.insert(name, Tensor { rows, width, data });
        }
        Ok(Self(tensors))
    }

    /// A tensor that must be there.
    pub(super) fn get(&self, name: &str) -> Result<Tensor<'a>, ConvertError> {
        self.0.get(name).copied().ok_or_else(|| ConvertError::Missing(name.to_owned()))
    }
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], ConvertError> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(ConvertError::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        let bytes = self.take(4)?.try_into().map_err(|_| ConvertError::Cut)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Result<&'a str, ConvertError> {
        let bytes = self.take(2)?.try_into().map_err(|_| ConvertError::Cut)?;
        let bytes = self.take(usize::from(u16::from_le_bytes(bytes)))?;
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        str::from_utf8(bytes).map_err(|_| ConvertError::Cut)
    }
}
