//! Who is to do something, when a participant is named, or speaks of himself.
//!
//! Rules, not understanding: a participant is known by the full name and by the given one (Korean:
//! what follows the one-syllable family name). A name that fits two participants fits none. Whoever
//! only receives something ("send it to Ben", "준호님께") is not who does it.

use uuid::Uuid;

use crate::said::Person;

/// Words right before an English name that make it somebody who receives or is spoken of.
const NO_DOER: &[&str] = &[
    "to", "for", "with", "from", "about", "by", "of", "at", "and", "or", "like", "than", "thank",
    "thanks", "via", "without",
];
/// Words before an English name that make it the doer all the same.
const ASSIGNED: &[&str] = &[
    "assigned to",
    "up to",
    "over to",
    "goes to",
    "give it to",
    "task for",
    "action for",
    "owned by",
    "done by",
    "handled by",
];
/// What follows the name of who is asked to do something: "I'll ask Ben to …" is Ben's.
const DELEGATED: &[&str] = &["ask", "asked", "get", "have", "need", "want", "let"];
/// How somebody takes something on.
const FIRST: &[&str] = &[
    "i'll",
    "i will",
    "i can",
    "i need to",
    "i have to",
    "i must",
    "i should",
    "i'm going to",
    "i am going to",
    "let me",
    "leave it to me",
    "leave it with me",
    "leave that to me",
    "leave that with me",
    "on my list",
    "i'd",
    "i've got",
    "mine",
    "i'll take",
    "on me",
    "i am on it",
    "i'm on it",
];
/// What follows the name of who does something.
const WILL: &[&str] = &[
    "will",
    "'ll",
    "can",
    "could",
    "should",
    "needs to",
    "has to",
    "is going to",
    "please",
    "must",
];
const TITLES_KO: &[&str] = &[
    "선생님",
    "매니저",
    "팀장",
    "과장",
    "대리",
    "차장",
    "부장",
    "사원",
    "대표",
    "이사",
    "책임",
    "선임",
    "수석",
    "교수",
    "박사",
    "간호사",
    "주임",
    "실장",
    "소장",
    "원장",
    "반장",
    "국장",
    "학생",
    "선배",
    "후배",
    "씨",
    "님",
];
/// Particles after a Korean name of somebody who does something.
const DOER_KO: &[&str] =
    &["께서", "이가", "이는", "이", "가", "은", "는", "도", "하고", "아", "야"];
/// Particles after the name of somebody who doesn't.
const NO_DOER_KO: &[&str] = &[
    "에게", "께", "한테", "의", "을", "를", "와", "과", "랑", "이랑", "보다", "처럼", "쪽", "네",
    "부터", "까지", "로", "으로",
];
const FIRST_KO: &[&str] = &["제가", "저는", "저도", "내가", "나는", "제 쪽에서", "저희가"];
/// How somebody promises.
const PROMISE_KO: &[&str] = &["게요", "께요", "겠습니다", "겠어요", "맡을", "보겠"];
/// How somebody is asked.
const REQUEST_KO: &[&str] = &[
    "주세요",
    "주십시오",
    "주시",
    "주실",
    "주시고",
    "부탁",
    "바랍니다",
    "줄래",
    "보세요",
    "줘요",
    "줘",
    "하세요",
    "시죠",
];

/// Who does what `sentence` says, if it can be told; `speaker` is the label of who says it.
#[must_use]
pub fn doer(sentence: &str, speaker: Option<&str>, people: &[Person]) -> Option<Uuid> {
    let names = Names::of(people);
    let speaker = speaker.and_then(|label| names.called(label));
    if sentence.chars().any(|c| ('가'..='힣').contains(&c)) {
        korean(sentence, speaker, &names)
    } else {
        english(sentence, speaker, &names)
    }
}

/// What the participants are called.
struct Names {
    /// Each name, in lower case, and whose it is; those of two people are left out.
    known: Vec<(String, Uuid)>,
}

impl Names {
    fn of(people: &[Person]) -> Self {
        let mut known: Vec<(String, Uuid)> = Vec::new();
        let mut shared: Vec<String> = Vec::new();
        for person in people {
            for name in names(&person.name) {
                match known.iter().find(|(other, _)| *other == name) {
                    Some((_, id)) if *id != person.id => shared.push(name),
                    Some(_) => {}
                    None => known.push((name, person.id)),
                }
            }
        }
        known.retain(|(name, _)| !shared.contains(name));
        // The longest first: a full name isn't taken for the given name in it.
        known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { known }
    }

