//! One analysis out of those of several meetings.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most meetings of one analysis.
pub const MEETINGS_MAX: usize = 20;
/// Most topics of an analysis over several meetings.
pub const TOPICS_MAX: usize = 20;

/// A todo that wasn't finished, and what was said that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTodo {
    /// The todo.
    pub todo_id: Uuid,
    /// Where it was said; empty when a person wrote it down.
    pub segment_ids: Vec<Uuid>,
}

/// What was found in one meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The meeting.
    pub meeting: Uuid,
    /// What was found in its text.
    pub found: text::Analysis,
    /// Its todos that weren't finished.
    pub open_todos: Vec<OpenTodo>,
}

/// Where in one meeting something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The meeting.
    pub meeting: Uuid,
    /// The pieces of speech.
    pub segment_ids: Vec<Uuid>,
}

/// A word that comes up again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The word.
    pub word: String,
    /// In how many sentences it comes up, in all meetings.
    pub count: i32,
    /// Where.
    pub places: Vec<Place>,
}

/// How long somebody spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// Label of who spoke; none for all speech without a label.
    pub speaker: Option<String>,
    /// How long, in all meetings, in milliseconds.
    pub duration_ms: i64,
    /// Where.
    pub places: Vec<Place>,
}

/// The topics of all parts: what came up in more of the meetings is first, then what came up more often.
#[must_use]
pub fn topics(parts: &[Part]) -> Vec<Topic> {
    let mut all: Vec<Topic> = Vec::new();
    for part in parts {
        for found in &part.found.topics {
            let place = Place { meeting: part.meeting, segment_ids: found.segment_ids.clone() };
            match all.iter_mut().find(|topic| topic.word == found.word) {
                Some(topic) => {
                    topic.count = topic.count.saturating_add(found.count);
                    topic.places.push(place);
                }
                None => all.push(Topic {
                    word: found.word.clone(),
                    count: found.count,
                    places: vec![place],
                }),
            }
        }
    }
    all.sort_by(|a, b| b.places.len().cmp(&a.places.len()).then(b.count.cmp(&a.count)));
    all.truncate(TOPICS_MAX);
    all
}

/// How long everybody spoke in all parts, the longest first. Who has the same label counts as the same.
#[must_use]
pub fn talk_time(parts: &[Part]) -> Vec<Talk> {
    let mut all: Vec<Talk> = Vec::new();
    for part in parts {
        for found in &part.found.talk_time {
            let place = Place { meeting: part.meeting, segment_ids: found.segment_ids.clone() };
            match all.iter_mut().find(|talk| talk.speaker == found.speaker) {
                Some(talk) => {
                    talk.duration_ms = talk.duration_ms.saturating_add(found.duration_ms);
                    talk.places.push(place);
                }
                None => all.push(Talk {
                    speaker: found.speaker.clone(),
                    duration_ms: found.duration_ms,
                    places: vec![place],
                }),
            }
        }
    }
    all.sort_by(|a, b| b.duration_ms.cmp(&a.duration_ms).then(a.speaker.cmp(&b.speaker)));
    all
}

/// Which engine stands for all parts: the one that found each of them; or, where others stood in, the one
/// that did, and instead of which.
#[must_use]
pub fn engine<'a>(
    parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> (&'a str, Option<&'a str>) {
    let mut found = ("", None);
    for (engine, instead_of) in parts {
        if instead_of.is_some() {
            return (engine, instead_of);
        }
        found = (engine, None);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use text::said::TalkTime;
    use text::{Analysis, Keyword};

    fn part(words: &[(&str, i32)], talk: &[(Option<&str>, i64)]) -> Part {
        let topics = words.iter().map(|(word, count)| Keyword {
            word: (*word).to_owned(),
            count: *count,
            segment_ids: vec![Uuid::now_v7()],
        });
        let talk_time = talk.iter().map(|(speaker, duration_ms)| TalkTime {
            speaker: speaker.map(str::to_owned),
            duration_ms: *duration_ms,
            segment_ids: vec![Uuid::now_v7()],
        });
        let found = Analysis {
            topics: topics.collect(),
            talk_time: talk_time.collect(),
            decisions: Vec::new(),
        };
        Part { meeting: Uuid::now_v7(), found, open_todos: Vec::new() }
    }

    #[test]
    fn what_comes_up_in_more_meetings_is_first() {
        let parts = [part(&[("hiring", 9), ("budget", 2)], &[]), part(&[("budget", 3)], &[])];
        let topics = topics(&parts);
        assert_eq!((topics[0].word.as_str(), topics[0].count), ("budget", 5));
        let cited: Vec<Uuid> = topics[0].places.iter().map(|place| place.meeting).collect();
        assert_eq!(cited, [parts[0].meeting, parts[1].meeting]);
        assert_eq!(topics[0].places[1].segment_ids, parts[1].found.topics[0].segment_ids);
        assert_eq!(topics[1].word, "hiring");
    }

    #[test]
    fn who_has_the_same_label_is_counted_together() {
        let parts =
            [part(&[], &[(Some("Ada"), 4_000), (None, 5_000)]), part(&[], &[(Some("Ada"), 2_000)])];
        let talk = talk_time(&parts);
        assert_eq!((talk[0].speaker.as_deref(), talk[0].duration_ms), (Some("Ada"), 6_000));
        assert_eq!(talk[0].places.len(), 2);
        assert_eq!((talk[1].speaker.as_deref(), talk[1].duration_ms), (None, 5_000));
    }

    #[test]
    fn who_stood_in_is_told() {
        let by = |parts: &[(&'static str, Option<&'static str>)]| engine(parts.to_vec());
        assert_eq!(by(&[("openai", None), ("openai", None)]), ("openai", None));
        let mixed = by(&[("openai", None), ("builtin", Some("openai"))]);
        assert_eq!(mixed, ("builtin", Some("openai")));
    }
}
