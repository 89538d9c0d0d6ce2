//! Checkpoints in a directory: files that are written once.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::error::CheckpointError;
use crate::aws::s3::Put;

/// Returns the names of the files in a directory. One that is not there has none.
pub(super) fn names(path: &Path) -> Result<Vec<String>, CheckpointError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(path, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(path, error))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(|error| failed(path, error))
}

/// Writes a file as a whole, unless it is there.
pub(super) fn put_new(path: &Path, content: &[u8]) -> Result<Put, CheckpointError> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut builder = tempfile::Builder::new();
        // As of any new file, less the umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => sync(folder).map(|()| Put::Done),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Exists),
            Err(error) => Err(error.error),
        }
    };
    written().map_err(|error| failed(path, error))
}

/// Waits until the names in a directory, and its own, would survive a loss of power.
pub(super) fn settle(path: &Path) -> Result<(), CheckpointError> {
    sync(path).map_err(|error| failed(path, error))
}

fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        // The parent of a relative path is empty.
        let is_here = folder.as_os_str().is_empty();
        let folder = if is_here { Path::new(".") } else { folder };
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> CheckpointError {
    CheckpointError::File {
        path: path.display().to_string(),
        source,
    }
}
