//! Routing: from a raw path and host to the API and its operation.

use apim_core::model::ApiId;
use apim_gateway::router::{Base, Bases, Path, Resources};
use http::Method;

use crate::Subject;

/// How many APIs the router knows.
pub const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// Lookups among few and many APIs, and in a large API.
pub fn subjects() -> Vec<Subject> {
    let mut subjects: Vec<_> = SIZES.into_iter().map(one_of).collect();
    subjects.push(none_of(10_000));
    subjects.push(operation_of(200));
    subjects.push(canonical());
    subjects
}

fn bases(count: usize) -> Bases<usize> {
    let mut bases = Bases::default();
    for number in 0..count {
        let base = Base::new(&format!("/team{}/service{number}/1.0.0", number % 100), None, true).unwrap();
        bases.claim(&base, ApiId::from(number.to_string()), number);
    }
    bases
}

fn one_of(count: usize) -> Subject {
    let bases = bases(count);
    // All of them in turn, in an order that no cache foresees.
    let paths: Vec<_> = (0..count)
        .map(|turn| turn * 7919 % count)
        .map(|number| format!("/team{}/service{number}/1.0.0/orders/17/items", number % 100))
        .collect();
    let mut turn = 0;
    Subject::new(format!("one of {count} APIs, each in turn"), move || {
        turn = (turn + 1) % paths.len();
        let path = Path::parse(&paths[turn]).unwrap();
        assert!(std::hint::black_box(bases.find(None, path.as_str())).is_some());
    })
}

fn none_of(count: usize) -> Subject {
    let bases = bases(count);
    Subject::new(format!("none of {count} APIs"), move || {
        let path = Path::parse("/team1/nothing/1.0.0/orders/17/items").unwrap();
        assert!(std::hint::black_box(bases.find(None, path.as_str())).is_none());
    })
}

fn operation_of(count: usize) -> Subject {
    let templates: Vec<_> = (0..count / 2)
        .flat_map(|number| [format!("/things{number}/{{id}}"), format!("/things{number}/{{id}}/parts/*")])
        .collect();
    let operations = templates.iter().map(|template| ("GET", template.as_str()));
    let resources = Resources::new(operations).unwrap();
    let path = format!("/things{}/17/parts/a/b", count / 4);
    Subject::new(format!("one of {count} operations of an API"), move || {
        std::hint::black_box(resources.find(&Method::GET, &path));
    })
}

fn canonical() -> Subject {
    Subject::new("a path that has to be made canonical", || {
        std::hint::black_box(Path::parse("/caf%c3%a9/%7ebob/orders/17").unwrap());
    })
}
