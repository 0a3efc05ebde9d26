//! The built-in scalars: what a subgraph may send for them, by the
//! specification's rules of result coercion.

/// A scalar that every GraphQL schema has. Custom ones may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Int,
    Float,
    String,
    Boolean,
    Id,
}

impl Scalar {
    /// The built-in scalar of a name, None for a custom one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Int" => Self::Int,
            "Float" => Self::Float,
            "String" => Self::String,
            "Boolean" => Self::Boolean,
            "ID" => Self::Id,
            _ => return None,
        })
    }

    /// Writes the JSON text of a leaf. False, with nothing written, where it is
    /// no value of this type.
    pub(crate) fn write(self, text: &str, out: &mut Vec<u8>) -> bool {
        let first = text.as_bytes().first().copied().unwrap_or_default();
        let is_number = matches!(first, b'-' | b'0'..=b'9');
        let fits = match self {
            Self::String => first == b'"',
            Self::Boolean => matches!(first, b't' | b'f'),
            Self::Float => is_number,
            Self::Int => {
                if text.parse::<i32>().is_err() {
                    return is_number && write_whole(text, out);
                }
                true
            }
            Self::Id => {
                if is_number {
                    return write_number_as_id(text, out);
                }
                first == b'"'
            }
        };
        if fits {
            out.extend_from_slice(text.as_bytes());
        }
        fits
    }
}

/// A number with a fraction of nothing (`1.0`, `1e3`) is whole.
fn write_whole(text: &str, out: &mut Vec<u8>) -> bool {
    let Ok(number) = text.parse::<f64>() else { return false };
    let is_whole = number.fract() == 0.0;
    let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    if is_whole && fits {
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        out.extend_from_slice((number as i32).to_string().as_bytes());
    }
    is_whole && fits
}

fn write_number_as_id(text: &str, out: &mut Vec<u8>) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
    is_whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of a value, "" where it does not fit.
    fn written(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        assert_eq!(Scalar::named(name).unwrap().write(text, &mut out), !out.is_empty());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_the_type_are_written_as_they_came() {
        for (name, text) in [
            ("Int", "2147483647"),
            ("Int", "-2147483648"),
            ("Float", "1"),
            ("Float", "-1.5e3"),
            ("String", r#""a\n""#),
            ("Boolean", "true"),
            ("Boolean", "false"),
            ("ID", r#""1""#),
        ] {
            assert_eq!(written(name, text), text);
        }
    }

    #[test]
    fn numbers_are_coerced_where_nothing_is_lost() {
        assert_eq!(written("Int", "1.0"), "1");
        assert_eq!(written("Int", "-2e3"), "-2000");
        assert_eq!(written("ID", "12345678901234567890"), r#""12345678901234567890""#);
    }

    #[test]
    fn other_values_do_not_fit() {
        for (name, text) in [
            ("Int", "2147483648"),
            ("Int", "1.5"),
            ("Int", "1e300"),
            ("Int", r#""1""#),
            ("Int", "true"),
            ("Float", r#""1.5""#),
            ("String", "1"),
            ("String", "true"),
            ("Boolean", r#""true""#),
            ("Boolean", "0"),
            ("ID", "1.5"),
            ("ID", "true"),
        ] {
            assert_eq!(written(name, text), "", "{name} {text}");
        }
        assert_eq!(Scalar::named("DateTime"), None);
    }
}
