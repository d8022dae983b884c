//! Lines that requests leave behind, on their way into a file.
//!
//! A request must neither wait for a disk nor pay for a queue. So each worker has a page of its own, to which
//! lines are added in place: no allocation, no lock but the worker's own, no wake-up. A thread exchanges the
//! page for an empty one when it is full, or four times a second, and writes it down. A full page that nobody
//! has collected yet is laid on a pile, which is bounded; what finds no room on it is dropped and counted.

mod log;
mod object;

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use apim_core::{PerWorker, Worker};

use log::Log;
#[cfg(feature = "otel")]
pub(crate) use log::whole_lines;

pub(crate) use object::{Object, member};

/// Bytes on a page when the writer is called. Some hundred lines, so that calling it costs each nothing.
const FULL: usize = 64 << 10;

/// Bytes that a page has room for: the line that fills it may go beyond.
const PAGE: usize = FULL + (4 << 10);

/// Full pages of a worker when no more lines are taken: a disk may stand still for a quarter of a second or so.
const MOST: usize = 128;

/// Full pages of a worker when it lets the writer go first. Where both share a processor, the writer could otherwise
/// wait for as long as there are requests, and what it writes would have left the processor's caches.
const BEHIND: usize = 2;

/// How long a line may wait for others.
const WAIT: Duration = Duration::from_millis(250);

/// Where lines go. Called by the journal's own thread, which may wait.
pub(crate) trait Sink: fmt::Display + Send + 'static {
    /// Takes whole lines, perhaps none. Those of a page that could not be taken are lost.
    ///
    /// # Errors
    ///
    /// As the place to which they go gives them.
    fn write(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Looks anew for the place to which they go.
    ///
    /// # Errors
    ///
    /// If it is not there.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// To whoever started the process.
struct Stdout;

impl Sink for Stdout {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        io::stdout().lock().write_all(lines)
    }
}

impl fmt::Display for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output")
    }
}

/// Appends lines to a file, on a thread of its own.
///
/// When the file has reached its limit it is renamed to `….1`, over the one of that name, so that it and its
/// predecessor together never hold much more than twice the limit. Dropping the journal writes what is left.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    piles: PerWorker<Pile>,
    dropped: AtomicU64,
    ended: AtomicBool,
    /// Somebody may have moved the file.
    moved: AtomicBool,
}

/// Lines of one worker that are not written yet, and room for two pages of them.
#[derive(Debug)]
struct Pile {
    /// Pages that are full. A page that grew instead would take twice the memory while it does.
    full: Vec<Page>,
    open: Page,
    /// The memory of a page that was written: to ask the system for that of each page costs more than writing it.
    spare: Vec<u8>,
}

impl Pile {
    /// With both its pages, so that what a journal holds does not depend on how fast lines come. A system gives
    /// memory when it is written to: a page that no line reaches costs an address.
    fn new() -> Self {
        let open = Page { bytes: Vec::with_capacity(PAGE), lines: 0 };
        Self { full: Vec::with_capacity(1), open, spare: Vec::with_capacity(PAGE) }
    }
}

#[derive(Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    lines: u64,
}

/// What a line has filled.
#[derive(Debug, PartialEq, Eq)]
enum Filled {
    Nothing,
    /// The first page, for which the writer is called.
    First,
    /// One more page, and the writer has not come for a while.
    TooMany,
}

impl Journal {
    /// Appends to a file, which is made if it is not there, up to a limit in bytes.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or no thread can be started.
    pub(crate) fn append(path: PathBuf, limit: u64, workers: usize) -> io::Result<Self> {
        Self::into(Log::open(path, limit)?, workers)
    }

    /// Writes to standard output.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub(crate) fn stdout(workers: usize) -> io::Result<Self> {
        Self::into(Stdout, workers)
    }

    /// Writes to wherever a sink leads.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub(crate) fn into(sink: impl Sink, workers: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(workers));
        let writing = shared.clone();
        let writer = thread::Builder::new().name("journal".to_owned()).spawn(move || writing.write(sink))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Has the writer open its file anew, as after somebody has moved it away.
    pub(crate) fn reopen(&self) {
        self.shared.moved.store(true, Relaxed);
        self.call_writer();
    }

    /// Adds one line. `write` puts it at the end of the bytes it is given, without a line feed.
    pub(crate) fn line(&self, worker: Worker, write: impl FnOnce(&mut Vec<u8>)) {
        match self.shared.line(worker, write) {
            Filled::Nothing => {}
            Filled::First => self.call_writer(),
            Filled::TooMany => thread::yield_now(),
        }
    }

    /// How many lines were not written.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    fn call_writer(&self) {
        if let Some(writer) = &self.writer {
            writer.thread().unpark();
        }
    }
}

impl Shared {
    fn new(workers: usize) -> Self {
        Self {
            piles: PerWorker::new(workers, Pile::new),
            dropped: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            moved: AtomicBool::new(false),
        }
    }

