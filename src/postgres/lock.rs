//! One Coffer per data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::cannot;
use super::site::make_data_dir;
use crate::error::Fatal;

/// The lock on a data folder that one Coffer holds at a time. It ends with its process, however
/// that ends.
#[derive(Debug)]
pub struct DataLock(File);

impl Drop for DataLock {
    /// Gives the lock up, and not only the file: a child that is just being started has that open, too, until it has
    /// become its program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock on the data folder ends with its file only");
        }
    }
}

impl DataLock {
    /// Takes the lock `coffer.lock` in `data_dir`, and makes the folder where it is missing.
    ///
    /// # Errors
    /// Another Coffer holds the lock, or the folder cannot be written.
    pub fn acquire(data_dir: &Path) -> Result<Self, Fatal> {
        make_data_dir(data_dir)?;
        let path = data_dir.join("coffer.lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(cannot("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(cannot("lock", &path)(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let holder = match file.read_to_string(&mut holder) {
                    Ok(length) if length > 0 => holder,
                    _ => "unknown".to_owned(),
                };
                return Err(Fatal::new(format!(
                    "another Coffer already runs on {} (process {holder}): stop it first, or give \
                     this one a DATA_DIR of its own",
                    data_dir.display()
                )));
            }
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(cannot("write", &path))?;
        Ok(Self(file))
    }
}
