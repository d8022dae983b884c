//! A sink that writes each call as a line of JSON.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use apim_core::{AnalyticsSink, CallEvent};

/// Events that may wait to be written; as many as WSO2's reporters hold.
const QUEUE: usize = 20_000;

/// Writes each call as one line of JSON into a file, on a thread of its own.
///
/// Calls never wait for the disk: when 20,000 events are waiting, further ones are dropped and counted.
/// When the file has reached its limit it is renamed to `….1`, over the one of that name, so that it and its
/// predecessor together never hold much more than twice the limit. Dropping the sink writes what is waiting.
pub struct Lines {
    queue: Option<SyncSender<CallEvent>>,
    writer: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// Appends to a file, which is made if it is not there, up to a limit in bytes.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or no thread can be started.
    pub fn append(path: impl Into<PathBuf>, limit: u64) -> io::Result<Self> {
        let mut log = Log::open(path.into(), limit)?;
        let (queue, events) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = dropped.clone();
        let write = move || {
            while let Some(event) = next(&events, &mut log, &lost) {
                if let Err(error) = log.write(&event) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "a call could not be written to {}", log.path.display());
                }
            }
        };
        let writer = thread::Builder::new().name("analytics".to_owned()).spawn(write)?;
        Ok(Self { queue: Some(queue), writer: Some(writer), dropped })
    }

    /// How many events were not written.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The next event. Before waiting for one, what is buffered goes to the file, so that a reader of the file
/// is never behind while nothing happens.
fn next(events: &Receiver<CallEvent>, log: &mut Log, lost: &AtomicU64) -> Option<CallEvent> {
    match events.try_recv() {
        Ok(event) => Some(event),
        Err(TryRecvError::Disconnected) => None,
        Err(TryRecvError::Empty) => {
            if log.file.flush().is_err() {
                lost.fetch_add(1, Ordering::Relaxed);
            }
            events.recv().ok()
        }
    }
}

impl AnalyticsSink for Lines {
    fn record(&self, event: CallEvent) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(event) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Without a sender the writer sees the end of its queue, once that is empty.
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// The file, and how full it is.
struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    limit: u64,
}

impl Log {
    fn open(path: PathBuf, limit: u64) -> io::Result<Self> {
        let (file, bytes) = open(&path)?;
        Ok(Self { path, file: BufWriter::new(file), bytes, limit })
    }

    fn write(&mut self, event: &CallEvent) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.limit {
            self.turn()?;
        }
        self.bytes += line.len() as u64;
        self.file.write_all(&line)
    }

    fn turn(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, old)?;
        let (file, bytes) = open(&self.path)?;
        (self.file, self.bytes) = (BufWriter::new(file), bytes);
        Ok(())
    }
}

/// Callers' names and addresses are in it: it is for its owner only.
fn open(path: &Path) -> io::Result<(File, u64)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn event(number: u16) -> CallEvent {
        CallEvent {
            request_timestamp: apim_core::Timestamp::default(),
            correlation_id: String::new(),
            key_type: "PRODUCTION",
            api_id: "1".to_owned(),
            api_name: "a\nb".to_owned(),
            api_version: String::new(),
            api_context: String::new(),
            api_creator: String::new(),
            api_method: String::new(),
            api_resource_template: String::new(),
            destination: String::new(),
            application_id: String::new(),
            application_name: String::new(),
            application_owner: String::new(),
            user_name: String::new(),
            user_ip: String::new(),
            user_agent: String::new(),
            proxy_response_code: number,
            target_response_code: -1,
            response_latency: 0,
            backend_latency: 0,
            request_mediation_latency: 0,
            response_mediation_latency: 0,
            response_size: 0,
            error_code: None,
            error_type: None,
            error_message: None,
        }
    }

    #[test]
    fn each_call_is_one_line_and_nothing_is_left_behind_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        for half in [0..50, 50..100] {
            let lines = Lines::append(&path, u64::MAX).unwrap();
            half.for_each(|number| lines.record(event(number)));
            assert_eq!(lines.dropped(), 0);
        }
        let text = fs::read_to_string(path).unwrap();
        let codes = text.lines().map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["proxyResponseCode"].as_u64().unwrap()
        });
        assert!(codes.eq(0..100));
    }

    #[test]
    fn the_file_and_its_predecessor_stay_within_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        let lines = Lines::append(&path, 2000).unwrap();
        (0..200).for_each(|number| lines.record(event(number)));
        drop(lines);
        let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("calls.jsonl") <= 2000 && size("calls.jsonl.1") <= 2000);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.lines().last().unwrap().contains("\"proxyResponseCode\":199"));
    }
}
