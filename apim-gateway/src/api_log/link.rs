//! The two places of a chain at which messages are looked at.

use std::sync::Arc;

use apim_core::model::LogLevel;
use apim_core::{Answer, Body, Clock, Context, Exchange, Fault, Filter, Flow as Next, Link};
use http::HeaderMap;

use super::line::{Flow, Line};
use super::payload;
use crate::deploy::Site;
use crate::log::Log;

/// What both places know.
#[derive(Clone)]
struct Writer {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
}

/// Stands outermost, and decides what is written of a call.
struct Outer(Writer);

/// Stands innermost.
struct Inner(Writer);

/// What is written of a call, decided when it came: all of its messages are, or none.
#[derive(Clone, Copy)]
struct Decided(LogLevel);

/// The outermost link of the chains of all APIs, and the innermost.
pub(crate) fn links(log: &Arc<Log>, clock: &Arc<dyn Clock>) -> [Link; 2] {
    let writer = Writer { log: log.clone(), clock: clock.clone() };
    let links = [Link::filter(Outer(writer.clone())), Link::filter(Inner(writer))];
    links.map(|link| link.named("api-log").shared())
}

impl Filter for Outer {
    fn request(&self, exchange: &mut Exchange) -> Result<Next, Fault> {
        let Self(writer) = self;
        let log = &Site::of(exchange.context())?.log;
        if log.is_on() {
            let level = log.level_of(exchange.context().operation());
            exchange.context_mut().slots.insert(Decided(level));
            writer.request(Flow::RequestIn, exchange)?;
        }
        Ok(Next::Continue)
    }

    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        self.0.response(Flow::ResponseOut, answer)
    }
}

impl Filter for Inner {
    fn request(&self, exchange: &mut Exchange) -> Result<Next, Fault> {
        self.0.request(Flow::RequestOut, exchange)?;
        Ok(Next::Continue)
    }

    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        // An endpoint that did not answer has sent nothing that could be written.
        match answer.context().fault {
            None => self.0.response(Flow::ResponseIn, answer),
            Some(_) => Ok(()),
        }
    }
}

impl Writer {
    /// What is to be written of this call.
    fn level(context: &Context) -> LogLevel {
        if !Site::of(context).is_ok_and(|site| site.log.is_on()) {
            return LogLevel::Off;
        }
        context.slots.get::<Decided>().map_or(LogLevel::Off, |decided| decided.0)
    }

    fn request(&self, flow: Flow, exchange: &mut Exchange) -> Result<(), Fault> {
        let level = Self::level(exchange.context());
        if level == LogLevel::Off {
            return Ok(());
        }
        let target = (flow == Flow::RequestOut).then(|| exchange.uri());
        let mut line = self.line(flow, exchange.context(), level, exchange.headers())?;
        line.target = target.map(|uri| self.log.redact().target(uri));
        if level < LogLevel::Full {
            self.log.line(exchange.context().worker, |page| page.extend_from_slice(&line.written()));
            return Ok(());
        }
        let (line, worker) = (line.written(), exchange.context().worker);
        exchange.write()?;
        exchange.map_body(|body| self.watch(line, worker, body));
        Ok(())
    }

    fn response(&self, flow: Flow, answer: &mut Answer) -> Result<(), Fault> {
        let level = Self::level(answer.context());
        if level == LogLevel::Off {
            return Ok(());
        }
        // A payload that was changed gets its media type when it is written.
        answer.write()?;
        let context = answer.context();
        let mut line = self.line(flow, context, level, answer.headers())?;
        line.status_code = Some(answer.status().as_u16());
        line.backend = context.destination.as_deref().filter(|_| flow == Flow::ResponseIn);
        let (line, worker) = (line.written(), context.worker);
        if level < LogLevel::Full {
            self.log.line(worker, |page| page.extend_from_slice(&line));
            return Ok(());
        }
        answer.map_body(|body| self.watch(line, worker, body));
        Ok(())
    }

    fn line<'a>(
        &'a self,
        flow: Flow,
        context: &'a Context,
        level: LogLevel,
        headers: &HeaderMap,
    ) -> Result<Line<'a>, Fault> {
        let site = Site::of(context)?;
        let readers = &site.readers;
        let hides = |name: &http::HeaderName| {
            name == readers.authorization()
                || name == readers.api_key()
                || self.log.redact().hides_header(name)
        };
        let mut line = Line::new(flow, self.clock.now(), &site.api, context);
        line.api_to = self.log.redact().target(&context.uri);
        line.headers = (level >= LogLevel::Standard).then(|| super::line::headers(headers, hides));
        Ok(line)
    }

    fn watch(&self, line: Vec<u8>, worker: apim_core::Worker, body: Body) -> Body {
        payload::watch(self.log.clone(), line, worker, body)
    }
}
