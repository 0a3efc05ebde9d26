//! CTranslate2 → ggml: the same 16-bit weights under other names.
//!
//! A ggml file is, little-endian: magic; eleven parameters; the mel filters
//! (two counts, f32 values); the vocabulary (count, then length and bytes of
//! each token); then tensors: rank, length of the name, type, dimensions
//! (innermost first), name, data. What differs from CTranslate2:
//!
//! - fused projections are cut: self-attention's `linear_0` holds query, key
//!   and value, cross-attention's `linear_1` holds key and value;
//! - Whisper's key projections have no bias, so that third is dropped;
//! - vectors, position tables and convolution biases are 32-bit floats, and
//!   the latter have two dimensions, `[n, 1]`.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::f16;

use super::ctranslate::{Model, Tensor};
use super::{mel, vocabulary};

const MAGIC: u32 = 0x6767_6d6c;
const TYPE_F32: u32 = 0;
const TYPE_F16: u32 = 1;

/// Attention heads have this width in every Whisper model.
const HEAD_WIDTH: usize = 64;
/// Taps of both convolutions.
const TAPS: usize = 3;

/// Why a model can't be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A binary version that isn't known.
    #[error("binary version {0} is not known")]
    Version(u32),
    /// The file ends too early or holds garbage.
    #[error("the file is cut short or damaged")]
    Cut,
    /// Dimensions and size of a tensor disagree.
    #[error("tensor {0} has a wrong shape")]
    Shape(String),
    /// A tensor that Whisper needs isn't there.
    #[error("tensor {0} is missing")]
    Missing(String),
    /// The vocabulary isn't Whisper's multilingual one.
    #[error("the vocabulary is not Whisper's")]
    Vocabulary,
    /// A file can't be read or written.
    #[error("a file cannot be read or written")]
    Io(#[from] io::Error),
}