    fn called(&self, label: &str) -> Option<Uuid> {
        let label = label.trim().to_lowercase();
        self.known.iter().find(|(name, _)| *name == label).map(|(_, id)| *id)
    }
}

/// The names by which somebody is called, in lower case.
fn names(full: &str) -> Vec<String> {
    let full = full.trim().to_lowercase();
    let mut names = vec![full.clone()];
    let mut words = full.split_whitespace();
    if let (Some(given), Some(_)) = (words.next(), words.next()) {
        names.push(given.to_owned());
    } else if full.chars().all(|c| ('가'..='힣').contains(&c)) && full.chars().count() == 3 {
        names.push(full.chars().skip(1).collect());
    }
    names.retain(|name| name.chars().count() > 1);
    names
}

/// Somebody who is named, and where (in bytes).
struct Mention {
    from: usize,
    to: usize,
    who: Uuid,
}

fn mentions(text: &str, names: &Names, fits: impl Fn(usize, usize) -> bool) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    for (name, who) in &names.known {
        for (from, matched) in text.match_indices(name.as_str()) {
            let to = from + matched.len();
            let apart = found.iter().all(|other| to <= other.from || other.to <= from);
            if apart && fits(from, to) {
                found.push(Mention { from, to, who: *who });
            }
        }
    }
    found.sort_by_key(|mention| mention.from);
    found
}

fn english(sentence: &str, speaker: Option<Uuid>, names: &Names) -> Option<Uuid> {
    let text = sentence.to_lowercase().replace('’', "'");
    let word = |c: char| c.is_alphanumeric();
    let named = mentions(&text, names, |from, to| {
        !text[..from].ends_with(word) && !text[to..].starts_with(word)
    });
    let spoken = |phrase: &str| {
        text.match_indices(phrase).find_map(|(at, _)| {
            let whole = !text[..at].ends_with(word) && !text[at + phrase.len()..].starts_with(word);
            whole.then_some(at)
        })
    };
    let before = |mention: &Mention| text[..mention.from].trim_end();
    let last_word = |text: &str| {
        text.rsplit(|c: char| !word(c) && c != '\'').next().unwrap_or_default().to_owned()
    };
    // "Assigned to Ben", "I'll ask Ben to …".
    for mention in &named {
        let asked = DELEGATED.contains(&last_word(before(mention)).as_str())
            && text[mention.to..].trim_start().starts_with("to ");
        if asked || ASSIGNED.iter().any(|phrase| before(mention).ends_with(phrase)) {
            return Some(mention.who);
        }
    }
    // "Anna will …", "And Anna should …".
    let bound = named.iter().find(|mention| will(&text[mention.to..]));
    let first = FIRST.iter().filter_map(|phrase| spoken(phrase)).min();
    if let Some(at) = first {
        // "I'll be away, Ben will send it" is no promise; "Ben will call, I'll write" is one.
        return bound
            .filter(|mention| at < mention.from)
            .map_or(speaker, |mention| Some(mention.who));
    }
    if bound.is_some() {
        return bound.map(|mention| mention.who);
    }
    // "Kate, can you send Ben …?", "Could you …, Ben?", and at last "Ben is on it".
    let called = named.iter().find(|mention| {
        let after = text[mention.to..].trim_start();
        let ends = |text: &str| text.ends_with([',', '.', '?', '!', ';', ':']);
        (after.starts_with(',') && !NO_DOER.contains(&last_word(before(mention)).as_str()))
            || (ends(before(mention)) && !after.starts_with(|c: char| word(c)))
    });
    let subject =
        || named.iter().find(|mention| !NO_DOER.contains(&last_word(before(mention)).as_str()));
    called.or_else(subject).map(|mention| mention.who)
}

/// Whether a duty follows a name.
fn will(after: &str) -> bool {
    WILL.iter().any(|duty| {
        after
            .trim_start_matches([',', ' '])
            .strip_prefix(duty)
            .is_some_and(|rest| rest.starts_with(' ') && !rest.trim_start().starts_with("you "))
    })
}

