//! One row of a contract: what an operation is called, who may call it, and what it does.

use std::borrow::Cow;
use std::fmt;

use apim_core::BoxFuture;
use http::Method;

use super::answer::Answer;
use super::call::Call;
use crate::db::{Desk, Read, Write};
use crate::error::Result;

/// One operation of a contract.
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path below the contract's base, with `{parameters}`.
    pub path: Cow<'static, str>,
    /// Who may call it.
    pub access: Access,
    pub(crate) work: Work,
}

impl Operation {
    /// Why it answers 501, if it does.
    pub fn absence(&self) -> Option<&'static str> {
        match self.work {
            Work::Absent(reason) => Some(reason),
            _ => None,
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {:?}", self.method, self.path, self.access)
    }
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever has a token with one of these scopes; with none, nobody.
    Scopes(&'static [&'static str]),
    /// Everybody, without a token. A token that is sent is verified all the same.
    Anyone,
}

impl<const N: usize> From<&'static [&'static str; N]> for Access {
    fn from(scopes: &'static [&'static str; N]) -> Self {
        Self::Scopes(scopes)
    }
}

/// What an operation does, by what it needs to do it.
pub(crate) enum Work {
    Read(Handler<Read>),
    Write(Handler<Write>),
    Outside(Handler<Desk>),
    Absent(&'static str),
}

pub(crate) type Handler<C> =
    Box<dyn for<'a> Fn(&'a mut C, Call) -> BoxFuture<'a, Result<Answer>> + Send + Sync>;

/// An `async fn(&mut C, Call) -> Result<Answer>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler of this row",
    note = "a handler is an `async fn(cx: &mut Read, call: Call) -> Result<Answer>`, with `Write` or `Desk` for `write` and `outside` rows; its future must be `Send`"
)]
pub trait Run<'a, C: 'a>: Copy + Send + Sync + 'static {
    /// Its future.
    type Out: Future<Output = Result<Answer>> + Send + 'a;
    /// Calls it.
    fn run(self, cx: &'a mut C, call: Call) -> Self::Out;
}

impl<'a, C: 'a, F, Out> Run<'a, C> for F
where
    F: Fn(&'a mut C, Call) -> Out + Copy + Send + Sync + 'static,
    Out: Future<Output = Result<Answer>> + Send + 'a,
{
    type Out = Out;
    fn run(self, cx: &'a mut C, call: Call) -> Out {
        self(cx, call)
    }
}

/// A row that only reads: it gets a transaction that cannot write.
pub fn read<H: for<'a> Run<'a, Read>>(
    name: impl Into<Cow<'static, str>>,
    access: impl Into<Access>,
    handler: H,
) -> Operation {
    row(name.into(), access.into(), Work::Read(erase(handler)))
}

/// A row that writes: its transaction commits if, and only if, it answers.
pub fn write<H: for<'a> Run<'a, Write>>(
    name: impl Into<Cow<'static, str>>,
    access: impl Into<Access>,
    handler: H,
) -> Operation {
    row(name.into(), access.into(), Work::Write(erase(handler)))
}

/// A row that waits for something outside: it gets a desk, and opens short transactions around the wait.
pub fn outside<H: for<'a> Run<'a, Desk>>(
    name: impl Into<Cow<'static, str>>,
    access: impl Into<Access>,
    handler: H,
) -> Operation {
    row(name.into(), access.into(), Work::Outside(erase(handler)))
}

/// A row of the contract that is not offered; it answers 501 with this reason.
pub fn absent(
    name: impl Into<Cow<'static, str>>,
    access: impl Into<Access>,
    reason: &'static str,
) -> Operation {
    row(name.into(), access.into(), Work::Absent(reason))
}

fn erase<C: 'static, H: for<'a> Run<'a, C>>(handler: H) -> Handler<C> {
    Box::new(move |cx, call| Box::pin(handler.run(cx, call)))
}

fn row(name: Cow<'static, str>, access: Access, work: Work) -> Operation {
    // A row without a method is a row that nobody can call; the contract's test finds it.
    let (method, path) = name.split_once(' ').unwrap_or(("", &name));
    let method = method.parse().unwrap_or(Method::TRACE);
    Operation { method, path: path.to_owned().into(), access, work }
}
