//! Transcripts as files.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use platform::error::Internal as _;
use platform::identity::Identity;

use super::access::{id, may_read};
use crate::domain::export::Format;
use crate::export::{Export, Exporter, INLINE_MAX_BYTES};

/// A transcript as a file.
#[derive(Debug, Clone, SimpleObject)]
pub struct TranscriptExport {
    /// What kind of file.
    pub format: Format,
    /// What it could be called.
    pub file_name: String,
    /// Its media type.
    pub content_type: &'static str,
    /// How large it is, in bytes.
    pub size_bytes: i64,
    /// All of it; null when it is larger than 64 KiB.
    pub content: Option<String>,
    /// Where it can be fetched by GET, as it is then, while its viewer may read it.
    pub download: ExportDownload,
}

/// Where a file can be fetched.
#[derive(Debug, Clone, SimpleObject)]
pub struct ExportDownload {
    /// A signed address; whoever has it needs no token.
    pub url: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Exports that can be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExportQuery;

#[Object]
impl ExportQuery {
    /// A meeting's transcript (as it was last edited) and minutes as a file; null when there is none or the
    /// viewer may not read it.
    async fn export_transcript(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the meeting.")] meeting_id: ID,
        #[graphql(desc = "What kind of file.")] format: Format,
    ) -> Result<Option<TranscriptExport>> {
        let viewer = Identity::from_ctx(ctx).viewer()?.id;
        let Some(meeting) = id(&meeting_id) else { return Ok(None) };
        if !may_read(ctx, meeting).await? {
            return Ok(None);
        }
        let exporter = ctx.data::<Exporter>()?;
        let Some(transcript) = exporter.newest(meeting).await.internal()? else { return Ok(None) };
        let found = exporter.export(transcript, format).await.internal()?;
        let Some(Export { name, content }) = found else { return Ok(None) };
        let download = exporter.download(transcript, format, viewer);
        Ok(Some(TranscriptExport {
            format,
            file_name: name,
            content_type: format.content_type(),
            size_bytes: i64::try_from(content.len()).unwrap_or(i64::MAX),
            content: (content.len() <= INLINE_MAX_BYTES).then_some(content),
            download: ExportDownload { url: download.url, expires_at: download.expires_at },
        }))
    }
}
