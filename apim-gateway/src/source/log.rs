//! A snapshot on disk, and the events since.
//!
//! Writing the whole snapshot for each event would cost what there is, not what changed. So an event is
//! appended to a log, and only now and then both become a new snapshot. Events that the snapshot already
//! contains do no harm, which makes a crash between the two harmless.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use apim_core::{Event, Snapshot};

/// Events after which a new snapshot is written.
const MOST_EVENTS: usize = 1_000;

/// The two files.
pub(super) struct Log {
    folder: PathBuf,
    appended: usize,
    /// Whether the log may end in the middle of a line, or lacks an event. What stood behind such a place
    /// would never be read, so nothing is appended until a new snapshot takes its place.
    torn: bool,
    file: Option<File>,
}

impl Log {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, appended: 0, torn: false, file: None }
    }

    /// What was saved last; none if nothing was.
    pub(super) fn load(&mut self) -> io::Result<Option<Snapshot>> {
        // The machine may have stopped in the middle of a line.
        self.torn = true;
        let bytes = match fs::read(self.snapshot()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut snapshot: Snapshot = serde_json::from_slice(&bytes)?;
        let events = match fs::read(self.events()) {
            Ok(events) => events,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(snapshot)),
            Err(error) => return Err(error),
        };
        for line in events.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // The last line may be torn, if the machine stopped while it was written. Whatever comes after a
            // line that cannot be read would leave a gap.
            match serde_json::from_slice::<Event>(line) {
                Ok(event) if event.revision == snapshot.revision().next() => snapshot.apply(event),
                Ok(event) if event.revision <= snapshot.revision() => {}
                _ => break,
            }
        }
        Ok(Some(snapshot))
    }

    /// Replaces all there is: either the old state or the new one is found later, never a part of it.
    pub(super) fn replace(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let new = self.folder.join("snapshot.json.new");
        // One left over from a crash may have other permissions.
        let _ = fs::remove_file(&new);
        let file = private().create_new(true).write(true).open(&new)?;
        let mut writer = BufWriter::new(file);
        serde_json::to_writer(&mut writer, snapshot)?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&new, self.snapshot())?;
        self.file = None;
        match fs::remove_file(self.events()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The new names are only durable once the folder is.
        File::open(&self.folder)?.sync_all()?;
        self.appended = 0;
        self.torn = false;
        Ok(())
    }

    /// The next event makes a new snapshot: something that belongs before it could not be saved.
    pub(super) fn lacks_something(&mut self) {
        self.torn = true;
        self.file = None;
    }

    /// Adds one event. Says whether it is time for a new snapshot, which it is at once if this event could
    /// not be written behind the last.
    pub(super) fn append(&mut self, event: &Event) -> io::Result<bool> {
        if self.torn {
            return Ok(true);
        }
        let written = self.write(event);
        if written.is_err() {
            self.lacks_something();
        }
        written.map(|()| self.appended >= MOST_EVENTS)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        if self.file.is_none() {
            self.file = Some(private().create(true).append(true).open(self.events())?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.appended += 1;
        Ok(())
    }

    fn snapshot(&self) -> PathBuf {
        self.folder.join("snapshot.json")
    }

    fn events(&self) -> PathBuf {
        self.folder.join("events.ndjson")
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// For the owner's eyes only: a snapshot holds hashes of keys.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
