//! Several hundred ways to frame a request, of our own making.

use super::lanes::{self, Outcome};

/// What must come of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// So many requests are answered by the backend, and nothing is refused.
    Answered(usize),
    /// So many are answered; whatever comes then is refused, and nothing after it is read.
    Refused(usize),
    /// It is clear what is asked, and the gateway says no; the request behind it is answered, if the gateway
    /// had the whole of this one when it refused it.
    TurnedAway,
    /// Refused or not, as long as the backend sees what was answered and no more.
    Exact,
}

struct Variant {
    bytes: Vec<u8>,
    fate: Fate,
}

/// Requests before the one that matters, and how many they are.
const BEFORE: [(&str, usize); 4] = [
    ("", 0),
    ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 1),
    ("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\n\r\n", 1),
];

/// What must never be taken for a request when what stands before it is refused.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_is_refused_wherever_it_stands() {
    let mut variants = Vec::new();
    for bad in bad() {
        for (before, count) in BEFORE {
            let bytes = [before.as_bytes(), &bad, BEHIND.as_bytes()].concat();
            variants.push(Variant { bytes, fate: Fate::Refused(count) });
        }
    }
    check("refused wherever they stand", variants).await;
}

#[tokio::test]
async fn a_byte_that_has_no_place_in_a_head_refuses_it() {
    let mut variants = Vec::new();
    let mut refused = |head: Vec<u8>| {
        variants.push(Variant { bytes: [&head, BEHIND.as_bytes()].concat(), fate: Fate::Refused(0) });
    };
    for byte in 0..=u8::MAX {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !token && byte != b':' {
            refused([b"GET / HTTP/1.1\r\nHost: a\r\nX", &[byte][..], b"Y: z\r\n\r\n"].concat());
        }
        if !token && byte != b' ' {
            refused([b"GE", &[byte][..], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        }
        if (byte < b' ' && byte != b'\t') || byte == 0x7f {
            refused([b"GET / HTTP/1.1\r\nHost: a\r\nX: y", &[byte][..], b"z\r\n\r\n"].concat());
        }
        if !(b' '..0x7f).contains(&byte) {
            refused([b"GET /x", &[byte][..], b"y HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        }
    }
    check("bytes without a place", variants).await;
}

#[tokio::test]
async fn what_is_unusual_and_clear_is_answered_once() {
    let variants = good().into_iter().flat_map(|(text, count)| {
        [
            Variant { bytes: text.clone().into(), fate: Fate::Answered(count) },
            Variant { bytes: format!("{}{text}", BEFORE[1].0).into(), fate: Fate::Answered(count + 1) },
        ]
    });
    check("unusual and clear", variants.collect()).await;
}

#[tokio::test]
async fn what_is_clear_and_not_served_is_turned_away_alone() {
    let variants = unserved().into_iter().map(|text| Variant { bytes: text.into(), fate: Fate::TurnedAway });
    check("turned away", variants.collect()).await;
}

#[tokio::test]
async fn what_may_be_refused_or_not_is_never_two_requests() {
    let variants = open().into_iter().map(|text| Variant { bytes: text.into(), fate: Fate::Exact });
    check("answered or refused", variants.collect()).await;
}

async fn check(what: &str, variants: Vec<Variant>) {
    let mut wrong = Vec::new();
    for in_pieces in [false, true] {
        let streams = variants.iter().map(|variant| variant.bytes.clone()).collect();
        let outcomes = lanes::run(streams, in_pieces).await;
        for (variant, outcome) in variants.iter().zip(&outcomes) {
            if !holds(variant.fate, outcome) {
                let (fate, bytes) = (variant.fate, variant.bytes.escape_ascii());
                wrong.push(format!("{fate:?} (in pieces: {in_pieces}): {outcome:?}\n  {bytes}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), variants.len() * 2, wrong.join("\n"));
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{what}: {} variants, whole and in pieces", variants.len());
}

fn holds(fate: Fate, outcome: &Outcome) -> bool {
    let smuggled = outcome.seen.iter().any(|(_, line)| line.contains("/smuggled"));
    let refusals = outcome.statuses.len() - outcome.answered.len();
    outcome.is_exact()
        && match fate {
            Fate::Answered(count) => outcome.answered.len() == count && refusals == 0,
            // What came before may be refused with it, if it was not answered yet.
            Fate::Refused(count) => outcome.answered.len() <= count && refusals <= 1 && !smuggled,
            Fate::TurnedAway => refusals == 1 && outcome.answered.len() <= 1,
            Fate::Exact => true,
        }
}

/// Heads and bodies of which at least one reader would make something else.
fn bad() -> Vec<Vec<u8>> {
    let mut bad: Vec<Vec<u8>> = Vec::new();
    let mut text = |text: String| bad.push(text.into_bytes());

    for length in [
        "",
        " ",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5,5",
        "5, 5",
        "5,6",
        "5;",
        "5.0",
        "5e0",
        "5\t5",
        "five",
        "5\u{b}",
        "\u{665}",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        text(post(&format!("Content-Length: {length}"), "hello"));
    }
    for headers in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 6\r\nContent-Length: 5",
        "Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5",
        "Content-Length : 5",
        "Content-Length\t: 5",
        "Content Length: 5",
        " Content-Length: 5",
        "\tContent-Length: 5",
        "X: y\r\n Content-Length: 5",
        "X: y\r\n\tContent-Length: 5",
        "Content-Length:\r\n 5",
        "Content-Length: 5\r\n 0",
        "Content_Length: 5",
        "X: y\nContent-Length: 5",
        "X: y\rContent-Length: 5",
        "X: y\r\r\nContent-Length: 5",
        "X: y\n\r\nContent-Length: 5",
        "X\r\nContent-Length: 5",
        "\r\rContent-Length: 5",
        ": x\r\nContent-Length: 5",
        " : x\r\nContent-Length: 5",
        "Content-Length: 5\0",
        "Content-Length\0: 5",
        "X: \0\r\nContent-Length: 5",
    ] {
        text(post(headers, "hello"));
    }

    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "content-length: 15\r\nTRANSFER-ENCODING: CHUNKED",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunk",
        "Transfer-Encoding: ch\tunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding:",
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: chunked\u{b}",
        "Transfer-Encoding: chunked\u{c}",
        "Transfer-Encoding: \u{a0}chunked",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding\0: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\u{b}: chunked",
        "Transfer Encoding: chunked",
        "Transfer_Encoding: chunked",
        " Transfer-Encoding: chunked",
        "\tTransfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chun\r\n ked",
        "Transfer-Encoding\r\n : chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\r\rTransfer-Encoding: chunked",
        "\rTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r",
        "Content-Length: 5\r\nTransfer-Encoding : chunked",
        "Content-Length: 5\r\nTransfer-Encoding: identity",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked",
        "Content-Length: 5\r\nTransfer_Encoding: chunked",
    ] {
        text(post(headers, chunks));
    }

    for body in [
        "\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\t5\r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5h\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\n\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\r\n",
        "5\r\nhello\r\n0 \r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;;\r\nhello\r\n0\r\n\r\n",
        "5;=\r\nhello\r\n0\r\n\r\n",
        "5;=b\r\nhello\r\n0\r\n\r\n",
        "5;a=\r\nhello\r\n0\r\n\r\n",
        "5;a=b;\r\nhello\r\n0\r\n\r\n",
        "5; a\r\nhello\r\n0\r\n\r\n",
        "5;a =b\r\nhello\r\n0\r\n\r\n",
        "5;a= b\r\nhello\r\n0\r\n\r\n",
        "5 ;a=b\r\nhello\r\n0\r\n\r\n",
        "5;a b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n",
        "5;a=b\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\\\"\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;\n\r\nhello\r\n0\r\n\r\n",
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5,a\r\nhello\r\n0\r\n\r\n",
        "5/a\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "100000005fffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\n X: y\r\n\r\n",
        "5\r\nhello\r\n0\r\n: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n",
    ] {
        text(post("Transfer-Encoding: chunked", body));
    }
    let long = "x".repeat(500);
    text(post("Transfer-Encoding: chunked", &format!("5;{long}\r\nhello\r\n0\r\n\r\n")));

    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        " GET / HTTP/1.1",
        "\tGET / HTTP/1.1",
        "GET /",
        "GET",
        "GET ",
        "GET / HTTP/0.9",
        "GET / HTTP/1.10",
        "GET / HTTP/1.01",
        "GET / HTTP/01.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/2.0",
        "GET / HTTP/2",
        "GET / HTTP/3.0",
        "GET / HTTP/9.9",
        "GET / http/1.1",
        "GET / HTTP 1.1",
        "GET / HTTP/ 1.1",
        "GET / HTTP/1 .1",
        "GET / XTTP/1.1",
        "GET / HTTP/1.1 HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / /b HTTP/1.1",
        "GET  HTTP/1.1",
        "GET HTTP/1.1",
        "GET a/b HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET \\a HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:/a HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "CONNECT a:80 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "GET / HTTP/1.1\rX: y",
        "GET / HTTP/1.1\nX: y",
        "GET / HTTP/1.1\r\r\nX: y",
        "\nGET / HTTP/1.1",
        "\r\n\nGET / HTTP/1.1",
        "\rGET / HTTP/1.1",
        "(GET) / HTTP/1.1",
        "GET: / HTTP/1.1",
        "{\"a\":1}",
        "\u{16}\u{3}\u{1}",
    ] {
        text(format!("{line}\r\nHost: a\r\n\r\n"));
    }

    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\"X\": y\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        text(head.to_owned());
    }
    bad
}

/// Targets and hosts that say clearly what the gateway does not serve.
fn unserved() -> Vec<String> {
    let mut unserved: Vec<String> = [
        "GET a HTTP/1.1",
        "GET /a\\..\\b HTTP/1.1",
        "GET http://b/ HTTP/1.1",
        "GET http://a@b/ HTTP/1.1",
        "GET http://a:b@c/ HTTP/1.1",
        "GET http://a:99999/ HTTP/1.1",
        "GET http://a:x/ HTTP/1.1",
        "GET ://a/ HTTP/1.1",
    ]
    .map(|line| format!("{line}\r\nHost: a\r\n\r\n{BEHIND}"))
    .into();
    for host in [
        "Host:",
        "Host: a, b",
        "Host: a b",
        "Host: a/b",
        "Host: a@b",
        "Host: a:b",
        "Host: a:80:80",
        "Host: [::1",
        "Host: a#b",
        "Host: a?b",
        "Host: a\r\nHost: a",
        "Host: a\r\nhost: b",
    ] {
        unserved.push(format!("GET / HTTP/1.1\r\n{host}\r\n\r\n{BEHIND}"));
        unserved.push(format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: 5\r\n\r\nhello{BEHIND}"));
    }
    unserved
}

fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}")
}

/// Requests that are clear, and how many they are. All but the last keep the connection.
fn good() -> Vec<(String, usize)> {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let after = |request: &str| (format!("{request}{last}"), 2);
    let mut good = vec![
        (last.to_owned(), 1),
        (format!("{get}{get}{get}{last}"), 4),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 1),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        (format!("{last}{last}"), 1),
        after("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        after("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        after("GET http://A:80/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        after("GET / HTTP/1.1\r\nhOST:a\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: [::1]:8280\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: a\r\nX: \u{e4}\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~0: y\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        after("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        after("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        after("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
        after(&post("Content-Length: 005", "hello")),
        after(&post("Content-Length:5", "hello")),
        after(&post("Content-Length: \t5\t ", "hello")),
        after(&post("Content-Length: 29", "GET /inner HTTP/1.1\r\nX: y\r\n\r\n")),
        after(&post("Content-Length: 5\r\nExpect: 100-continue", "hello")),
        after(&post("Content-Length: 0\r\nExpect: 100-continue", "")),
        after(&post("Content-Length: 5\r\nUpgrade: websocket\r\nConnection: upgrade", "hello")),
        after(&post("Connection: Content-Length\r\nContent-Length: 5", "hello")),
    ];
    for header in [
        "Transfer-Encoding: chunked",
        "transfer-encoding:chunked",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding: \tchunked ",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    ] {
        good.push(after(&post(header, "5\r\nhello\r\n0\r\n\r\n")));
    }
    for body in [
        "0\r\n\r\n",
        "000\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        "0005\r\nhello\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n0\r\n\r\n",
        "a\r\n0123456789\r\n0\r\n\r\n",
        "5;a\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;c=\"d\\\" e\"\r\n\r\n",
        "5;a=b;c=d\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n",
        "5\r\n\r\n0\r\n\r\n0\r\n\r\n",
        "1d\r\nGET /inner HTTP/1.1\r\nX: y\r\n\r\n\r\n0\r\n\r\n",
    ] {
        good.push(after(&post("Transfer-Encoding: chunked", body)));
    }
    good
}

/// Requests for which no standard and no caution demands one answer.
fn open() -> Vec<String> {
    let mut open = Vec::new();
    for request in [
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "Get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
        "X / HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: xn--a\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.0\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue, x\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000000005\r\nhello\r\n0\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PRI * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        for (before, _) in BEFORE {
            open.push(format!("{before}{request}{BEHIND}"));
        }
    }
    open
}