    /// Adds a line.
    fn line(&self, worker: Worker, write: impl FnOnce(&mut Vec<u8>)) -> Filled {
        let mut pile = self.piles.of(worker);
        if pile.open.bytes.len() >= FULL {
            if pile.full.len() >= MOST {
                self.lost(1);
                return Filled::Nothing;
            }
            let next = Page { bytes: std::mem::take(&mut pile.spare), lines: 0 };
            let full = std::mem::replace(&mut pile.open, next);
            pile.full.push(full);
        }
        if pile.open.bytes.capacity() == 0 {
            pile.open.bytes.reserve_exact(PAGE);
        }
        write(&mut pile.open.bytes);
        pile.open.bytes.push(b'\n');
        pile.open.lines += 1;
        match pile.full.len() {
            _ if pile.open.bytes.len() < FULL => Filled::Nothing,
            0 => Filled::First,
            1..BEHIND => Filled::Nothing,
            _ => Filled::TooMany,
        }
    }

    /// The writer's life: until the journal is dropped, and nothing is left.
    fn write(&self, mut sink: impl Sink) {
        let mut pile = Pile::new();
        let mut failing = false;
        loop {
            // Read first: what stood on a page before the end was announced is then seen below.
            let ended = self.ended.load(Relaxed);
            if self.moved.swap(false, Relaxed)
                && let Err(error) = sink.reopen()
            {
                tracing::warn!(%error, "{sink} could not be opened again");
            }
            for mut filled in self.piles.iter() {
                std::mem::swap(&mut pile, &mut filled);
                drop(filled);
                // One slow moment of the disk is no reason to keep its memory.
                for mut page in pile.full.drain(..) {
                    self.write_page(&mut page, &mut sink, &mut failing);
                    pile.spare = page.bytes;
                }
                pile.full.shrink_to(1);
                self.write_page(&mut pile.open, &mut sink, &mut failing);
            }
            if ended {
                return;
            }
            thread::park_timeout(WAIT);
        }
    }

    /// That lines are lost is told once, and once when none are any more: there may be pages four times a second.
    fn write_page(&self, page: &mut Page, sink: &mut impl Sink, failing: &mut bool) {
        match sink.write(&page.bytes) {
            Err(error) => {
                self.lost(page.lines);
                if !std::mem::replace(failing, true) {
                    tracing::warn!(%error, lines = page.lines, "lines cannot be written to {sink}, and are lost");
                }
            }
            Ok(()) if page.lines > 0 && std::mem::take(failing) => {
                tracing::warn!(lost = self.dropped.load(Relaxed), "lines can be written to {sink} again");
            }
            Ok(()) => {}
        }
        page.lines = 0;
        page.bytes.clear();
        page.bytes.shrink_to(PAGE);
    }

    fn lost(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        self.call_writer();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::sync::mpsc;

    use super::*;

    /// Tells a test of the lines that were written.
    struct Sender(mpsc::Sender<Vec<u8>>);

    impl Sink for Sender {
        fn write(&mut self, lines: &[u8]) -> io::Result<()> {
            match lines.is_empty() {
                true => Ok(()),
                false => self.0.send(lines.to_vec()).map_err(io::Error::other),
            }
        }
    }

    impl fmt::Display for Sender {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a test")
        }
    }

    fn put(journal: &Journal, worker: usize, line: &str) {
        journal.line(Worker(worker), |bytes| bytes.extend_from_slice(line.as_bytes()));
    }

    #[test]
    fn lines_of_a_worker_stand_in_their_order_and_none_is_left_behind_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        for half in [0..5_000, 5_000..10_000] {
            let journal = Journal::append(path.clone(), u64::MAX, 2).unwrap();
            half.for_each(|number| put(&journal, number % 2, &format!("{number} {:-<40}", "")));
            assert_eq!(journal.dropped(), 0);
        }
        let text = fs::read_to_string(path).unwrap();
        let mut numbers: Vec<usize> =
            text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        for worker in 0..2 {
            assert!(numbers.iter().filter(|number| **number % 2 == worker).is_sorted());
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..10_000));
    }

    #[test]
    fn a_line_is_there_soon_though_no_other_follows() {
        let (sender, written) = mpsc::channel();
        let journal = Journal::into(Sender(sender), 1).unwrap();
        put(&journal, 0, "alone");
        assert_eq!(written.recv_timeout(Duration::from_secs(10)).unwrap(), b"alone\n");
    }

    #[test]
    fn the_file_and_its_predecessor_stay_within_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let journal = Journal::append(path.clone(), 2000, 1).unwrap();
        (0..200).for_each(|number| put(&journal, 0, &format!("{number} {:-<400}", "")));
        drop(journal);
        let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("lines") <= 2000 && (1600..=2000).contains(&size("lines.1")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(fs::read_to_string(path).unwrap().lines().last().unwrap().starts_with("199 "));
    }

    #[test]
    fn a_disk_that_stands_still_costs_lines_but_no_more_memory() {
        // Nobody collects these pages.
        let shared = Shared::new(1);
        let quarter = |bytes: &mut Vec<u8>| bytes.resize(bytes.len() + FULL / 4, b'x');
        let filled: Vec<_> = (0..1_000).map(|_| shared.line(Worker(0), quarter)).collect();
        let count = |what: Filled| filled.iter().filter(|filled| **filled == what).count();
        assert_eq!(count(Filled::First), 1, "the writer is called once a pile");
        assert_eq!(count(Filled::TooMany), MOST + 1 - BEHIND, "with each page more it may go first");
        assert_eq!(shared.dropped.load(Relaxed), 1_000 - 4 * (MOST as u64 + 1));
        let pile = shared.piles.of(Worker(0));
        let held: usize = pile.full.iter().chain([&pile.open]).map(|page| page.bytes.capacity()).sum();
        assert!(held <= (MOST + 1) * 2 * FULL, "{held}");
    }
}
