//! A transcript with its minutes as a file: Markdown, SubRip, WebVTT or JSON.
//!
//! What people said and wrote is text in every format, never markup: each escapes what it would read as
//! its own signs.

use std::fmt::Write as _;

use async_graphql::Enum;
use serde_json::json;

use super::minutes::clock;

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "ExportFormat")]
pub enum Format {
    /// The minutes, then the text, to read and to print.
    Markdown,
    /// Subtitles as SubRip has them; the text alone.
    Srt,
    /// Subtitles as WebVTT has them, with voices; the text alone.
    Webvtt,
    /// Everything, for programs.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Markdown, Self::Srt, Self::Webvtt, Self::Json];

    /// The end of a file's name, and the format's name in addresses.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Srt => "srt",
            Self::Webvtt => "vtt",
            Self::Json => "json",
        }
    }

    /// Reads the name of an address; `None` for any other text.
    #[must_use]
    pub fn parse(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Webvtt => "text/vtt; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// A piece of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Start in the recording, milliseconds.
    pub start_ms: i64,
    /// End in the recording, milliseconds.
    pub end_ms: i64,
    /// What the speaker is called.
    pub speaker: Option<String>,
    /// What is said.
    pub text: String,
}

/// A section of minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its title.
    pub title: String,
    /// Its lines.
    pub body: String,
    /// Whether it is verified.
    pub is_verified: bool,
}

/// What a file is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sheet {
    /// Title of the meeting.
    pub title: String,
    /// Language tag.
    pub language: Option<String>,
    /// Length of the recording, milliseconds.
    pub duration_ms: Option<i64>,
    /// `DRAFT` or `FINAL`; none without minutes.
    pub status: Option<String>,
    /// The sections of the minutes.
    pub parts: Vec<Part>,
    /// The text.
    pub lines: Vec<Line>,
}

/// The whole file.
#[must_use]
pub fn file(format: Format, sheet: &Sheet) -> String {
    match format {
        Format::Markdown => markdown(sheet),
        Format::Srt => srt(sheet),
        Format::Webvtt => webvtt(sheet),
        Format::Json => json(sheet),
    }
}

/// The name of the file: the meeting's title, as far as file systems and headers take it.
#[must_use]
pub fn file_name(format: Format, sheet: &Sheet) -> String {
    const NAME_MAX_CHARS: usize = 80;
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let name: String = sheet.title.chars().map(plain).take(NAME_MAX_CHARS).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    let name = if parts.is_empty() { "transcript".to_owned() } else { parts.join("-") };
    format!("{name}.{}", format.extension())
}

/// Milliseconds as `hh:mm:ss`, `mark`, and three digits.
fn time(ms: i64, mark: char) -> String {
    let ms = ms.max(0);
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let (seconds, rest) = (ms / 1_000 % 60, ms % 1_000);
    format!("{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}")
}

/// From when to when a cue is shown: always for a moment at least.
fn times(line: &Line, mark: char) -> String {
    let end_ms = line.end_ms.max(line.start_ms + 1);
    format!("{} --> {}", time(line.start_ms, mark), time(end_ms, mark))
}

/// Text on one line: a line break would end a cue, or begin another block.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

fn srt(sheet: &Sheet) -> String {
    let mut out = String::new();
    for (number, line) in (1..).zip(&sheet.lines) {
        // SubRip has no way to escape: an arrow in the text is drawn as one sign.
        let plain = |text: &str| one_line(text).replace("-->", "→");
        let text = plain(&line.text);
        let speaker = line.speaker.as_deref().map(plain);
        let said = speaker.map_or_else(|| text.clone(), |speaker| format!("{speaker}: {text}"));
        let _ = write!(out, "{number}\n{}\n{said}\n\n", times(line, ','));
    }
    out
}

fn webvtt(sheet: &Sheet) -> String {
    let mut out = "WEBVTT\n\n".to_owned();
    for (number, line) in (1..).zip(&sheet.lines) {
        let _ = write!(out, "{number}\n{}\n", times(line, '.'));
        if let Some(speaker) = &line.speaker {
            // Two hyphens would make an arrow with the end of the tag.
            let _ = write!(out, "<v {}>", markup(&one_line(speaker)).replace("--", "—"));
        }
        let _ = write!(out, "{}\n\n", markup(&one_line(&line.text)));
    }
    out
}