fn korean(sentence: &str, speaker: Option<Uuid>, names: &Names) -> Option<Uuid> {
    let text = sentence.to_lowercase();
    let named = mentions(&text, names, |from, to| {
        // A given name begins a word, or follows the family name's syllable, which is in the full one.
        !text[..from].ends_with(|c: char| c.is_alphanumeric()) && role(&text[to..]) != Role::Other
    });
    let has = |cues: &[&str]| cues.iter().any(|cue| text.contains(cue));
    let doer = named.iter().rev().find(|mention| role(&text[mention.to..]) == Role::Doer);
    let asked = has(REQUEST_KO);
    match doer {
        Some(doer) if asked || !has(FIRST_KO) => Some(doer.who),
        _ if asked => None,
        _ if has(FIRST_KO) || has(PROMISE_KO) => speaker,
        _ => None,
    }
}

/// What somebody is in a Korean sentence, by what follows the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Does something, or is called.
    Doer,
    /// Receives something, or is spoken of.
    Named,
    /// The name is the beginning of another word.
    Other,
}

fn role(after: &str) -> Role {
    let mut rest = after;
    while let Some(shorter) =
        TITLES_KO.iter().find_map(|title| rest.trim_start().strip_prefix(title))
    {
        rest = shorter;
    }
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    let particle = |particles: &[&str]| {
        particles.iter().any(|particle| rest.strip_prefix(particle).is_some_and(ends))
    };
    if particle(NO_DOER_KO) {
        Role::Named
    } else if ends(rest) || particle(DOER_KO) {
        Role::Doer
    } else if NO_DOER_KO.iter().any(|particle| rest.starts_with(particle)) {
        Role::Named
    } else if rest.len() < after.len() {
        // A title with something else behind it: still a name.
        Role::Doer
    } else {
        Role::Other
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn people() -> Vec<Person> {
        ["Anna Schmidt", "Ben Carter", "김민지", "이준호"]
            .iter()
            .zip(1..)
            .map(|(name, id)| Person { id: Uuid::from_u128(id), name: (*name).to_owned() })
            .collect()
    }

    #[test]
    fn whoever_is_named_or_speaks_of_himself_does_it() {
        let (anna, ben, minji, junho) = (Some(1), Some(2), Some(3), Some(4));
        for (speaker, sentence, who) in [
            (None, "Ben will send the report.", ben),
            (None, "Ben Carter is responsible for the demo.", ben),
            (None, "Anna, could you book the room?", anna),
            (None, "Could you book the room, Anna?", anna),
            (Some("Anna Schmidt"), "I'll send it to Ben.", anna),
            (Some("anna"), "Ben, I'll send you the file.", anna),
            (Some("Speaker 1"), "I'll send it to Ben.", None),
            (None, "Send it to Ben, please.", None),
            (None, "This is assigned to Ben.", ben),
            (Some("Anna Schmidt"), "I'll ask Ben to review it.", ben),
            (None, "Somebody needs to call the vendor.", None),
            (None, "Benjamin will send it.", None),
            (None, "민지님이 보고서를 작성해 주세요.", minji),
            (None, "준호 씨, 금요일까지 확인 부탁드립니다.", junho),
            (None, "김민지 대리가 자료를 준비하기로 했습니다.", minji),
            (Some("김민지"), "제가 준호님께 보내겠습니다.", minji),
            (Some("이준호"), "제가 정리할게요.", junho),
            (Some("이준호"), "내일까지 공유드릴게요.", junho),
            (None, "민지님께 보내 주세요.", None),
            (None, "민지원에 연락해 주세요.", None),
            (Some("김민지"), "준호님은 배포를 맡아 주시고요.", junho),
        ] {
            let who = who.map(Uuid::from_u128);
            assert_eq!(doer(sentence, speaker, &people()), who, "{sentence:?}");
        }
    }

    #[test]
    fn a_name_of_two_is_nobodys() {
        let mut people = people();
        people.push(Person { id: Uuid::from_u128(9), name: "Ben Miller".to_owned() });
        assert_eq!(doer("Ben will do it.", None, &people), None);
        assert_eq!(doer("Ben Miller will do it.", None, &people), Some(Uuid::from_u128(9)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), name in any::<String>()) {
            let person = Person { id: Uuid::nil(), name };
            let _ = doer(&text, Some(&text), &[person]);
        }

        #[test]
        fn names_anywhere_make_no_panic(text in "[가-힣 ,.]{0,6}(민지|Ben|ben){0,2}[가-힣a-z ,.]{0,6}") {
            let _ = doer(&text, None, &people());
        }
    }
}
