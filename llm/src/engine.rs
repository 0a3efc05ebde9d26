//! A language model behind [`text::Engine`].

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use text::extractive::talk_time;
use text::{
    Analysis, By, Engine, EngineError, Extractive, Found, Keyword, Said, Schedule, Summary,
};
use tokio::time::{Instant, timeout_at};

use crate::answer::Reader;
use crate::client::{Client, Message};
use crate::passage::{PASSAGES_MAX, Passage, passages};
use crate::prompt::Question;

/// How often a passage is asked about before the built-in engine stands in.
pub const TRIES_MAX: usize = 3;
/// The pause before another try when the server is away, in milliseconds.
pub const PAUSE_MS: u64 = 500;
/// Most characters of an unusable answer that the model is shown again.
const SHOWN_CHARS: usize = 2_000;
/// Most sentences of an overview over all passages.
const OVERVIEW_MAX: usize = 10;

/// Asks a model; where that gives nothing usable, the built-in engine stands in.
#[derive(Debug, Clone)]
pub struct LanguageModel {
    client: Client,
    passage_chars: usize,
    deadline: Duration,
}

impl LanguageModel {
    /// An engine that asks about `passage_chars` characters at once, and takes at most `deadline` for a
    /// meeting.
    #[must_use]
    pub fn new(client: Client, passage_chars: usize, deadline: Duration) -> Self {
        Self { client, passage_chars, deadline }
    }

    /// The answers about all passages, in their order.
    async fn ask<T>(
        &self,
        question: Question,
        said: &Said,
        read: impl Fn(&Reader<'_>, &str) -> Result<T, String>,
    ) -> Result<Vec<T>, EngineError> {
        let passages = passages(said, self.passage_chars);
        if passages.len() > PASSAGES_MAX {
            return Err(EngineError::Unusable(format!(
                "the text has more than {PASSAGES_MAX} passages"
            )));
        }
        let end = Instant::now() + self.deadline;
        let mut answers = Vec::with_capacity(passages.len());
        for passage in &passages {
            let asked = self.ask_about(question, said, passage, &read);
            let late = |_| EngineError::Away("the deadline for one meeting has passed".into());
            answers.push(timeout_at(end, asked).await.map_err(late)??);
        }
        Ok(answers)
    }

    async fn ask_about<T>(
        &self,
        question: Question,
        said: &Said,
        passage: &Passage,
        read: &impl Fn(&Reader<'_>, &str) -> Result<T, String>,
    ) -> Result<T, EngineError> {
        let (schema, mut messages) = (question.schema(), question.messages(said, passage));
        let asked = messages.len();
        let mut pause = Duration::ZERO;
        let mut last = EngineError::Unusable("it wasn't asked".to_owned());
        for _ in 0..TRIES_MAX {
            tokio::time::sleep(std::mem::take(&mut pause)).await;
            match self.client.ask(&messages, &schema).await {
                Ok(answer) => match read(&Reader { said, passage }, &answer) {
                    Ok(found) => return Ok(found),
                    Err(reason) => {
                        messages.truncate(asked);
                        messages.extend(again(&answer, &reason));
                        last = EngineError::Unusable(reason);
                    }
                },
                Err(EngineError::Away(reason)) => {
                    last = EngineError::Away(reason);
                    pause = Duration::from_millis(PAUSE_MS);
                }
                Err(unusable) => return Err(unusable),
            }
        }
        Err(last)
    }

    /// What the model found, or else what the built-in engine finds.
    async fn or_builtin<T>(
        &self,
        asked: Result<T, EngineError>,
        builtin: impl AsyncFnOnce() -> Result<By<T>, EngineError>,
    ) -> Result<By<T>, EngineError> {
        match asked {
            Ok(found) => Ok(By { found, engine: self.name(), instead_of: None }),
            Err(error) => {
                let error = platform::error::chain(&error);
                tracing::warn!(engine = self.name(), error, "the built-in engine stands in");
                let stood_in = builtin().await?;
                Ok(By { instead_of: Some(self.name()), ..stood_in })
            }
        }
    }
}

/// Shows the model its answer, and what is wrong with it.
fn again(answer: &str, reason: &str) -> [Message; 2] {
    let shown: String = answer.chars().take(SHOWN_CHARS).collect();
    let complaint =
        format!("That can't be used: {reason}. Answer again, with JSON as the schema says.");
    [Message { role: "assistant", content: shown }, Message { role: "user", content: complaint }]
}

/// Keywords of all passages: those that come up most, first.
fn together(words: impl Iterator<Item = Keyword>) -> Vec<Keyword> {
    let mut all: Vec<Keyword> = Vec::new();
    for word in words {
        match all.iter_mut().find(|known| known.word == word.word) {
            Some(known) => {
                known.count = known.count.saturating_add(word.count);
                known.segment_ids.extend(word.segment_ids);
            }
            None => all.push(word),
        }
    }
    all.sort_by_key(|word| std::cmp::Reverse(word.count));
    all.truncate(text::extractive::KEYWORDS_MAX);
    all
}

impl Engine for LanguageModel {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn check(&self) -> BoxFuture<'static, Result<(), EngineError>> {
        let client = self.client.clone();
        async move { client.reach().await }.boxed()
    }

    fn summarise<'a>(&'a self, said: &'a Said) -> Found<'a, Summary> {
        async move {
            let asked =
                self.ask(Question::Summary, said, |reader, answer| reader.summary(answer)).await;
            let asked = asked.map(|answers| {
                let (mut overview, mut decisions, mut words) = (Vec::new(), Vec::new(), Vec::new());
                for (gist, decided, said) in answers {
                    overview.extend(gist);
                    decisions.extend(decided);
                    words.extend(said);
                }
                overview.truncate(OVERVIEW_MAX);
                Summary { overview, decisions, keywords: together(words.into_iter()) }
            });
            self.or_builtin(asked, async || Extractive.summarise(said).await).await
        }
        .boxed()
    }

    fn schedule<'a>(&'a self, said: &'a Said) -> Found<'a, Schedule> {
        async move {
            let asked =
                self.ask(Question::Schedule, said, |reader, answer| reader.schedule(answer)).await;
            let asked = asked.map(|answers| Schedule {
                items: answers.into_iter().flatten().collect(),
                time_zone: said.time_zone.clone(),
            });
            self.or_builtin(asked, async || Extractive.schedule(said).await).await
        }
        .boxed()
    }

    fn analyse<'a>(&'a self, said: &'a Said) -> Found<'a, Analysis> {
        async move {
            let asked =
                self.ask(Question::Analysis, said, |reader, answer| reader.analysis(answer)).await;
            let asked = asked.map(|answers| {
                let (topics, decisions): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
                Analysis {
                    topics: together(topics.into_iter().flatten()),
                    // Counted, not guessed.
                    talk_time: talk_time(&said.pieces),
                    decisions: decisions.into_iter().flatten().collect(),
                }
            });
            self.or_builtin(asked, async || Extractive.analyse(said).await).await
        }
        .boxed()
    }

    fn actions<'a>(&'a self, said: &'a Said) -> Found<'a, Vec<text::Action>> {
        async move {
            let asked =
                self.ask(Question::Actions, said, |reader, answer| reader.actions(answer)).await;
            let asked = asked.map(|answers| answers.into_iter().flatten().collect());
            self.or_builtin(asked, async || Extractive.actions(said).await).await
        }
        .boxed()
    }
}
