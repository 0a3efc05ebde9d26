//! Rules of todos.

use proptest::prelude::*;
use todo::domain::plan::{TITLE_MAX_CHARS, check_title, title_of};
use todo::domain::refusal::Refusal;
use todo::domain::status::Status;

#[test]
fn a_todo_goes_its_way_and_stays_where_it_ends() {
    for from in Status::ALL {
        for to in Status::ALL {
            let legal = matches!(
                (from.as_str(), to.as_str()),
                ("PROPOSED", "OPEN" | "CANCELLED")
                    | ("OPEN", "IN_PROGRESS" | "DONE" | "CANCELLED")
                    | ("IN_PROGRESS", "OPEN" | "DONE" | "CANCELLED")
            );
            let expected = match (from == to, legal) {
                (true, _) => Ok(false),
                (false, true) => Ok(true),
                (false, false) => Err(Refusal::IllegalStatus { from, to }),
            };
            assert_eq!(from.go(to), expected, "{from} → {to}");
            assert!(from == to || !from.is_final() || from.go(to).is_err());
        }
        assert_eq!(Status::from(from.as_str().to_owned()), from);
    }
}

proptest! {
    #[test]
    fn whatever_was_said_makes_a_title_that_is_accepted(said in any::<String>()) {
        let title = title_of(&said);
        prop_assert!(title.chars().count() <= TITLE_MAX_CHARS);
        if said.split_whitespace().any(|word| word.chars().any(|c| !c.is_control())) {
            prop_assert_eq!(check_title(&title), Ok(title));
        }
    }
}
