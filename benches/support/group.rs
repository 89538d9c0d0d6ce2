//! Control groups (version 1, as container hosts have them) that hold processes
//! to a part of what the machine has.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// In how many microseconds a share of a processor is dealt out anew.
const PERIOD: u64 = 20_000;

/// A control group, which is gone with this.
pub struct Group {
    folder: PathBuf,
}

impl Group {
    /// One whose processes get so many megabytes of memory together, and are
    /// killed if they want more.
    pub fn of_memory(megabytes: u64) -> io::Result<Self> {
        let group = Self::of("memory")?;
        group.set("memory.limit_in_bytes", megabytes << 20)?;
        Ok(group)
    }

    /// One whose processes together get one part of so many of one processor.
    pub fn of_processor(parts: u64) -> io::Result<Self> {
        let group = Self::of("cpu")?;
        group.set("cpu.cfs_period_us", PERIOD)?;
        group.set("cpu.cfs_quota_us", PERIOD / parts)?;
        Ok(group)
    }

    fn of(controller: &str) -> io::Result<Self> {
        // One whose process is not quite gone can't be removed yet.
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

    /// The file that takes the numbers of processes which are to be in it.
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Starts a process that is in it from its first instruction: it is in the
    /// groups of the thread that starts it.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let tasks = self.folder.join("tasks");
        let started = std::thread::spawn(move || {
            // 0 is the thread that writes.
            std::fs::write(tasks, "0")?;
            command.spawn()
        });
        let started = started.join();
        started.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it is gone")))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What is left of it holds nothing up.
        let _ = std::fs::remove_dir(&self.folder);
    }
}
