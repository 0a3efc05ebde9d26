//! What the demo's people have said and planned.

use chrono::{DateTime, Days, NaiveTime, Utc};

/// Somebody with an account.
pub(super) struct Person {
    pub(super) email: &'static str,
    pub(super) name: &'static str,
    pub(super) locale: &'static str,
}

/// The host of most of it: the demo login.
pub(super) const DEMO: Person = Person { email: super::EMAIL, name: "Demo", locale: "en" };
/// Leads the Korean meetings.
pub(super) const MINJI: Person =
    Person { email: "minji@moim.local", name: "김민지", locale: "ko" };
/// Takes part in English.
pub(super) const ALEX: Person = Person { email: "alex@moim.local", name: "Alex Kim", locale: "en" };
/// Takes part in Korean.
pub(super) const HANEUL: Person =
    Person { email: "haneul@moim.local", name: "이하늘", locale: "ko" };

/// A time as seen from the day on which the data is loaded.
#[derive(Clone, Copy)]
pub(super) struct Day {
    /// Days after that day, or before it.
    pub(super) days: i64,
    /// Hour of the day, UTC: nine hours more in Seoul.
    pub(super) hour: u32,
}

impl Day {
    /// When that is, if the data is loaded then.
    pub(super) fn seen_from(self, loaded: DateTime<Utc>) -> DateTime<Utc> {
        let shift = Days::new(self.days.unsigned_abs());
        let date = loaded.date_naive();
        let date = if self.days < 0 { date - shift } else { date + shift };
        date.and_time(NaiveTime::from_hms_opt(self.hour, 0, 0).unwrap_or_default()).and_utc()
    }
}

/// Something that was said.
pub(super) struct Line {
    /// By whom: a place in [`Past::speakers`].
    pub(super) speaker: usize,
    pub(super) text: &'static str,
    /// How sure the recogniser was.
    pub(super) confidence: f32,
}

const fn line(speaker: usize, text: &'static str) -> Line {
    Line { speaker, text, confidence: 0.93 }
}

/// A meeting that is over.
pub(super) struct Past {
    pub(super) title: &'static str,
    pub(super) agenda: &'static str,
    pub(super) language: &'static str,
    /// When it began.
    pub(super) began: Day,
    /// What the voices are called.
    pub(super) speakers: &'static [&'static str],
    pub(super) lines: &'static [Line],
}

/// In English; its minutes are final.
pub(super) const REVIEW: Past = Past {
    title: "Product review",
    agenda: "What the pilot showed, the release date, who does what",
    language: "en",
    began: Day { days: -2, hour: 1 },
    speakers: &["Demo", "Minji", "Alex"],
    lines: &[
        line(0, "Let's start with the pilot, and then talk about the release."),
        line(2, "The pilot went well, twelve teams used the minutes every day."),
        line(2, "What they miss most is search, they can't find last month's minutes."),
        line(1, "Search is nearly done, the index for Korean is what is left."),
        line(0, "How sure are we about the release on the fifteenth?"),
        line(1, "The fifteenth is too early, the pilot found two bugs in the upload."),
        line(0, "We decided to move the release to the end of the month."),
        line(2, "I will write to the pilot teams about the new release date by Friday."),
        line(1, "I'll fix the two upload bugs by next Tuesday."),
        line(0, "We agreed to show search in the release, also without filters."),
        line(2, "The price list has to be ready before the release."),
        line(0, "Alex, please prepare the price list by next Wednesday."),
        Line {
            speaker: 1,
            text: "The dark mode can wait for the next one, I sink.",
            confidence: 0.41,
        },
        line(0, "Let's meet again next Thursday at 10 am to look at the bugs."),
    ],
};

/// In Korean; its minutes are still a draft.
pub(super) const WEEKLY: Past = Past {
    title: "주간 회의",
    agenda: "지난주 결과, 이번 주 계획, 예산",
    language: "ko",
    began: Day { days: -1, hour: 5 },
    speakers: &["김민지", "이하늘", "Demo"],
    lines: &[
        line(0, "지난주 결과부터 공유하겠습니다."),
        line(0, "회의록 검색 기능은 거의 끝났습니다."),
        line(1, "검색 속도가 느리다는 의견이 두 건 있었습니다."),
        line(0, "검색 속도는 이번 주에 다시 측정해야 합니다."),
        line(1, "제가 금요일까지 검색 속도를 측정해서 공유하겠습니다."),
        line(2, "예산은 어떻게 되고 있나요?"),
        line(0, "예산은 지난달보다 십 퍼센트 줄이기로 했습니다."),
        line(1, "그러면 외부 교육은 다음 분기로 미루기로 결정했습니다."),
        Line {
            speaker: 2, text: "그 건은 매일로 보내 주실 수 있나요?", confidence: 0.44
        },
        line(0, "제가 월말까지 예산안을 다시 작성하겠습니다."),
        Line { speaker: 1, text: "출시 발표 자료는 누가 맞나요?", confidence: 0.38 },
        line(0, "발표 자료는 하늘 님이 다음 주 화요일까지 준비해 주세요."),
        line(0, "다음 회의는 다음 주 월요일 오전 10시에 하겠습니다."),
    ],
};

/// Runs now.
pub(super) const RUNNING: (&str, &str) = ("Design sync", "The new page of a meeting");
/// Is to come: English, in Korean.
pub(super) const PLANNED: [(&str, &str, Day); 2] = [
    ("Quarterly planning", "Goals, people, budget", Day { days: 7, hour: 1 }),
    ("신규 입사자 환영 모임", "소개, 점심, 질문과 답변", Day { days: 8, hour: 3 }),
];

/// When the todos are due that people write down.
pub(super) const DUE: Day = Day { days: 4, hour: 9 };
/// A todo that somebody writes down.
pub(super) struct Written {
    pub(super) title: &'static str,
    pub(super) priority: &'static str,
    /// The states that it goes through.
    pub(super) states: &'static [&'static str],
    /// Whether it is a guest's to do, or the host's.
    pub(super) is_for_guest: bool,
}

const fn written(
    title: &'static str,
    priority: &'static str,
    states: &'static [&'static str],
    is_for_guest: bool,
) -> Written {
    Written { title, priority, states, is_for_guest }
}

/// After the review: by its host, some for Alex.
pub(super) const REVIEW_TODOS: [Written; 4] = [
    written("Order lunch for the planning day", "LOW", &[], false),
    written("Measure the upload again", "HIGH", &["IN_PROGRESS"], false),
    written("Send the invitation to the pilot teams", "NORMAL", &["IN_PROGRESS", "DONE"], false),
    written("Print the old handbook", "LOW", &["CANCELLED"], true),
];
/// After the weekly meeting: by its host, some for 하늘.
pub(super) const WEEKLY_TODOS: [Written; 2] = [
    written("예산안 초안을 팀에 공유하기", "HIGH", &["IN_PROGRESS"], false),
    written("발표 자료 목차 잡기", "NORMAL", &[], true),
];
