//! How much the built-in engine finds in passages of meetings that somebody else wrote and marked.
//!
//! `passages/tuning.json` is what the rules were tuned with; `passages/scored.json` was written together
//! with it, by the same hand that didn't know the rules, and is only scored. The figures stand in docs/ai.md,
//! and this test fails when they don't stand there any more.

#![expect(clippy::print_stdout, reason = "the figures, for who wants to see them")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveTime};
use futures::executor::block_on;
use serde::Deserialize;
use text::{DatedKind, Engine as _, Extractive, Person, Piece, Said};
use uuid::Uuid;

#[derive(Deserialize)]
struct Passage {
    id: String,
    language: String,
    day: NaiveDate,
    people: Vec<String>,
    lines: Vec<Line>,
    decisions: BTreeSet<usize>,
    actions: Vec<Action>,
    schedule: Vec<Dated>,
    /// Who looks at the others can't score with them any more.
    #[serde(skip)]
    tuning: bool,
}

#[derive(Deserialize)]
struct Line {
    speaker: Option<String>,
    text: String,
}

#[derive(Deserialize, Clone)]
struct Action {
    line: usize,
    assignee: Option<String>,
    due: Option<NaiveDate>,
}

#[derive(Deserialize, Clone)]
struct Dated {
    line: usize,
    kind: String,
    date: Option<NaiveDate>,
    time: Option<String>,
}

fn read(name: &str) -> Vec<Passage> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/passages").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Passage {
    fn said(&self) -> Said {
        let person = |(place, name): (u128, &String)| Person {
            id: Uuid::from_u128(1_000 + place),
            name: name.clone(),
        };
        let piece = |(place, line): (i64, &Line)| Piece {
            id: Uuid::from_u128(u128::try_from(place).unwrap()),
            speaker: line.speaker.clone(),
            start_ms: place * 4_000,
            end_ms: place * 4_000 + 4_000,
            text: line.text.clone(),
        };
        Said {
            language: self.language.clone(),
            day: self.day,
            time_zone: "Asia/Seoul".to_owned(),
            people: (0..).zip(&self.people).map(person).collect(),
            pieces: (0..).zip(&self.lines).map(piece).collect(),
        }
    }

    fn name(&self, id: Uuid) -> String {
        self.people[usize::try_from(id.as_u128() - 1_000).unwrap()].clone()
    }
}

fn line(segments: &[Uuid]) -> usize {
    usize::try_from(segments[0].as_u128()).unwrap()
}

/// Found and expected, and how many are both.
#[derive(Default, Clone, Copy)]
struct Count {
    found: usize,
    expected: usize,
    both: usize,
}

impl Count {
    fn add(&mut self, found: &BTreeSet<usize>, expected: &BTreeSet<usize>) {
        self.found += found.len();
        self.expected += expected.len();
        self.both += found.intersection(expected).count();
    }

    fn row(&self, name: &str, table: &mut String) {
        let share = |of: usize| match of {
            0 => "–".to_owned(),
            of => format!(
                "{:.2}",
                f64::from(u32::try_from(self.both).unwrap())
                    / f64::from(u32::try_from(of).unwrap())
            ),
        };
        let Self { found, expected, both } = *self;
        let (precision, recall) = (share(found), share(expected));
        writeln!(table, "| {name} | {expected} | {found} | {both} | {precision} | {recall} |")
            .unwrap();
    }
}

/// Of what was found rightly: how often more of it is right.
#[derive(Default, Clone, Copy)]
struct Right {
    asked: usize,
    right: usize,
}

impl Right {
    fn add(&mut self, right: bool) {
        self.asked += 1;
        self.right += usize::from(right);
    }
}

#[derive(Default)]
struct Score {
    decisions: Count,
    actions: Count,
    deadlines: Count,
    follow_ups: Count,
    assignee: Right,
    due: Right,
    date: Right,
    time: Right,
}

impl Score {
    fn of(passages: &[Passage], language: &str) -> Self {
        let mut score = Self::default();
        for passage in passages.iter().filter(|passage| passage.language == language) {
            score.add(passage);
        }
        score
    }

