//! The archive: a tar file whose bytes depend on its files only.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// The files of an archive by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Writes an archive: files in order of their names, all with the same owner, mode and
/// time.
///
/// # Errors
/// The error of `out`.
pub fn write(files: &Files, out: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(out);
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    archive.finish()
}

/// Reads the files of an archive.
///
/// # Errors
/// What is wrong: not an archive, a file that is there twice, or anything but files.
pub fn read(archive: impl Read) -> io::Result<Files> {
    let mut files = Files::new();
    let wrong = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| wrong("a name that is no text".to_owned()))?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(wrong(format!("{name}: not a file")));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if files.insert(name.clone(), content).is_some() {
            return Err(wrong(format!("{name}: is there twice")));
        }
    }
    Ok(files)
}
