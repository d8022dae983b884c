//! A file, and how full it is.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Sink;

/// A file of lines that makes way for another when it has reached its limit.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    limit: u64,
}

impl Log {
    pub(super) fn open(path: PathBuf, limit: u64) -> io::Result<Self> {
        let (file, bytes) = open(&path)?;
        Ok(Self { path, file, bytes, limit })
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, old)?;
        (self.file, self.bytes) = open(&self.path)?;
        Ok(())
    }
}

impl Sink for Log {
    /// Writes whole lines, as many of them into each file as fit. One that is longer than the limit gets a
    /// file of its own.
    fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let mut fitting = whole_lines(lines, self.limit.saturating_sub(self.bytes));
            if fitting == 0 {
                if self.bytes > 0 {
                    self.turn()?;
                    continue;
                }
                fitting = memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
            }
            let (now, later) = lines.split_at(fitting);
            self.file.write_all(now)?;
            self.bytes += now.len() as u64;
            lines = later;
        }
        Ok(())
    }

    /// Opens the file that now has the name.
    fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.bytes) = open(&self.path)?;
        Ok(())
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// Bytes of the lines that fit whole into so much room.
pub(crate) fn whole_lines(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    lines.get(..room).and_then(|fitting| memchr::memrchr(b'\n', fitting)).map_or(0, |end| end + 1)
}

/// Callers' names and addresses are in it: it is for its owner only.
fn open(path: &Path) -> io::Result<(File, u64)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}
