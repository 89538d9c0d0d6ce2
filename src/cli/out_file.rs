//! Files that a command writes as a whole: each is replaced at once, or keeps its
//! content.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::CliError;

/// The file of `--out`.
pub(crate) struct OutFile(PathBuf);

impl OutFile {
    /// Checks the destination, before a command does what may take a while.
    pub(crate) fn new(path: &Path) -> Result<Self, CliError> {
        let wrong = |problem: &str| CliError::Usage(format!("--out {}: {problem}", path.display()));
        if path.file_name().is_none() {
            return Err(wrong("not a file name"));
        }
        match path.metadata() {
            Ok(there) if !there.is_file() => return Err(wrong("not a regular file")),
            // Of a link, the file it points to is replaced.
            Ok(_) => {
                let file = path.canonicalize().map_err(|e| wrong(&e.to_string()))?;
                return Ok(Self(file));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(&error.to_string())),
        }
        if !directory_of(path).is_dir() {
            return Err(wrong("its directory does not exist"));
        }
        Ok(Self(path.to_owned()))
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes what `write` writes.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        replace(&self.0, write).map_err(|error| {
            CliError::Usage(format!("--out {}: can't write: {error}", self.0.display()))
        })
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ccinv-").suffix(".tmp");
    // As of any new file, less the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory_of(path))?;
    let mut content = BufWriter::new(&mut file);
    write(&mut content)?;
    content.flush()?;
    drop(content);
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