/// Converts a Whisper model. Needs about twice its size in memory for a
/// moment.
///
/// # Errors
/// See [`ConvertError`].
pub fn convert(model: &Path, vocabulary: &Path, target: &Path) -> Result<(), ConvertError> {
    let file = fs::read(model)?;
    let vocabulary = fs::read_to_string(vocabulary)?;
    let model = Model::read(&file)?;
    let mut ggml = Ggml(BufWriter::new(fs::File::create(target)?));
    let layers = parameters(&model, &mut ggml)?;
    filters(&mut ggml)?;
    for token in ggml.counted(vocabulary::tokens(&vocabulary)?)? {
        ggml.bytes(&token)?;
    }
    encoder(&model, layers.encoder, &mut ggml)?;
    decoder(&model, layers.decoder, &mut ggml)?;
    ggml.0.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

/// Numbers of blocks.
struct Layers {
    encoder: usize,
    decoder: usize,
}

fn parameters(model: &Model<'_>, ggml: &mut Ggml) -> Result<Layers, ConvertError> {
    let count = |side: &str| {
        let name = |layer| format!("{side}/layer_{layer}/ffn/linear_0/weight");
        (0..).take_while(|&layer: &usize| model.get(&name(layer)).is_ok()).count()
    };
    let layers = Layers { encoder: count("encoder"), decoder: count("decoder") };
    let audio = model.get("encoder/position_encodings/encodings")?;
    let text = model.get("decoder/position_encodings/encodings")?;
    let words = model.get("decoder/embeddings/weight")?;
    ggml.u32(MAGIC)?;
    for parameter in [
        words.rows,
        audio.rows,
        audio.width,
        audio.width / HEAD_WIDTH,
        layers.encoder,
        text.rows,
        text.width,
        text.width / HEAD_WIDTH,
        layers.decoder,
        mel::MELS,
        TYPE_F16 as usize,
    ] {
        ggml.size(parameter)?;
    }
    Ok(layers)
}

fn filters(ggml: &mut Ggml) -> Result<(), ConvertError> {
    ggml.size(mel::MELS)?;
    ggml.size(mel::BINS)?;
    for weight in mel::filters() {
        ggml.0.write_all(&weight.to_le_bytes())?;
    }
    Ok(())
}

fn encoder(model: &Model<'_>, layers: usize, ggml: &mut Ggml) -> Result<(), ConvertError> {
    let table = model.get("encoder/position_encodings/encodings")?;
    ggml.floats("encoder.positional_embedding", &[table.width, table.rows], table)?;
    for convolution in ["conv1", "conv2"] {
        let weight = model.get(&format!("encoder/{convolution}/weight"))?;
        let bias = model.get(&format!("encoder/{convolution}/bias"))?;
        let name = format!("encoder.{convolution}");
        let shape = [TAPS, weight.width / TAPS, weight.rows];
        ggml.halves(&format!("{name}.weight"), &shape, weight)?;
        ggml.floats(&format!("{name}.bias"), &[1, bias.rows], bias)?;
    }
    norm(model, "encoder/layer_norm", "encoder.ln_post", ggml)?;
    for layer in 0..layers {
        let (from, to) = (format!("encoder/layer_{layer}"), format!("encoder.blocks.{layer}"));
        self_attention(model, &from, &to, ggml)?;
        feed_forward(model, &from, &to, ggml)?;
    }
    Ok(())
}

fn decoder(model: &Model<'_>, layers: usize, ggml: &mut Ggml) -> Result<(), ConvertError> {
    let table = model.get("decoder/position_encodings/encodings")?;
    ggml.floats("decoder.positional_embedding", &[table.width, table.rows], table)?;
    ggml.matrix("decoder.token_embedding.weight", model.get("decoder/embeddings/weight")?)?;
    norm(model, "decoder/layer_norm", "decoder.ln", ggml)?;
    for layer in 0..layers {
        let (from, to) = (format!("decoder/layer_{layer}"), format!("decoder.blocks.{layer}"));
        self_attention(model, &from, &to, ggml)?;
        cross_attention(model, &from, &to, ggml)?;
        feed_forward(model, &from, &to, ggml)?;
    }
    Ok(())
}

fn self_attention(
    model: &Model<'_>,
    from: &str,
    to: &str,
    ggml: &mut Ggml,
) -> Result<(), ConvertError> {
    let from = format!("{from}/self_attention");
    norm(model, &format!("{from}/layer_norm"), &format!("{to}.attn_ln"), ggml)?;
    let weight = model.get(&format!("{from}/linear_0/weight"))?;
    let bias = model.get(&format!("{from}/linear_0/bias"))?;
    let width = weight.width;
    let part = |index: usize| index * width..(index + 1) * width;
    ggml.matrix(&format!("{to}.attn.query.weight"), weight.slice(part(0)))?;
    ggml.vector(&format!("{to}.attn.query.bias"), bias.slice(part(0)))?;
    ggml.matrix(&format!("{to}.attn.key.weight"), weight.slice(part(1)))?;
    ggml.matrix(&format!("{to}.attn.value.weight"), weight.slice(part(2)))?;
    ggml.vector(&format!("{to}.attn.value.bias"), bias.slice(part(2)))?;
    linear(model, &format!("{from}/linear_1"), &format!("{to}.attn.out"), ggml)
}

fn cross_attention(
    model: &Model<'_>,
    from: &str,
    to: &str,
    ggml: &mut Ggml,
) -> Result<(), ConvertError> {
    let (from, to) = (format!("{from}/attention"), format!("{to}.cross_attn"));
    norm(model, &format!("{from}/layer_norm"), &format!("{to}_ln"), ggml)?;
    linear(model, &format!("{from}/linear_0"), &format!("{to}.query"), ggml)?;
    let weight = model.get(&format!("{from}/linear_1/weight"))?;
    let bias = model.get(&format!("{from}/linear_1/bias"))?;
    let width = weight.width;
    ggml.matrix(&format!("{to}.key.weight"), weight.slice(0..width))?;
    ggml.matrix(&format!("{to}.value.weight"), weight.slice(width..2 * width))?;
    ggml.vector(&format!("{to}.value.bias"), bias.slice(width..2 * width))?;
    linear(model, &format!("{from}/linear_2"), &format!("{to}.out"), ggml)
}

fn feed_forward(
    model: &Model<'_>,
    from: &str,
    to: &str,
    ggml: &mut Ggml,
) -> Result<(), ConvertError> {
    norm(model, &format!("{from}/ffn/layer_norm"), &format!("{to}.mlp_ln"), ggml)?;
    linear(model, &format!("{from}/ffn/linear_0"), &format!("{to}.mlp.0"), ggml)?;
    linear(model, &format!("{from}/ffn/linear_1"), &format!("{to}.mlp.2"), ggml)
}

fn linear(model: &Model<'_>, from: &str, to: &str, ggml: &mut Ggml) -> Result<(), ConvertError> {
    ggml.matrix(&format!("{to}.weight"), model.get(&format!("{from}/weight"))?)?;
    ggml.vector(&format!("{to}.bias"), model.get(&format!("{from}/bias"))?)
}

fn norm(model: &Model<'_>, from: &str, to: &str, ggml: &mut Ggml) -> Result<(), ConvertError> {
    ggml.vector(&format!("{to}.weight"), model.get(&format!("{from}/gamma"))?)?;
    ggml.vector(&format!("{to}.bias"), model.get(&format!("{from}/beta"))?)
}

/// Writes the pieces of a ggml file.
struct Ggml(BufWriter<fs::File>);

impl Ggml {
    fn u32(&mut self, value: u32) -> Result<(), ConvertError> {
        Ok(self.0.write_all(&value.to_le_bytes())?)
    }

    fn size(&mut self, value: usize) -> Result<(), ConvertError> {
        self.u32(u32::try_from(value).map_err(|_| ConvertError::Cut)?)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ConvertError> {
        self.size(bytes.len())?;
        Ok(self.0.write_all(bytes)?)
    }

    /// Writes how many there are and hands them back.
    fn counted<T>(&mut self, items: Vec<T>) -> Result<Vec<T>, ConvertError> {
        self.size(items.len())?;
        Ok(items)
    }

    fn head(&mut self, name: &str, shape: &[usize], kind: u32) -> Result<(), ConvertError> {
        self.size(shape.len())?;
        self.size(name.len())?;
        self.u32(kind)?;
        for &dimension in shape {
            self.size(dimension)?;
        }
        Ok(self.0.write_all(name.as_bytes())?)
    }

    fn halves(
        &mut self,
        name: &str,
        shape: &[usize],
        tensor: Tensor<'_>,
    ) -> Result<(), ConvertError> {
        self.head(name, shape, TYPE_F16)?;
        Ok(self.0.write_all(tensor.data)?)
    }

    fn floats(
        &mut self,
        name: &str,
        shape: &[usize],
        tensor: Tensor<'_>,
    ) -> Result<(), ConvertError> {
        self.head(name, shape, TYPE_F32)?;
        for pair in tensor.data.chunks_exact(2) {
            let value = f16::from_le_bytes([pair[0], pair[1]]).to_f32();
            self.0.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }

    fn matrix(&mut self, name: &str, tensor: Tensor<'_>) -> Result<(), ConvertError> {
        self.halves(name, &[tensor.width, tensor.rows], tensor)
    }

    fn vector(&mut self, name: &str, tensor: Tensor<'_>) -> Result<(), ConvertError> {
        self.floats(name, &[tensor.rows], tensor)
    }
}
