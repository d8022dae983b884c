//! The folder that holds all state.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::{Failure, OrFail as _};

/// A data folder, open for one process at a time.
#[derive(Debug)]
pub struct Data {
    path: PathBuf,
    // Held for as long as the folder is in use; the kernel lets go of it however the process ends.
    _lock: File,
}

impl Data {
    /// Opens the folder, making it if it is not there, readable for its owner only.
    ///
    /// # Errors
    ///
    /// If it cannot be made or written to, or another process uses it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        if !path.is_dir() {
            let mut builder = DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(path)
                .or_fail(format!("cannot make the data folder {shown}"))?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .or_fail(format!("cannot write to the data folder {shown}"))?;
        lock.try_lock()
            .map_err(|_| Failure::new(format!("the data folder {shown} is in use by another process")))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file in it; none if it is not there.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<String>, Failure> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).or_fail(format!("cannot read {}", path.display())),
        }
    }

    /// Writes a file in it, whole or not at all, readable for its owner only.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        let attempt = format!("cannot write {}", path.display());
        let half = self.path.join(format!(".{name}.new"));
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(true).write(true).mode(0o600).open(&half).or_fail(&attempt)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_fail(&attempt)?;
        fs::rename(&half, &path).or_fail(&attempt)
    }
}
