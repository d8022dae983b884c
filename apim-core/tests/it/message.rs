//! A body stays a stream until someone asks, and what was asked for is kept.

use std::sync::atomic::{AtomicUsize, Ordering};

use apim_core::message::{
    ContentError, ContentHead, Formats, Message, MessageBuilder, MessageFormatter, Payload,
};
use apim_core::{Filter, Flow, Handler, fault};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, request};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tower::layer::util::Identity;

use super::*;

/// JSON that counts how often it is read and written.
#[derive(Clone, Default)]
struct Json(Arc<(AtomicUsize, AtomicUsize)>);

impl Json {
    fn read_and_written(&self) -> (usize, usize) {
        (self.0.0.load(Ordering::SeqCst), self.0.1.load(Ordering::SeqCst))
    }
}

impl MessageBuilder for Json {
    fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        serde_json::from_slice(&body).map(Payload::Json).map_err(|error| ContentError::Malformed {
            format: "JSON",
            place: format!("line {} column {}", error.line(), error.column()),
            rule: error.to_string(),
        })
    }
}

impl MessageFormatter for Json {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        let Payload::Json(value) = payload else {
            return Err(ContentError::Unsupported { payload: payload.kind(), format: "JSON" });
        };
        out.extend_from_slice(value.to_string().as_bytes());
        Ok(HeaderValue::from_static("application/json"))
    }
}

/// A body of these chunks, that counts how many were asked for.
fn stream(chunks: impl IntoIterator<Item = &'static str>) -> (Body, Arc<AtomicUsize>) {
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = polled.clone();
    let frames = chunks.into_iter().collect::<Vec<_>>().into_iter().map(move |chunk| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(chunk.as_bytes())))
    });
    (Body::new(StreamBody::new(futures_util::stream::iter(frames))), polled)
}

fn message(body: Body, media_type: &str) -> Message<request::Parts> {
    let request = Request::builder().header(CONTENT_TYPE, media_type).body(body).unwrap();
    let (head, body) = request.into_parts();
    Message::new(head, body)
}

async fn whole(mut message: Message<request::Parts>, formats: &Formats) -> String {
    message.write(formats).unwrap();
    let (_, body) = message.into_parts(formats);
    String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
}

/// Adds a member to every JSON request.
struct Adds(&'static str);

impl Handler for Adds {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        if let Payload::Json(value) = exchange.payload_mut().await? {
            value[self.0] = true.into();
        }
        Ok(Flow::Continue)
    }
}

fn json_exchange(formats: &Formats, body: Body) -> Exchange {
    let request = Request::builder()
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(CONTENT_LENGTH, "2")
        .body(body)
        .unwrap();
    let mut exchange = exchange(request);
    exchange.context_mut().formats = formats.clone();
    exchange
}

#[test]
fn nobody_asks_so_nobody_reads() {
    let (body, polled) = stream(["[1", ",2]"]);
    let message = message(body, "application/json");
    assert!(message.is_stream());
    assert_eq!(polled.load(Ordering::SeqCst), 0);
    assert_eq!(run(whole(message, &Formats::default())), "[1,2]");
}

#[test]
fn a_payload_that_is_only_looked_at_leaves_byte_for_byte_as_it_came() {
    let json = Json::default();
    let formats = Formats::default().with("application/json", json.clone());
    let odd = "{ \"a\" :1.00,\n\"a\": 2 }";
    let mut message = message(stream([odd]).0, "application/json");
    run(async {
        for _ in 0..3 {
            assert!(matches!(message.payload(&formats).await.unwrap(), Payload::Json(_)));
            assert_eq!(message.bytes(&formats).await.unwrap(), odd.as_bytes());
        }
        assert_eq!(whole(message, &formats).await, odd);
    });
    assert_eq!(json.read_and_written(), (1, 0));
}

#[test]
fn a_more_precise_media_type_stays_when_the_body_is_written_again() {
    let formats = Formats::default().with("+json", Json::default()).with("application/json", Json::default());
    for (before, after) in [
        ("application/hal+json", "application/hal+json"),
        ("application/hal+json; charset=utf-8", "application/hal+json; charset=utf-8"),
        ("application/hal+json; charset=utf-16", "application/json"),
        ("application/json; odd=1", "application/json"),
    ] {
        let mut message = message("{}".into(), before);
        run(async {
            message.payload_mut(&formats).await.unwrap();
            message.write(&formats).unwrap();
            assert_eq!(message.head().headers[CONTENT_TYPE], after);
        });
    }
}

