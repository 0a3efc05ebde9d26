//! Domain words as text columns.

use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef},
};

use super::recording::RecordingStatus;
use crate::domain::{response::Response, role::Role, status::Status};

macro_rules! text_column {
    ($word:ty) => {
        impl Type<Postgres> for $word {
            fn type_info() -> PgTypeInfo {
                <str as Type<Postgres>>::type_info()
            }

            fn compatible(column: &PgTypeInfo) -> bool {
                <str as Type<Postgres>>::compatible(column)
            }
        }

        impl<'r> Decode<'r, Postgres> for $word {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                let name = <&str as Decode<Postgres>>::decode(value)?;
                Self::parse(name)
                    .ok_or_else(|| format!("{name:?} is no {}", stringify!($word)).into())
            }
        }
    };
}

text_column!(Status);
text_column!(Role);
text_column!(Response);
text_column!(RecordingStatus);
