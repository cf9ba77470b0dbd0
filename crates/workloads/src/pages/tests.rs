//! Pages of objects, without a cluster.

use serde::Deserialize;

use super::*;

#[derive(Clone, Debug, Deserialize)]
struct Job {
    name: String,
    created: String,
    odd: bool,
}

impl Row for Job {
    fn name(&self) -> &str {
        &self.name
    }

    fn created(&self) -> &str {
        &self.created
    }
}

fn job(number: usize) -> Job {
    Job {
        name: format!("job-{number:04}"),
        created: format!("2026-08-21T10:{:02}:{:02}Z", number / 60 % 60, number % 60),
        odd: !number.is_multiple_of(2),
    }
}

/// Follows the cursors to the end, as an API server with `total` jobs would answer.
fn all(total: usize, limit: usize, wanted: fn(&Job) -> bool) -> Vec<Listed<Job>> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let cursor_ = cursor.as_deref().map(|it| Cursor::parse(it).unwrap());
        let start: usize = match &cursor_ {
            Some(Cursor::Chunk { token: Some(token), .. }) => token.parse().unwrap(),
            _ => 0,
        };
        let end = total.min(start + CHUNK as usize);
        let page = Page {
            rows: (start..end).map(job).collect(),
            cursor: cursor_,
            token: (end < total).then(|| end.to_string()),
            remaining: (end < total).then(|| (total - end) as i64),
        };
        let answer = page.answer(wanted, limit);
        cursor = answer.next_cursor.clone();
        pages.push(answer);
        if cursor.is_none() {
            return pages;
        }
    }
}

fn names(pages: &[Listed<Job>]) -> Vec<String> {
    pages.iter().flat_map(|it| &it.rows).map(|it| it.name.clone()).collect()
}

#[test]
fn few_objects_come_newest_first_and_are_counted() {
    let pages = all(45, 20, |_| true);
    assert_eq!(pages.len(), 3);
    assert!(pages.iter().all(|it| it.total == Some(45) && it.order == Order::NewestFirst));
    let expected: Vec<String> = (0..45).rev().map(|it| format!("job-{it:04}")).collect();
    assert_eq!(names(&pages), expected);
}

#[test]
fn many_objects_come_by_name_none_twice_and_none_left_out() {
    let pages = all(1_234, 100, |_| true);
    assert!(pages.iter().all(|it| it.total.is_none() && it.order == Order::ByName));
    let expected: Vec<String> = (0..1_234).map(|it| format!("job-{it:04}")).collect();
    assert_eq!(names(&pages), expected);
    assert_eq!((pages[0].looked_at, pages[0].remaining), (Some(100), Some(1_134)));
}

#[test]
fn a_filter_says_how_many_it_looked_at() {
    let pages = all(1_000, 100, |it| it.odd);
    assert_eq!(names(&pages).len(), 500);
    assert_eq!(pages.iter().filter_map(|it| it.looked_at).sum::<usize>(), 1_000);
    let none = all(1_000, 100, |_| false);
    assert_eq!((none.len(), none[0].looked_at, none[0].remaining), (2, Some(500), Some(500)));
    let few = all(10, 100, |it| it.odd);
    assert_eq!(few[0].total, Some(5));
}

#[test]
fn cursors_that_nobody_gave_are_refused() {
    for made_up in ["", "20", "chunk/x/", "chunk/500/", "after/2026", "page/1/2"] {
        Cursor::parse(made_up).expect_err(made_up);
    }
}