/// The signs of markup as references, so that no arrow or tag is left.
fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn markdown(sheet: &Sheet) -> String {
    let mut out = format!("# {}\n", literal(&one_line(&sheet.title)));
    for part in &sheet.parts {
        let sign = if part.is_verified { " ✓" } else { "" };
        let _ = write!(out, "\n## {}{sign}\n\n", literal(&one_line(&part.title)));
        for line in part.body.lines() {
            match line.strip_prefix("- ") {
                Some(item) => {
                    let _ = writeln!(out, "- {}", literal(item.trim()));
                }
                None if line.trim().is_empty() => out.push('\n'),
                // Each line stays one.
                None => {
                    let _ = writeln!(out, "{}  ", literal(line.trim()));
                }
            }
        }
    }
    out.push_str("\n---\n");
    for line in &sheet.lines {
        let speaker = line.speaker.as_deref().map(one_line).map(|label| literal(&label));
        let speaker = speaker.map_or_else(String::new, |label| format!(" {label}"));
        let text = literal(&one_line(&line.text));
        let _ = write!(out, "\n**{}{speaker}** {text}\n", clock(line.start_ms));
    }
    out
}

/// A line of text that Markdown reads as nothing else.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    for (at, c) in text.chars().enumerate() {
        let is_sign = matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!'
        );
        // At the beginning of a line these make lists, rules and headings.
        let begins = at == 0 && matches!(c, '-' | '+' | '=');
        let numbers = at == digits && digits > 0 && matches!(c, '.' | ')');
        if is_sign || begins || numbers {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn json(sheet: &Sheet) -> String {
    let parts: Vec<serde_json::Value> = sheet
        .parts
        .iter()
        .map(|part| json!({ "title": part.title, "body": part.body, "verified": part.is_verified }))
        .collect();
    let lines: Vec<serde_json::Value> = sheet
        .lines
        .iter()
        .map(|line| {
            json!({
                "startMs": line.start_ms,
                "endMs": line.end_ms,
                "speaker": line.speaker,
                "text": line.text,
            })
        })
        .collect();
    let minutes =
        sheet.status.as_ref().map(|status| json!({ "status": status, "sections": parts }));
    let all = json!({
        "version": 1,
        "title": sheet.title,
        "language": sheet.language,
        "durationMs": sheet.duration_ms,
        "minutes": minutes,
        "segments": lines,
    });
    format!("{all:#}\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(start_ms: i64, end_ms: i64, speaker: Option<&str>, text: &str) -> Line {
        Line { start_ms, end_ms, speaker: speaker.map(str::to_owned), text: text.to_owned() }
    }

    fn sheet() -> Sheet {
        Sheet {
            title: "Weekly #3".to_owned(),
            language: Some("ko".to_owned()),
            duration_ms: Some(3_725_000),
            status: Some("DRAFT".to_owned()),
            parts: vec![
                Part {
                    title: "결정 사항".to_owned(),
                    body: "- [00:04] 5월에 *출시*\n1. plain".to_owned(),
                    is_verified: true,
                },
                Part { title: "Empty".to_owned(), body: String::new(), is_verified: false },
            ],
            lines: vec![
                line(0, 4_250, Some("지수"), "안녕하세요."),
                line(3_723_004, 3_725_000, None, "a < b & c --> d\nand more"),
            ],
        }
    }

    #[test]
    fn times_are_exact() {
        for (ms, srt, vtt) in [
            (0, "00:00:00,000", "00:00:00.000"),
            (999, "00:00:00,999", "00:00:00.999"),
            (1_000, "00:00:01,000", "00:00:01.000"),
            (59_999, "00:00:59,999", "00:00:59.999"),
            (60_000, "00:01:00,000", "00:01:00.000"),
            (3_599_999, "00:59:59,999", "00:59:59.999"),
            (3_600_000, "01:00:00,000", "01:00:00.000"),
            (360_000_001, "100:00:00,001", "100:00:00.001"),
            (-5, "00:00:00,000", "00:00:00.000"),
        ] {
            assert_eq!(time(ms, ','), srt);
            assert_eq!(time(ms, '.'), vtt);
        }
        assert_eq!(times(&line(5, 5, None, ""), '.'), "00:00:00.005 --> 00:00:00.006");
    }

    #[test]
    fn subtitles_are_as_players_read_them() {
        assert_eq!(
            file(Format::Srt, &sheet()),
            "1\n00:00:00,000 --> 00:00:04,250\n지수: 안녕하세요.\n\n\
             2\n01:02:03,004 --> 01:02:05,000\na < b & c → d and more\n\n"
        );
        assert_eq!(
            file(Format::Webvtt, &sheet()),
            "WEBVTT\n\n1\n00:00:00.000 --> 00:00:04.250\n<v 지수>안녕하세요.\n\n\
             2\n01:02:03.004 --> 01:02:05.000\na &lt; b &amp; c --&gt; d and more\n\n"
        );
    }

    #[test]
    fn markdown_is_text() {
        assert_eq!(
            file(Format::Markdown, &sheet()),
            "# Weekly \\#3\n\n## 결정 사항 ✓\n\n- \\[00:04\\] 5월에 \\*출시\\*\n1\\. plain  \n\n## Empty\n\n\n---\n\n\
             **00:00 지수** 안녕하세요.\n\n**1:02:03** a \\< b \\& c --\\> d and more\n"
        );
        assert_eq!(literal("<img src=x onerror=alert(1)>"), "\\<img src=x onerror=alert(1)\\>");
        assert_eq!(literal("- no list"), "\\- no list");
        assert_eq!(literal("12) no list"), "12\\) no list");
        assert_eq!(literal("it is 12."), "it is 12.");
    }

    #[test]
    fn json_is_everything() {
        let read: serde_json::Value = serde_json::from_str(&file(Format::Json, &sheet())).unwrap();
        assert_eq!(read["minutes"]["sections"][0]["verified"], true);
        assert_eq!(read["segments"][1]["text"], "a < b & c --> d\nand more");
        assert_eq!(read["segments"][0]["speaker"], "지수");
    }

    #[test]
    fn file_names_are_plain() {
        let named = |title: &str| {
            file_name(Format::Srt, &Sheet { title: title.to_owned(), ..Sheet::default() })
        };
        assert_eq!(named("주간 회의 / 3월"), "주간-회의-3월.srt");
        assert_eq!(named("../../etc/passwd\r\nX: y"), "etc-passwd-X-y.srt");
        assert_eq!(named("…"), "transcript.srt");
        for format in Format::ALL {
            assert_eq!(Format::parse(format.extension()), Some(format));
        }
        assert_eq!(Format::parse("exe"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_said_cues_stay_cues(
            said in prop::collection::vec(("\\PC*|[-> <&\\n\\r]{0,20}", prop::option::of("[a-z\\n<>-]{1,10}")), 1..20),
        ) {
            let lines: Vec<Line> = (0..)
                .zip(&said)
                .map(|(at, (text, speaker))| line(at * 1_000, at * 1_000 + 900, speaker.as_deref(), text))
                .collect();
            let sheet = Sheet { lines, ..Sheet::default() };
            for (format, head) in [(Format::Srt, 0), (Format::Webvtt, 2)] {
                let text = file(format, &sheet);
                let rows: Vec<&str> = text.split('\n').skip(head).collect();
                // Each cue is four rows: number, times, text, nothing.
                prop_assert_eq!(rows.len(), said.len() * 4 + 1);
                for (number, cue) in (1..).zip(rows.chunks_exact(4)) {
                    prop_assert_eq!(cue[0], format!("{number}"));
                    prop_assert!(cue[1].contains(" --> "));
                    prop_assert!(!cue[2].contains("-->"), "{}", cue[2]);
                    prop_assert_eq!(cue[3], "");
                }
            }
        }
    }
}
