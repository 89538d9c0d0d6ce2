//! Linux control groups (version 1, as on container hosts) that limit the memory or
//! CPU of processes.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// The CPU period, in microseconds.
const PERIOD: u64 = 20_000;

/// A control group. It is removed when this value is dropped.
pub struct Group {
    folder: PathBuf,
}

impl Group {
    /// Creates a group whose processes are killed if together they use more than
    /// this memory, in MiB.
    pub fn of_memory(megabytes: u64) -> io::Result<Self> {
        let group = Self::of("memory")?;
        group.set("memory.limit_in_bytes", megabytes << 20)?;
        Ok(group)
    }

    /// Creates a group whose processes together get 1/`parts` of one CPU.
    pub fn of_processor(parts: u64) -> io::Result<Self> {
        let group = Self::of("cpu")?;
        group.set("cpu.cfs_period_us", PERIOD)?;
        group.set("cpu.cfs_quota_us", PERIOD / parts)?;
        Ok(group)
    }

    fn of(controller: &str) -> io::Result<Self> {
        // A new name each: a group can't be removed before its process has ended.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new("/sys/fs/cgroup").join(controller);
        let folder = folder.join(format!("ccinv-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| {
            let what = format!("no control group {}: {error}", folder.display());
            io::Error::new(error.kind(), what)
        })?;
        Ok(Self { folder })
    }

    fn set(&self, name: &str, value: u64) -> io::Result<()> {
        std::fs::write(self.folder.join(name), value.to_string())
    }

    /// Returns the file to write process ids to.
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Starts a process in the group: it inherits the groups of the thread that
    /// starts it.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let tasks = self.folder.join("tasks");
        let started = std::thread::spawn(move || {
            // 0 is the writing thread.
            std::fs::write(tasks, "0")?;
            command.spawn()
        });
        let started = started.join();
        started.unwrap_or_else(|_| Err(io::Error::other("the starting thread panicked")))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that remains does no harm.
        let _ = std::fs::remove_dir(&self.folder);
    }
}