    fn add(&mut self, passage: &Passage) {
        let said = passage.said();
        let summary = block_on(Extractive.summarise(&said)).unwrap().found;
        let found = summary.decisions.iter().map(|decision| line(&decision.segment_ids)).collect();
        self.decisions.add(&found, &passage.decisions);
        explain(passage, "decision", &found, &passage.decisions);

        let actions = block_on(Extractive.actions(&said)).unwrap().found;
        let found: BTreeSet<usize> =
            actions.iter().map(|action| line(&action.segment_ids)).collect();
        let expected = passage.actions.iter().map(|action| action.line).collect();
        self.actions.add(&found, &expected);
        explain(passage, "action", &found, &expected);
        for wanted in &passage.actions {
            let Some(action) = actions.iter().find(|one| line(&one.segment_ids) == wanted.line)
            else {
                continue;
            };
            let assignee = action.assignee.map(|id| passage.name(id));
            self.assignee.add(assignee == wanted.assignee);
            self.due.add(action.due == wanted.due);
            if assignee != wanted.assignee || action.due != wanted.due {
                tell(
                    passage,
                    wanted.line,
                    &format!(
                        "{assignee:?} by {:?}, wanted {:?} by {:?}",
                        action.due, wanted.assignee, wanted.due
                    ),
                );
            }
        }

        let schedule = block_on(Extractive.schedule(&said)).unwrap().found;
        for (kind, name) in [(DatedKind::Deadline, "DEADLINE"), (DatedKind::FollowUp, "FOLLOW_UP")]
        {
            let found: Vec<_> = schedule.items.iter().filter(|item| item.kind == kind).collect();
            let wanted: Vec<&Dated> =
                passage.schedule.iter().filter(|one| one.kind == name).collect();
            let lines = found.iter().map(|item| line(&item.segment_ids)).collect();
            let expected = wanted.iter().map(|one| one.line).collect();
            explain(passage, name, &lines, &expected);
            match kind {
                DatedKind::Deadline => self.deadlines.add(&lines, &expected),
                DatedKind::FollowUp => self.follow_ups.add(&lines, &expected),
            }
            for wanted in wanted {
                let Some(item) = found.iter().find(|item| line(&item.segment_ids) == wanted.line)
                else {
                    continue;
                };
                let time = wanted
                    .time
                    .as_deref()
                    .map(|time| NaiveTime::parse_from_str(time, "%H:%M").unwrap());
                self.date.add(item.date == wanted.date);
                self.time.add(item.time == time);
                if (item.date, item.time) != (wanted.date, time) {
                    tell(
                        passage,
                        wanted.line,
                        &format!(
                            "{:?} {:?}, wanted {:?} {time:?}",
                            item.date, item.time, wanted.date
                        ),
                    );
                }
            }
        }
    }

    fn table(&self) -> String {
        let mut table =
            "| what | marked | found | both | precision | recall |\n|---|--:|--:|--:|--:|--:|\n"
                .to_owned();
        self.decisions.row("decisions", &mut table);
        self.actions.row("actions", &mut table);
        self.deadlines.row("deadlines", &mut table);
        self.follow_ups.row("follow-up meetings", &mut table);
        let of = |right: Right| format!("{} of {}", right.right, right.asked);
        let (assignee, due) = (of(self.assignee), of(self.due));
        let (date, time) = (of(self.date), of(self.time));
        writeln!(
            table,
            "\nOf the actions that are both, {assignee} have the right assignee (or rightly none) and {due} the right day; of the\ndates {date} the right day and {time} the right time."
        )
        .unwrap();
        table
    }
}

/// With `EXPLAIN` set to a file's name: what was missed and what was found in vain.
fn explain(passage: &Passage, what: &str, found: &BTreeSet<usize>, expected: &BTreeSet<usize>) {
    for line in found.difference(expected) {
        tell(passage, *line, &format!("no {what}"));
    }
    for line in expected.difference(found) {
        tell(passage, *line, &format!("missed {what}"));
    }
}

fn tell(passage: &Passage, line: usize, what: &str) {
    if passage.tuning && std::env::var("EXPLAIN").is_ok() {
        println!("{:22} {:2} {what}: {}", passage.id, line, passage.lines[line].text);
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ai.md")
}

#[test]
fn the_figures_in_the_documentation_are_those_of_today() {
    let scored = read("scored.json");
    assert!(scored.len() >= 60);
    let docs = std::fs::read_to_string(docs()).unwrap();
    let mut tables = Vec::new();
    for (language, name) in [("ko", "Korean"), ("en", "English")] {
        let table = format!("### {name}\n\n{}", Score::of(&scored, language).table());
        println!("{table}");
        tables.push(table);
    }
    assert!(
        tables.iter().all(|table| docs.contains(table)),
        "docs/ai.md doesn't say what stands above"
    );
}

/// `EXPLAIN=1 cargo nextest run -p text tuning --no-capture` shows what to work on.
#[test]
fn nothing_is_found_wrongly_often_in_what_the_rules_were_tuned_with() {
    let mut tuning = read("tuning.json");
    tuning.iter_mut().for_each(|passage| passage.tuning = true);
    let scores = ["ko", "en"].map(|language| (language, Score::of(&tuning, language)));
    for (language, score) in &scores {
        println!("{language}\n{}", score.table());
    }
    for (language, score) in &scores {
        for count in [score.decisions, score.actions, score.deadlines, score.follow_ups] {
            assert!(count.both * 10 >= count.found * 8, "{language}: precision below 0.8");
            assert!(count.both * 10 >= count.expected * 5, "{language}: recall below 0.5");
        }
    }
}