#[test]
fn a_payload_that_was_changed_is_written_once_and_its_old_length_is_gone() {
    let json = Json::default();
    let formats = Formats::default().with("+json", json.clone());
    let mut message = message("{}".into(), "application/problem+json");
    message.head_mut().headers.insert(CONTENT_LENGTH, HeaderValue::from_static("2"));
    run(async {
        let Payload::Json(value) = message.payload_mut(&formats).await.unwrap() else { panic!("no JSON") };
        value["a"] = 1.into();
        assert!(!message.head().headers.contains_key(CONTENT_LENGTH));
        assert_eq!(whole(message, &formats).await, r#"{"a":1}"#);
    });
    assert_eq!(json.read_and_written(), (1, 1));
}

#[test]
fn a_payload_travels_through_layers_unparsed() {
    let json = Json::default();
    let formats = Formats::default().with("application/json", json.clone());
    let links = [
        Link::handler(Adds("before")),
        Link::layer(Identity::new()),
        Link::handler(Adds("between")),
        Link::layer(Identity::new()),
        Link::handler(Adds("after")),
    ];
    let written =
        run(async { text(pipeline(links, echo()).call(json_exchange(&formats, "{}".into())).await).await });
    assert_eq!(written, r#"{"before":true,"between":true,"after":true}"#);
    assert_eq!(json.read_and_written(), (1, 1));
}

#[test]
fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let formats = Formats::default().with_limit(6);
    run(async {
        let mut fits = message(stream(["123", "456"]).0, "text/plain");
        assert_eq!(fits.bytes(&formats).await.unwrap().as_ref(), b"123456");
        let mut large = message(stream(["123", "456", "7"]).0, "text/plain");
        let error = large.bytes(&formats).await.unwrap_err();
        assert!(matches!(error, ContentError::TooLarge { limit: 6 }));
        assert_eq!(Fault::from(error).code().number, fault::BODY_TOO_LARGE.number);
    });
}

#[test]
fn a_body_that_says_it_is_too_long_is_not_even_begun() {
    let formats = Formats::default().with_limit(6);
    let (inner, polled) = stream(["1234567"]);
    let sized = Body::new(Sized7(inner));
    let mut message = message(sized, "text/plain");
    run(async {
        assert!(matches!(message.bytes(&formats).await, Err(ContentError::TooLarge { .. })));
        assert_eq!(polled.load(Ordering::SeqCst), 0);
        // So it can still pass through.
        assert_eq!(whole(message, &formats).await, "1234567");
    });
}

/// A body with a `Content-Length` of seven.
struct Sized7(Body);

impl http_body::Body for Sized7 {
    type Data = Bytes;
    type Error = apim_core::BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(7)
    }
}

#[test]
fn a_body_that_was_given_up_half_way_is_never_taken_for_a_whole_one() {
    let formats = Formats::default().with_limit(3);
    let mut message = message(stream(["12", "34", "56"]).0, "text/plain");
    run(async {
        assert!(matches!(message.bytes(&formats).await, Err(ContentError::TooLarge { .. })));
        assert!(matches!(message.payload(&formats).await, Err(ContentError::Broken(_))));
        let (_, body) = message.into_parts(&formats);
        assert!(body.collect().await.is_err());
    });
}

#[test]
fn a_body_that_breaks_off_is_an_error_and_not_an_end() {
    let frames =
        [Ok(Frame::data(Bytes::from_static(b"{\"a\":"))), Err(std::io::Error::other("reset by peer"))];
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let mut message = message(body, "application/json");
    let error = run(async { message.bytes(&Formats::default()).await.unwrap_err() });
    assert!(matches!(&error, ContentError::Broken(source) if source.to_string() == "reset by peer"));
}

#[test]
fn what_is_malformed_is_refused_by_place_and_rule() {
    let formats = Formats::default().with("application/json", Json::default());
    let links = [Link::handler(Adds("a"))];
    let answer = run(pipeline(links, echo()).call(json_exchange(&formats, "{\n  \"a\": tru".into())));
    assert_eq!(answer.status(), http::StatusCode::BAD_REQUEST);
    let fault = answer.context().fault.clone().unwrap();
    assert!(fault.description().starts_with("malformed JSON at line 2 column "), "{}", fault.description());
}

#[test]
fn a_conversation_without_an_end_has_no_payload_and_does_not_hang() {
    let endless = || Body::new(StreamBody::new(futures_util::stream::pending::<Result<_, std::io::Error>>()));
    run(async {
        for media_type in ["text/event-stream", "Text/Event-Stream; charset=utf-8"] {
            let asked = message(endless(), media_type).bytes(&Formats::default()).await.map(Bytes::len);
            assert!(matches!(asked, Err(ContentError::Upgraded)), "{media_type}");
        }
        let mut upgraded = message(endless(), "text/plain");
        upgraded.head_mut().headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        assert!(matches!(upgraded.payload(&Formats::default()).await, Err(ContentError::Upgraded)));
    });
}

#[test]
fn who_wraps_the_body_sees_every_byte_whatever_was_done_to_it_before() {
    struct Counts(Arc<AtomicUsize>);
    impl Filter for Counts {
        fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
            let seen = self.0.clone();
            exchange.map_body(|body| {
                Body::new(body.map_frame(move |frame| {
                    seen.fetch_add(frame.data_ref().map_or(0, Bytes::len), Ordering::SeqCst);
                    frame
                }))
            });
            Ok(Flow::Continue)
        }
    }
    let formats = Formats::default().with("application/json", Json::default());
    for (links, expected) in [(vec![], "{}"), (vec![Link::handler(Adds("a"))], r#"{"a":true}"#)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let links = links.into_iter().chain([Link::filter(Counts(seen.clone()))]);
        let sent = run(async {
            text(pipeline(links, echo()).call(json_exchange(&formats, stream(["{", "}"]).0)).await).await
        });
        assert_eq!((sent.as_str(), seen.load(Ordering::SeqCst)), (expected, expected.len()));
    }
}

#[test]
fn a_format_that_cannot_hold_the_payload_is_an_error_before_anything_leaves() {
    let formats = Formats::default().with("application/json", Json::default());
    let mut message = message("{}".into(), "application/json");
    message.set_payload(Payload::Text("hello".into()), HeaderValue::from_static("application/json"));
    let error = message.write(&formats).unwrap_err();
    assert_eq!(error.to_string(), "text cannot be written as JSON");
}

#[test]
fn without_formats_every_body_is_binary() {
    let mut message = message("{}".into(), "application/json");
    run(async {
        assert!(
            matches!(message.payload(&Formats::default()).await.unwrap(), Payload::Binary(bytes) if bytes == "{}")
        );
    });
}
